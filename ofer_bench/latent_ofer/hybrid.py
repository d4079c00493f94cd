"""The hybrid reconstruction network (section 3.2): a ViT paints the hole, a CNN refines it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ofer_bench.api import (
    Component,
    ComponentSettings,
    FaceBatch,
    FaceSet,
    PluginError,
    Recipe,
    Reconstruction,
    TrainingSink,
    check_known,
    patch_mask_to_pixels,
)
from ofer_bench.latent_ofer.hybrid_training import train_hybrid
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.unet import LAYERS, HybridUNet, Restored
from ofer_bench.latent_ofer.upstream import ExpressionNetwork, frozen

MASK_FILL = 0.5
"""Grey of the hole in the masked image; zero in the network's input range."""


class HybridReconstructor(nn.Module):
    """MAE and U-Net with the self-assembly layer.

    ``settings.model``: ``width`` of the first level (64 in the paper's release), ``layer``
    (self-assembly, conventional, csa or released), ``layer_level`` (the layer works at 1/2**layer_level of the
    resolution; 3 in the release).
    """

    component_id = "hybrid"
    default_layer = "self-assembly"

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        model = settings.model
        check_known(self.component_id, model, ("width", "layer", "layer_level"))
        layer = str(model.get("layer", self.default_layer))
        if layer not in LAYERS:
            raise PluginError(
                f"layer={layer!r} is no setting of {self.component_id}", hint=f"one of {', '.join(LAYERS)}"
            )
        self.patch_size, self.grid = settings.patch_size, settings.grid
        self._frozen: tuple[FaceMAE, ExpressionNetwork] = (
            frozen(upstream, "face-mae"),
            frozen(upstream, "resnet18"),
        )
        layer_level = int(model.get("layer_level", 3))
        self.target_level, tap_channels = self._consistency_level(settings.image_size, layer_level)
        self.unet = HybridUNet(settings.image_size, int(model.get("width", 32)), layer, layer_level, tap_channels)

    @property
    def mae(self) -> FaceMAE:
        """The frozen coarse stage."""
        return self._frozen[0]

    @property
    def expression(self) -> ExpressionNetwork:
        """The frozen FER network of the losses."""
        return self._frozen[1]

    def restore(self, image: Tensor, mask_patch: Tensor) -> Restored:
        """Restore with gradients; ``image`` [B,3,H,W] in [0,1], ``mask_patch`` bool [B,G,G], True = hole.

        Pixels of the hole are replaced before anything sees them. The coarse stage gets no gradient.
        """
        hole_px = patch_mask_to_pixels(mask_patch, self.patch_size)
        with torch.no_grad():
            coarse = self.mae.inpaint(image, mask_patch)
        composite = torch.where(hole_px, coarse, image)
        return self.unet(composite, image.masked_fill(hole_px, MASK_FILL), hole_px)

    def reconstruct(self, batch: FaceBatch, mask_patch: Tensor) -> Reconstruction:
        """Restore the patches of ``mask_patch`` bool [B,G,G]; ``composited`` keeps known pixels exactly."""
        self.eval()
        with torch.no_grad():
            image = self.restore(batch.image, mask_patch).image.clamp(0.0, 1.0)
        hole_px = patch_mask_to_pixels(mask_patch, self.patch_size)
        return Reconstruction(image=image, composited=torch.where(hole_px, image, batch.image))

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train on clean faces with random holes by Eq. 5; keep the epoch of the best ``val`` hole PSNR.

        ``recipe.extra["loss_weights"]`` overrides fields of LossWeights.
        """
        check_known(self.component_id, recipe.extra, ("loss_weights",))
        train_hybrid(self, train, val, recipe, seed, out)

    @torch.no_grad()
    def _consistency_level(self, image_size: int, layer_level: int) -> tuple[int, int]:
        """Choose the FER stage whose map is nearest in size to the layer's: (stage, channels)."""
        device = self.mae.cls_token.device
        levels = self.expression.feature_levels(torch.zeros(1, 3, image_size, image_size, device=device))
        side = image_size // 2**layer_level
        stage = min(range(len(levels)), key=lambda n: abs(levels[n].shape[-1] - side))
        return stage, levels[stage].shape[1]


class ConventionalReconstructor(HybridReconstructor):
    """The same network with the conventional 3x3 layer (Table 8)."""

    component_id = "conventional"
    default_layer = "conventional"


class CSAReconstructor(HybridReconstructor):
    """The same network with the CSA layer (Table 8)."""

    component_id = "csa"
    default_layer = "csa"


class ReleasedReconstructor(HybridReconstructor):
    """The same network with the self-assembly layer as the authors' code computes it."""

    component_id = "released"
    default_layer = "released"
