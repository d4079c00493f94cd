"""The objective of the hybrid reconstruction network (section 3.2.3, Eq. 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ofer_bench.api import PluginError


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Trade-off parameters of Eq. 5, with the values of section 4.2, and of ``label``, which is none of its terms."""

    reconstruction: float = 1.0
    consistency: float = 0.01
    semantic_consistency: float = 1.0
    discriminator: float = 0.002
    label: float = 0.0

    @classmethod
    def from_extra(cls, extra: Mapping[str, object]) -> LossWeights:
        """Read overrides from ``extra["loss_weights"]``, a mapping with the names of the fields."""
        given = extra.get("loss_weights", {})
        known = {f.name for f in fields(cls)}
        if not isinstance(given, Mapping) or not set(given) <= known:
            raise PluginError(
                f"loss_weights {given!r} not understood", hint=f"a mapping with keys among {sorted(known)}"
            )
        return cls(**{name: float(value) for name, value in given.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTerms:
    """The scalar terms of Eq. 5, as the generator sees them, and ``label``.

    ``label`` is the cross-entropy of the U-Net's encoder as a FER network, where it is trained as one: "the FER network
    is trained with the same feature extraction architecture" (section 3.2.3), read as a task beside the restoring.
    """

    reconstruction: Tensor
    consistency: Tensor
    semantic_consistency: Tensor
    patch_discriminator: Tensor
    feature_discriminator: Tensor
    label: Tensor | float = 0.0

    def total(self, weights: LossWeights) -> Tensor:
        """Eq. 5: lambda_re L_re + lambda_c L_c + lambda_sc L_sc + lambda_d (L_d + L_df), and ``label``."""
        return (
            weights.reconstruction * self.reconstruction
            + weights.consistency * self.consistency
            + weights.semantic_consistency * self.semantic_consistency
            + weights.discriminator * (self.patch_discriminator + self.feature_discriminator)
            + weights.label * self.label
        )


def reconstruction_loss(image: Tensor, target: Tensor, hole_px: Tensor) -> Tensor:
    """L_re: mean absolute error over the whole face plus the same over the hole alone.

    Images [B,3,H,W] in [0,1]; ``hole_px`` bool [B,1,H,W]. The paper names the loss and leaves its form open;
    the second term keeps small holes from drowning in known pixels.
    """
    error = (image - target).abs()
    return error.mean() + _hole_mean(error, hole_px)


def consistency_loss(features: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """L_c: mean squared error between feature maps [B,C,h,w] inside ``hole`` bool [B,1,h,w]; 0 if empty."""
    return _hole_mean((features - target).square(), hole)


def semantic_consistency(logits: Tensor, logits_truth: Tensor) -> Tensor:
    """Eq. 4: cross-entropy -sum_c p_c(gt) log p_c(rec), mean over the batch; logits [B,K].

    The equation is printed without the minus sign; minimising it so would drive the distributions apart.
    """
    truth = torch.softmax(logits_truth, dim=1)
    return -(truth * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


def relativistic_loss(above: Tensor, below: Tensor) -> Tensor:
    """Relativistic average least squares: ``above`` shall score 1 over the mean of ``below``, and vice versa.

    The discriminator takes (real, fake), the generator (fake, real); raw scores of any shape.
    """
    return 0.5 * ((above - below.mean() - 1).square().mean() + (below - above.mean() + 1).square().mean())


def _hole_mean(error: Tensor, hole: Tensor) -> Tensor:
    """Mean of [B,C,H,W] over the positions of ``hole`` [B,1,H,W]."""
    return (error * hole).sum() / (hole.sum() * error.shape[1]).clamp(min=1)
