"""The drawn cut-outs: which kinds there are, where on a face they go, and how to draw one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from ofer_occluders.drawing import Board
from ofer_occluders.handheld import draw_book, draw_fruit, draw_hand, draw_mug, draw_phone
from ofer_occluders.worn import (
    draw_bottle,
    draw_microphone,
    draw_scarf,
    draw_sunglasses,
    draw_surgical_mask,
)

Region = tuple[float, float, float, float]
ANYWHERE: Region = (0.3, 0.3, 0.7, 0.75)
"""Central face area of an aligned crop: left, top, right, bottom as shares of the side."""
EYES: Region = (0.42, 0.34, 0.58, 0.46)
MOUTH: Region = (0.42, 0.62, 0.58, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """An RGBA cut-out: premultiplied linear light float32 [h,w,4] in [0,1], read-only.

    ``unit`` px is the length that placement scales by, ``anchor`` px (x, y) the point put at the centre.
    """

    rgba: np.ndarray
    unit: float
    anchor: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How to draw a kind of object and where it goes.

    ``region`` holds the centre, ``anchor`` is the point of the drawing (shares of its side) put there.
    ``reach`` continues the bottom row by that many sides, so that a forearm always leaves the picture.
    ``lean`` degrees is how far the object turns outwards at the region's edge (hands point inwards).
    """

    draw: Callable[[Board, np.random.Generator], None]
    region: Region = ANYWHERE
    anchor: tuple[float, float] = (0.5, 0.5)
    reach: float = 0.0
    lean: float = 0.0


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "hand": Kind(draw=draw_hand, region=(0.3, 0.5, 0.7, 0.75), anchor=(0.5, 0.3), reach=2.0, lean=35.0),
        "mug": Kind(draw=draw_mug),
        "phone": Kind(draw=draw_phone),
        "book": Kind(draw=draw_book),
        "fruit": Kind(draw=draw_fruit),
        "sunglasses": Kind(draw=draw_sunglasses, region=EYES),
        "surgical-mask": Kind(draw=draw_surgical_mask, region=MOUTH),
        "scarf": Kind(draw=draw_scarf, region=MOUTH),
        "microphone": Kind(draw=draw_microphone, anchor=(0.5, 0.4)),
        "bottle": Kind(draw=draw_bottle),
    }
)


@lru_cache(maxsize=8)
def draw_cutout(kind: str, seed: int, side: int) -> Cutout:
    """Draw one cut-out of a kind of :data:`KINDS` at ``side`` px; the same arguments give the same bytes.

    Cached, since an occlusion is drawn twice: when its ratio is sought and when it is applied.
    """
    entry = KINDS[kind]
    board = Board(side)
    entry.draw(board, np.random.Generator(np.random.PCG64(seed)))
    rgba = np.pad(board.rgba, ((0, round(entry.reach * side)), (0, 0), (0, 0)), mode="edge")
    rgba.setflags(write=False)
    return Cutout(rgba=rgba, unit=float(side), anchor=(entry.anchor[0] * side, entry.anchor[1] * side))
