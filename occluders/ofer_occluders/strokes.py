"""Free-form strokes: the random walk with a thick brush that free-form inpainting is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

REFERENCE_SIDE = 256
"""Side in pixels at which the brush widths of the law are given."""
BRUSH_WIDTH = (12, 40)
VERTICES = (4, 12)
MEAN_TURN = 2 * np.pi / 5
TURN_SPREAD = 2 * np.pi / 15


def draw_stroke(size: tuple[int, int], rng: np.random.Generator) -> dict[str, Any]:
    """Draw one stroke for an image of ``size`` (height, width): ``points`` [[x, y], ...] and ``width`` in px.

    Law: 4-12 vertices from a uniform start; turns of 2 pi / 5 +- U(0, 2 pi / 15), alternately mirrored;
    segment lengths N(r, r / 2) clipped to [0, 2 r] with r an eighth of the diagonal; brush 12-40 px at
    256 px; random flips.
    """
    height, width = size
    mean_length = float(np.hypot(height, width)) / 8
    spread = float(rng.uniform(0, TURN_SPREAD))
    points = [(float(rng.uniform(0, width - 1)), float(rng.uniform(0, height - 1)))]
    for vertex in range(int(rng.integers(VERTICES[0], VERTICES[1] + 1))):
        angle = float(rng.uniform(MEAN_TURN - spread, MEAN_TURN + spread))
        if vertex % 2 == 0:
            angle = 2 * np.pi - angle
        length = float(np.clip(rng.normal(mean_length, mean_length / 2), 0, 2 * mean_length))
        x, y = points[-1]
        points.append(
            (
                float(np.clip(x + length * np.sin(angle), 0, width - 1)),
                float(np.clip(y + length * np.cos(angle), 0, height - 1)),
            )
        )
    mirror_x, mirror_y = bool(rng.integers(2)), bool(rng.integers(2))
    return {
        "points": [
            [round(width - 1 - x if mirror_x else x), round(height - 1 - y if mirror_y else y)] for x, y in points
        ],
        "width": max(1, round(float(rng.uniform(*BRUSH_WIDTH)) * min(height, width) / REFERENCE_SIDE)),
    }


def stroke_mask(size: Sequence[int], strokes: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Rasterise strokes with round joints: bool [H,W], True = covered."""
    canvas = Canvas(size)
    for stroke in strokes:
        canvas.add(stroke)
    return canvas.mask()


class Canvas:
    """Strokes on an image of ``size`` (height, width), one after the other; the last one can be taken back."""

    def __init__(self, size: Sequence[int]) -> None:
        from PIL import Image

        height, width = size
        self._image = self._before = Image.new("L", (width, height))

    def add(self, stroke: Mapping[str, Any]) -> None:
        """Draw a stroke with round joints."""
        from PIL import ImageDraw

        self._before, self._image = self._image, self._image.copy()
        pen = ImageDraw.Draw(self._image)
        points = [(int(x), int(y)) for x, y in stroke["points"]]
        brush = int(stroke["width"])
        pen.line(points, fill=1, width=brush)
        for x, y in points:
            pen.ellipse((x - brush / 2, y - brush / 2, x + brush / 2, y + brush / 2), fill=1)

    def undo(self) -> None:
        """Take the last stroke back."""
        self._image = self._before

    def mask(self) -> np.ndarray:
        """Return what is covered: bool [H,W], read-only."""
        return np.asarray(self._image).view(np.bool_)
