"""The library of cut-outs that is shipped with the package: rendered by ``docs/render_cutouts.py``, CC0."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from ofer_bench.api import OccluderError
from ofer_occluders.cutouts import Cutout, decode_png, make_cutout

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cut-out of the library; places are on an aligned face of natural size, in sides of its picture.

    ``seen`` kinds may be trained on, others are for testing only. ``worn`` things have their place on the face,
    others are held before it. ``share`` of the picture is covered at natural size. ``sha256`` is of the file and
    ``skin`` is none, all or the SHA-256 of the file that marks the skin in it.
    """

    name: str
    kind: str
    seen: bool
    worn: bool
    share: float
    box: tuple[float, float, float, float]
    middle: Pair
    arm_end: Pair | None
    sha256: str
    skin: str


@lru_cache(maxsize=1)
def entries() -> tuple[Entry, ...]:
    """Return all entries, by name."""
    rows: list[dict[str, Any]] = json.loads(_read("index.json"))
    return tuple(_entry(row) for row in rows)


def _entry(row: dict[str, Any]) -> Entry:
    left, top, right, bottom = row.pop("box")
    middle, arm_end = row.pop("middle"), row.pop("arm_end")
    return Entry(
        box=(left, top, right, bottom),
        middle=(middle[0], middle[1]),
        arm_end=None if arm_end is None else (arm_end[0], arm_end[1]),
        **row,
    )


def library_digest() -> str:
    """Return the SHA-256 of the index, which holds that of every cut-out."""
    return hashlib.sha256(_read("index.json")).hexdigest()


def kinds(*, seen: bool | None = None) -> tuple[str, ...]:
    """Return the kinds of things, sorted: all, or only the ``seen`` or the unseen ones."""
    return tuple(sorted({entry.kind for entry in entries() if seen is None or entry.seen is seen}))


def entry_named(name: str) -> Entry:
    """Return the entry called ``name``; OccluderError when there is none."""
    for entry in entries():
        if entry.name == name:
            return entry
    raise OccluderError(
        f"the library has no cut-out {name!r}", hint="use the version of ofer-bench that made the occlusion"
    )


@lru_cache(maxsize=192)
def library_cutout(name: str) -> Cutout:
    """Decode a cut-out; OccluderError when there is none of that ``name`` or its file has changed.

    All stay in memory once used, 40 MB in the end: decoding one anew takes as long as pasting it.
    """
    entry = entry_named(name)
    rgba = decode_png(_checked(f"{name}.png", entry.sha256), name)
    height, width = rgba.shape[:2]
    if entry.skin in ("none", "all"):
        skin = np.full((height, width), entry.skin == "all")
    else:
        skin = _bits(_checked(f"{name}.skin.png", entry.skin))
    left, top, right, _ = entry.box
    side = width / (right - left)

    def pixel(at: Pair) -> Pair:
        return ((at[0] - left) * side, (at[1] - top) * side)

    arm_end = None if entry.arm_end is None else pixel(entry.arm_end)
    return make_cutout(rgba, skin, side=side, middle=pixel(entry.middle), arm_end=arm_end)


def _bits(content: bytes) -> np.ndarray:
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(content)) as opened:
        return np.asarray(opened.convert("L")) > 0


def _checked(name: str, sha256: str) -> bytes:
    content = _read(name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise OccluderError(f"the library's {name} is damaged", hint="reinstall ofer-bench")
    return content


def _read(name: str) -> bytes:
    try:
        return (files("ofer_occluders") / "library" / name).read_bytes()
    except OSError as error:
        raise OccluderError(f"the library's {name} can't be read: {error}", hint="reinstall ofer-bench") from error
