"""The self-assembly layer (section 3.2.2, Eq. 2 and 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-8


def self_assembly(features: Tensor, hole: Tensor) -> Tensor:
    """Rebuild the hole of a feature map from its known part, its mirror image and itself (Eq. 3).

    ``features`` float [B,C,H,W], the map of the coarse reconstruction; ``hole`` bool [B,1,H,W], True = to
    rebuild. Returns [B,C,H,W]: known positions as they were, hole positions p_i, one after another in raster
    order:

        p_i = (S_sym p_s + S_known p_k + S_prev p_{i-1}) / (S_sym + S_known + S_prev)

    with p_s the 3x3 mean (inside the map) at the same place of the horizontally flipped map, p_k the known
    position most similar to the current feature, p_{i-1} the position rebuilt before, and S the cosine with
    the current feature (Eq. 2), negatives taken as 0 so that the weights are convex (the paper is silent).
    S_prev is 0 for the first position, S_known is 0 where nothing is known; a position without any similarity
    keeps its feature. Every batch item has its own hole. Differentiable, except in the choice of p_k.
    """
    batch, channels, height, width = features.shape
    hole_flat = hole.reshape(batch, height * width)
    steps = int(hole_flat.sum(dim=1).max())
    if steps == 0:
        return features
    rows = features.flatten(2).transpose(1, 2)
    place = (~hole_flat).to(torch.uint8).argsort(dim=1, stable=True)[:, :steps]
    is_hole = hole_flat.gather(1, place)[:, :, None]
    current = _take(rows, place)
    direction = _unit(current)

    mirrored = F.avg_pool2d(features.flip(3), 3, stride=1, padding=1, count_include_pad=False)
    symmetric = _take(mirrored.flatten(2).transpose(1, 2), place)
    weight_symmetric = _similarity(direction, symmetric)
    known, weight_known = _best_known(rows, hole_flat, direction)

    fixed = weight_symmetric * symmetric + weight_known * known
    assembled = _scan(current, direction, fixed, weight_symmetric + weight_known)
    # The padding of shorter holes points at known positions, which are written back unchanged.
    filled = torch.where(is_hole, assembled, current)
    result = rows.scatter(1, place[:, :, None].expand(-1, -1, channels), filled)
    return result.transpose(1, 2).reshape(batch, channels, height, width)


def _take(rows: Tensor, place: Tensor) -> Tensor:
    return rows.gather(1, place[:, :, None].expand(-1, -1, rows.shape[2]))


def _unit(vector: Tensor) -> Tensor:
    return vector / (torch.linalg.vector_norm(vector, dim=-1, keepdim=True) + EPSILON)


def _similarity(direction: Tensor, other: Tensor) -> Tensor:
    """Eq. 2 with negatives at 0: [...,C] twice -> [...,1]; ``direction`` has unit length."""
    return (direction * _unit(other)).sum(dim=-1, keepdim=True).clamp(min=0.0)


def _best_known(rows: Tensor, hole_flat: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Return p_k [B,S,C] and S_known [B,S,1] of every hole position."""
    with torch.no_grad():
        cosine = direction @ _unit(rows).transpose(1, 2)
        best = cosine.masked_fill(hole_flat[:, None], -2.0).argmax(dim=2)
    known = _take(rows, best)
    anything_known = ~hole_flat.all(dim=1)[:, None, None]
    return known, _similarity(direction, known) * anything_known


def _scan(current: Tensor, direction: Tensor, fixed: Tensor, fixed_weight: Tensor) -> Tensor:
    """Rebuild [B,S,C] in order; only the share of the previous position depends on the step before."""
    previous = torch.zeros_like(current[:, 0])
    rebuilt = []
    for feature, unit, rest, rest_weight in zip(
        current.unbind(1), direction.unbind(1), fixed.unbind(1), fixed_weight.unbind(1), strict=True
    ):
        weight = _similarity(unit, previous)
        total = weight + rest_weight
        related = total > EPSILON
        mixed = (weight * previous + rest) / torch.where(related, total, 1.0)
        previous = torch.where(related, mixed, feature)
        rebuilt.append(previous)
    return torch.stack(rebuilt, dim=1)
