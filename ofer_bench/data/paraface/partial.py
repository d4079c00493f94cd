"""Finished subjects of a build that was interrupted: one file each, written at once or not at all."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ofer_bench.data.paraface.build import SubjectImages


def write_subject(folder: Path, number: int, images: SubjectImages) -> None:
    """Keep the images of subject ``number`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"image": images.image}
    if images.clean is not None and images.occluded is not None:
        arrays |= {"clean": images.clean, "occluded": np.packbits(images.occluded, axis=-1)}
    index = json.dumps({"attributes": list(images.attributes), "sample_id": list(images.sample_id)})
    temporary = folder / f".{number:05d}.{os.getpid()}.npz"
    np.savez(temporary, allow_pickle=False, index=np.array(index), **arrays)
    temporary.replace(_path(folder, number))


def read_subject(folder: Path, number: int) -> SubjectImages | None:
    """Return the images of subject ``number``, or None when they are not there or not whole."""
    from ofer_bench.data.paraface.build import SubjectImages

    try:
        with np.load(_path(folder, number)) as file:
            index = json.loads(str(file["index"]))
            image = file["image"]
            with_twin = "clean" in file
            return SubjectImages(
                image=image,
                attributes=index["attributes"],
                sample_id=index["sample_id"],
                clean=file["clean"] if with_twin else None,
                occluded=np.unpackbits(file["occluded"], axis=-1, count=image.shape[2]).astype(bool)
                if with_twin
                else None,
            )
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npz"
