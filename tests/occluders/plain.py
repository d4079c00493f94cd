"""The occluders without pasted objects, and what to ask of them, for the tests that hold for all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ofer_bench.api import Card, Occluder, OcclusionRequest, derive_rng
from ofer_occluders import dropout, gradcam, irregular, none, random_patch, region
from ofer_occluders.fills import FILLS

SIDE, PATCH = 48, 8
OCCLUDERS: Mapping[str, tuple[Card, type[Occluder]]] = {
    "random-patch": (random_patch.CARD, random_patch.RandomPatch),
    "gradcam": (gradcam.CARD, gradcam.GradCam),
    "gradcam-low": (gradcam.LOW_CARD, gradcam.GradCamLow),
    "gradcam-self": (gradcam.SELF_CARD, gradcam.GradCam),
    "centre": (gradcam.CENTRE_CARD, gradcam.Centre),
    "irregular": (irregular.CARD, irregular.Irregular),
    "dropout": (dropout.CARD, dropout.Dropout),
    "eyes": (region.EYES_CARD, region.Eyes),
    "mouth": (region.MOUTH_CARD, region.Mouth),
    "lower-face": (region.LOWER_CARD, region.LowerFace),
    "upper-face": (region.UPPER_CARD, region.UpperFace),
    "left-half": (region.LEFT_CARD, region.LeftHalf),
    "right-half": (region.RIGHT_CARD, region.RightHalf),
    "none": (none.CARD, none.Nothing),
}
REGIONS = ("eyes", "mouth", "lower-face", "upper-face", "left-half", "right-half")
CASES = [(name, fill) for name in OCCLUDERS if name != "none" for fill in FILLS] + [("none", "")]


def make(name: str) -> Occluder:
    return OCCLUDERS[name][1]()


def request(name: str, fill: str, lo: float, hi: float, seed: int = 0) -> OcclusionRequest:
    grid = SIDE // PATCH
    # In steps, so that ties occur.
    relevance = derive_rng("relevance", seed).integers(0, 5, size=(grid, grid)).astype(np.float32)
    if name in REGIONS:
        lo, hi = 0.0, 1.0
    params = {"fill": fill} if fill else {}
    return OcclusionRequest(ratio=(lo, hi), patch_size=PATCH, fill=(120, 100, 90), relevance=relevance, params=params)
