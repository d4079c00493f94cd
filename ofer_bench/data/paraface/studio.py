"""One subject in front of the camera: from draws to photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import warp as wp

from ofer_bench.data.paraface.alignment import TEMPLATE, head_rotation, picture_to_plane, project
from ofer_bench.data.paraface.develop import develop
from ofer_bench.data.paraface.geometry import Geometry
from ofer_bench.data.paraface.hair import grow_hair, scalp_depth
from ofer_bench.data.paraface.hollows import hollow_shade, hollow_sheets
from ofer_bench.data.paraface.model import HeadModel
from ofer_bench.data.paraface.props import build_prop
from ofer_bench.data.paraface.renderer import Renderer, Scene
from ofer_bench.data.paraface.sampling import Shot, Subject
from ofer_bench.data.paraface.scenery import paint_backdrop
from ofer_bench.data.paraface.shading import Look
from ofer_bench.data.paraface.skin import paint_skin
from ofer_bench.data.paraface.skin_map import SkinMap, texel_coordinates
from ofer_bench.data.paraface.wrinkles import fold_depths

# The turn of the head is about a point between the ears, seen from the eyes.
_PIVOT_FROM_EYES = np.array([0.0, -0.25, -0.9])
_EYES_TURN = np.radians(28.0)
# Decimetres between the lips: shut, and wide enough for teeth to be lit like the rest of the face.
_CLOSED, _LIT = 0.012, 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Photographs:
    """``image`` uint8 [B,S,S,3]; ``occluded`` bool [B,S,S], True where a prop shows; ``props`` what was drawn.

    ``landmarks`` [B,3,2] are the eye on the picture's left, the other eye and the mouth in picture sides (x, y down).
    """

    image: np.ndarray
    occluded: np.ndarray
    props: Sequence[dict[str, Any]]
    landmarks: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Prop:
    """A prop to be put before a face: its kind and the seed of everything random about it."""

    kind: str
    seed: int


class Studio:
    """Photographs batches of ``batch_size`` shots of one subject; not to be shared between threads."""

    def __init__(
        self,
        head: HeadModel,
        skin: SkinMap,
        folds: np.ndarray,
        *,
        batch_size: int,
        image_size: int,
        device: str = "cpu",
        margin: float = 0.0,
    ) -> None:
        self._head, self._skin, self._folds, self._margin = head, skin, folds.reshape(len(folds), -1), margin
        self._hollows = hollow_sheets(skin)
        texel = texel_coordinates(head.rest, skin.size)
        self._renderer = Renderer(head, texel, batch_size=batch_size, image_size=image_size, device=device)

    def photograph(self, subject: Subject, shots: Sequence[Shot], props: Sequence[Prop | None] = ()) -> Photographs:
        """Photograph ``subject`` once per shot, with one prop or none per shot."""
        identity = self._head.identity(
            age=subject.age,
            masculinity=subject.masculinity,
            weight=subject.weight,
            ancestry=subject.ancestry,
            shape=subject.shape,
            asymmetry=subject.asymmetry,
        )
        pivot = self._head.landmarks(identity[None])[0, :2].mean(axis=0) + _PIVOT_FROM_EYES
        vertices = self._head.express(identity, [shot.actions for shot in shots])
        placed: list[Geometry | None] = []
        drawn: list[dict[str, Any]] = []
        for face, prop in zip(vertices, props or [None] * len(shots), strict=True):
            geometry, parameters = self._place(prop, face, subject)
            placed.append(geometry)
            drawn.append(parameters)
        turn, to_plane, landmarks = frame(self._head, vertices - pivot, shots, self._margin)
        hair = grow_hair(self._head, identity, subject.appearance.hair)
        hairline = self._skin.spread(scalp_depth(self._head, subject.appearance.hair))
        painted = paint_skin(self._skin, subject.appearance, subject.age, hairline)
        moved = [_moved_actions(subject, shot) for shot in shots]
        folds = np.stack([self._folded(actions, subject.age) for actions in moved])
        shade = np.stack([hollow_shade(self._hollows, *pair) for pair in zip(moved, folds, strict=True)])
        linear, cover = self._renderer.render(
            Scene(
                vertices=vertices - pivot,
                turn=turn,
                camera=np.array([shot.scenery.camera for shot in shots]),
                to_plane=to_plane,
                albedo=painted.albedo,
                gloss=painted.gloss,
                relief=painted.relief - folds,
                shade=shade,
                backdrop=np.stack([paint_backdrop(shot.scenery) for shot in shots]),
                hair=_moved(hair, -pivot),
                props=[_moved(piece, -pivot) for piece in placed],
                looks=[
                    _look(subject, shot, back.T, gap)
                    for shot, back, gap in zip(shots, turn, self._head.mouth_gap(vertices), strict=True)
                ],
            )
        )
        image = np.stack([develop(light, shot.scenery) for light, shot in zip(linear, shots, strict=True)])
        return Photographs(image=image, occluded=cover > 0.0, props=drawn, landmarks=landmarks)

    def _folded(self, actions: Mapping[str, float], age: float) -> np.ndarray:
        """Depth of the skin's folds [T,T] in decimetres."""
        depth = fold_depths(actions, age).astype(np.float32) @ self._folds
        return depth.reshape(self._skin.size, self._skin.size)

    def _place(self, prop: Prop | None, face: np.ndarray, subject: Subject) -> tuple[Geometry | None, dict[str, Any]]:
        if prop is None:
            return None, {}
        rng = np.random.Generator(np.random.PCG64(prop.seed))
        geometry, parameters = build_prop(prop.kind, self._head, face, rng, skin=subject.appearance.skin)
        if prop.kind == "hair-strands":
            # They are the subject's own.
            shade = np.array(subject.appearance.hair_colour, dtype=np.float32) / np.maximum(
                geometry.colour.mean(axis=0), 1e-3
            )
            geometry = replace(geometry, colour=np.clip(geometry.colour * shade, 0, 1))
        return geometry, {"kind": prop.kind, **parameters}


