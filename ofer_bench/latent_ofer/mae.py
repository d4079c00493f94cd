"""The ViT of the model: a masked autoencoder trained on unoccluded faces (section 3.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ofer_bench.api import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Component,
    ComponentSettings,
    FaceSet,
    LoadReport,
    PluginError,
    Recipe,
    TrainingSink,
    check_known,
    fit_epochs,
)
from ofer_bench.latent_ofer.masks import jittered, mask_priority
from ofer_bench.latent_ofer.patching import patchify, sincos_positions, unpatchify
from ofer_bench.latent_ofer.published import TARGETS, load_published
from ofer_bench.latent_ofer.settings import choice

STATISTICS = {"half": ((0.5,) * 3, (0.5,) * 3), "imagenet": (IMAGENET_MEAN, IMAGENET_STD)}
"""Mean and deviation of the input per channel; targets live in the same space. ``half`` takes [0,1] to [-1,1]."""

TRAINING_RATIO = (0.2, 0.75)
"""Masked share of a training batch: from small occluders to the ratio of the original autoencoder."""

VALIDATION_RATIO = 0.4

SETTINGS = (
    "dim",
    "depth",
    "heads",
    "decoder_dim",
    "decoder_depth",
    "decoder_heads",
    "statistics",
    "decoder_target",
)


def masked_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over masked patches only; patches [B,N,V], ``mask`` bool [B,N], True = removed."""
    error = (predicted - target).square().mean(dim=2)
    return (error * mask).sum() / mask.sum().clamp(min=1)


