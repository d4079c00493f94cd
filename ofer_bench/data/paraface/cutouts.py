"""Cut-outs: one prop by itself under soft frontal light, as a small picture with exact coverage."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import warp as wp

from ofer_bench.data.paraface.geometry import SURFACES, Geometry
from ofer_bench.data.paraface.model import REGIONS, HeadModel
from ofer_bench.data.paraface.props.hand_model import load_hand
from ofer_bench.data.paraface.renderer import Renderer, Scene
from ofer_bench.data.paraface.scenery import BACKDROP_SIZE
from ofer_bench.data.paraface.shading import Look
from ofer_bench.data.paraface.skin_map import texel_coordinates

CROP = 1.72
"""Side of an aligned picture on the resting head, in decimetres."""
FINE = 3
"""Rendered pixels per pixel of a cut-out and axis; the renderer takes two samples of each along an axis."""

_PIVOT = np.array([0.0, 7.05, 1.4])
_CAMERA = 16.0
_SHEET = 32
_SKIN = SURFACES.index("skin")


Limits = tuple[float, float, float, float]
"""Left, top, right, bottom in sides of the aligned picture on the resting face, (0, 0) its upper left corner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """A prop by itself: ``rgba`` uint8 [h,w,4], straight alpha, sRGB; ``skin`` bool [h,w], True on hand and arm.

    ``box`` is where it lies on the resting face.
    """

    rgba: np.ndarray
    skin: np.ndarray
    box: Limits


