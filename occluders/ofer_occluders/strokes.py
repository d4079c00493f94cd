"""Free-form strokes: the random walk with a thick brush that free-form inpainting is trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

REFERENCE_SIDE = 256
"""Side in pixels at which the brush widths of the law are given."""
BRUSH_WIDTH = (12, 40)
VERTICES = (4, 12)
MEAN_TURN = 2 * math.pi / 5
TURN_SPREAD = 2 * math.pi / 15


def draw_stroke(size: tuple[int, int], side: int, rng: np.random.Generator) -> dict[str, Any]:
    """Draw one stroke inside ``size`` (height, width): ``points`` [[x, y], ...] and ``width`` in px.

    Law: 4-12 vertices from a uniform start; turns of 2 pi / 5 +- U(0, 2 pi / 15), alternately mirrored;
    segment lengths N(r, r / 2) clipped to [0, 2 r] with r an eighth of the diagonal; brush 12-40 px where
    the picture's ``side`` is 256 px; random flips.
    """
    height, width = size
    mean_length = math.hypot(height, width) / 8
    # Drawn together and walked through with plain numbers: NumPy's scalars would take most of the time.
    count, spread, across, down, thickness, flip_x, flip_y = rng.random(7).tolist()
    vertices = VERTICES[0] + int(count * (VERTICES[1] - VERTICES[0] + 1))
    half = spread * TURN_SPREAD
    angles = rng.uniform(MEAN_TURN - half, MEAN_TURN + half, size=vertices).tolist()
    lengths = rng.normal(mean_length, mean_length / 2, size=vertices).tolist()
    x, y = across * (width - 1), down * (height - 1)
    points = [(x, y)]
    for vertex, (angle, length) in enumerate(zip(angles, lengths, strict=True)):
        turned = -angle if vertex % 2 == 0 else angle
        step = min(max(length, 0.0), 2 * mean_length)
        x = min(max(x + step * math.sin(turned), 0.0), width - 1.0)
        y = min(max(y + step * math.cos(turned), 0.0), height - 1.0)
        points.append((x, y))
    mirror_x, mirror_y = flip_x < 0.5, flip_y < 0.5
    brush = BRUSH_WIDTH[0] + thickness * (BRUSH_WIDTH[1] - BRUSH_WIDTH[0])
    return {
        "points": [
            [round(width - 1 - x if mirror_x else x), round(height - 1 - y if mirror_y else y)] for x, y in points
        ],
        "width": max(1, round(brush * side / REFERENCE_SIDE)),
    }


def stroke_mask(size: Sequence[int], strokes: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Rasterise strokes with round joints: bool [H,W], True = covered."""
    canvas = Canvas(size)
    canvas.add(*strokes)
    return canvas.mask()


class Canvas:
    """Strokes on an image of ``size`` (height, width); those that were added last can be taken back."""

    def __init__(self, size: Sequence[int]) -> None:
        from PIL import Image

        height, width = size
        self._image = self._before = Image.new("L", (width, height))

    def add(self, *strokes: Mapping[str, Any]) -> None:
        """Draw strokes with round joints."""
        from PIL import ImageDraw

        self._before, self._image = self._image, self._image.copy()
        pen = ImageDraw.Draw(self._image)
        for stroke in strokes:
            points = [(int(x), int(y)) for x, y in stroke["points"]]
            brush = int(stroke["width"])
            half = brush / 2
            pen.line(points, fill=255, width=brush)
            for x, y in points:
                pen.ellipse((x - half, y - half, x + half, y + half), fill=255)

    def undo(self) -> None:
        """Take back what was added last."""
        self._image = self._before

    def covered(self) -> int:
        """Return how many pixels are covered."""
        return self._image.histogram()[255]

    def mask(self) -> np.ndarray:
        """Return what is covered: bool [H,W]."""
        return np.asarray(self._image) > 0
