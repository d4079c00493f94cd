"""The recursion of :func:`hole_order.scan` as one Triton kernel each way: a program per map walks over its hole.

Imported on CUDA alone, where the loop of small operations would cost a launch per position and operation. Triton's
compiler looks up annotations of parameters, and takes none but those of its own language.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

LANES = 512
"""Channels that one warp takes: more of them need more warps, whose sums cost a barrier."""


@triton.jit
def _forward(
    direction: tl.tensor,
    fixed: tl.tensor,
    fixed_weight: tl.tensor,
    fallback: tl.tensor,
    out: tl.tensor,
    steps: tl.tensor,
    channels: tl.tensor,
    eps: tl.tensor,
    cosine: tl.constexpr,
    block: tl.constexpr,
) -> None:
    start = tl.program_id(0) * steps
    channel = tl.arange(0, block)
    inside = channel < channels
    at = start.to(tl.int64) * channels + channel
    previous = tl.zeros([block], tl.float32)
    toward = tl.load(direction + at, inside, 0.0).to(tl.float32)
    rest = tl.load(fixed + at, inside, 0.0).to(tl.float32)
    for n in range(steps):
        # What the next position needs does not depend on this one: it travels meanwhile.
        more = channel < channels * (n + 1 < steps)
        next_toward = tl.load(direction + at + channels, more, 0.0).to(tl.float32)
        next_rest = tl.load(fixed + at + channels, more, 0.0).to(tl.float32)
        weight = tl.sum(toward * previous, 0)
        if cosine:
            weight = weight / (tl.sqrt(tl.sum(previous * previous, 0)) + eps)
        weight = tl.maximum(weight, 0.0)
        total = weight + tl.load(fixed_weight + start + n).to(tl.float32)
        related = tl.abs(total) > eps
        instead = tl.load(fallback + at, channel < tl.where(related, 0, channels), 0.0).to(tl.float32)
        mixed = (rest + weight * previous) / tl.where(related, total, 1.0)
        previous = tl.where(related, mixed, instead)
        tl.store(out + at, previous, inside)
        toward, rest = next_toward, next_rest
        at += channels


@triton.jit
def _backward(
    direction: tl.tensor,
    fixed_weight: tl.tensor,
    out: tl.tensor,
    grad_out: tl.tensor,
    grad_direction: tl.tensor,
    grad_fixed: tl.tensor,
    grad_fixed_weight: tl.tensor,
    grad_fallback: tl.tensor,
    steps: tl.tensor,
    channels: tl.tensor,
    eps: tl.tensor,
    cosine: tl.constexpr,
    block: tl.constexpr,
) -> None:
    start = tl.program_id(0) * steps
    channel = tl.arange(0, block)
    inside = channel < channels
    at = (start + steps - 1).to(tl.int64) * channels + channel
    carried = tl.zeros([block], tl.float32)
    rebuilt = tl.load(out + at, inside, 0.0).to(tl.float32)
    for k in range(steps):
        n = steps - 1 - k
        toward = tl.load(direction + at, inside, 0.0).to(tl.float32)
        grad = tl.load(grad_out + at, inside, 0.0).to(tl.float32) + carried
        previous = tl.load(out + at - channels, channel < channels * (n > 0), 0.0).to(tl.float32)
        length = 1.0
        norm = 1.0
        if cosine:
            norm = tl.sqrt(tl.sum(previous * previous, 0))
            length = norm + eps
        similarity = tl.sum(toward * previous, 0) / length
        weight = tl.maximum(similarity, 0.0)
        total = weight + tl.load(fixed_weight + start + n).to(tl.float32)
        related = tl.abs(total) > eps
        share = tl.where(related, 1.0 / tl.where(related, total, 1.0), 0.0)
        against_rebuilt = tl.sum(grad * rebuilt, 0) * share
        grad_weight = tl.sum(grad * previous, 0) * share - against_rebuilt
        grad_weight = tl.where(similarity >= 0.0, grad_weight, 0.0) / length
        tl.store(grad_fixed + at, grad * share, inside)
        tl.store(grad_fixed_weight + start + n, -against_rebuilt)
        tl.store(grad_fallback + at, tl.where(related, 0.0, grad), inside)
        tl.store(grad_direction + at, grad_weight * previous, inside)
        carried = grad * (weight * share) + grad_weight * toward
        if cosine:
            carried -= (grad_weight * similarity / tl.where(norm > 0.0, norm, 1.0)) * previous
        rebuilt = previous
        at -= channels


class _FusedScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        direction: Tensor,
        fixed: Tensor,
        fixed_weight: Tensor,
        fallback: Tensor,
        eps: float,
        cosine: bool,
    ) -> Tensor:
        inputs = [t.contiguous() for t in (direction, fixed, fixed_weight, fallback)]
        out = torch.empty_like(inputs[1])
        with torch.cuda.device_of(out):
            _forward[(len(out),)](*inputs, out, out.shape[1], out.shape[2], eps, cosine, **_blocks(out.shape[2]))
        ctx.save_for_backward(inputs[0], inputs[2], out)
        ctx.settings = (eps, cosine)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        direction, fixed_weight, out = ctx.saved_tensors
        results = [torch.empty_like(t) for t in (direction, out, fixed_weight, out)]
        with torch.cuda.device_of(out):
            _backward[(len(out),)](
                direction,
                fixed_weight,
                out,
                grads[0].contiguous(),
                *results,
                out.shape[1],
                out.shape[2],
                *ctx.settings,
                **_blocks(out.shape[2]),
            )
        return (*results, None, None)


def fused_scan(
    direction: Tensor, fixed: Tensor, fixed_weight: Tensor, fallback: Tensor, eps: float, cosine: bool
) -> Tensor:
    """Do what :func:`hole_order.scan` does, with gradients to all four tensors, in one launch each way.

    The similarity is the cosine, or the inner product. Sums are taken in float32, whatever the inputs are.
    """
    rebuilt: Tensor = _FusedScan.apply(direction, fixed, fixed_weight, fallback, eps, cosine)
    return rebuilt


def _blocks(channels: int) -> dict[str, int]:
    block = triton.next_power_of_2(channels)
    return {"block": block, "num_warps": min(8, max(1, block // LANES))}
