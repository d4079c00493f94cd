"""The coherent semantic attention (CSA) layer, which Table 8 puts in the place of self-assembly."""

from __future__ import annotations

from torch import Tensor

from ofer_bench.latent_ofer.hole_order import HoleOrder, Similarity, scan, take, unit


def csa(features: Tensor, hole: Tensor) -> Tensor:
    """Rebuild the hole of a feature map from its known part and itself (Liu et al., ICCV 2019, CSA layer).

    ``features`` float [B,C,H,W]; ``hole`` bool [B,1,H,W], True = to rebuild. Returns [B,C,H,W]: known positions as
    they were, hole positions m_i, one after another in raster order:

        m_i = (D_ad m_{i-1} + D_max x_k) / (D_ad + D_max),   m_1 = x_k

    with x_k the known position most similar to the current feature x_i, D_max = <x_i, x_k / |x_k|> and
    D_ad = <m_{i-1}, x_i / |x_i|>: lengths are taken as in the authors' code, one side alone is normalised. So every
    m_i is a mean of known features. Negative products count as 0, so that it is a convex one (the authors do not
    say); where both are 0, m_i is x_k. A map of which nothing is known stays as it is. Every batch item has its own
    hole. Differentiable as the equations are, except in the choice of x_k; the authors' code has a backward pass of
    its own, which loses all weights but 1.
    """
    if not hole.any():
        return features
    order = HoleOrder.of(features, hole)
    known = take(order.rows, order.best_known())
    weight = Similarity.PRODUCT(unit(known), order.current)
    rebuilt = scan(unit(order.current), weight * known, weight, known, Similarity.PRODUCT)
    return order.put(rebuilt.where(order.anything_known, order.current))
