"""Parts of the face in aligned crops: eyes, mouth, lower and upper face, left and right half."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from ofer_bench.api import Card, OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_options, check_ratio, check_same_size
from ofer_occluders.fills import draw_fill, paint

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the sides."""
JITTER = 0.03
"""Every edge inside the picture moves by up to this share of the side."""
MAX_ATTEMPTS = 400


def _card(region: str, title: str, name: str) -> Card:
    return Card(
        id=region,
        kind="occluder",
        version="1",
        title=title,
        load=f"ofer_occluders.region:{name}",
        capability=("pixel", "aligned"),
        notes="Ours, not of the paper. The region lies where aligned crops have it; others hide something else.",
    )


EYES_CARD = _card("eyes", "Eye band", "Eyes")
MOUTH_CARD = _card("mouth", "Mouth", "Mouth")
LOWER_CARD = _card("lower-face", "Lower face", "LowerFace")
UPPER_CARD = _card("upper-face", "Upper face", "UpperFace")
LEFT_CARD = _card("left-half", "Left half of the picture", "LeftHalf")
RIGHT_CARD = _card("right-half", "Right half of the picture", "RightHalf")


class Region:
    """Fills one box of an aligned crop: eyes at (0.32, 0.355) and (0.68, 0.355), mouth at (0.5, 0.793) of the side.

    The region decides the ratio: every edge inside the picture moves by up to 0.03 of the side. The request's ratio
    selects among these sizes, and (0, 1) takes them all. Option ``fill`` as for ``random-patch``.
    """

    box: Box

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw the box for ``image`` uint8 [H,W,3]; OccluderError when the region has no size in [lo, hi]."""
        check_image(image)
        check_options(request.params, ("fill",))
        check_ratio(request.ratio)
        lo, hi = request.ratio
        height, width = image.shape[:2]
        for _ in range(MAX_ATTEMPTS):
            moved = [share + JITTER * rng.uniform(-1, 1) * (0 < share < 1) for share in self.box]
            pixels = [round(share * side) for share, side in zip(moved, (width, height) * 2, strict=True)]
            ratio = (pixels[2] - pixels[0]) * (pixels[3] - pixels[1]) / (height * width)
            if lo <= ratio <= hi:
                params = {"size": [height, width], "box": pixels, "fill": draw_fill(request, rng)}
                return Occlusion(params=params, mask=_mask(params), ratio=ratio)
        smallest, largest = self._extent()
        raise OccluderError(
            f"this region covers between {smallest:.3f} and {largest:.3f} of an aligned face, not ({lo:g}, {hi:g})",
            hint="the region decides the ratio: ask for (0, 1), or for a range of at least 0.01 inside these values",
        )

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the box filled."""
        check_image(image)
        check_same_size(image, occlusion.params["size"])
        return paint(image, _mask(occlusion.params), occlusion.params["fill"])

    def _extent(self) -> tuple[float, float]:
        edges = [(share - JITTER, share + JITTER) if 0 < share < 1 else (share,) for share in self.box]
        areas = [(right - left) * (bottom - top) for left, top, right, bottom in product(*edges)]
        return min(areas), max(areas)


class Eyes(Region):
    """A band over both eyes."""

    box = (0.17, 0.25, 0.83, 0.45)


class Mouth(Region):
    """A box over the mouth."""

    box = (0.28, 0.69, 0.72, 0.9)


class LowerFace(Region):
    """Everything below the bridge of the nose."""

    box = (0.0, 0.53, 1.0, 1.0)


class UpperFace(Region):
    """Everything above the tip of the nose."""

    box = (0.0, 0.0, 1.0, 0.53)


class LeftHalf(Region):
    """The left half of the picture, where an unmirrored face has its right side."""

    box = (0.0, 0.0, 0.5, 1.0)


class RightHalf(Region):
    """The right half of the picture."""

    box = (0.5, 0.0, 1.0, 1.0)


def _mask(params: Mapping[str, Any]) -> np.ndarray:
    left, top, right, bottom = params["box"]
    mask = np.zeros(params["size"], dtype=bool)
    mask[top:bottom, left:right] = True
    return mask
