"""Part reader: a ResNet-18 that reads expressions from parts of a face (own design)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import Component, ComponentSettings, FaceSet, Recipe, TrainingSink, patch_mask_to_pixels
from ofer_bench.latent_ofer.label_training import fit_on_parts
from ofer_bench.latent_ofer.masks import draw_patch_masks
from ofer_bench.latent_ofer.unet import MASK_FILL

HOLES = (0.1, 0.7)
"""Share of the patches in a training hole."""


class PartReader(ResNet18):
    """ResNet-18 trained on whole faces, on faces with random holes, and on what the holes took, a third each.

    So it can be asked what a restored mouth, all else grey, expresses by itself: Eq. 4 under ``expression:
    part-reader``. Settings are those of ResNet-18.
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component] | None = None) -> None:
        super().__init__(settings, upstream)
        self.patch_size, self.grid = settings.patch_size, settings.grid

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train with cross-entropy; keep the epoch of best accuracy on ``val``, of which it sees parts as well."""

        def logits(image: Tensor, generator: torch.Generator) -> Tensor:
            return self.logits(self.parts(image, generator))

        fit_on_parts(self, logits, train, val, recipe, seed, out)

    def parts(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Show of every face [B,3,H,W] in [0,1] all, all but a hole, or the hole alone; the rest is grey."""
        holes = patch_mask_to_pixels(draw_patch_masks(len(image), self.grid, generator, HOLES), self.patch_size)
        shown = torch.randint(3, (len(image), 1, 1, 1), generator=generator, device=image.device)
        hidden = ((shown == 1) & holes) | ((shown == 2) & ~holes)
        return image.masked_fill(hidden, MASK_FILL)
