"""A user's folder of mask images: white is hole, any size, resized to the picture's by nearest neighbour."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ofer_bench.api import OccluderError
from ofer_occluders.folder import list_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedMask:
    """``mask`` bool [H,W] (True = hole, read-only) and the SHA-256 of the file it comes from."""

    mask: np.ndarray
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFile:
    """A mask at one picture size: the share of its holes, and whether they are all inside the border."""

    name: str
    sha256: str
    ratio: float
    clear: bool


def measure_folder(folder: Path, size: tuple[int, int], inside: tuple[slice, slice]) -> tuple[MaskFile, ...]:
    """Measure every PNG of ``folder`` at ``size`` (height, width), by name; OccluderError when one is unusable.

    ``inside`` are the rows and columns without the border. Files are read again only when they have changed.
    """
    try:
        # A large collection takes seconds to decode, and every face asks for it.
        found = [(name, (folder / name).stat()) for name in list_folder(folder)]
    except OSError as error:
        raise _unreadable(folder, error) from error
    files = tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)
    corner = (inside[0].start, inside[1].start)
    return _measure(str(folder), files, size, corner)


@lru_cache(maxsize=4)
def _measure(
    folder: str, files: tuple[tuple[str, int, int], ...], size: tuple[int, int], corner: tuple[int, int]
) -> tuple[MaskFile, ...]:
    measured = []
    inside = slice(corner[0], size[0] - corner[0]), slice(corner[1], size[1] - corner[1])
    for name, *_ in files:
        loaded = load_mask(Path(folder) / name, size)
        holes = int(np.count_nonzero(loaded.mask))
        measured.append(
            MaskFile(
                name=name,
                sha256=loaded.sha256,
                ratio=holes / loaded.mask.size,
                clear=holes == int(np.count_nonzero(loaded.mask[inside])),
            )
        )
    return tuple(measured)


def load_mask(path: Path, size: tuple[int, int]) -> LoadedMask:
    """Load a mask image at ``size`` (height, width); from mid-grey on, a pixel is a hole."""
    from PIL import Image

    try:
        raw = path.read_bytes()
        with Image.open(path) as opened:
            grey = opened.convert("L").resize((size[1], size[0]), Image.Resampling.NEAREST)
    except (OSError, SyntaxError) as error:
        raise _unreadable(path, error) from error
    mask = np.asarray(grey) >= 128
    mask.setflags(write=False)
    return LoadedMask(mask=mask, sha256=hashlib.sha256(raw).hexdigest())


def _unreadable(path: Path, error: Exception) -> OccluderError:
    return OccluderError(f"mask {path} can't be read: {error}", hint="replace or remove the file")
