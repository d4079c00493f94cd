"""Part reader: a ResNet-18 that reads expressions from parts of a face (own design)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import (
    Component,
    ComponentSettings,
    FaceBatch,
    FaceSet,
    Recipe,
    TrainingSink,
    check_known,
    fit_epochs,
    patch_mask_to_pixels,
)
from ofer_bench.latent_ofer.masks import draw_patch_masks, jittered
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
        check_known("part-reader", recipe.extra, ())
        device = self.fc.weight.device

        def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
            batch = train.batch(index, device)
            assert batch.label is not None
            image = self.parts(jittered(batch.image, generator), generator)
            return F.cross_entropy(self.logits(image), batch.label, label_smoothing=recipe.label_smoothing)

        def validate() -> float:
            generator = torch.Generator(device=device).manual_seed(seed)
            right = sum(self._right(batch, generator) for batch in val.batches(recipe.batch_size, device))
            return right / len(val)

        fit_epochs(self, recipe, len(train), step, seed, out, validate)

    def parts(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Show of every face [B,3,H,W] in [0,1] all, all but a hole, or the hole alone; the rest is grey."""
        holes = patch_mask_to_pixels(draw_patch_masks(len(image), self.grid, generator, HOLES), self.patch_size)
        shown = torch.randint(3, (len(image), 1, 1, 1), generator=generator, device=image.device)
        hidden = ((shown == 1) & holes) | ((shown == 2) & ~holes)
        return image.masked_fill(hidden, MASK_FILL)

    @torch.no_grad()
    def _right(self, batch: FaceBatch, generator: torch.Generator) -> int:
        assert batch.label is not None
        return int((self.logits(self.parts(batch.image, generator)).argmax(dim=1) == batch.label).sum())
