"""What the layers share that rebuild a hole position by position: the order, the best known match, the recursion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class HoleOrder:
    """A feature map as rows, and the positions of its hole in raster order.

    ``rows`` [B,HW,C], contiguous; ``hole`` bool [B,HW], True = to rebuild; ``place`` int64 [B,S], S the size of
    the largest hole of the batch: smaller ones are filled up with known positions, which ``put`` leaves alone;
    ``current`` [B,S,C], the rows at ``place``.
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
        place = (~flat).to(torch.uint8).argsort(dim=1, stable=True)[:, :steps]
        # All that follows reads whole positions: their channels have to lie together.
        rows = features.flatten(2).transpose(1, 2).contiguous()
        current = take(rows, place)
        return cls(rows=rows, hole=flat, place=place, current=current, height=height, width=width)

    @property
    def is_hole(self) -> Tensor:
        """Which of ``place`` are the map's own holes: bool [B,S,1]."""
        return self.hole.gather(1, self.place)[:, :, None]

    @property
    def anything_known(self) -> Tensor:
        """Which maps have a known position: bool [B,1,1]."""
        return ~self.hole.all(dim=1)[:, None, None]

    @property
    def mirrored(self) -> Tensor:
        """``place`` on the other side of the face: int64 [B,S]."""
        return self.place + (self.width - 1) - 2 * (self.place % self.width)

    def best_known(self) -> Tensor:
        """Return the known position of highest cosine with each of ``current``: int64 [B,S], no gradient.

        Any position where nothing is known.
        """
        with torch.no_grad():
            # The length of the current feature changes no order, so that side stays as it is.
            score = self.current @ self.rows.transpose(1, 2)
            score *= 1.0 / (torch.linalg.vector_norm(self.rows, dim=-1) + EPSILON)[:, None]
            return score.masked_fill_(self.hole[:, None], -torch.inf).argmax(dim=2)

    def window_mean(self, place: Tensor) -> Tensor:
        """Return the mean of the 3x3 window (inside the map) around ``place`` [B,S]: [B,S,C]."""
        mean = F.avg_pool2d(self._map(self.rows), 3, stride=1, padding=1, count_include_pad=False)
        return take(mean.flatten(2).transpose(1, 2), place)

    def put(self, rebuilt: Tensor) -> Tensor:
        """Return the map [B,C,H,W] with ``rebuilt`` [B,S,C] in its hole, all else bit for bit."""
        filled = torch.where(self.is_hole, rebuilt, self.current)
        return self._map(self.rows.scatter(1, _wide(self.place, self.rows), filled))

    def _map(self, rows: Tensor) -> Tensor:
        return rows.transpose(1, 2).unflatten(2, (self.height, self.width))


def take(rows: Tensor, place: Tensor) -> Tensor:
    """Return the rows [B,S,C] of ``rows`` [B,N,C] at ``place`` int64 [B,S]."""
    return rows.gather(1, _wide(place, rows))


def _wide(place: Tensor, rows: Tensor) -> Tensor:
    return place[:, :, None].expand(-1, -1, rows.shape[2])


def unit(vector: Tensor) -> Tensor:
    """Scale [...,C] to length 1; zero stays zero."""
    return vector / (torch.linalg.vector_norm(vector, dim=-1, keepdim=True) + EPSILON)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of [...,C] and [...,C] as [...,1]."""
    return (a * b).sum(dim=-1, keepdim=True)


def scan(
    direction: Tensor,
    fixed: Tensor,
    fixed_weight: Tensor,
    fallback: Tensor,
    similarity: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Rebuild position by position: m_n = (w_n m_{n-1} + fixed_n) / (w_n + fixed_weight_n), m_{-1} = 0.

    w_n = ``similarity(direction_n, m_{n-1})`` [B,1]. ``direction`` [B,S,D], ``fixed`` and ``fallback`` [B,S,C],
    ``fixed_weight`` [B,S,1]: what is known of every position beforehand. Returns m [B,S,C]; where the weights sum
    to 0, ``fallback``. Gradients flow through all of it.
    """
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
