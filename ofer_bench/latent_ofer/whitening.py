"""Whitening of unoccluded latents, position by position."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

SHRINKAGE = 0.05
"""Share of the mean variance added to every direction: a position sees few faces for so many directions."""


FLOOR = 0.01
"""Least variance of a position, as a share of the mean of all: a black border varies by nothing to be scaled by."""


class Whitening(NamedTuple):
    """``mean`` [N,D] per position, ``projection`` [D,K] shared, ``scale`` [N,K,K] per position; float32."""

    mean: Tensor
    projection: Tensor
    scale: Tensor


def whiten(latents: Tensor, whitening: Whitening) -> Tensor:
    """Centre [B,N,D] at each position, project and whiten to [B,N,K]."""
    projected = (latents - whitening.mean) @ whitening.projection
    return torch.einsum("bnk,nkl->bnl", projected, whitening.scale)


def fit_whitening(latents: Callable[[], Iterable[tuple[Tensor, Tensor]]], components: int) -> Whitening:
    """Estimate the whitening of unoccluded latents.

    ``latents()`` yields batches of float [B,N,D] and of bool [B,N], which of them are unoccluded, the same on each of
    two calls. The first pass gives the means and the K = ``components`` principal directions of all positions together
    (K bounds the memory, for the scales take N*K*K), the second the covariance of each position there. Scales are
    symmetric roots, so that directions mean the same at every position and one head can serve them all. Sums are kept
    in float64.
    """
    count, total, outer = torch.zeros(()), torch.zeros(()), torch.zeros(())
    for batch, kept in latents():
        wide = batch.double() * kept[:, :, None]
        count = count + kept.sum(dim=0)
        total = total + wide.sum(dim=0)
        outer = outer + torch.einsum("bnd,bne->de", wide, wide)
    count = count.clamp(min=1)[:, None]
    mean = total / count
    _, directions = torch.linalg.eigh((outer - (count * mean).T @ mean) / count.sum())
    projection = directions.flip(1)[:, :components]
    covariance = torch.zeros(())
    for batch, kept in latents():
        projected = ((batch.double() - mean) * kept[:, :, None]) @ projection
        covariance = covariance + torch.einsum("bnk,bnl->nkl", projected, projected) / count[:, :, None]
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp(min=0.0)
    variance = values.mean(dim=1, keepdim=True)
    root = (values + SHRINKAGE * variance.clamp(min=FLOOR * float(variance.mean()))).rsqrt()
    scale = torch.einsum("nkj,nj,nlj->nkl", vectors, root, vectors)
    return Whitening(mean.float(), projection.float(), scale.float())