class Stand:
    """Renders props without the face they belong to; ``side`` px is the longest side of every cut-out."""

    def __init__(self, head: HeadModel, vertices: np.ndarray, *, side: int) -> None:
        """``vertices`` [V,3] of ``head`` are the face that props are fitted to, in decimetres."""
        self._side = side
        self._renderer = Renderer(head, texel_coordinates(head.rest, _SHEET), batch_size=1, image_size=side * FINE)
        used = np.unique(head.triangles[head.region == REGIONS.index("skin")])
        # Only skin hides what is behind it; eyes, teeth and lashes would shine through in their own colours.
        self._mask = np.full_like(vertices, -0.5)
        self._mask[used] = vertices[used] - _PIVOT
        self._nobody = np.full_like(vertices, -50.0)

    def render(self, prop: Geometry, *, worn: bool, limits: Limits) -> Cutout:
        """Render what lies within ``limits`` of ``prop``, which is in the frame of the head.

        Of what is ``worn`` the head hides the far side. Raises ValueError when nothing is seen.
        """
        prop = replace(prop, vertices=(prop.vertices - _PIVOT).astype(np.float32))
        window = _window(prop, limits)
        light, cover = self._shoot(prop, window, limits, worn)
        if not cover.any():
            raise ValueError(f"nothing of the prop is seen within {limits}")
        if worn:
            # What the head hides leaves the prop smaller than its window.
            top, bottom, left, right = _extent(cover)
            step = window[2] / self._side
            window = (window[0] + left * step, window[1] + top * step, max(bottom - top, right - left) * step)
            light, cover = self._shoot(prop, window, limits, worn)
        is_skin = prop.surface == _SKIN
        skin = np.full(cover.shape, bool(is_skin.all()))
        if is_skin.any() and not is_skin.all():
            marks, _ = self._shoot(_marked(prop), window, limits, worn)
            skin = marks[..., 0] > marks[..., 2]
        top, bottom, left, right = _extent(cover)
        light, cover, skin = (part[top:bottom, left:right] for part in (light, cover, skin))
        alpha = np.rint(cover * 255).astype(np.uint8)
        srgb = _developed(light / np.maximum(cover, 1e-6)[..., None])
        step = window[2] / self._side / CROP
        x, y = window[0] / CROP + 0.5, window[1] / CROP + 0.5
        return Cutout(
            rgba=np.dstack([np.where(alpha[..., None] > 0, srgb, 0), alpha]),
            skin=skin & (alpha > 0),
            box=(x + left * step, y + top * step, x + right * step, y + bottom * step),
        )

    def _shoot(
        self, prop: Geometry, window: tuple[float, float, float], limits: Limits, worn: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Premultiplied linear light [h,w,3] and coverage [h,w] of a window (left, top, side), cut at ``limits``."""
        left, top, side = window
        linear, cover = self._renderer.render(
            Scene(
                vertices=(self._mask if worn else self._nobody)[None],
                turn=np.eye(3)[None],
                camera=np.array([_CAMERA]),
                to_plane=np.array([[[side, 0.0, left], [0.0, side, top]]]),
                albedo=np.zeros((_SHEET, _SHEET, 3), np.float32),
                gloss=np.zeros((_SHEET, _SHEET), np.float32),
                relief=np.zeros((1, _SHEET, _SHEET), np.float32),
                shade=np.zeros((1, _SHEET, _SHEET), np.float32),
                backdrop=np.zeros((1, BACKDROP_SIZE, BACKDROP_SIZE, 3), np.float32),
                hair=None,
                props=[prop],
                looks=[_look()],
            )
        )
        edge = ((np.array(limits[2:]) - 0.5) * CROP - np.array(window[:2])) / window[2]
        width, height = (int(share) for share in np.clip(np.rint(edge * self._side), 1, self._side))
        return _shrunk(linear[0])[:height, :width], _shrunk(cover[0])[:height, :width]


def landmarks(prop: Geometry, box: Limits) -> tuple[np.ndarray, np.ndarray | None]:
    """Middle [2] of a prop and the end [2] of its arm, both on the resting face in sides of the aligned picture.

    The middle is that of the palm, of the thing that a hand holds, or of all of what is worn. The arm ends at the
    elbow or where it leaves ``box``; None without an arm.
    """
    at = _flat(prop.vertices - _PIVOT) / CROP + 0.5
    hand = load_hand()
    is_skin = np.zeros(len(at), dtype=bool)
    is_skin[prop.triangles[prop.surface == _SKIN]] = True
    if is_skin.sum() != len(hand.vertices):
        inside = np.clip(at, box[:2], box[2:])
        return 0.5 * (inside.min(axis=0) + inside.max(axis=0)), None
    # A hand keeps the order of its vertices, whatever it is merged with.
    on_hand = at[is_skin]
    palm = on_hand[hand.weights[:, 0] > 0.9].mean(axis=0)
    arm = hand.weights[:, 1] > 0.9
    elbow = on_hand[arm & (hand.vertices[:, 0] < np.quantile(hand.vertices[arm, 0], 0.1))].mean(axis=0)
    way = elbow - palm
    edges = np.where(way > 0, np.array(box[2:]), np.array(box[:2]))
    share = min(1.0, float(((edges - palm) / np.where(way == 0, 1e-9, way)).min()))
    middle = palm if is_skin.all() else 0.5 * (at[~is_skin].min(axis=0) + at[~is_skin].max(axis=0))
    return middle, palm + share * way


def _flat(points: np.ndarray) -> np.ndarray:
    """Project [N,3] about the pivot on its plane: [N,2], y down."""
    scale = _CAMERA / (_CAMERA - points[:, 2])
    return np.stack([points[:, 0] * scale, -points[:, 1] * scale], axis=1)


def _window(prop: Geometry, limits: Limits) -> tuple[float, float, float]:
    """Smallest square (left, top, side) of the plane that holds what of the prop lies within ``limits``."""
    flat = _flat(prop.vertices)
    edges = (np.array(limits).reshape(2, 2) - 0.5) * CROP
    low, high = np.maximum(flat.min(axis=0), edges[0]), np.minimum(flat.max(axis=0), edges[1])
    return float(low[0]), float(low[1]), float((high - low).max())


def _extent(cover: np.ndarray) -> tuple[int, int, int, int]:
    """First and one past the last row, and column, that are covered at all."""
    rows, columns = (np.flatnonzero(cover.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _look() -> Look:
    """Soft light of a large lamp near the camera, as before a window."""
    look = Look()
    look.camera = wp.vec3(0.0, 0.0, _CAMERA)
    look.up = wp.vec3(0.0, 1.0, 0.0)
    look.key_direction, look.key = wp.vec3(0.22, 0.44, 0.87), wp.vec3(0.62, 0.62, 0.62)
    look.fill_direction, look.fill = wp.vec3(-0.60, 0.16, 0.78), wp.vec3(0.26, 0.26, 0.26)
    look.rim_direction, look.rim = wp.vec3(0.0, 0.6, -0.8), wp.vec3(0.0, 0.0, 0.0)
    look.sky, look.ground = wp.vec3(0.40, 0.40, 0.40), wp.vec3(0.26, 0.26, 0.26)
    look.gaze = wp.vec3(0.0, 0.0, 1.0)
    return look


def _marked(prop: Geometry) -> Geometry:
    """The same prop without gloss: red where it is skin, blue elsewhere."""
    skin = np.zeros(len(prop.vertices), dtype=bool)
    skin[prop.triangles[prop.surface == _SKIN]] = True
    colour = np.where(skin[:, None], [0.5, 0.0, 0.0], [0.0, 0.0, 0.5]).astype(np.float32)
    return replace(prop, colour=colour, surface=np.full_like(prop.surface, SURFACES.index("cloth")))


def _shrunk(fine: np.ndarray) -> np.ndarray:
    size = len(fine) // FINE
    mean: np.ndarray = fine.reshape(size, FINE, size, FINE, *fine.shape[2:]).mean(axis=(1, 3))
    return mean


def _developed(linear: np.ndarray) -> np.ndarray:
    """Linear light to sRGB uint8, with a soft shoulder in place of clipped highlights."""
    soft = np.where(linear > 0.8, 0.8 + 0.2 * (1 - np.exp(-(linear - 0.8) / 0.2)), linear)
    srgb = np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * np.maximum(soft, 1e-6) ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(srgb, 0, 1) * 255).astype(np.uint8)
