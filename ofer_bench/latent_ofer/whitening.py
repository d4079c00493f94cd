"""Statistics of unoccluded latents per patch position."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

VARIANCE_FLOOR = 1e-3
"""Share of the mean variance added to every direction, so that a dead direction doesn't explode."""


def position_statistics(latents: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the mean latent of each position [N,D] and the whitening matrix of the rest [D,D].

    ``latents`` yields float [B,N,D] from unoccluded faces; it is passed once. The covariance is pooled over
    positions after each position's mean is taken off: (x - mean_n) @ matrix has unit covariance over all
    patches. Sums are kept in float64.
    """
    count, total, outer = 0, torch.zeros(()), torch.zeros(())
    for batch in latents:
        wide = batch.double()
        count += len(batch)
        total = total.to(batch.device) + wide.sum(dim=0)
        flat = wide.flatten(0, 1)
        outer = outer.to(batch.device) + flat.T @ flat
    mean = total / count
    covariance = outer / (count * len(mean)) - mean.T @ mean / len(mean)
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp(min=0.0)
    scale = (values + VARIANCE_FLOOR * values.mean()).rsqrt()
    return mean.float(), (vectors * scale).float()
