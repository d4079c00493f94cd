"""Adversarial training of the hybrid network (section 3.2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_bench.api import (
    FaceSet,
    PluginError,
    Recipe,
    Step,
    TrainingSink,
    optimiser,
    patch_mask_to_pixels,
    run_epochs,
    torch_seed,
)
from ofer_bench.latent_ofer.discriminators import FeatureDiscriminator, PatchDiscriminator
from ofer_bench.latent_ofer.encoder_labels import Labels, label_head
from ofer_bench.latent_ofer.losses import (
    LossTerms,
    LossWeights,
    consistency_loss,
    reconstruction_loss,
    relativistic_loss,
    semantic_consistency,
)
from ofer_bench.latent_ofer.masks import draw_patch_masks, jittered
from ofer_bench.latent_ofer.part_holes import draw_holes
from ofer_bench.latent_ofer.perceptual import PerceptualNetwork, levels_and_judgement
from ofer_bench.latent_ofer.unet import HybridUNet, Restored
from ofer_bench.latent_ofer.upstream import ExpressionNetwork


class Hybrid(Protocol):
    """What the training needs of the reconstructor.

    Of the levels of ``perceptual``, L_c reads ``target_level`` and L_df ``feature_level``, which has
    ``feature_channels``. With ``judges_parts`` the FER network reads the hole alone.
    """

    unet: HybridUNet
    grid: int
    patch_size: int
    target_level: int
    feature_level: int
    feature_channels: int
    judges_parts: bool

    @property
    def expression(self) -> ExpressionNetwork:
        """The frozen FER network of L_sc."""
        ...

    @property
    def label_head(self) -> nn.Linear | None:
        """The frozen head of the FER network that the encoder started from."""
        ...

    @property
    def perceptual(self) -> PerceptualNetwork:
        """The frozen network of the features."""
        ...

    def restore(self, image: Tensor, mask_patch: Tensor) -> Restored:
        """Restore with gradients."""
        ...


class Critics(nn.Module):
    """Both discriminators: on image windows (L_d, as wide as the network) and on frozen features (L_df)."""

    def __init__(self, feature_channels: int, width: int, device: torch.device) -> None:
        super().__init__()
        self.patch = PatchDiscriminator(width)
        self.feature = FeatureDiscriminator(feature_channels)
        self.to(device).to(memory_format=torch.channels_last)

    def loss(self, real: Tensor, fake: Tensor, features_real: Tensor, features_fake: Tensor) -> Tensor:
        """What the discriminators minimise: real above fake, on images and features; none gets a gradient."""
        on_images = relativistic_loss(self.patch(real), self.patch(fake.detach()))
        on_features = relativistic_loss(self.feature(features_real), self.feature(features_fake.detach()))
        return on_images + on_features


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass of the generator: Eq. 5's terms, the restored image, features of it and of the truth."""

    terms: LossTerms
    image: Tensor
    features: Tensor
    features_real: Tensor


def generator_pass(
    hybrid: Hybrid, critics: Critics, target: Tensor, mask_patch: Tensor, labels: Labels | None = None
) -> Pass:
    """Restore clean faces ``target`` [B,3,H,W] in [0,1] from holes bool [B,G,G] and judge them.

    Terms, image and features carry gradients to the network; everything of the clean face is constant.
    """
    hole_px = patch_mask_to_pixels(mask_patch, hybrid.patch_size)
    judged_px = hole_px if hybrid.judges_parts else None
    restored = hybrid.restore(target, mask_patch)
    with torch.no_grad():
        levels_real, logits_real = levels_and_judgement(hybrid.perceptual, hybrid.expression, target, judged_px)
    features_real = levels_real[hybrid.feature_level]
    levels, logits = levels_and_judgement(hybrid.perceptual, hybrid.expression, restored.image, judged_px)
    features = levels[hybrid.feature_level]
    terms = LossTerms(
        reconstruction=reconstruction_loss(restored.image, target, hole_px),
        consistency=_consistency(restored.taps, levels_real[hybrid.target_level], hole_px),
        semantic_consistency=semantic_consistency(logits, logits_real),
        patch_discriminator=relativistic_loss(critics.patch(restored.image), critics.patch(target)),
        feature_discriminator=relativistic_loss(critics.feature(features), critics.feature(features_real)),
        label=labels.loss(restored.deepest) if labels else 0.0,
    )
    return Pass(terms=terms, image=restored.image, features=features, features_real=features_real)


