"""The self-assembly layer (section 3.2.2, Eq. 2 and 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ofer_bench.latent_ofer.hole_order import HoleOrder, Similarity, scan, take, unit


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
    if not hole.any():
        return features
    order = HoleOrder.of(features, hole)
    direction = unit(order.current)
    symmetric = order.window_mean(order.mirrored)
    weight_symmetric = Similarity.COSINE(direction, symmetric)
    known = take(order.rows, order.best_known())
    weight_known = Similarity.COSINE(direction, known) * order.anything_known
    fixed = torch.addcmul(weight_symmetric * symmetric, weight_known, known)
    return order.put(scan(direction, fixed, weight_symmetric + weight_known, order.current, Similarity.COSINE))
