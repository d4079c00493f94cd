"""Things that stand before a face or are worn on it, as geometry that throws shadows: ``build_prop``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from ofer_bench.core.errors import UnknownName
from ofer_bench.data.paraface.geometry import Geometry
from ofer_bench.data.paraface.model import HeadModel
from ofer_bench.data.paraface.props.eyewear import build_glasses, build_sunglasses
from ofer_bench.data.paraface.props.hand import build_hand
from ofer_bench.data.paraface.props.headwear import build_cap, build_hair_strands
from ofer_bench.data.paraface.props.held import (
    build_apple,
    build_banana,
    build_book,
    build_bottle,
    build_cup,
    build_ice_cream,
    build_microphone,
    build_phone,
)
from ofer_bench.data.paraface.props.surface import Face, face_of
from ofer_bench.data.paraface.props.worn import build_cloth_mask, build_scarf, build_surgical_mask

_Builder = Callable[[Face, np.random.Generator, np.ndarray], tuple[Geometry, dict[str, object]]]
_BUILDERS: dict[str, _Builder] = {
    "hand": build_hand,
    "cup": build_cup,
    "phone": build_phone,
    "book": build_book,
    "cap": build_cap,
    "glasses": build_glasses,
    "hair-strands": build_hair_strands,
    "sunglasses": build_sunglasses,
    "surgical-mask": build_surgical_mask,
    "cloth-mask": build_cloth_mask,
    "scarf": build_scarf,
    "microphone": build_microphone,
    "bottle": build_bottle,
    "apple": build_apple,
    "banana": build_banana,
    "ice-cream": build_ice_cream,
}


def build_prop(
    kind: str,
    head: HeadModel,
    vertices: np.ndarray,
    rng: np.random.Generator,
    *,
    skin: tuple[float, float, float],
) -> tuple[Geometry, dict[str, object]]:
    """Fit one prop of ``kind`` (of ``PROPS`` or ``FOOD``) to a face: geometry in its frame, and what was drawn.

    ``vertices`` [V,3] are those of ``head`` with any identity and expression, in decimetres; ``skin`` is the
    subject's linear sRGB albedo, for hands. The record holds plain JSON values. Equal generators give equal
    props. Raises :class:`~ofer_bench.core.errors.UnknownName` for another kind, and
    :class:`~ofer_bench.core.errors.DatasetMissing` when the hand's files are missing.
    """
    if kind not in _BUILDERS:
        raise UnknownName("prop", kind, tuple(_BUILDERS), get_close_matches(kind, _BUILDERS, n=1))
    vertices = np.asarray(vertices, dtype=np.float64)
    # Bodies of other heights carry their heads elsewhere; props are designed where the resting head is.
    shift = np.concatenate([vertices[index] - head.rest[index] for index in head.eye_vertices]).mean(axis=0)
    shift[0] = 0.0
    geometry, record = _BUILDERS[kind](face_of(head, vertices - shift), rng, np.asarray(skin, dtype=np.float64))
    moved = (geometry.vertices + shift).astype(np.float32)
    return replace(geometry, vertices=moved), {"kind": kind, **record}
