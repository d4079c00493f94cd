"""How stage outputs look on disk: arrays as ``.npy``, tables as ``.parquet``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ofer_bench.core.hashing import canonical_json, digest, file_digest
from ofer_bench.core.types import FaceSet, SplitData


def write_split(folder: Path, data: SplitData) -> dict[str, Any]:
    """Write images and the index of one part; unreadable samples stand at the end of the index.

    Faces that come with occluders keep their masks (one bit a pixel) and their clean twins. The digest noted is
    that of ids, labels and pixels: equal digests, equal faces, whatever code made them.
    """
    arrays = {"image.npy": data.faces.image}
    if data.faces.occluded is not None:
        arrays["mask.npy"] = np.packbits(data.faces.occluded, axis=-1)
    if data.faces.clean is not None:
        arrays["clean.npy"] = data.faces.clean
    for name, array in arrays.items():
        np.save(folder / name, array)
    rows: list[dict[str, Any]] = [
        {"sample_id": sample, "label": int(label), "error": "", **attributes}
        for sample, label, attributes in zip(data.faces.sample_id, data.faces.label, data.attributes, strict=True)
    ]
    rows += [{"sample_id": u.sample_id, "label": u.label, "error": u.error} for u in data.unreadable]
    pd.DataFrame(rows).to_parquet(folder / "index.parquet", index=False)
    colour = data.faces.image.reshape(-1, 3).mean(axis=0, dtype=np.float64).round().astype(int).tolist()
    listing = [[row["sample_id"], row["label"]] for row in rows]
    return {
        "n": len(data.faces),
        "n_unreadable": len(data.unreadable),
        "mean_colour": colour,
        "digest": digest([listing, *(file_digest(folder / name) for name in arrays)]),
    }


def read_faces(folder: Path) -> FaceSet:
    """Open the readable faces of a split, with masks and clean twins where it has them.

    The images stay on disk until used.
    """
    index = pd.read_parquet(folder / "index.parquet", columns=["sample_id", "label", "error"])
    index = index[index["error"] == ""]
    image = np.load(folder / "image.npy", mmap_mode="r")
    mask, clean = folder / "mask.npy", folder / "clean.npy"
    return FaceSet(
        image=image,
        label=index["label"].to_numpy(np.int64),
        sample_id=tuple(index["sample_id"]),
        occluded=_read_mask(mask) if mask.exists() else None,
        clean=np.load(clean, mmap_mode="r") if clean.exists() else None,
    )


def read_attributes(folder: Path) -> pd.DataFrame:
    """Return one row of attributes per readable face, in the order of :func:`read_faces`."""
    index = pd.read_parquet(folder / "index.parquet")
    return index[index["error"] == ""].drop(columns=["sample_id", "label", "error"]).reset_index(drop=True)


def read_unreadable(folder: Path) -> pd.DataFrame:
    """Return ``sample_id``, ``label`` and ``error`` of the samples that could not be decoded."""
    index = pd.read_parquet(folder / "index.parquet", columns=["sample_id", "label", "error"])
    return index[index["error"] != ""].reset_index(drop=True)


def write_occluded(folder: Path, image: np.ndarray, mask: np.ndarray, params: Sequence[Mapping[str, Any]]) -> None:
    """Write occluded images, their exact masks (one bit a pixel) and the replayable parameters."""
    np.save(folder / "image.npy", image)
    np.save(folder / "mask.npy", np.packbits(mask, axis=-1))
    text = "".join(canonical_json(p) + "\n" for p in params)
    (folder / "params.jsonl").write_text(text, encoding="utf-8")


def read_occluded(split: Path, occluded: Path) -> FaceSet:
    """Open an occluded cell together with its clean twin."""
    clean = read_faces(split)
    return FaceSet(
        image=np.load(occluded / "image.npy", mmap_mode="r"),
        label=clean.label,
        sample_id=clean.sample_id,
        occluded=_read_mask(occluded / "mask.npy"),
        clean=clean.image,
    )


def write_found(folder: Path, mask_patch: np.ndarray, mask_px: np.ndarray | None) -> None:
    """Write what a detector found: bool [N,G,G], and bool [N,H,W] (one bit a pixel) where it names pixels."""
    np.save(folder / "mask_patch.npy", mask_patch)
    if mask_px is not None:
        np.save(folder / "mask_px.npy", np.packbits(mask_px, axis=-1))


def read_found(folder: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Read what :func:`write_found` wrote; pixel masks are square."""
    mask_px = folder / "mask_px.npy"
    patches = np.load(folder / "mask_patch.npy")
    return patches, _read_mask(mask_px) if mask_px.exists() else None


def _read_mask(path: Path) -> np.ndarray:
    """Unpack square masks bool [N,S,S]."""
    packed = np.load(path)
    return np.unpackbits(packed, axis=-1, count=packed.shape[1]).astype(bool)
