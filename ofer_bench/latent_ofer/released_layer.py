"""The self-assembly layer as the authors released it, which is not what their equations say."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ofer_bench.latent_ofer.hole_order import HoleOrder, product, scan, take, unit


def released_layer(features: Tensor, flip: Tensor, hole: Tensor) -> Tensor:
    """Rebuild the hole of a feature map by the arithmetic of the released code (github.com/leeisack/Latent-OFER).

    ``features`` x and ``flip`` f, both float [B,C,H,W]; ``hole`` bool [B,1,H,W], True = to rebuild. Returns
    [B,C,H,W]: known positions as they were, the n-th hole position h the sum over known positions of A_n(q) x_q:

        m_0 = (x_k + r_h) / 2                                           A_0 = e_k
        m_n = (D_prev m_{n-1} + D_known x_k + D_flip r_h) / Z           A_n = (D_prev A_{n-1} + D_known e_k) / Z
        Z = D_prev + D_known + D_flip

    with x_k the known position most similar to x_h, e_k one at k and zero elsewhere, r_h the 3x3 mean (inside the
    map) around h, D_known = <x_h, u(x_k)>, D_prev = <m_{n-1}, u(x_h)>, D_flip = max over all q of <f_n, u(x_q)> and
    u(v) = v / |v|. So r, in the place of Eq. 3's p_s, is neither mirrored nor part of the output, whose weights sum
    to less than 1; D_flip reads f at raster position n, not h.

    The gradient is the release's too. It holds A in integers: a known position gets its gradient twice, a hole
    position keeps that of its own output, the first one also hands it to x_k, and no other hole hands on anything;
    ``flip`` gets no gradient.

    Not as released: holes of their own for all maps of a batch of any size (there: of the first map ever seen, one
    map at a time), maps of any size (there 32 x 32). Where Z is 0, m_n and A_n are those of the first position; a
    map of which nothing is known stays as it is.
    """
    if not hole.any():
        return features
    rebuilt: Tensor = _Released.apply(features, flip, hole)
    return rebuilt


class _Released(torch.autograd.Function):
    """The layer with the backward pass of the release: grad + A^T grad, A cut to integers."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, flip: Tensor, hole: Tensor) -> Tensor:
        order = HoleOrder.of(features, hole)
        attention = _attention(order, flip)
        ctx.save_for_backward(attention.trunc(), hole, order.place)
        assembled = (attention @ order.by_map).where(order.anything_known, order.current)
        return order.put(assembled)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        whole, hole, place = ctx.saved_tensors
        (grad,) = grads
        rows = grad.permute(0, 2, 3, 1)
        from_holes = whole.transpose(1, 2) @ take(rows.flatten(0, 2), place)
        # The rows of A that belong to known positions are the identity.
        total = grad * (1 + ~hole) + from_holes.view(rows.shape).permute(0, 3, 1, 2)
        return total, None, None


def _attention(order: HoleOrder, flip: Tensor) -> Tensor:
    """Return A [B,S,HW] of every hole position; zero for the padding of smaller holes and where nothing is known."""
    channels = order.rows.shape[1]
    best = order.best_known()
    known, around = take(order.rows, best), order.window_mean(order.place)
    weight_known = product(unit(known), order.current)
    # By the number of the hole, not by its place.
    asked = flip.flatten(2)[:, :, : order.place.shape[1]].transpose(1, 2)
    weight_flip = (asked @ unit(order.by_map).transpose(1, 2)).amax(dim=2, keepdim=True)
    positions = order.hole.shape[1]
    one_hot = F.one_hot(best % positions, positions).to(known.dtype)

    # The recursion carries m and A side by side; m alone decides about the weights.
    first = torch.cat([(known + around) / 2, one_hot], dim=2)
    fixed = torch.cat([weight_known * known + weight_flip * around, weight_known * one_hot], dim=2)
    fixed_weight = weight_known + weight_flip
    fixed[:, 0], fixed_weight[:, 0] = first[:, 0], 1.0
    carried = scan(
        unit(order.current),
        fixed,
        fixed_weight,
        first,
        lambda toward, previous: product(toward, previous[:, :channels]),
    )
    return carried[:, :, channels:] * (order.is_hole & order.anything_known)
