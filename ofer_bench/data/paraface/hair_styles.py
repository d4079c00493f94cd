"""The cuts: which way each style combs its strands, how far they stand off the skull and where they end.

Positions are those of the scalp frame (``hair_scalp``): decimetres on the resting head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

_WHORL = (0.0, 8.45, 0.15)
_KNOT_FLOOR, _KNOT_RISE = 7.75, 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class Hair:
    """A head of hair. ``colour`` is a linear sRGB albedo; the rest has no unit.

    ``style`` is one of ``HAIR_STYLES``; ``length``, ``volume`` and ``curl`` in [0,1]; ``parting`` in [-1,1] puts
    the parting on the subject's right (-1) or left (1), or moves the knot of tied hair down or up.
    """

    style: str
    colour: tuple[float, float, float]
    length: float
    volume: float
    parting: float
    curl: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strands:
    """What a style may look at: ``root`` [N,3] and its ``depth`` [N] in decimetres inside the hairline,
    ``side`` [N] (-1 or 1) of the parting, ``noise`` [N,4] in [-1,1]."""

    root: np.ndarray
    depth: np.ndarray
    side: np.ndarray
    noise: np.ndarray
    hair: Hair


Flow = Callable[[np.ndarray, Strands, float], np.ndarray]
"""Combing direction [N,3] at points [N,3] for strands grown to a share in [0,1] of their length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A cut. Pairs are the values at 0 and at 1 of the hair's ``length`` (reach, hem) or ``volume`` (lift).

    ``count`` strands of ``nodes`` nodes and ``width`` decimetres; ``reach`` their length and ``lift`` their height
    over the skin in decimetres; ``stand`` lets them rise all along instead of near the root only; ``hem`` is the
    height at which they are cut, give or take ``ragged``; ``brow`` how far above the eyes those over the forehead
    end; ``guard`` keeps them out of the face by that angle from the front, in radians; ``crop`` is the share of
    the length left at the sides and the nape; ``lock`` in [0,1] pulls strands into locks; ``wave`` is amplitude
    and wavelength in decimetres at ``curl`` 1; ``recession`` in [0,1] moves the hairline back; ``over_ears`` hair
    lies on the ears instead of letting them through; ``tail`` strands lie beyond the knot.
    """

    count: int
    nodes: int
    width: float
    reach: tuple[float, float]
    lift: tuple[float, float]
    flow: Flow
    stand: bool = False
    hem: tuple[float, float] = (5.0, 5.0)
    ragged: float = 0.05
    brow: float = 0.30
    guard: float | None = None
    crop: float = 1.0
    lock: float = 0.35
    wave: tuple[float, float] = (0.0, 1.0)
    recession: float = 0.0
    over_ears: bool = False
    tail: int = 0


def knot(hair: Hair) -> np.ndarray:
    """Where tied hair is gathered, [3]: at the back of the head, higher for a larger ``parting``."""
    high = 0.5 + 0.5 * hair.parting
    return np.array([0.0, _KNOT_FLOOR + _KNOT_RISE * high, -0.45 + 0.22 * high**2])


def smooth(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """Hermite step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    step: np.ndarray = t * t * (3.0 - 2.0 * t)
    return step


def _from_whorl(points: np.ndarray) -> np.ndarray:
    away = points - np.asarray(_WHORL, dtype=points.dtype)
    unit: np.ndarray = away / np.sqrt((away**2).sum(axis=1, keepdims=True) + 1e-3)
    return unit


def _cropped(points: np.ndarray, strands: Strands, along: float) -> np.ndarray:
    """Clipped hair lies the way it grew: away from the whorl, down at the sides."""
    flow = _from_whorl(points) + 0.25 * strands.noise[:, :3]
    flow[:, 1] -= 0.3
    return flow


def _swept(points: np.ndarray, strands: Strands, along: float) -> np.ndarray:
    """Combed back on top with a turn to one side; sides and nape lie back and down."""
    top = smooth(7.7, 8.1, strands.root[:, 1])
    turn = 0.5 * strands.hair.parting + 0.25 * strands.noise[:, 0]
    back = np.stack([turn, np.full_like(turn, 0.15), np.full_like(turn, -1.0)], axis=1)
    down = np.stack([0.15 * strands.noise[:, 1], np.full_like(turn, -0.8), -0.55 + 0.2 * strands.noise[:, 2]], axis=1)
    return down + top[:, None] * (back - down)


