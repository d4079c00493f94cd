"""A convolutional detector that learns from pseudo-occlusions: the suite's own, beside the paper's one-class detectors.

It asks what patch latents of a ViT trained for minutes leave to be found. Like theirs, its training sees unoccluded
faces and no object; unlike theirs, it sees made-up occlusions of them, as DRAEM (Zavrtanik et al., ICCV 2021) learns to
segment made-up anomalies.
"""

from __future__ import annotations

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
    PluginError,
    Recipe,
    TrainingSink,
    check_known,
    fit_epochs,
    random_affine,
    random_colour,
)


class PseudoOcclusionDetector(nn.Module):
    """Estimates the covered share of every cell, of which a patch has ``settings.model["cells"]`` (4) a side.

    The score of a patch is the logit of its covered share, so 0, one half, is the threshold. A feature pyramid (Lin et
    al., CVPR 2017) of ``hidden`` (48) channels over the four stages of a copy of ``resnet18``, which trains on.
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        check_known("pseudo-occlusion", settings.model, ("hidden", "cells"))
        reference = cast(ResNet18, upstream["resnet18"])
        hidden, self.cells = int(settings.model.get("hidden", 48)), int(settings.model.get("cells", 4))
        if self.cells < 1 or settings.patch_size % self.cells:
            raise PluginError(
                f"cells={self.cells} of pseudo-occlusion do not divide patches of {settings.patch_size} px",
                hint="choose a divisor of the patch size",
            )
        self.cell_size, self.side = settings.patch_size // self.cells, settings.grid * self.cells
        width = reference.fc.in_features // 8
        self.backbone = reference.backbone()
        self.lateral = nn.ModuleList(nn.Conv2d(width * factor, hidden, 1) for factor in (1, 2, 4, 8))
        self.smooth = nn.ModuleList(_smoothing(hidden) for _ in range(4))
        self.head = nn.Sequential(nn.BatchNorm2d(hidden), nn.ReLU(), nn.Conv2d(hidden, 1, 1))
        for part in (self.lateral, self.smooth, self.head):
            part.to(memory_format=torch.channels_last)

    def logits(self, image: Tensor) -> Tensor:
        """Return the logit of the covered share of every cell, [B,S,S] with S = G * cells, for [B,3,H,W] in [0,1]."""
        merged: Tensor | None = None
        levels = zip(self.lateral, self.smooth, self.backbone.feature_levels(image), strict=True)
        for lateral, smooth, level in reversed(list(levels)):
            own = lateral(level if level.shape[2] <= self.side else F.adaptive_avg_pool2d(level, self.side))
            merged = smooth(own if merged is None else own + F.interpolate(merged, own.shape[2:]))
        assert merged is not None
        return self.head(F.interpolate(merged, (self.side, self.side)))[:, 0]

    def detect(self, batch: FaceBatch) -> Detection:
        """Score patches and name pixels.

        Occluded are patches of which at least half is expected to be covered; to be replaced are cells of which that is
        expected, and those next to them, for what shows through there of an occluder would be painted on into the hole.
        """
        self.eval()
        with torch.no_grad():
            covered = torch.sigmoid(self.logits(batch.image).float())[:, None]
        score = torch.logit(F.avg_pool2d(covered, self.cells)[:, 0], eps=1e-6)
        cells = F.max_pool2d((covered > 0.5).float(), 3, stride=1, padding=1)
        pixels = F.interpolate(cells, scale_factor=self.cell_size) > 0
        return Detection(score=score, threshold=0.0, mask_patch=score > 0, mask_px=pixels)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Learn on pseudo-occluded training faces; keep the epoch of least loss on pseudo-occluded validation faces."""
        check_known("pseudo-occlusion", recipe.extra, ())
        device = next(self.parameters()).device

        def loss(image: Tensor, generator: torch.Generator) -> Tensor:
            occluded, cover = pseudo_occlude(image, generator)
            covered = F.avg_pool2d(cover, self.cell_size)[:, 0]
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


def _smoothing(channels: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False))