def frame(
    head: HeadModel, vertices: np.ndarray, shots: Sequence[Shot], margin: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn and crop heads [B,V,3] about their pivot.

    Returns rotations [B,3,3], picture-to-plane matrices [B,2,3] and the landmarks in picture sides [B,3,2]. Eyes and
    mouth come to the fixed places of ``alignment``; ``margin`` widens the crop on every side by that share.
    """
    turn = np.stack([head_rotation(shot.yaw, shot.pitch, shot.roll) for shot in shots])
    landmarks = np.einsum("bij,bkj->bki", turn, head.landmarks(vertices))
    to_plane, places = [], []
    for points, shot in zip(landmarks, shots, strict=True):
        flat = project(points, shot.scenery.camera)
        width = np.linalg.norm(flat[2] - flat[:2].mean(axis=0)) / (TEMPLATE[2, 1] - TEMPLATE[0, 1])
        matrix = picture_to_plane(flat + width * np.array(shot.landmark_noise))
        wider = np.array([[1 + 2 * margin, 0, -margin], [0, 1 + 2 * margin, -margin], [0, 0, 1.0]])
        to_plane.append(matrix @ wider)
        back = np.linalg.inv(np.vstack([to_plane[-1], [0.0, 0.0, 1.0]]))[:2]
        places.append(flat @ back[:, :2].T + back[:, 2])
    return turn, np.stack(to_plane), np.stack(places)


def _moved_actions(subject: Subject, shot: Shot) -> dict[str, float]:
    """What moves beyond the face at rest: that alone folds the skin."""
    return {name: max(weight - subject.resting.get(name, 0.0), 0.0) for name, weight in shot.actions.items()}


def _moved(piece: Geometry | None, by: np.ndarray) -> Geometry | None:
    return None if piece is None else replace(piece, vertices=(piece.vertices + by).astype(np.float32))


def _look(subject: Subject, shot: Shot, back: np.ndarray, gap: float) -> Any:
    """Light and colours of one shot in the head's frame.

    ``back`` [3,3] leads from the camera's frame to it; ``gap`` between the lips in decimetres.
    """
    look, scenery, appearance = Look(), shot.scenery, subject.appearance
    look.camera = wp.vec3(*(back @ [0.0, 0.0, scenery.camera]))
    look.up = wp.vec3(*(back @ [0.0, 1.0, 0.0]))
    for name in ("key_direction", "fill_direction", "rim_direction"):
        setattr(look, name, wp.vec3(*(back @ np.array(getattr(scenery, name)))))
    for name in ("key", "fill", "rim", "sky", "ground"):
        setattr(look, name, wp.vec3(*getattr(scenery, name)))
    for name in ("iris", "lash", "teeth"):
        setattr(look, name, wp.vec3(*getattr(appearance, name)))
    look.hair = wp.vec3(*appearance.hair_colour)
    look.gaze = wp.vec3(*_gaze(back, shot))
    look.oil = appearance.oil
    look.mouth = float(np.clip((gap - _CLOSED) / _LIT, 0.0, 1.0)) ** 0.7
    look.pixel_seed = scenery.pixel_seed % 2**31
    return look


def _gaze(back: np.ndarray, shot: Shot) -> np.ndarray:
    """Unit vector of the eyes in the head's frame: to the camera as far as they turn, and a little astray."""
    right, up = np.radians(shot.gaze)
    goal = back @ np.array([0.0, 0.0, 1.0])
    sideways = np.clip(np.arctan2(goal[0], goal[2]), -_EYES_TURN, _EYES_TURN) + right
    upwards = np.clip(np.arcsin(np.clip(goal[1], -1, 1)), -0.5 * _EYES_TURN, 0.5 * _EYES_TURN) + up
    return np.array([np.sin(sideways) * np.cos(upwards), np.sin(upwards), np.cos(sideways) * np.cos(upwards)])
