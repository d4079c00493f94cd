"""The CNN of the reconstruction as a FER network (section 4.2, in one reading)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ofer_bench.api import (
    Component,
    ComponentSettings,
    FaceSet,
    Recipe,
    TrainingSink,
    check_known,
    patch_mask_to_pixels,
)
from ofer_bench.latent_ofer.label_training import fit_on_parts
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.masks import draw_patch_masks
from ofer_bench.latent_ofer.unet import Encoder, hybrid_input
from ofer_bench.latent_ofer.upstream import frozen


def label_logits(head: nn.Linear, deepest: Tensor) -> Tensor:
    """Return the logits [B,K] that ``head`` reads at the end of the encoder, [B,C,h,w]."""
    return head(deepest.mean(dim=(2, 3)))


class FEREncoder(nn.Module):
    """The U-Net's encoder with a linear head, trained to tell expressions of faces with holes.

    Section 4.2 takes "a CNN-based network trained on several FER training datasets for detailed representation in the
    image reconstruction module". Read so, the weights are the first ones of the U-Net's encoder, which then knows what
    the visible part of a face expresses. No layer is in it, so that it serves all four of Table 8.

    ``settings.model``: ``width``, that of the hybrid network.
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        check_known("fer-encoder", settings.model, ("width",))
        self.patch_size, self.grid = settings.patch_size, settings.grid
        self._frozen: tuple[FaceMAE] = (frozen(upstream, "face-mae"),)
        self.encoder = Encoder(settings.image_size, int(settings.model.get("width", 32)))
        self.fc = nn.Linear(self.encoder.channels[-1], settings.num_classes)
        self.to(memory_format=torch.channels_last)

    def logits(self, image: Tensor, mask_patch: Tensor) -> Tensor:
        """Return logits [B,K] of ``image`` [B,3,H,W] in [0,1] with holes bool [B,G,G], which the ViT paints."""
        with torch.no_grad():
            coarse = self._frozen[0].inpaint(image, mask_patch)
        x = self.encoder.first(*hybrid_input(image, coarse, patch_mask_to_pixels(mask_patch, self.patch_size)))
        for down in self.encoder.down:
            x = down(x)
        return label_logits(self.fc, x)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train with cross-entropy under random holes; keep the epoch of best accuracy on ``val`` under such holes."""

        def logits(image: Tensor, generator: torch.Generator) -> Tensor:
            return self.logits(image, draw_patch_masks(len(image), self.grid, generator))

        fit_on_parts(self, logits, train, val, recipe, seed, out)
