"""A bare hand on the face, in one of nine poses, with the forearm running out of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ofer_bench.data.paraface.geometry import Geometry
from ofer_bench.data.paraface.props.hand_model import (
    HandPose,
    Placement,
    close_hand,
    hand_geometry,
    load_hand,
    pose_hand,
)
from ofer_bench.data.paraface.props.shapes import between, rotation, unit
from ofer_bench.data.paraface.props.surface import Clearance, Face, contact

_STRAIGHT = ((0.0, 0.0, 0.0), *4 * ((-14.0, 0.0, 0.0),))
_RELAXED = ((14.0, 16.0, 16.0), *4 * ((40.0, 32.0, 22.0),))
_FIST = ((22.0, 42.0, 44.0), *4 * ((80.0, 96.0, 62.0),))
_POINTING = (_FIST[0], (8.0, 10.0, 6.0), *_FIST[2:])
_UP, _IN = (-0.15, 1.0, 0.0), (0.0, 0.0, -1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """A left hand on the resting face: palm centre in decimetres, directions, joint angles in degrees.

    The fingers close from ``start`` to ``limit`` until they touch, or stay where they are. The hand comes
    from ``approach`` and stops at the skin; ``covers`` names the region.
    """

    covers: str
    centre: tuple[float, float, float]
    fingers: tuple[float, float, float]
    palm: tuple[float, float, float] = _IN
    approach: tuple[float, float, float] | None = None
    start: tuple[tuple[float, ...], ...] = _STRAIGHT
    limit: tuple[tuple[float, ...], ...] | None = _RELAXED
    spread: tuple[float, ...] = (0.0, 1.0, 0.0, 0.0, 1.0)
    oppose: float = 10.0
    wrist: tuple[float, float] = (0.0, 0.0)
    roll: float = 14.0
    shift: tuple[float, float] = (0.12, 0.10)


_POSES: dict[str, _Laid] = {
    "palm-over-mouth": _Laid(
        covers="mouth", centre=(0.28, 6.58, 1.6), fingers=(-0.9, 0.42, 0.0), spread=(-12.0, -6.0, -1.0, 4.0, 10.0)
    ),
    "palm-over-eye": _Laid(
        covers="eye", centre=(0.40, 7.05, 1.5), fingers=(-0.12, 1.0, 0.0), palm=(-0.15, -0.2, -1.0), wrist=(-16.0, 0.0)
    ),
    "palm-over-eyes": _Laid(
        covers="eyes", centre=(0.42, 7.18, 1.5), fingers=(-1.0, 0.12, -0.1), palm=(-0.2, 0.0, -1.0), wrist=(0.0, -8.0)
    ),
    "hand-on-cheek": _Laid(
        covers="cheek", centre=(0.54, 6.68, 1.0), fingers=(-0.1, 1.0, 0.0), palm=(-0.72, 0.1, -0.7), wrist=(-12.0, 0.0)
    ),
    "fist-at-chin": _Laid(
        covers="chin",
        centre=(0.16, 6.22, 1.6),
        fingers=(-0.62, 0.8, 0.1),
        start=_FIST,
        limit=None,
        oppose=38.0,
        wrist=(-12.0, 0.0),
    ),
    "spread-fingers": _Laid(
        covers="face", centre=(0.12, 6.72, 1.6), fingers=_UP, spread=(14.0, 14.0, 3.0, -7.0, -16.0), oppose=0.0
    ),
    "finger-on-lips": _Laid(
        covers="lips",
        centre=(0.02, 5.84, 1.6),
        fingers=(0.0, 1.0, -0.05),
        palm=(-0.85, 0.0, -0.55),
        approach=(0.0, 0.0, 1.0),
        start=_POINTING,
        limit=None,
        oppose=38.0,
        roll=6.0,
        shift=(0.05, 0.12),
    ),
    "shading-brow": _Laid(
        covers="forehead",
        centre=(0.42, 7.66, 1.6),
        fingers=(-1.0, 0.18, 0.0),
        palm=(0.0, -0.75, -0.66),
        approach=(0.0, 0.0, 1.0),
        start=((0.0, 0.0, 0.0), *4 * ((-6.0, 2.0, 2.0),)),
        limit=((12.0, 12.0, 12.0), *4 * ((14.0, 10.0, 6.0),)),
        wrist=(0.0, -12.0),
        roll=8.0,
    ),
    "back-of-hand": _Laid(
        covers="forehead",
        centre=(0.25, 7.58, 1.6),
        fingers=(-1.0, 0.2, 0.0),
        palm=(0.1, 0.15, 1.0),
        approach=(0.0, 0.0, 1.0),
        start=((10.0, 14.0, 14.0), *4 * ((14.0, 18.0, 12.0),)),
        limit=None,
        wrist=(-10.0, 6.0),
        shift=(0.15, 0.45),
    ),
}

HAND_POSES: tuple[str, ...] = tuple(sorted(_POSES))


def build_hand(face: Face, rng: np.random.Generator, skin: np.ndarray) -> tuple[Geometry, dict[str, object]]:
    """Lay one hand on the face; the record names pose, side, covered region, size and tilt."""
    name = str(rng.choice(HAND_POSES))
    return lay_hand(name, face, rng, skin)


def lay_hand(name: str, face: Face, rng: np.random.Generator, skin: np.ndarray) -> tuple[Geometry, dict[str, object]]:
    """Lay a hand in the pose called ``name``; see ``build_hand``."""
    laid = _POSES[name]
    left, scale = bool(rng.random() < 0.5), between(rng, 0.92, 1.08)
    roll = between(rng, -laid.roll, laid.roll)
    mirror = np.array([1.0 if left else -1.0, 1.0, 1.0])
    centre = np.array(laid.centre) + np.array([*(between(rng, -s, s) for s in laid.shift), 0.0])
    turn = rotation(np.array([0.0, 0.0, 1.0]), roll)
    fingers, palm = (turn @ np.array(v) for v in (laid.fingers, laid.palm))
    approach = -palm if laid.approach is None else np.array(laid.approach)
    placement = Placement(
        centre=face.at(mirror * centre), fingers=mirror * fingers, palm=mirror * palm, left=left, scale=scale
    )
    pose = HandPose(
        flex=np.array(laid.start) + rng.uniform(-3.0, 3.0, (5, 3)),
        spread=np.array(laid.spread) + rng.uniform(-3.0, 3.0, 5),
        oppose=laid.oppose,
        wrist=(laid.wrist[0] + between(rng, -6, 6), laid.wrist[1] + between(rng, -6, 6)),
    )
    # A hand lies on an open mouth, it does not reach into it.
    clearance = face.clearance(face.front.draped(0.3, smooth=0.03))
    away = mirror * unit(approach)
    if laid.limit is not None:
        placement = _back_off(pose, placement, clearance, away, slice(0, 2))
        pose = close_hand(pose, np.array(laid.limit), placement, clearance)
    placement = _back_off(pose, placement, clearance, away, slice(None))
    tint = skin * rng.uniform(0.9, 1.1) * rng.uniform(0.98, 1.02, 3)
    record: dict[str, object] = {
        "pose": name,
        "side": "left" if left else "right",
        "covers": laid.covers,
        "scale": scale,
        "roll": roll,
    }
    return hand_geometry(pose_hand(pose, placement), left, tint), record


def _back_off(pose: HandPose, placement: Placement, clearance: Clearance, away: np.ndarray, which: slice) -> Placement:
    """Move the hand along ``away`` [3] to where the first of its bones in ``which`` just touches."""
    vertices = pose_hand(pose, placement)[load_hand().weights[:, which].sum(axis=1) > 0.5]
    return replace(placement, centre=placement.centre + contact(vertices, clearance, away) * away)
