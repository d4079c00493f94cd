"""Mean-colour fill: the floor that every reconstructor has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ofer_bench.api import (
    Component,
    ComponentSettings,
    FaceBatch,
    FaceSet,
    Recipe,
    Reconstruction,
    TrainingSink,
    check_known,
    patch_mask_to_pixels,
)


class MeanFill(nn.Module):
    """Fills holes with the mean colour of the training faces; known pixels stay."""

    colour: Tensor

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        check_known("mean-fill", settings.model, ())
        self.patch_size = settings.patch_size
        self.register_buffer("colour", torch.full((1, 3, 1, 1), 0.5))

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Take the mean colour of ``train``."""
        check_known("mean-fill", recipe.extra, ())
        mean = train.image.reshape(-1, 3).mean(axis=0) / 255.0
        self.colour = torch.as_tensor(mean, dtype=torch.float32, device=self.colour.device).view(1, 3, 1, 1)

    def reconstruct(self, batch: FaceBatch, mask_patch: Tensor) -> Reconstruction:
        """Restore the patches where ``mask_patch`` bool [B,G,G] is True."""
        hole = patch_mask_to_pixels(mask_patch, self.patch_size)
        image = torch.where(hole, self.colour, batch.image)
        return Reconstruction(image=image, composited=image)