class FaceMAE(nn.Module):
    """Encodes faces to patch latents and paints removed patches.

    ``settings.model``: SETTINGS, of which ``statistics`` (half; imagenet for published weights) and
    ``decoder_target`` (what the decoder of such weights paints, where their name does not tell). Removed patches
    take part in no computation of a kept one: their tokens are dropped (or padded and excluded from attention).
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        model = settings.model
        check_known("face-mae", model, SETTINGS)
        self.patch_size, self.grid = settings.patch_size, settings.grid
        self.dim = int(model.get("dim", 128))
        self.decoder_dim = decoder_dim = int(model.get("decoder_dim", 96))
        self.heads = {"heads": int(model.get("heads", 4)), "decoder_heads": int(model.get("decoder_heads", 4))}
        self.statistics = choice("face-mae", model, "statistics", tuple(STATISTICS))
        self.decoder_target = choice("face-mae", model, "decoder_target", TARGETS)
        self._must_train = ""
        values = 3 * self.patch_size**2
        self.embed = nn.Linear(values, self.dim)
        self.cls_token = nn.Parameter(torch.randn(1, 1, self.dim) * 0.02)
        self.blocks = _blocks(self.dim, int(model.get("depth", 4)), self.heads["heads"])
        self.norm = nn.LayerNorm(self.dim, eps=1e-6)
        self.decoder_embed = nn.Linear(self.dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.randn(1, 1, decoder_dim) * 0.02)
        self.decoder_blocks = _blocks(decoder_dim, int(model.get("decoder_depth", 2)), self.heads["decoder_heads"])
        self.decoder_norm = nn.LayerNorm(decoder_dim, eps=1e-6)
        self.decoder_head = nn.Linear(decoder_dim, values)
        self.position: Tensor
        self.decoder_position: Tensor
        self.register_buffer("position", sincos_positions(self.grid, self.dim), persistent=False)
        self.register_buffer("decoder_position", sincos_positions(self.grid, decoder_dim), persistent=False)
        self.mean: Tensor
        self.std: Tensor
        for name, values_of in zip(("mean", "std"), STATISTICS[self.statistics], strict=True):
            self.register_buffer(name, torch.tensor(values_of).view(3, 1, 1), persistent=False)

    def encode(self, image: Tensor) -> Tensor:
        """Return the latents [B,G*G,D] of all patches of ``image`` [B,3,H,W] in [0,1], last norm applied."""
        return self._encode_tokens(self._tokens(image), None)[:, 1:]

    def encode_local(self, image: Tensor) -> Tensor:
        """Return latents [B,G*G,D] where a patch sees only itself and the class token, which sees no patch.

        An occluder can't change the latents of patches that it doesn't touch.
        """
        count = self.grid**2 + 1
        allowed = torch.eye(count, dtype=torch.bool, device=image.device)
        allowed[:, 0] = True
        return self._encode_tokens(self._tokens(image), allowed)[:, 1:]

    def decode_latents(self, image: Tensor) -> Tensor:
        """Return the decoder's tokens [B,G*G,E] of all patches of ``image`` [B,3,H,W] in [0,1], last norm applied.

        Nothing is removed, so they are what ``decoder_head`` would paint known patches from: the loss, which counts
        removed patches alone, trained them as context only. Latents of the paper's release have their width.
        """
        encoded = self.decoder_embed(self._encode_tokens(self._tokens(image), None))
        return self._decode(encoded[:, :1], encoded[:, 1:])

    def inpaint(self, image: Tensor, mask_patch: Tensor) -> Tensor:
        """Paint faces from their kept patches: [B,3,H,W] in [0,1], the raw prediction of every patch.

        ``image`` [B,3,H,W] in [0,1]; ``mask_patch`` bool [B,G,G], True = removed, any count per face. Only
        removed patches are trained; the prediction of kept ones carries no promise. Raises PluginError where foreign
        weights left the decoder without anything to paint with.
        """
        if self._must_train:
            raise PluginError(f"face-mae can't paint: {self._must_train}", hint="train it first (fit)")
        predicted = unpatchify(self._predict(image, mask_patch.flatten(1)), self.patch_size)
        return (predicted * self.std + self.mean).clamp(0.0, 1.0)

    def loss(self, image: Tensor, mask_patch: Tensor) -> Tensor:
        """Return the training loss, a scalar in the normalised space; arguments as in :meth:`inpaint`."""
        mask = mask_patch.flatten(1)
        return masked_loss(self._predict(image, mask), patchify(self._normalise(image), self.patch_size), mask)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train on clean faces with one masked share per batch; keep the epoch of least ``val`` loss."""
        check_known("face-mae", recipe.extra, ())
        device = self.cls_token.device
        patches = self.grid**2
        low, high = TRAINING_RATIO

        def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
            image = jittered(train.batch(index, device).image, generator)
            share = float(torch.rand(1, generator=generator, device=device)) * (high - low) + low
            ranks = mask_priority(len(index), self.grid, generator)
            return self.loss(image, ranks < max(1, round(share * patches)))

        def validate() -> float:
            generator = torch.Generator(device=device).manual_seed(seed)
            total = 0.0
            for batch in val.batches(recipe.batch_size, device):
                ranks = mask_priority(len(batch), self.grid, generator)
                total += float(self.loss(batch.image, ranks < VALIDATION_RATIO * patches)) * len(batch)
            return -total / len(val)

        fit_epochs(self, recipe, len(train), step, seed, out, validate)
        self._must_train = ""

    def load_foreign(self, path: Path) -> LoadReport:
        """Fill the state from a published masked autoencoder, in any layout of docs/weights.md.

        A decoder that the file lacks stays as drawn. Raises WeightsError, and changes nothing, where anything else is
        missed, and where positions, heads or input statistics are not those of the published models.
        """
        report = load_published(self, path)
        self._must_train = report.must_train
        return report

    def _normalise(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std

    def _tokens(self, image: Tensor) -> Tensor:
        return self.embed(patchify(self._normalise(image), self.patch_size)) + self.position

    def _encode_tokens(self, tokens: Tensor, allowed: Tensor | None) -> Tensor:
        """Run the encoder with the class token in front; ``allowed`` bool broadcasts to [B,heads,N,N]."""
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        mask = None if allowed is None else _additive(allowed, tokens)
        for block in self.blocks:
            tokens = block(tokens, attn_mask=mask)
        return self.norm(tokens)

    def _predict(self, image: Tensor, mask: Tensor) -> Tensor:
        """Predict all patches [B,N,V] from those where ``mask`` bool [B,N] is False."""
        visible = (~mask).sum(dim=1)
        fewest, most = (int(n) for n in torch.stack([visible.min(), visible.max()]).tolist())
        kept = mask.to(torch.uint8).argsort(dim=1, stable=True)[:, :most, None]
        tokens = self._tokens(image)
        tokens = tokens.gather(1, kept.expand(-1, -1, self.dim))
        allowed = None
        if fewest < most:
            # Faces with fewer kept patches are padded with removed ones; zeroing them also stops NaN pixels,
            # which would pass an attention weight of zero.
            padding = mask.gather(1, kept[:, :, 0])
            tokens = tokens.masked_fill(padding[:, :, None], 0.0)
            allowed = torch.cat([torch.ones_like(padding[:, :1]), ~padding], dim=1)[:, None, None]
        encoded = self.decoder_embed(self._encode_tokens(tokens, allowed))
        width = encoded.shape[2]
        # In mixed precision the encoder's output is narrower than the parameter, and scatter takes one type.
        blank = self.mask_token.to(encoded.dtype).expand(*mask.shape, width)
        placed = blank.scatter(1, kept.expand(-1, -1, width), encoded[:, 1:])
        return self.decoder_head(self._decode(encoded[:, :1], torch.where(mask[:, :, None], blank, placed)))

    def _decode(self, cls: Tensor, patches: Tensor) -> Tensor:
        """Run the decoder on embedded tokens, ``cls`` [B,1,E] and ``patches`` [B,N,E]; normed patches [B,N,E]."""
        full = torch.cat([cls, patches + self.decoder_position], dim=1)
        for block in self.decoder_blocks:
            full = block(full)
        return self.decoder_norm(full[:, 1:])


def _additive(allowed: Tensor, like: Tensor) -> Tensor:
    """Turn True into 0 and False into -inf: timm adds a mask to the scores where attention is not fused."""
    return torch.zeros_like(allowed, dtype=like.dtype).masked_fill(~allowed, -torch.inf)


def _blocks(dim: int, depth: int, heads: int) -> nn.ModuleList:
    # Not every timm has the epsilon of the masked autoencoder as its default.
    norm = partial(nn.LayerNorm, eps=1e-6)
    return nn.ModuleList(Block(dim, heads, mlp_ratio=4.0, qkv_bias=True, norm_layer=norm) for _ in range(depth))
