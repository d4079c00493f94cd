"""Things that ride on the head: hair and occluders as coloured triangles in the frame of the resting head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SURFACES: tuple[str, ...] = ("cloth", "plastic", "skin", "metal", "paper", "hair")
"""What a triangle is made of; ``Geometry.surface`` holds indices into this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Coloured triangles in decimetres: x to the subject's left, y up, z forward, as ``HeadModel`` has them.

    ``vertices`` float32 [V,3]; ``triangles`` int32 [F,3]; ``normal`` float32 [V,3], unit; ``colour`` float32
    [V,3], linear sRGB albedo in [0,1]; ``surface`` int32 [F] into ``SURFACES``. ``tangent`` float32 [V,3] is the
    unit direction of a strand and ``grain`` float32 [V,2] its coordinates (across in [-1,1], along in [0,1],
    root to tip); both are zero on everything but hair.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    normal: np.ndarray
    colour: np.ndarray
    surface: np.ndarray
    tangent: np.ndarray
    grain: np.ndarray

    def __len__(self) -> int:
        return len(self.triangles)


def solid(vertices: np.ndarray, triangles: np.ndarray, colour: np.ndarray, surface: str) -> Geometry:
    """Build a smooth-shaded piece of one ``surface``; ``colour`` is one RGB [3] or one per vertex [V,3]."""
    vertices = np.asarray(vertices, dtype=np.float32)
    count = len(vertices)
    return Geometry(
        vertices=vertices,
        triangles=np.asarray(triangles, dtype=np.int32),
        normal=smooth_normals(vertices, triangles),
        colour=np.broadcast_to(np.asarray(colour, dtype=np.float32), (count, 3)).copy(),
        surface=np.full(len(triangles), SURFACES.index(surface), dtype=np.int32),
        tangent=np.zeros((count, 3), dtype=np.float32),
        grain=np.zeros((count, 2), dtype=np.float32),
    )


def merge(pieces: Sequence[Geometry]) -> Geometry:
    """Join pieces into one; at least one is needed."""
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    shifted = [piece.triangles + start for piece, start in zip(pieces, starts, strict=False)]
    return Geometry(
        vertices=np.concatenate([piece.vertices for piece in pieces]),
        triangles=np.concatenate(shifted).astype(np.int32),
        normal=np.concatenate([piece.normal for piece in pieces]),
        colour=np.concatenate([piece.colour for piece in pieces]),
        surface=np.concatenate([piece.surface for piece in pieces]),
        tangent=np.concatenate([piece.tangent for piece in pieces]),
        grain=np.concatenate([piece.grain for piece in pieces]),
    )


def smooth_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals float32 [V,3] of a mesh [V,3] with triangles [F,3]."""
    a, b, c = (vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros((len(vertices), 3))
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(triangles[:, corner], weights=face[:, axis], minlength=len(vertices))
    length = np.sqrt((total**2).sum(axis=1, keepdims=True))
    return (total / np.maximum(length, 1e-12)).astype(np.float32)
