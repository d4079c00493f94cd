"""Coarse dropout: a few rectangular holes that together cover the asked share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ofer_bench.api import Card, OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_options, check_ratio, check_same_size
from ofer_occluders.fills import draw_fill, paint

CARD = Card(
    id="dropout",
    kind="occluder",
    version="1",
    title="Coarse dropout",
    load="ofer_occluders.dropout:Dropout",
    capability=("pixel",),
    notes="Ours, not of the paper: the holes of cut-out and coarse dropout augmentation, sized into a ratio bin.",
)
MAX_HOLES = 8
ASPECT = 2.0
"""Holes are up to this much wider than high, or higher than wide."""
MAX_ATTEMPTS = 30
HALVINGS = 16


class Dropout:
    """Fills 1 to 8 rectangular holes of one area and several shapes; the achieved ratio lies in [lo, hi], hi > lo.

    Holes may overlap and are cut off at the picture's edge. Option ``fill`` as for ``random-patch``.
    """

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw number, places and shapes for ``image`` uint8 [H,W,3], and size them to a ratio drawn in [lo, hi].

        Raises OccluderError for a ratio that is one value, or a range that whole pixels don't reach.
        """
        check_image(image)
        check_options(request.params, ("fill",))
        check_ratio(request.ratio)
        lo, hi = request.ratio
        if lo == hi:
            raise OccluderError(f"dropout needs a ratio bin, not the one value {lo}", hint="ask for lo < hi")
        size = (int(image.shape[0]), int(image.shape[1]))
        for _ in range(MAX_ATTEMPTS):
            holes = _draw(size, float(rng.uniform(lo, hi)), rng)
            mask = _mask(size, holes)
            ratio = np.count_nonzero(mask) / mask.size
            if lo <= ratio <= hi and mask.any():
                params = {"size": list(size), "holes": holes, "fill": draw_fill(request, rng)}
                return Occlusion(params=params, mask=mask, ratio=ratio)
        raise OccluderError(
            f"no holes reached a ratio in [{lo}, {hi}] in {MAX_ATTEMPTS} attempts",
            hint="ask for a wider range, or use larger images",
        )

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the holes filled."""
        check_image(image)
        params: Mapping[str, Any] = occlusion.params
        check_same_size(image, params["size"])
        return paint(image, _mask(params["size"], params["holes"]), params["fill"])


def _draw(size: tuple[int, int], ratio: float, rng: np.random.Generator) -> list[list[int]]:
    """Holes [left, top, right, bottom] in px that cover about ``ratio``; their common scale is found by halving."""
    count = int(rng.integers(1, MAX_HOLES + 1))
    centre = rng.uniform(0, 1, size=(count, 2)) * (size[1], size[0])
    stretch = ASPECT ** rng.uniform(-0.5, 0.5, size=count)
    half = np.stack([stretch, 1 / stretch], axis=1) * (min(size) / 2)
    # At its largest scale the smallest hole reaches every corner from any other.
    low, high = 0.0, 2 * ASPECT * max(size) / min(size)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        covered = np.count_nonzero(_mask(size, _holes(centre, middle * half, size)))
        low, high = (middle, high) if covered < ratio * size[0] * size[1] else (low, middle)
    return _holes(centre, high * half, size)


def _holes(centre: np.ndarray, half: np.ndarray, size: tuple[int, int]) -> list[list[int]]:
    edges = np.rint(np.concatenate([centre - half, centre + half], axis=1)).astype(int)
    holes: list[list[int]] = edges.clip(0, (size[1], size[0]) * 2).tolist()
    return holes


def _mask(size: tuple[int, int], holes: list[list[int]]) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    for left, top, right, bottom in holes:
        mask[top:bottom, left:right] = True
    return mask
