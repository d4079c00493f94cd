"""Labels that the U-Net's encoder goes on learning while it learns to restore."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from ofer_bench.api import PluginError
from ofer_bench.latent_ofer.fer_encoder import label_logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What the encoder learns beside: ``head`` on its end, and classes int64 [B]."""

    head: nn.Linear
    label: Tensor | None

    def loss(self, deepest: Tensor) -> Tensor:
        """Cross-entropy of what ``head`` reads in ``deepest`` [B,C,h,w]."""
        assert self.label is not None
        return F.cross_entropy(label_logits(self.head, deepest), self.label)


def label_head(start: nn.Linear | None, weight: float) -> nn.Linear | None:
    """A head to train on from ``start``, where labels have ``weight``; PluginError where there is no FER network."""
    if weight == 0:
        return None
    if start is None:
        raise PluginError("loss_weights.label needs a FER network to start from", hint="model: {encoder: fer-encoder}")
    return copy.deepcopy(start).requires_grad_(True)
