"""A convolutional detector that learns from pseudo-occlusions: the suite's own, beside the paper's one-class detectors.

It asks what patch latents of a ViT trained for minutes leave to be found. Like theirs, its training sees unoccluded
faces and no object; unlike theirs, it sees made-up occlusions of them, as DRAEM (Zavrtanik et al., ICCV 2021) learns to
segment made-up anomalies.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_baselines.pseudo_occlusion import pseudo_occlude
from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import (
    Component,
    ComponentSettings,
    Detection,
    FaceBatch,
    FaceSet,
    Recipe,
    TrainingSink,
    check_known,
    fit_epochs,
    random_affine,
    random_colour,
)


class PseudoOcclusionDetector(nn.Module):
    """Estimates the covered share of every patch; scores are its logits, so 0, a share of one half, is the threshold.

    All four stages of a copy of ``resnet18``, which trains on, are brought to the patch grid and joined by a 3x3
    convolution of ``settings.model["hidden"]`` channels (64).
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        check_known("pseudo-occlusion", settings.model, ("hidden",))
        reference = cast(ResNet18, upstream["resnet18"])
        self.patch_size, self.grid = settings.patch_size, settings.grid
        hidden = int(settings.model.get("hidden", 64))
        width = reference.fc.in_features // 8
        self.backbone = copy.deepcopy(reference).requires_grad_(True)
        del self.backbone.fc
        self.join = nn.Sequential(
            nn.Conv2d(width * (1 + 2 + 4 + 8), hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, 1, 1),
        )

    def logits(self, image: Tensor) -> Tensor:
        """Return the logit of the covered share of every patch, [B,G,G], for ``image`` [B,3,H,W] in [0,1]."""
        levels = [self._to_grid(level) for level in self.backbone.feature_levels(image)]
        return self.join(torch.cat(levels, dim=1))[:, 0]

    def detect(self, batch: FaceBatch) -> Detection:
        """Score patches; those of which at least half is expected to be covered are occluded."""
        self.eval()
        with torch.no_grad():
            score = self.logits(batch.image).float()
        return Detection(score=score, threshold=0.0, mask_patch=score > 0)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Learn on pseudo-occluded training faces; keep the epoch of least loss on pseudo-occluded validation faces."""
        check_known("pseudo-occlusion", recipe.extra, ())
        device = next(self.parameters()).device

        def loss(image: Tensor, generator: torch.Generator) -> Tensor:
            occluded, cover = pseudo_occlude(image, generator)
            covered = F.avg_pool2d(cover, self.patch_size)[:, 0]
            return F.binary_cross_entropy_with_logits(self.logits(occluded), covered)

        def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
            image = random_affine(train.batch(index, device).image, generator)
            return loss(random_colour(image, generator), generator)

        def validate() -> float:
            generator = torch.Generator(device=device).manual_seed(seed)
            total = 0.0
            for batch in val.batches(recipe.batch_size, device):
                total += float(loss(batch.image, generator)) * len(batch)
            return -total / len(val)

        fit_epochs(self, recipe, len(train), step, seed, out, validate)

    def _to_grid(self, level: Tensor) -> Tensor:
        size = (self.grid, self.grid)
        if level.shape[2] > self.grid:
            return F.adaptive_avg_pool2d(level, size)
        return F.interpolate(level, size, mode="bilinear", align_corners=False)
