"""ViT-SVDD: finds occluded patches after seeing only unoccluded ones (section 3.1, Eq. 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.api import (
    Component,
    ComponentSettings,
    Detection,
    FaceBatch,
    FaceSet,
    Recipe,
    TrainingDiverged,
    TrainingSink,
    check_known,
    fit_epochs,
)
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.masks import occlude_by_others
from ofer_bench.latent_ofer.settings import choice
from ofer_bench.latent_ofer.upstream import frozen
from ofer_bench.latent_ofer.whitening import Whitening, fit_whitening, whiten

CENTRE_MARGIN = 0.1
"""No coordinate of the centre comes nearer to zero: a bias-free network reaches zero by vanishing."""

MAX_COMPONENTS = 128
"""Latents wider than this are projected before whitening; it bounds the statistics kept per position."""

SETTINGS = ("latent", "position", "objective", "trained_on", "hidden", "out", "nu")

WEIGHT_DECAY = 1e-6
"""Lambda of Eq. 1 where the recipe's ``extra["svdd_lambda"]`` gives none."""


def squared_distance(embedded: Tensor, centre: Tensor) -> Tensor:
    """Squared Euclidean distance of ``embedded`` [...,D] to ``centre`` [D]."""
    return (embedded - centre).square().sum(dim=-1)


def svdd_objective(distance: Tensor, weights: Iterable[Tensor], weight_decay: float) -> Tensor:
    """Eq. 1: mean squared distance plus lambda/2 times the squared Frobenius norms of the weights."""
    decay = sum((weight.square().sum() for weight in weights), start=distance.new_zeros(()))
    return distance.mean() + 0.5 * weight_decay * decay


def soft_boundary_objective(
    distance: Tensor, radius_squared: Tensor, nu: float, weights: Iterable[Tensor], weight_decay: float
) -> Tensor:
    """Soft boundary of Ruff et al. (their Eq. 3): R^2, plus 1/nu times the mean excess over it, plus Eq. 1's decay."""
    excess = (distance - radius_squared).clamp(min=0.0)
    return radius_squared + svdd_objective(excess / nu, weights, weight_decay)


def initial_centre(mean: Tensor) -> Tensor:
    """Move coordinates of the mean initial embedding [D] that lie within 0.1 of zero to +-0.1 (Deep SVDD)."""
    sign = torch.where(mean < 0, -1.0, 1.0)
    return torch.where(mean.abs() < CENTRE_MARGIN, sign * CENTRE_MARGIN, mean)


def squared_radius(distance: np.ndarray, nu: float) -> float:
    """The (1 - nu) quantile of squared distances of unoccluded patches; ``nu`` in (0,1)."""
    return float(np.quantile(distance, 1.0 - nu))


