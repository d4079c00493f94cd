from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ofer_bench.core.types import FaceSet, SplitData, UnreadableSample
from ofer_bench.engine.files import read_attributes, read_faces, read_unreadable, write_split
from tests.conftest import toy_faces

LOST = UnreadableSample(sample_id="lost", label=3, error="is not an image")


def occluded_faces(count: int = 5, size: int = 35) -> FaceSet:
    """Toy faces with a twin and a random mask; the side is no multiple of eight, as a packed row may end anywhere."""
    clean = toy_faces(count, size)
    occluded = np.random.default_rng(1).random((count, size, size)) < 0.3
    image = np.where(occluded[..., None], np.uint8(7), clean.image)
    return replace(clean, image=image, occluded=occluded, clean=clean.image)


def split(faces: FaceSet) -> SplitData:
    attributes = [{"subject": f"s{i}", "ratio": i / 10} for i in range(len(faces))]
    return SplitData(faces=faces, attributes=attributes, unreadable=[LOST])


def test_masks_and_twins_come_back_bit_for_bit(tmp_path: Path) -> None:
    faces = occluded_faces()
    meta = write_split(tmp_path, split(faces))
    again = read_faces(tmp_path)
    assert again.occluded is not None and again.clean is not None and faces.occluded is not None
    assert again.occluded.dtype == bool
    np.testing.assert_array_equal(again.occluded, faces.occluded)
    np.testing.assert_array_equal(again.clean, faces.clean)
    np.testing.assert_array_equal(again.image, faces.image)
    assert again.sample_id == faces.sample_id
    assert (meta["n"], meta["n_unreadable"]) == (5, 1)
    assert list(read_unreadable(tmp_path)["sample_id"]) == ["lost"]


def test_a_plain_split_has_neither(tmp_path: Path) -> None:
    write_split(tmp_path, split(toy_faces(5)))
    again = read_faces(tmp_path)
    assert again.occluded is None
    assert again.clean is None
    assert {p.name for p in tmp_path.iterdir()} == {"image.npy", "index.parquet"}


def test_the_digest_covers_masks_and_twins(tmp_path: Path) -> None:
    faces = occluded_faces()
    assert faces.occluded is not None and faces.clean is not None
    variants = {
        "same": faces,
        "copy": replace(faces, image=faces.image.copy()),
        "mask": replace(faces, occluded=~faces.occluded),
        "twin": replace(faces, clean=255 - faces.clean),
        "plain": replace(faces, occluded=None, clean=None),
    }
    digests = {}
    for name, variant in variants.items():
        (tmp_path / name).mkdir()
        digests[name] = write_split(tmp_path / name, split(variant))["digest"]
    assert digests["same"] == digests["copy"]
    assert len(set(digests.values())) == len(digests) - 1


def test_attributes_leave_out_what_could_not_be_read(tmp_path: Path) -> None:
    write_split(tmp_path, split(toy_faces(3)))
    expected = pd.DataFrame({"subject": ["s0", "s1", "s2"], "ratio": [0.0, 0.1, 0.2]})
    pd.testing.assert_frame_equal(read_attributes(tmp_path), expected, check_dtype=False)
