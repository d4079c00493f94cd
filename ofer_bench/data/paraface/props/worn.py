"""Masks and a scarf: cloth laid over the lower face as it is, seen from the upright axis of the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ofer_bench.data.paraface.geometry import Geometry, merge, solid
from ofer_bench.data.paraface.props.shapes import between, draw_colour, listed, resample, sheet_triangles, tube
from ofer_bench.data.paraface.props.surface import AXIS_Z, Face, Relief

Built = tuple[Geometry, dict[str, object]]

_ROWS, _COLUMNS = 72, 73
_SURGICAL = np.array(
    [[0.32, 0.56, 0.72], [0.72, 0.74, 0.75], [0.30, 0.62, 0.58], [0.74, 0.45, 0.52], [0.02, 0.02, 0.022]]
)
_SURGICAL_NAMES = ("blue", "white", "green", "pink", "black")
_LOOP = np.array([0.70, 0.70, 0.70])
# Behind the left ear of the resting head, from its top root round to below the lobe.
_BEHIND_EAR = np.array([[0.755, 7.40, 0.62], [0.78, 7.34, 0.38], [0.76, 7.1, 0.30], [0.70, 6.92, 0.45]])


def build_surgical_mask(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Pleated mask over nose and mouth, or pulled down below the nose, with ear loops."""
    kind = int(rng.choice(len(_SURGICAL), p=[0.5, 0.2, 0.1, 0.08, 0.12]))
    low = bool(rng.random() < 0.15)
    top = 6.86 if low else between(rng, 7.04, 7.2)
    cloth = _lower_face(face, rng, top=top, side=between(rng, 0.86, 0.98), reach=0.8, gap=0.05)
    u, v = cloth.grid()
    # Three folds that fade out at the seams: slow rise, sharp fall.
    phase = (v - 0.30) / 0.14
    fold = np.where((phase > 0.0) & (phase < 3.0), np.clip((phase % 1.0) / 0.75, 0.0, (1.0 - phase % 1.0) / 0.25), 0.0)
    bulge = (1.0 - np.abs(u) ** 3) * np.sin(np.pi * np.clip(v, 0.0, 1.0))
    vertices = cloth.vertices((0.035 * fold + 0.06) * bulge)
    colour = _SURGICAL[kind] * np.ones((v.size, 1))
    seam = (v < 0.05) | (v > 0.96) | (np.abs(u) > 0.96)
    colour[seam.ravel()] *= 0.86
    colour *= 1.0 - 0.12 * fold.ravel()[:, None]
    pieces = [solid(vertices, sheet_triangles(_ROWS, _COLUMNS), colour, "paper"), *_ear_loops(face, vertices, _LOOP)]
    name = _SURGICAL_NAMES[kind]
    return merge(pieces), {"colour": name, "covers": "mouth" if low else "nose and mouth", "top": top}


