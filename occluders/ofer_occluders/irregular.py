"""Irregular free-form holes, rejection-sampled into a bin of hole-to-image ratios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ofer_bench.api import Card, OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_options, check_ratio, check_same_size
from ofer_occluders.strokes import draw_stroke, stroke_mask

CARD = Card(
    id="irregular",
    kind="occluder",
    version="1",
    title="Irregular free-form masks",
    load="ofer_occluders.irregular:Irregular",
    capability=("pixel",),
    paper="Latent-OFER, Table 9 (irregular masks); ratio bins of Liu et al. 2018",
    fidelity="reconstructed recipe",
    notes="Strokes of our own drawing in place of the NVIDIA mask files, which may not be redistributed.",
)
BORDER = 50 / 512
"""Share of the side that the border rule keeps free of holes."""
MAX_STROKES = 60
MAX_ATTEMPTS = 30


class Irregular:
    """Fills free-form strokes with ``request.fill``; the achieved ratio lies in [lo, hi], hi > lo.

    Option ``border`` (bool, default false): keep a band of 50/512 of the side free of holes.
    """

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Add strokes until a ratio drawn in [lo, hi] is reached; those that would leave the bin are dropped.

        ``image`` uint8 [H,W,3]. Raises OccluderError for an empty bin or one that no attempt reaches.
        """
        check_image(image)
        check_options(request.params, ("border",))
        border = _border(request)
        check_ratio(request.ratio)
        lo, hi = request.ratio
        if lo == hi:
            raise OccluderError(f"irregular masks need a ratio bin, not the one value {lo}", hint="ask for lo < hi")
        size = [int(side) for side in image.shape[:2]]
        for _ in range(MAX_ATTEMPTS):
            params = {
                "size": size,
                "border": border,
                "fill": [int(value) for value in request.fill],
                "strokes": [],
            }
            mask = _grow(params, lo, hi, rng)
            if lo <= mask.mean() <= hi and mask.any():
                return Occlusion(params=params, mask=mask, ratio=float(mask.mean()))
        raise OccluderError(
            f"no irregular mask reached a ratio in [{lo}, {hi}] in {MAX_ATTEMPTS} attempts",
            hint="ask for a wider bin, or one below 0.6 with the border rule",
        )

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the strokes filled."""
        check_image(image)
        check_same_size(image, occlusion.params["size"])
        occluded = image.copy()
        mask = _inside(occlusion.params) & stroke_mask(occlusion.params["size"], occlusion.params["strokes"])
        occluded[mask] = np.asarray(occlusion.params["fill"], dtype=np.uint8)
        return occluded


def _border(request: OcclusionRequest) -> bool:
    border = request.params.get("border", False)
    if not isinstance(border, bool):
        raise OccluderError(f"option 'border' can't be {border!r}", hint="use true or false")
    return border


def _grow(params: dict[str, Any], lo: float, hi: float, rng: np.random.Generator) -> np.ndarray:
    """Fill ``params["strokes"]`` and return their mask."""
    inside = _inside(params)
    mask = np.zeros_like(inside)
    target = rng.uniform(lo, hi)
    for _ in range(MAX_STROKES):
        stroke = draw_stroke(tuple(params["size"]), rng)
        grown = mask | (inside & stroke_mask(params["size"], [stroke]))
        if grown.mean() > hi:
            continue
        mask = grown
        params["strokes"].append(stroke)
        if mask.mean() >= target:
            break
    return mask


def _inside(params: Mapping[str, Any]) -> np.ndarray:
    height, width = params["size"]
    inside = np.ones((height, width), dtype=bool)
    if params["border"]:
        top, left = round(height * BORDER), round(width * BORDER)
        inside[:top] = inside[height - top :] = False
        inside[:, :left] = inside[:, width - left :] = False
    return inside