def keeps_last(extra: Mapping[str, object]) -> bool:
    """Whether ``extra["selection"]`` asks for the last epoch, ``last``, in place of ``validation``."""
    given = extra.get("selection", "validation")
    if given not in ("validation", "last"):
        raise PluginError(f"selection {given!r} not understood", hint="validation or last")
    return given == "last"


def share_of_parts(extra: Mapping[str, object]) -> float:
    """Share of the training faces, ``extra["part_holes"]``, whose hole is eyes or mouth whole; 0 where not given."""
    given = extra.get("part_holes", 0.0)
    if not isinstance(given, int | float) or not 0 <= given <= 1:
        raise PluginError(f"part_holes {given!r} not understood", hint="a share of the faces, 0 to 1")
    return float(given)


def train_hybrid(hybrid: Hybrid, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
    """Train ``hybrid.unet`` in place against its critics.

    Keeps the epoch of the best ``val`` hole PSNR, or the last: PSNR is highest for a blur, so that it would choose a
    state before the discriminators have an effect, where they have weight.
    """
    unet = hybrid.unet
    device = next(unet.parameters()).device
    with torch_seed(seed):
        critics = Critics(hybrid.feature_channels, unet.width, device)
    weights, part_share = LossWeights.from_extra(recipe.extra), share_of_parts(recipe.extra)
    head = label_head(hybrid.label_head, weights.label)
    learned = {"head": head} if head else {}
    for_network = optimiser([p for part in (unet, *learned.values()) for p in part.parameters()], recipe)
    for_critics = optimiser(critics.parameters(), recipe)

    def update(index: np.ndarray, generator: torch.Generator, step: Step) -> dict[str, Tensor]:
        batch = train.batch(index, device)
        target = jittered(batch.image, generator)
        holes = draw_holes(len(index), hybrid.grid, generator, part_share)
        critics.requires_grad_(False)
        with step.forward():
            made = generator_pass(
                hybrid, critics, target, holes, Labels(head=head, label=batch.label) if head else None
            )
            loss = made.terms.total(weights)
        step.descend(for_network, loss)
        critics.requires_grad_(True)
        with step.forward():
            critic_loss = critics.loss(target, made.image, made.features_real, made.features)
        step.descend(for_critics, critic_loss)
        return {"loss": loss.detach(), "critic_loss": critic_loss.detach(), **_logged(made.terms)}

    def validate() -> float:
        return hole_psnr(hybrid, val, recipe.batch_size, seed)

    run_epochs(
        unet,
        recipe,
        len(train),
        update,
        seed,
        out,
        None if keeps_last(recipe.extra) else validate,
        beside={"critics": critics, "for_network": for_network, "for_critics": for_critics, **learned},
    )


@torch.no_grad()
def hole_psnr(hybrid: Hybrid, faces: FaceSet, batch_size: int, seed: int) -> float:
    """Mean PSNR in dB over the holes of ``faces``, the same random holes for the same seed."""
    device = next(hybrid.unet.parameters()).device
    generator = torch.Generator(device=device).manual_seed(seed)
    total = 0.0
    for batch in faces.batches(batch_size, device):
        mask_patch = draw_patch_masks(len(batch), hybrid.grid, generator)
        hole = patch_mask_to_pixels(mask_patch, hybrid.patch_size)
        image = hybrid.restore(batch.image, mask_patch).image.clamp(0.0, 1.0)
        error = ((image - batch.image).square() * hole).sum(dim=(1, 2, 3)) / (3 * hole.sum(dim=(1, 2, 3)))
        total += float((-10 * torch.log10(error.clamp(min=1e-10))).sum())
    return total / len(faces)


def _logged(terms: LossTerms) -> dict[str, Tensor]:
    return {
        "reconstruction": terms.reconstruction.detach(),
        "consistency": terms.consistency.detach(),
        "semantic_consistency": terms.semantic_consistency.detach(),
    }


def _consistency(taps: Iterable[Tensor], target: Tensor, hole_px: Tensor) -> Tensor:
    """L_c at the layer and its mirror in the decoder (Liu et al. 2019), against the clean face's features."""
    losses = []
    for tap in taps:
        size = (tap.shape[-2], tap.shape[-1])
        hole = F.adaptive_max_pool2d(hole_px.to(tap.dtype), size) > 0
        losses.append(consistency_loss(tap, F.adaptive_avg_pool2d(target, size), hole))
    return torch.stack(losses).sum()