class ViTSVDD(nn.Module):
    """Deep SVDD on frozen latents of the masked autoencoder.

    ``settings.model``, defaults first: ``latent`` (local: a patch sees only itself; contextual: full attention, which
    carries an occluder's trace to its neighbours and raises false alarms), ``position`` (whitened: latents are centred
    and whitened per position; centred: only centred; plain), ``objective`` (one-class: Eq. 1; soft-boundary),
    ``trained_on`` (clean faces; occluded ones, whose occluded patches are left out), ``hidden``, ``out``, ``nu``. One
    hypersphere for all positions: fixed centre, radius from unoccluded patches of validation faces.
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        model = settings.model
        check_known("vit-svdd", model, SETTINGS)
        self._frozen: tuple[FaceMAE] = (frozen(upstream, "face-mae"),)
        self.grid, self.patch_size = settings.grid, settings.patch_size
        self.latent = choice("vit-svdd", model, "latent", ("local", "contextual"))
        self.position = choice("vit-svdd", model, "position", ("whitened", "centred", "plain"))
        self.objective = choice("vit-svdd", model, "objective", ("one-class", "soft-boundary"))
        self.trained_on = choice("vit-svdd", model, "trained_on", ("clean", "occluded"))
        self.nu = float(model.get("nu", 0.02))
        dim = self._frozen[0].dim
        inputs = min(dim, MAX_COMPONENTS) if self.position == "whitened" else dim
        hidden, out = int(model.get("hidden", 2 * dim)), int(model.get("out", dim))
        # No bias, no affine norm, no bounded activation: with any of them a constant output is a solution.
        self.head = nn.Sequential(
            nn.Linear(inputs, hidden, bias=False), nn.LeakyReLU(0.1), nn.Linear(hidden, out, bias=False)
        )
        for weight in self.head.parameters():
            # Keeps the distances that whitening made meaningful; training starts from them.
            nn.init.orthogonal_(weight)
        self.mean: Tensor
        self.projection: Tensor
        self.scale: Tensor
        self.centre: Tensor
        self.radius_squared: Tensor
        self.register_buffer("mean", torch.zeros(self.grid**2, dim))
        self.register_buffer("projection", torch.eye(dim, inputs))
        self.register_buffer("scale", torch.eye(inputs).repeat(self.grid**2, 1, 1))
        self.register_buffer("centre", torch.full((out,), CENTRE_MARGIN))
        self.register_buffer("radius_squared", torch.zeros(()))

    def embed(self, image: Tensor) -> Tensor:
        """Return Phi(x; W) of every patch, [B,G*G,out], for ``image`` [B,3,H,W] in [0,1]."""
        return self.head(self._placed(self._latents(image)))

    def detect(self, batch: FaceBatch) -> Detection:
        """Score patches by squared distance to the centre; beyond the radius is occluded."""
        self.eval()
        with torch.no_grad():
            distance = squared_distance(self.embed(batch.image), self.centre)
        score = distance.reshape(-1, self.grid, self.grid)
        return Detection(score=score, threshold=float(self.radius_squared), mask_patch=score > self.radius_squared)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Learn the objective on unoccluded patches: statistics, centre, weights, then the radius on ``val``.

        The last epoch is kept: unoccluded patches alone can't rank epochs, for the objective falls towards collapse.
        Lambda is ``recipe.extra["svdd_lambda"]``; the optimiser itself decays nothing.
        """
        check_known("vit-svdd", recipe.extra, ("svdd_lambda",))
        device = self.centre.device
        weight_decay = float(recipe.extra.get("svdd_lambda", WEIGHT_DECAY))
        if self.position != "plain":
            mean, projection, scale = fit_whitening(
                lambda: self._patches(train, recipe.batch_size, seed), self.projection.shape[1]
            )
            self.mean.copy_(mean)
            if self.position == "whitened":
                self.projection.copy_(projection)
                self.scale.copy_(scale)
        self.centre.copy_(initial_centre(self._mean_embedding(train, recipe.batch_size, seed)))

        def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
            image, kept = self._shown(train.batch(index, device).image, generator)
            distance = squared_distance(self.embed(image), self.centre)[kept]
            if self.objective == "one-class":
                return svdd_objective(distance, self.head.parameters(), weight_decay)
            # Given the weights, this radius is the best one (Ruff et al., section 3.3).
            radius = torch.quantile(distance.detach(), 1.0 - self.nu)
            return soft_boundary_objective(distance, radius, self.nu, self.head.parameters(), weight_decay)

        fit_epochs(self, recipe.model_copy(update={"weight_decay": 0.0}), len(train), step, seed, out)
        distances = [squared_distance(e, self.centre) for e in self._embeddings(val, recipe.batch_size, seed)]
        radius = squared_radius(torch.cat(distances).cpu().numpy(), self.nu)
        if not np.isfinite(radius):
            raise TrainingDiverged("vit-svdd", f"the squared radius is {radius}")
        self.radius_squared.fill_(radius)

    @torch.no_grad()
    def _latents(self, image: Tensor) -> Tensor:
        mae = self._frozen[0]
        return mae.encode(image) if self.latent == "contextual" else mae.encode_local(image)

    def _placed(self, latents: Tensor) -> Tensor:
        """Take from latents [B,N,D] what their position alone explains."""
        if self.position == "whitened":
            return whiten(latents, Whitening(self.mean, self.projection, self.scale))
        return latents - self.mean if self.position == "centred" else latents

    def _shown(self, image: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the faces to train on and which of their patches, bool [B,N], are unoccluded."""
        if self.trained_on == "occluded":
            return occlude_by_others(image, self.grid, self.patch_size, generator)
        return image, torch.ones(len(image), self.grid**2, dtype=torch.bool, device=image.device)

    def _patches(self, faces: FaceSet, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Latents [B,N,D] and which of them are unoccluded; the same on every call."""
        generator = torch.Generator(device=self.centre.device).manual_seed(seed)
        for batch in faces.batches(batch_size, self.centre.device):
            image, kept = self._shown(batch.image, generator)
            yield self._latents(image), kept

    @torch.no_grad()
    def _embeddings(self, faces: FaceSet, batch_size: int, seed: int) -> Iterator[Tensor]:
        """Embeddings [M,out] of the unoccluded patches, batch by batch."""
        for latents, kept in self._patches(faces, batch_size, seed):
            yield self.head(self._placed(latents))[kept]

    def _mean_embedding(self, faces: FaceSet, batch_size: int, seed: int) -> Tensor:
        count, total = 0, torch.zeros(())
        for embedded in self._embeddings(faces, batch_size, seed):
            count, total = count + len(embedded), total + embedded.double().sum(dim=0)
        return (total / max(count, 1)).float()