def build_cloth_mask(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Sewn mask with a seam down the middle, plain or patterned."""
    base, other = draw_colour(rng), draw_colour(rng, value=(0.05, 0.75))
    pattern = str(rng.choice(["plain", "stripes", "bands", "dots", "checks"]))
    top = between(rng, 7.02, 7.22)
    cloth = _lower_face(face, rng, top=top, side=between(rng, 0.88, 1.05), reach=0.9, gap=0.06)
    u, v = cloth.grid()
    seam = np.exp(-((u / 0.16) ** 2)) * np.sin(np.pi * np.clip(v, 0.0, 1.0))
    hem = np.clip(1.0 - np.minimum(np.minimum(v, 1.0 - v) / 0.05, (1.0 - np.abs(u)) / 0.05), 0.0, 1.0)
    vertices = cloth.vertices(0.07 * seam + 0.012 * (hem < 0.5))
    share = _pattern(pattern, u, v, rng) * (hem < 0.5)
    colour = base + share.reshape(-1, 1) * (other - base)
    colour[(np.abs(u) < 0.02).ravel()] *= 0.7
    loop = draw_colour(rng, saturation=(0.0, 0.2))
    pieces = [solid(vertices, sheet_triangles(_ROWS, _COLUMNS), colour, "cloth"), *_ear_loops(face, vertices, loop)]
    return merge(pieces), {"colour": listed(base), "second": listed(other), "pattern": pattern, "top": top}


def build_scarf(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Thick scarf wound round neck and lower face, in knitted folds."""
    base, other = draw_colour(rng), draw_colour(rng)
    pattern = str(rng.choice(["plain", "bands", "ribs", "tartan"]))
    top, thickness, turns = between(rng, 6.42, 6.98), between(rng, 0.10, 0.18), int(rng.integers(3, 6))
    slant, phase = between(rng, -0.12, 0.12), rng.uniform(0.0, 2 * np.pi, 4)
    rows, columns = 64, 96
    angle = np.linspace(-np.pi, np.pi, columns, endpoint=False)[None, :]
    v = np.linspace(0.0, 1.0, rows)[:, None]
    drop = face.at(np.array([0.0, 6.4, 1.5]))[1] - 6.4
    edge = top + 0.5 * drop - 0.26 * (1.0 - np.cos(angle)) + slant * np.sin(angle) + 0.02 * np.sin(3 * angle + phase[0])
    y = edge + v * (5.25 - edge)
    relief = face.around.draped(0.9, gap=0.02, smooth=0.1)
    radius = relief.at(np.clip(angle, -2.3, 2.3), y)
    # Wool does not fall in under the chin.
    radius = np.maximum.accumulate(radius + 0.5 * (edge - y), axis=0) - 0.5 * (edge - y)
    roll = np.sqrt(np.clip(1.0 - (1.0 - np.minimum(v / 0.06, 1.0)) ** 2, 0.0, 1.0))
    wander = 0.5 * np.sin(angle + phase[1]) + 0.35 * np.sin(2 * angle + phase[2])
    wound = np.pi * turns * v + wander
    folds = np.abs(np.sin(wound)) ** 0.6 * 0.09 + 0.02 * np.sin(9 * angle + 3 * np.sin(wound) + phase[3])
    radius = radius + roll * (thickness + folds)
    vertices = np.stack([radius * np.sin(angle), y, AXIS_Z + radius * np.cos(angle)], axis=2).reshape(-1, 3)
    across = {
        "plain": np.zeros_like(y),
        "bands": (np.sin(4 * wound) > 0.3) * np.ones_like(y),
        "ribs": np.broadcast_to((np.arange(columns) % 4 < 2)[None] * 0.6, y.shape),
        "tartan": 0.5 * (np.sin(3 * wound) > 0.4) + 0.5 * (np.sin(16 * angle) > 0.4),
    }[pattern]
    knit = 1.0 - 0.10 * ((np.arange(rows)[:, None] + np.arange(columns)[None]) % 2)
    # Wool is dark between its folds, deeper than a few ribs of triangles can show.
    shade = knit * (0.55 + 0.45 * np.clip(np.abs(np.sin(wound)) * 2.5, 0.0, 1.0))
    colour = (base + across.reshape(-1, 1) * (other - base)) * shade.reshape(-1, 1)
    geometry = solid(vertices, sheet_triangles(rows, columns, closed=True), colour, "cloth")
    return geometry, {"colour": listed(base), "second": listed(other), "pattern": pattern, "top": top, "turns": turns}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloth:
    """A sheet [R,C] over the lower face, rows from the nose down, columns from the right cheek to the left."""

    angle: np.ndarray
    y: np.ndarray
    radius: np.ndarray

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates [R,C]: u in [-1,1] across, v in [0,1] down."""
        u, v = np.meshgrid(np.linspace(-1.0, 1.0, _COLUMNS), np.linspace(0.0, 1.0, _ROWS))
        return u, v

    def vertices(self, lift: np.ndarray) -> np.ndarray:
        """Points [R*C,3] with the cloth raised by ``lift`` [R,C] decimetres."""
        radius = self.radius + lift
        x, z = radius * np.sin(self.angle), AXIS_Z + radius * np.cos(self.angle)
        return np.stack([x, self.y, z], axis=2).reshape(-1, 3)


def _lower_face(face: Face, rng: np.random.Generator, *, top: float, side: float, reach: float, gap: float) -> _Cloth:
    """Cut a sheet from ``top`` of the nose to below the chin and ``side`` radians to either cheek."""
    relief = face.around
    u, v = np.meshgrid(np.linspace(-1.0, 1.0, _COLUMNS), np.linspace(0.0, 1.0, _ROWS))
    skew = between(rng, -0.04, 0.04)
    angle = side * u * (1.0 - 0.06 * np.sin(np.pi * v))
    across = np.abs(u[0])
    cheek = min(top - 0.1, 6.9)
    upper = cheek + (top - cheek) * (1.0 - across**1.3) ** 1.2 + skew * u[0]
    lower = 6.12 + 0.36 * across**2.2 + skew * u[0]
    upper, lower = (row + _moved(face, relief, angle[0], row) for row in (upper, lower))
    y = upper + v * (lower - upper)
    cloth = relief.draped(reach, gap=gap)
    radius = cloth.at(angle, y)
    # Below the chin the cloth turns in gently instead of falling to the neck.
    depth = 0.7 * (y[:1] - y)
    return _Cloth(angle=angle, y=y, radius=np.maximum.accumulate(radius + depth, axis=0) - depth)


def _moved(face: Face, relief: Relief, angle: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rise [C] of the skin at ``angle`` and ``y`` [C] of the resting head, smoothed: hems do not follow dimples."""
    radius = relief.at(angle, y)
    points = np.stack([radius * np.sin(angle), y, AXIS_Z + radius * np.cos(angle)], axis=-1)
    trend = np.polynomial.Polynomial.fit(angle, face.at(points)[:, 1] - y, 4)
    return np.asarray(trend(angle), dtype=np.float64)


def _ear_loops(face: Face, vertices: np.ndarray, colour: np.ndarray) -> list[Geometry]:
    """Two cords from the corners of a sheet round the ears."""
    sheet = vertices.reshape(_ROWS, _COLUMNS, 3)
    relief = face.around
    loops = []
    for column, sign in ((0, -1.0), (-1, 1.0)):
        start, end = sheet[2, column], sheet[-3, column]
        ear = face.at(_BEHIND_EAR * [sign, 1.0, 1.0])
        path = np.concatenate([_on_skin(relief, start, ear[0]), ear[1:-1], _on_skin(relief, ear[-1], end)])
        loops.append(solid(*tube(resample(path, 48), 0.013, sides=6), colour, "cloth"))
    return loops


def _on_skin(relief: Relief, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Points [6,3] from ``start`` to ``end`` that keep outside of the skin."""
    line = start + np.linspace(0.0, 1.0, 6)[:, None] * (end - start)
    angle = np.arctan2(line[:, 0], line[:, 2] - AXIS_Z)
    radius = np.hypot(line[:, 0], line[:, 2] - AXIS_Z)
    out = np.where(np.abs(angle) < 1.25, np.maximum(radius, relief.at(angle, line[:, 1]) + 0.012), radius)
    return np.stack([out * np.sin(angle), line[:, 1], AXIS_Z + out * np.cos(angle)], axis=1)


def _pattern(name: str, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share [R,C] of the second colour."""
    count = int(rng.integers(4, 7) if name == "dots" else rng.integers(5, 9))
    x, y = count * u, 0.75 * count * v
    shares = {
        "plain": np.zeros_like(u),
        "stripes": (np.sin(np.pi * x) > 0.0).astype(np.float64),
        "bands": (np.sin(2 * np.pi * y) > 0.2).astype(np.float64),
        "checks": 0.5 * (np.sin(np.pi * x) > 0.0) + 0.5 * (np.sin(2 * np.pi * y) > 0.0),
        "dots": np.clip(2.8 - 8.0 * np.hypot(x % 1.0 - 0.5, y % 1.0 - 0.5), 0.0, 1.0),
    }
    return shares[name]
