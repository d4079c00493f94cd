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
from ofer_bench.latent_ofer.fer_encoder import FEREncoder
from ofer_bench.latent_ofer.hybrid_training import train_hybrid
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.perceptual import FEATURE_LEVEL, PerceptualNetwork
from ofer_bench.latent_ofer.settings import choice
from ofer_bench.latent_ofer.unet import LAYERS, HybridUNet, Restored, hybrid_input
from ofer_bench.latent_ofer.upstream import ExpressionNetwork, frozen

EXPRESSION = ("resnet18", "part-reader")
"""FER networks of L_sc: the first reads the whole restored face, the second its restored part alone."""


class HybridReconstructor(nn.Module):
    """MAE and U-Net with the self-assembly layer.

    ``settings.model``: ``width`` of the first level (64 in the paper's release), ``layer``
    (self-assembly, conventional, csa or released), ``layer_level`` (the layer works at 1/2**layer_level of the
    resolution; 3 in the release), ``perceptual`` (resnet18 or vgg16: whose features L_c and L_df compare),
    ``expression`` (resnet18: L_sc reads the whole restored face; part-reader: the restored part alone), and
    ``encoder: fer-encoder``, from whose weights the U-Net's encoder starts in place of random ones.
    """

    component_id = "hybrid"
    default_layer = "self-assembly"

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        model = settings.model
        check_known(self.component_id, model, ("width", "layer", "layer_level", "perceptual", "expression", "encoder"))
        layer = str(model.get("layer", self.default_layer))
        if layer not in LAYERS:
            raise PluginError(
                f"layer={layer!r} is no setting of {self.component_id}", hint=f"one of {', '.join(LAYERS)}"
            )
        self.patch_size, self.grid = settings.patch_size, settings.grid
        perceptual = choice(self.component_id, model, "perceptual", tuple(FEATURE_LEVEL))
        expression = choice(self.component_id, model, "expression", EXPRESSION)
        self.judges_parts = expression == "part-reader"
        self._frozen: tuple[FaceMAE, ExpressionNetwork, PerceptualNetwork] = (
            frozen(upstream, "face-mae"),
            frozen(upstream, expression),
            frozen(upstream, perceptual),
        )
        layer_level = int(model.get("layer_level", 3))
        levels = self._levels(settings.image_size)
        self.feature_level = FEATURE_LEVEL[perceptual]
        self.feature_channels, _ = levels[self.feature_level]
        self.target_level = _nearest([side for _, side in levels], settings.image_size // 2**layer_level)
        tap_channels, _ = levels[self.target_level]
        self.unet = HybridUNet(settings.image_size, int(model.get("width", 32)), layer, layer_level, tap_channels)
        self._start: tuple[FEREncoder, ...] = ()
        if "encoder" in model:
            self._start = (frozen(upstream, choice(self.component_id, model, "encoder", ("fer-encoder",))),)
            self.unet.start_from(self._start[0].encoder)

    @property
    def mae(self) -> FaceMAE:
        """The frozen coarse stage."""
        return self._frozen[0]

    @property
    def expression(self) -> ExpressionNetwork:
        """The frozen FER network of L_sc."""
        return self._frozen[1]

    @property
    def perceptual(self) -> PerceptualNetwork:
        """The frozen network whose features L_c and L_df compare; it may be the FER network."""
        return self._frozen[2]

    @property
    def label_head(self) -> nn.Linear | None:
        """The frozen head of the FER network that the U-Net's encoder started from."""
        return self._start[0].fc if self._start else None

    def restore(self, image: Tensor, mask_patch: Tensor) -> Restored:
        """Restore with gradients; ``image`` [B,3,H,W] in [0,1], ``mask_patch`` bool [B,G,G], True = hole.

        Pixels of the hole are replaced before anything sees them. The coarse stage gets no gradient.
        """
        hole_px = patch_mask_to_pixels(mask_patch, self.patch_size)
        with torch.no_grad():
            coarse = self.mae.inpaint(image, mask_patch)
        return self.unet(*hybrid_input(image, coarse, hole_px), hole_px)

    def reconstruct(self, batch: FaceBatch, mask_patch: Tensor) -> Reconstruction:
        """Restore the patches of ``mask_patch`` bool [B,G,G]; ``composited`` keeps known pixels exactly."""
        self.eval()
        with torch.no_grad():
            image = self.restore(batch.image, mask_patch).image.clamp(0.0, 1.0)
        hole_px = patch_mask_to_pixels(mask_patch, self.patch_size)
        return Reconstruction(image=image, composited=torch.where(hole_px, image, batch.image))

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train on clean faces with random holes by Eq. 5; keep the epoch of the best ``val`` hole PSNR.

        ``recipe.extra["loss_weights"]`` overrides fields of LossWeights, ``recipe.extra["selection"]: last`` keeps the
        last epoch, ``recipe.extra["part_holes"]`` is the share of the faces whose hole is eyes or mouth whole.
        """
        check_known(self.component_id, recipe.extra, ("loss_weights", "selection", "part_holes"))
        train_hybrid(self, train, val, recipe, seed, out)

    @torch.no_grad()
    def _levels(self, image_size: int) -> list[tuple[int, int]]:
        """Channels and side of the perceptual network's maps."""
        device = self.mae.cls_token.device
        levels = self.perceptual.feature_levels(torch.zeros(1, 3, image_size, image_size, device=device))
        return [(level.shape[1], level.shape[-1]) for level in levels]


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


def _nearest(sides: list[int], side: int) -> int:
    """Place of the map nearest in size to ``side``, which is what L_c compares the layer's with."""
    return min(range(len(sides)), key=lambda n: abs(sides[n] - side))
