"""The facial expression recognition network of Latent-OFER (section 3.3)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_bench.api import (
    Component,
    ComponentSettings,
    FaceBatch,
    FaceSet,
    PluginError,
    Prediction,
    Recipe,
    Reconstructor,
    TrainingSink,
    check_known,
)
from ofer_bench.latent_ofer.attention import MultiHeadAttention
from ofer_bench.latent_ofer.extractor import released_positions, select_latents, selected_count, to_patch_grid
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.recognizer_training import train_recognizer
from ofer_bench.latent_ofer.settings import choice
from ofer_bench.latent_ofer.upstream import ExpressionNetwork, frozen

BRANCHES = ("cnn+extracted-latent", "cnn+full-latent", "extracted-latent", "full-latent", "cnn")
"""The rows of Table 10; the first is the paper's model."""

LATENTS = ("encoder", "decoder")
"""Whose tokens the latents are; the paper leaves it open, the release's have the decoder's width."""

POSITIONS = ("cam", "fixed")
"""Where latents are extracted: where the CNN attends to (paper), or everywhere alike (release)."""

LATENT_DIM = 256
FUSION_DIM = 128


class Recognised(NamedTuple):
    """``logits`` [B,K]; ``guide`` logits [B,K] where the CNN only points; its ``activation`` [B,g,g]."""

    logits: Tensor
    guide: Tensor | None
    activation: Tensor | None


class LatentRecognizer(nn.Module):
    """CNN with attention and ViT latents, fused.

    ``settings.model``: ``branches`` (one of BRANCHES), ``heads`` of the attention (4), ``hidden`` (first layer
    of the latent branch, 1024), ``dropout`` on the latents (0), ``latents`` (one of LATENTS), ``positions`` of the
    extracted ones (one of POSITIONS). The trunk starts from the upstream ResNet-18, where the paper takes
    MS-Celeb-1M weights. In the branch ``extracted-latent`` the CNN classifies for its own loss only, for the choice
    of positions passes no gradient; with fixed positions there is no CNN in it.
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        model = settings.model
        check_known("latent-recognizer", model, ("branches", "heads", "hidden", "dropout", "latents", "positions"))
        self.branches = choice("latent-recognizer", model, "branches", BRANCHES)
        self.latents = choice("latent-recognizer", model, "latents", LATENTS)
        positions = choice("latent-recognizer", model, "positions", POSITIONS)
        self._frozen: tuple[FaceMAE, ExpressionNetwork, Reconstructor] = (
            frozen(upstream, "face-mae"),
            frozen(upstream, "resnet18"),
            frozen(upstream, "hybrid"),
        )
        self.grid, classes = settings.grid, settings.num_classes
        extracts = "extracted-latent" in self.branches
        self.points = extracts and positions == "cam"
        self.uses_latents = "latent" in self.branches
        self.fuses_cnn = "cnn" in self.branches
        self.place: Tensor | None
        fixed = released_positions(self.grid) if extracts and not self.points else None
        self.register_buffer("place", fixed, persistent=False)
        fused = 0
        if self.fuses_cnn or self.points:
            self.trunk = copy.deepcopy(self.expression.trunk).requires_grad_(True)
            channels = self._trunk_channels(settings.image_size)
            self.attention = MultiHeadAttention(channels, int(model.get("heads", 4)))
            if self.fuses_cnn:
                fused += channels
            else:
                self.guide = nn.Linear(channels, classes)
        if self.uses_latents:
            width = self.mae.dim if self.latents == "encoder" else self.mae.decoder_dim
            self.latent_branch = _latent_branch(
                self._token_count() * width, int(model.get("hidden", 1024)), float(model.get("dropout", 0.0))
            )
            fused += LATENT_DIM
        self.classifier = nn.Sequential(
            nn.Linear(fused, FUSION_DIM),
            nn.BatchNorm1d(FUSION_DIM),
            nn.ReLU(),
            nn.Linear(FUSION_DIM, classes),
        )

    @property
    def mae(self) -> FaceMAE:
        """The frozen autoencoder of the latents."""
        return self._frozen[0]

    @property
    def expression(self) -> ExpressionNetwork:
        """The upstream ResNet-18: start of the trunk, and its input normalisation."""
        return self._frozen[1]

    @property
    def reconstructor(self) -> Reconstructor:
        """The frozen hybrid network that de-occludes training faces."""
        return self._frozen[2]

    def forward(self, image01: Tensor) -> Recognised:
        """Recognise ``image01`` [B,3,H,W] in [0,1]; both branches see the same pixels."""
        parts: list[Tensor] = []
        activation, guide = None, None
        if self.fuses_cnn or self.points:
            vector, activation = self.attention(self.trunk(self.expression.normalise(image01)))
            if self.fuses_cnn:
                parts.append(vector)
            else:
                guide = self.guide(vector)
        if self.uses_latents:
            parts.append(self.latent_branch(self._latents(image01, activation).flatten(1)))
        return Recognised(self.classifier(torch.cat(parts, dim=1)), guide, activation)

    def logits(self, image01: Tensor) -> Tensor:
        """Logits [B,K] of ``image01`` [B,3,H,W] in [0,1]; differentiable, but for the choice of positions."""
        return self(image01).logits

    @property
    def cam_layer(self) -> nn.Module:
        """The trunk, on whose last block Grad-CAM is taken; PluginError for branches that classify without it."""
        if not self.fuses_cnn:
            raise PluginError(
                f"branches={self.branches!r} of latent-recognizer classify without a convolutional block",
                hint="Grad-CAM needs a branch with cnn",
            )
        return self.trunk

    def loss(self, image01: Tensor, label: Tensor, label_smoothing: float) -> Tensor:
        """Cross-entropy of the prediction, plus that of the guide where there is one; ``label`` int64 [B]."""
        recognised = self(image01)
        loss = F.cross_entropy(recognised.logits, label, label_smoothing=label_smoothing)
        if recognised.guide is not None:
            loss = loss + F.cross_entropy(recognised.guide, label, label_smoothing=label_smoothing)
        return loss

    def predict(self, batch: FaceBatch) -> Prediction:
        """Return logits and the class activation map, where the branches have one."""
        self.eval()
        with torch.no_grad():
            recognised = self(batch.image)
        return Prediction(logits=recognised.logits, sample_id=batch.sample_id, attention=recognised.activation)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train on clean and on de-occluded faces; ``recipe.extra["deoccluded_share"]`` of them (0.5)."""
        train_recognizer(self, train, val, recipe, seed, out)

    def _latents(self, image01: Tensor, activation: Tensor | None) -> Tensor:
        with torch.no_grad():
            latents = self.mae.encode(image01) if self.latents == "encoder" else self.mae.decode_latents(image01)
        if self.place is not None:
            return latents[:, self.place]
        if not self.points or activation is None:
            return latents
        return select_latents(latents, to_patch_grid(activation, self.grid)).latents

    def _token_count(self) -> int:
        if self.place is not None:
            return len(self.place)
        return selected_count(self.grid**2) if self.points else self.grid**2

    @torch.no_grad()
    def _trunk_channels(self, image_size: int) -> int:
        device = self.mae.cls_token.device
        return self.expression.feature_map(torch.zeros(1, 3, image_size, image_size, device=device)).shape[1]


def _latent_branch(inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, LATENT_DIM),
        nn.BatchNorm1d(LATENT_DIM),
        nn.ReLU(),
    )
