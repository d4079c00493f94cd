"""What the layers share that rebuild a hole position by position: the order, the best known match, the recursion."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class HoleOrder:
    """A batch of feature maps as rows, and the positions of their holes in raster order.

    ``rows`` [B*H*W,C], contiguous: position (r, c) of map b is row (b*H + r)*W + c. ``hole`` bool [B,H*W], True = to
    rebuild; ``place`` int64 [B,S], rows to rebuild, S the size of the largest hole of the batch: smaller ones are
    filled up with known positions, which ``put`` leaves alone; ``current`` [B,S,C], the rows at ``place``.
    """

    rows: Tensor
    hole: Tensor
    place: Tensor
    current: Tensor
    height: int
    width: int

    @classmethod
    def of(cls, features: Tensor, hole: Tensor) -> HoleOrder:
        """Order ``hole`` bool [B,1,H,W] of ``features`` [B,C,H,W]."""
        height, width = features.shape[-2:]
        flat = hole.flatten(1)
        steps = int(flat.sum(dim=1).max())
        place = (~flat).to(torch.uint8).argsort(dim=1, stable=True)[:, :steps] + _starts(flat)
        # All that follows reads whole positions: their channels have to lie together.
        rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).contiguous()
        return cls(rows=rows, hole=flat, place=place, current=take(rows, place), height=height, width=width)

    @property
    def by_map(self) -> Tensor:
        """``rows`` as [B,H*W,C]."""
        return self.rows.unflatten(0, self.hole.shape)

    @property
    def is_hole(self) -> Tensor:
        """Which of ``place`` are the map's own holes: bool [B,S,1]."""
        return self.hole.flatten()[self.place][:, :, None]

    @property
    def anything_known(self) -> Tensor:
        """Which maps have a known position: bool [B,1,1]."""
        return ~self.hole.all(dim=1)[:, None, None]

    @property
    def mirrored(self) -> Tensor:
        """``place`` on the other side of the face: int64 [B,S]."""
        return self.place + (self.width - 1) - 2 * (self.place % self.width)

    def best_known(self) -> Tensor:
        """Return the known position of the same map most similar to each of ``current``: int64 [B,S], no gradient.

        The highest cosine decides; any position where nothing is known.
        """
        with torch.no_grad():
            # The length of the current feature changes no order, so that side stays as it is.
            score = self.current @ self.by_map.transpose(1, 2)
            scale = 1.0 / (torch.linalg.vector_norm(self.by_map, dim=2) + EPSILON)
            closed = torch.zeros_like(scale).masked_fill_(self.hole, -torch.inf)
            torch.addcmul(closed[:, None], score, scale[:, None], out=score)
            return score.argmax(dim=2) + _starts(self.hole)

    def window_mean(self, place: Tensor) -> Tensor:
        """Return the mean of the 3x3 window (inside the map) around ``place`` [B,S]: [B,S,C]."""
        step = torch.arange(-1, 2, device=place.device)
        row = (place // self.width % self.height)[:, :, None, None] + step[:, None]
        column = (place % self.width)[:, :, None, None] + step
        inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
        around = place[:, :, None, None] + step[:, None] * self.width + step
        window = torch.where(inside, around, place[:, :, None, None]).flatten(0, 1).flatten(1)
        share = (inside / inside.sum(dim=(2, 3), keepdim=True)).to(self.rows.dtype).reshape(window.shape)
        mean = F.embedding_bag(window, self.rows, mode="sum", per_sample_weights=share)
        return mean.unflatten(0, place.shape)

    def put(self, rebuilt: Tensor) -> Tensor:
        """Return the maps [B,C,H,W] with ``rebuilt`` [B,S,C] in their holes, all else bit for bit."""
        filled = torch.where(self.is_hole, rebuilt, self.current)
        rows = self.rows.index_copy(0, self.place.flatten(), filled.flatten(0, 1))
        return rows.unflatten(0, (-1, self.height, self.width)).permute(0, 3, 1, 2)


def take(rows: Tensor, place: Tensor) -> Tensor:
    """Return the rows [B,S,C] of ``rows`` [N,C] at ``place`` int64 [B,S]."""
    # Several times as fast as gather, forward and backward.
    return F.embedding(place, rows)


def _starts(hole: Tensor) -> Tensor:
    """Row of the first position of every map: int64 [B,1]."""
    batch, positions = hole.shape
    return torch.arange(0, batch * positions, positions, device=hole.device)[:, None]


def unit(vector: Tensor) -> Tensor:
    """Scale [...,C] to length 1; zero stays zero."""
    return vector / (torch.linalg.vector_norm(vector, dim=-1, keepdim=True) + EPSILON)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of [...,C] and [...,C] as [...,1]."""
    return (a * b).sum(dim=-1, keepdim=True)


class Similarity(Enum):
    """How alike a unit vector and others are, [...,C] twice -> [...,1], negatives taken as 0."""

    COSINE = "cosine"
    PRODUCT = "product"

    def __call__(self, direction: Tensor, other: Tensor) -> Tensor:
        """Compare ``direction``, of length 1, with ``other``."""
        if self is Similarity.PRODUCT:
            return product(direction, other).clamp(min=0.0)
        length = torch.linalg.vector_norm(other, dim=-1, keepdim=True) + EPSILON
        return (product(direction, other) / length).clamp(min=0.0)


def scan(
    direction: Tensor,
    fixed: Tensor,
    fixed_weight: Tensor,
    fallback: Tensor,
    similarity: Similarity | Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Rebuild position by position: m_n = (w_n m_{n-1} + fixed_n) / (w_n + fixed_weight_n), m_{-1} = 0.

    w_n = ``similarity(direction_n, m_{n-1})`` [B,1]. ``direction`` [B,S,D], ``fixed`` and ``fallback`` [B,S,C],
    ``fixed_weight`` [B,S,1]: what is known of every position beforehand. Returns m [B,S,C]; where the weights sum
    to 0, ``fallback``. Gradients flow through all of it. With a Similarity one kernel does it on CUDA.
    """
    if isinstance(similarity, Similarity) and has_kernel(fixed):
        from ofer_bench.latent_ofer.scan_kernel import fused_scan

        return fused_scan(direction, fixed, fixed_weight, fallback, EPSILON, similarity is Similarity.COSINE)
    previous = torch.zeros_like(fixed[:, 0])
    rebuilt = []
    for toward, rest, rest_weight, instead in zip(
        direction.unbind(1), fixed.unbind(1), fixed_weight.unbind(1), fallback.unbind(1), strict=True
    ):
        weight = similarity(toward, previous)
        total = weight + rest_weight
        related = total.abs() > EPSILON
        mixed = torch.addcmul(rest, weight, previous) / torch.where(related, total, 1.0)
        previous = torch.where(related, mixed, instead)
        rebuilt.append(previous)
    return torch.stack(rebuilt, dim=1)


def has_kernel(values: Tensor) -> bool:
    """Whether the recursion on ``values`` runs as a kernel: on CUDA, in at most float32, where Triton works."""
    return values.is_cuda and values.dtype != torch.float64 and triton_works()


@cache
def triton_works() -> bool:
    """Whether Triton is installed and finds a GPU; warns where it can't build what starts its kernels there."""
    if find_spec("triton") is None:
        return False
    from triton.runtime import driver

    try:
        driver.active.get_current_device()
    # Whatever the compiler's failure is called, the loop gives the same numbers.
    except Exception as error:
        warnings.warn(
            f"Triton can't start kernels ({error}), so holes are rebuilt in a slow loop; "
            "it needs a C compiler and Python's headers, as of the packages gcc and python3-dev",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True
