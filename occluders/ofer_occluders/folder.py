"""PNG files in a folder of the user's, and the cut-outs among them (RGBA)."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from ofer_bench.api import OccluderError
from ofer_occluders.cutouts import Cutout, decode_png, make_cutout

NATURAL = 0.6
"""Nobody knows how large a user's thing is: its longest side counts as this share of the picture."""


def list_folder(folder: Path) -> list[str]:
    """Return the names of the PNG files in ``folder``, sorted, so that no file system decides the order."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() == ".png")
    except OSError as error:
        raise OccluderError(
            f"folder {folder} can't be read: {error.strerror}", hint="name a folder of PNG files"
        ) from error
    if not names:
        raise OccluderError(f"folder {folder} holds no PNG file", hint="put PNG files there")
    return names


def folder_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every PNG file in ``folder`` by name."""
    return {name: hashlib.sha256(_content(folder / name)).hexdigest() for name in list_folder(folder)}


def folder_cutout(path: Path) -> tuple[Cutout, str]:
    """Load a PNG with alpha; return it with the SHA-256 of its bytes. OccluderError when unusable."""
    try:
        stat = path.stat()
    except OSError as error:
        raise OccluderError(f"cut-out {path} can't be read: {error}", hint="mend the folder") from error
    return _load(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _load(path: Path, changed: int, length: int) -> tuple[Cutout, str]:
    content = _content(path)
    rgba = decode_png(content, str(path))
    height, width = rgba.shape[:2]
    cutout = make_cutout(
        rgba,
        np.zeros((height, width), dtype=bool),
        side=max(height, width) / NATURAL,
        middle=(width / 2, height / 2),
    )
    return cutout, hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OccluderError(f"{path} can't be read: {error}", hint="mend the folder") from error
