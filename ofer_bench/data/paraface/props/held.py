"""Cup, bottle, microphone, phone, book and food before the face, in the subject's hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ofer_bench.data.paraface.geometry import Geometry, merge
from ofer_bench.data.paraface.props.food import make_apple, make_banana, make_ice_cream
from ofer_bench.data.paraface.props.hand_model import HandPose, Placement, close_hand, hand_geometry, pose_hand
from ofer_bench.data.paraface.props.objects import (
    Thing,
    make_board,
    make_bottle,
    make_cup,
    make_microphone,
    make_phone,
)
from ofer_bench.data.paraface.props.shapes import between, rotation
from ofer_bench.data.paraface.props.surface import Face, contact

Built = tuple[Geometry, dict[str, object]]

_X, _Y, _Z = np.eye(3)
_FRONT = np.array([0.0, 0.0, 1.0])
_OPEN = np.array([[-8.0, -4.0, 0.0], *4 * [[-18.0, 0.0, 0.0]]])
_CLOSED = np.array([[48.0, 46.0, 40.0], *4 * [[88.0, 98.0, 66.0]]])
# From the middle of the palm to the skin of the palm, in decimetres.
_PALM = 0.15


def build_cup(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Cup at the lips or somewhere before the lower face."""
    thing = make_cup(rng)
    grip = _wrap(thing, rng, skin, azimuth=(5.0, 50.0), height=(-0.25, 0.1))
    if rng.random() < 0.5:
        pose, tilt = "drinking", between(rng, -55.0, -15.0)
        target, local = np.array([0.0, 6.62, 1.62]), np.array([0.0, thing.half[1], -thing.half[2]])
    else:
        pose, tilt = "before", between(rng, -12.0, 8.0)
        target = np.array([between(rng, -0.45, 0.45), between(rng, 6.35, 6.95), 2.1])
        local = np.zeros(3)
    return _stand(face, rng, [thing.geometry, grip], target, local, tilt, {"pose": pose, **thing.record})


