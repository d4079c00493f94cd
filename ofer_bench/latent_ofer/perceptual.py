"""What the losses of the hybrid network read of a face: features for L_c and L_df, logits for L_sc."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ofer_bench.latent_ofer.unet import MASK_FILL
from ofer_bench.latent_ofer.upstream import ExpressionNetwork, levels_and_logits

FEATURE_LEVEL = {"resnet18": 1, "vgg16": 2}
"""Perceptual networks, and the level that L_df reads: the second stage of four, relu3_3 (CSA, Liu et al. 2019)."""


class PerceptualNetwork(Protocol):
    """A frozen network whose features L_c and L_df compare; differentiable in its input."""

    def feature_levels(self, image01: Tensor) -> tuple[Tensor, ...]:
        """Return maps [B,C,h,w] of ``image01`` [B,3,H,W] in [0,1], finest first."""
        ...


def levels_and_judgement(
    perceptual: PerceptualNetwork, expression: ExpressionNetwork, image01: Tensor, part_px: Tensor | None = None
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return the perceptual levels of ``image01`` [B,3,H,W] and the FER logits [B,K]: one pass of each network.

    Where ``part_px`` bool [B,1,H,W] is given, the FER network sees grey but there.
    """
    if part_px is None and perceptual is expression:
        return levels_and_logits(expression, image01)
    judged = image01 if part_px is None else image01.masked_fill(~part_px, MASK_FILL)
    return perceptual.feature_levels(image01), levels_and_logits(expression, judged)[1]