def _parted(points: np.ndarray, strands: Strands, along: float) -> np.ndarray:
    """Away from the parting over the top, then down; behind the whorl straight down."""
    behind = smooth(0.35, -0.15, strands.root[:, 2])
    front = smooth(0.7, 1.35, strands.root[:, 2])
    lateral = smooth(0.25, 0.62, np.abs(points[:, 0]))
    aside = np.stack(
        [
            strands.side * (1.0 - 0.85 * lateral),
            -0.25 - 1.0 * lateral,
            -0.45 + 0.35 * front * (1.0 - lateral) + 0.15 * strands.noise[:, 0],
        ],
        axis=1,
    )
    down = _from_whorl(points)
    down[:, 1] -= 0.9
    return aside + behind[:, None] * (down - aside)


def _hanging(points: np.ndarray, strands: Strands, along: float) -> np.ndarray:
    """Parted hair that gravity takes over once it has left the top of the head."""
    flow = _parted(points, strands, along)
    low = smooth(7.9, 7.4, points[:, 1])[:, None]
    fall = 0.06 * strands.noise[:, :3]
    fall[:, 1] -= 1.0
    return flow / np.sqrt((flow**2).sum(axis=1, keepdims=True)) * (1.0 - low) + fall * low


def _fringed(points: np.ndarray, strands: Strands, along: float) -> np.ndarray:
    """From the whorl all around and down, over the forehead too, with a sweep to one side there."""
    flow = _from_whorl(points) + 0.08 * strands.noise[:, :3]
    flow[:, 1] -= 0.5
    front = smooth(0.9, 1.3, points[:, 2])
    flow[:, 0] += front * (0.55 * strands.hair.parting + 0.15 * strands.noise[:, 3])
    return flow


def _tied(points: np.ndarray, strands: Strands, along: float) -> np.ndarray:
    """Pulled to the knot, and held there."""
    return knot(strands.hair).astype(points.dtype) - points


def _coiled(points: np.ndarray, strands: Strands, along: float) -> np.ndarray:
    """Curls leave the scalp in every direction; long ones hang a little."""
    flow = 0.6 * _from_whorl(points) + 0.7 * strands.noise[:, :3]
    flow[:, 1] -= 0.2 + 0.7 * strands.hair.length * (1.0 - 0.7 * strands.hair.volume) * along
    return flow


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "buzz": Style(count=2200, nodes=4, width=0.032, reach=(0.06, 0.12), lift=(0.03, 0.06), flow=_cropped,
                      stand=True, lock=0.0, crop=0.75),
        "receding": Style(count=1250, nodes=8, width=0.05, reach=(0.22, 0.6), lift=(0.02, 0.12), flow=_swept, crop=0.45,
                          recession=1.0),
        "short-swept": Style(count=1250, nodes=10, width=0.055, reach=(0.35, 0.95), lift=(0.08, 0.34), flow=_swept,
                             crop=0.32),
        "side-part": Style(count=1150, nodes=10, width=0.055, reach=(0.6, 1.15), lift=(0.06, 0.28), flow=_parted,
                           crop=0.42, guard=0.72),
        "fringe": Style(count=1050, nodes=11, width=0.06, reach=(1.9, 2.4), lift=(0.08, 0.22), flow=_fringed,
                        hem=(7.15, 6.25), brow=0.27, over_ears=True),
        "long-straight": Style(count=900, nodes=13, width=0.06, reach=(3.2, 3.6), lift=(0.05, 0.2), flow=_hanging,
                               hem=(6.5, 5.5), ragged=0.13, guard=0.98, over_ears=True),
        "long-wavy": Style(count=660, nodes=21, width=0.075, reach=(3.2, 3.6), lift=(0.08, 0.3), flow=_hanging,
                           hem=(6.5, 5.5), ragged=0.15, guard=1.0, over_ears=True, wave=(0.085, 0.85), lock=0.6),
        "tied-back": Style(count=1000, nodes=11, width=0.05, reach=(2.6, 2.6), lift=(0.03, 0.1), flow=_tied, lock=0.2,
                           tail=220),
        "curly": Style(count=760, nodes=18, width=0.06, reach=(0.45, 1.0), lift=(0.16, 0.66), flow=_coiled, stand=True,
                       wave=(0.05, 0.24), lock=0.1, brow=0.36, crop=0.7),
    }
)  # fmt: skip
"""Every cut with hair, by name."""

HAIR_STYLES: tuple[str, ...] = ("bald", *STYLES)
"""Names that ``Hair.style`` may have."""