def build_bottle(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Bottle raised to the lips or held upright before the face."""
    thing = make_bottle(rng)
    if rng.random() < 0.4:
        grip = _wrap(thing, rng, skin, azimuth=(30.0, 80.0), height=(-0.25, 0.05))
        pose, tilt = "drinking", between(rng, -105.0, -70.0)
        target, local = np.array([0.0, 6.62, 1.66]), np.array([0.0, thing.half[1], 0.0])
    else:
        grip = _wrap(thing, rng, skin, azimuth=(25.0, 70.0), height=(-0.75, -0.3))
        pose, tilt = "before", between(rng, -15.0, 15.0)
        target = np.array([between(rng, -0.5, 0.5), between(rng, 6.45, 7.1), 2.2])
        local = np.zeros(3)
    return _stand(face, rng, [thing.geometry, grip], target, local, tilt, {"pose": pose, **thing.record})


def build_microphone(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Microphone with its grille at the mouth, pointing down and away."""
    thing = make_microphone(rng)
    grip = _wrap(thing, rng, skin, azimuth=(20.0, 70.0), height=(-0.55, -0.15))
    target = np.array([between(rng, -0.12, 0.12), between(rng, 6.62, 6.95), between(rng, 1.75, 2.1)])
    local = np.array([0.0, thing.half[1], 0.0])
    tilt = between(rng, -60.0, -15.0)
    return _stand(face, rng, [thing.geometry, grip], target, local, tilt, {"pose": "singing", **thing.record})


def build_phone(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Phone held up before the face, as for a photograph, upright or lying."""
    thing = make_phone(rng)
    lying = bool(rng.random() < 0.3)
    hold = between(rng, -0.55, 0.25) * thing.half[1]
    grip = _edge_grip(thing, rng, skin, np.array([thing.half[0], hold, 0.0]))
    target = np.array([between(rng, -0.55, 0.55), between(rng, 6.2, 7.35), between(rng, 1.9, 2.6)])
    record = {"pose": "lying" if lying else "upright", **thing.record}
    tilt = between(rng, -15.0, 15.0)
    return _stand(face, rng, [thing.geometry, grip], target, np.zeros(3), tilt, record, roll=-90.0 if lying else 0.0)


def build_book(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Open book before the lower face or most of it, held in both hands or in one."""
    width, height = between(rng, 0.65, 1.0), between(rng, 1.2, 1.75)
    board, prints = make_board(rng, width, height)
    grip = _edge_grip(board, rng, skin, np.array([width, between(rng, -0.75, -0.3) * height / 2, -0.05]))
    fold = rotation(_Y, between(rng, 6.0, 24.0))
    nowhere, both = np.zeros(3), bool(rng.random() < 0.6)
    front = _moved(merge([board.geometry, prints, grip]), fold, nowhere)
    back = _moved(merge([board.geometry, grip]) if both else board.geometry, fold, nowhere)
    pieces = [front, _mirrored(back)]
    top = between(rng, 6.6, 7.45)
    target = np.array([between(rng, -0.25, 0.25), top, between(rng, 2.0, 2.5)])
    record = {"hands": 2 if both else 1, "top": top, **board.record}
    return _stand(face, rng, pieces, target, np.array([0.0, height / 2, 0.0]), between(rng, -18.0, 5.0), record)


def build_apple(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Apple before the mouth."""
    return _eaten(face, rng, skin, make_apple(rng), height=(-0.35, 0.0), top=0.2)


def build_banana(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Banana before the mouth, held at its lower end."""
    return _eaten(face, rng, skin, make_banana(rng), height=(-0.75, -0.45), top=0.7)


def build_ice_cream(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Ice cream before the mouth, held at its cone."""
    return _eaten(face, rng, skin, make_ice_cream(rng), height=(-0.65, -0.4), top=0.2)


def _eaten(
    face: Face,
    rng: np.random.Generator,
    skin: np.ndarray,
    thing: Thing,
    *,
    height: tuple[float, float],
    top: float,
) -> Built:
    grip = _wrap(thing, rng, skin, azimuth=(15.0, 60.0), height=height)
    target = np.array([between(rng, -0.2, 0.2), between(rng, 6.45, 6.85), 2.1])
    local = np.array([0.0, top * thing.half[1], 0.0])
    return _stand(face, rng, [thing.geometry, grip], target, local, between(rng, -25.0, 5.0), dict(thing.record))


def _wrap(
    thing: Thing,
    rng: np.random.Generator,
    skin: np.ndarray,
    *,
    azimuth: tuple[float, float],
    height: tuple[float, float],
) -> Geometry:
    """Left hand round an upright thing: palm at ``azimuth`` degrees from the left to the front, fingers before it."""
    angle = np.radians(between(rng, *azimuth))
    outward = np.array([np.cos(angle), 0.0, np.sin(angle)])
    round_ = np.array([-np.sin(angle), 0.0, np.cos(angle)])
    centre = (thing.half[0] + _PALM) * outward + np.array([0.0, between(rng, *height) * thing.half[1], 0.0])
    # Thick things are held with the palm further back, so that fingers and thumb meet in front and behind.
    centre = centre - 0.10 * round_
    lift = between(rng, 0.1, 0.4)
    placement = Placement(centre=centre, fingers=round_ + lift * _Y, palm=-outward, left=True)
    return _closed(thing, rng, placement, skin, wrist=(between(rng, -15.0, 5.0), between(rng, -25.0, -5.0)))


def _edge_grip(thing: Thing, rng: np.random.Generator, skin: np.ndarray, edge: np.ndarray) -> Geometry:
    """Left hand round the left edge of a flat thing: fingers over its front, thumb behind."""
    lift = between(rng, 0.15, 0.7)
    placement = Placement(
        centre=edge + np.array([0.28, -0.14, 0.10]),
        fingers=np.array([-0.80, lift, 0.42]),
        palm=np.array([-0.6, 0.0, -0.8]),
        left=True,
    )
    return _closed(thing, rng, placement, skin, wrist=(between(rng, -15.0, 0.0), between(rng, -25.0, -5.0)))


def _closed(
    thing: Thing, rng: np.random.Generator, placement: Placement, skin: np.ndarray, *, wrist: tuple[float, float]
) -> Geometry:
    pose = HandPose(
        flex=_OPEN + rng.uniform(-3.0, 3.0, (5, 3)),
        spread=np.array([0.0, -2.0, 0.0, 2.0, 4.0]) + rng.uniform(-2.0, 2.0, 5),
        oppose=between(rng, 35.0, 55.0),
        wrist=wrist,
    )
    pose = close_hand(pose, _CLOSED, placement, thing.clearance)
    tint = skin * rng.uniform(0.9, 1.1) * rng.uniform(0.98, 1.02, 3)
    return hand_geometry(pose_hand(pose, placement), True, tint)


def _stand(
    face: Face,
    rng: np.random.Generator,
    pieces: list[Geometry],
    target: np.ndarray,
    local: np.ndarray,
    tilt: float,
    record: dict[str, object],
    *,
    roll: float = 0.0,
) -> Built:
    """Turn the pieces, bring their point ``local`` to ``target`` before the resting face, keep off the skin.

    ``tilt`` in degrees tips the top towards the camera; ``roll`` is added to a small random one. The left hand
    becomes the right one in half of the cases.
    """
    left = bool(rng.random() < 0.5)
    lean, turn_about = between(rng, -18.0, 18.0), between(rng, -15.0, 15.0)
    turn = rotation(_Z, lean + roll) @ rotation(_Y, turn_about) @ rotation(_X, tilt)
    whole = merge(pieces)
    if not left:
        whole, local, target = _mirrored(whole), local * [-1, 1, 1], target * [-1, 1, 1]
        turn = rotation(_Z, -lean - roll) @ rotation(_Y, -turn_about) @ rotation(_X, tilt)
    whole = _moved(whole, turn, face.at(target) - turn @ local)
    clearance = face.clearance(face.front.draped(0.3, smooth=0.03))
    # What stands free stays free: only forwards.
    push = max(0.0, contact(whole.vertices, clearance, _FRONT))
    whole = replace(whole, vertices=(whole.vertices + push * _FRONT).astype(np.float32))
    side = {"side": "left" if left else "right", "tilt": tilt, "lean": lean}
    return whole, {**record, **side}


def _moved(geometry: Geometry, turn: np.ndarray, shift: np.ndarray) -> Geometry:
    return replace(
        geometry,
        vertices=(geometry.vertices @ turn.T + shift).astype(np.float32),
        normal=(geometry.normal @ turn.T).astype(np.float32),
    )


def _mirrored(geometry: Geometry) -> Geometry:
    """Swap left and right; triangles keep facing outwards."""
    flip = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    return replace(
        geometry,
        vertices=geometry.vertices * flip,
        normal=geometry.normal * flip,
        triangles=np.ascontiguousarray(geometry.triangles[:, ::-1]),
    )
