"""What hidden pixels are filled with: the mean colour, black, noise or a blurred copy of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ofer_bench.api import OcclusionRequest
from ofer_occluders.checks import check_choice

FILLS = ("mean", "black", "noise", "blur")
BLUR = 7 / 224
"""Standard deviation of the blur as a share of the image's shorter side: 7 px at 224."""


def draw_fill(request: OcclusionRequest, rng: np.random.Generator) -> dict[str, Any]:
    """Settle what ``request.params["fill"]`` (one of :data:`FILLS`, default ``mean``) asks for, as JSON.

    Draw the shape of an occlusion first: then it is the same under every fill. OccluderError for another fill.
    """
    kind = check_choice("fill", request.params.get("fill", "mean"), FILLS)
    if kind == "mean":
        return {"kind": kind, "colour": [int(value) for value in request.fill]}
    return {"kind": kind, "seed": int(rng.integers(2**32))} if kind == "noise" else {"kind": kind}


def paint(image: np.ndarray, mask: np.ndarray, fill: Mapping[str, Any]) -> np.ndarray:
    """Return a copy of ``image`` uint8 [H,W,3], filled as :func:`draw_fill` said where ``mask`` bool [H,W] is True."""
    painted = image.copy()
    source = _source(image, fill)
    # Channel by channel: a boolean index over pixels takes eight times as long.
    for channel in range(3):
        np.copyto(painted[..., channel], source[..., channel], where=mask)
    return painted


def _source(image: np.ndarray, fill: Mapping[str, Any]) -> np.ndarray:
    """The fill of every pixel: uint8 [H,W,3], or [3] where all are alike."""
    if fill["kind"] == "mean":
        return np.asarray(fill["colour"], dtype=np.uint8)
    if fill["kind"] == "noise":
        # Raw words: of NumPy's streams only a bit generator's own is promised to stay as it is.
        words = np.random.PCG64(fill["seed"]).random_raw(-(-image.size // 8))
        return words.astype("<u8").view(np.uint8)[: image.size].reshape(image.shape)
    if fill["kind"] == "blur":
        from PIL import Image, ImageFilter

        blur = ImageFilter.GaussianBlur(BLUR * min(image.shape[:2]))
        return np.asarray(Image.fromarray(image).filter(blur))
    return np.zeros(3, dtype=np.uint8)
