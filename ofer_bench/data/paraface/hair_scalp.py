"""Where hair grows and what it must not pass through: roots on the scalp and the outer surface of one head.

Everything is in a *scalp frame*: the subject's head squeezed along x, y and z so that its skull has the size and
place of the resting one. Styles can then be written in fixed coordinates and fit a wide or an old head as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ofer_bench.data.paraface.model import REGIONS, SHAPE_CONTROLS, HeadModel

# The head is seen from a capsule: directions from this centre above it, an upright axis through it below.
_CENTRE = (0.0, 7.3, 0.5)
_AXIS_UNIT = 0.85  # decimetres down the axis that count like one radian of elevation
_LOWEST, _HIGHEST = -2.3, np.pi / 2
_ROWS, _COLUMNS = 64, 96
_POOL = 3000
_LOWEST_SKIN = 5.2

# Height of the hairline over the angle from the front: forehead, temple, sideburn, ear, nape.
_ANGLES = np.radians([0, 15, 28, 38, 46, 54, 60, 67, 74, 79, 84, 92, 102, 112, 122, 135, 155, 180])
_HEIGHTS = [7.85, 7.85, 7.82, 7.77, 7.69, 7.56, 7.40, 7.16, 7.13, 7.28, 7.45, 7.47, 7.44, 7.20, 6.98, 6.82, 6.73, 6.70]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalp:
    """One head in the scalp frame.

    ``roots`` float64 [N,3], evenly spread for any leading part of them, and where those are on the resting head,
    ``rest`` float64 [N,3]; ``skull`` and ``head`` [rows,columns+1], distance of the outer skin from the
    capsule's middle without and with the ears; ``eye_x`` and ``eye_y`` are how far out and up the eyes are. A
    point ``p`` of the frame lies at ``p * scale + shift`` on the subject.
    """

    roots: np.ndarray
    rest: np.ndarray
    skull: np.ndarray
    head: np.ndarray
    eye_x: float
    eye_y: float
    scale: np.ndarray
    shift: np.ndarray


def hairline_depth(points: np.ndarray, recession: float = 0.0) -> np.ndarray:
    """Signed distance in decimetres of resting points [N,3] inside the hairline, roughly; negative on the face.

    ``recession`` in [0,1] moves the hairline back over the temples (M shape) and a little over the forehead.
    """
    azimuth = np.abs(np.arctan2(points[:, 0], points[:, 2] - _CENTRE[2]))
    height = np.interp(azimuth, _ANGLES, _HEIGHTS)
    corner = np.exp(-(((azimuth - 0.62) / 0.30) ** 2))
    front = 1.0 / (1.0 + np.exp((azimuth - 0.9) / 0.06))
    height = height + recession * front * (0.12 + 0.40 * corner)
    # The line runs steeply at the temple and at the ear, where a height is more than a distance.
    slope = np.interp(azimuth + 0.03, _ANGLES, _HEIGHTS) - np.interp(azimuth - 0.03, _ANGLES, _HEIGHTS)
    depth: np.ndarray = (points[:, 1] - height) / np.hypot(1.0, 0.5 * slope / (0.06 * 0.8))
    return depth


def fit_scalp(head: HeadModel, identity: np.ndarray) -> Scalp:
    """Measure the head ``identity`` [V,3]; the first call for a ``head`` prepares it (about half a second)."""
    plan = _plan(_Same(head))
    rest = head.rest[plan.crown]
    placed = identity[plan.crown]
    middle, centre = rest.mean(axis=0), placed.mean(axis=0)
    scale = ((rest - middle) * (placed - centre)).sum(axis=0) / ((rest - middle) ** 2).sum(axis=0)
    shift = centre - scale * middle
    normal = (identity - shift) / scale
    roots = np.einsum("nk,nkc->nc", plan.weights, normal[plan.corners])
    eyes = np.concatenate(head.eye_vertices)
    skull = plan.skull.measure(normal)
    return Scalp(
        roots=roots,
        rest=plan.rest,
        skull=skull,
        head=skull + _blurred(np.maximum(plan.ears.measure(normal) - skull, 0.0)),
        eye_x=float(np.abs(normal[eyes, 0]).mean()),
        eye_y=float(normal[eyes, 1].mean()),
        scale=scale,
        shift=shift,
    )


def to_capsule(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Capsule coordinates of points [...,3]: elevation (negative below the middle), azimuth from the front, radius."""
    x, y, z = (points[..., k] - _CENTRE[k] for k in range(3))
    flat = x * x + z * z
    radius = np.sqrt(flat + np.maximum(y, 0.0) ** 2)
    elevation = np.where(y > 0, np.arctan2(y, np.sqrt(flat)), y / _AXIS_UNIT)
    return elevation, np.arctan2(x, z), radius


def from_capsule(elevation: np.ndarray, azimuth: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Invert :func:`to_capsule`: points [...,3] and the unit vectors [...,3] that point away from the middle."""
    above = np.maximum(elevation, 0.0)
    flat = np.cos(above)
    outward = np.stack([flat * np.sin(azimuth), np.sin(above), flat * np.cos(azimuth)], axis=-1)
    points = radius[..., None] * outward
    for k in range(3):
        points[..., k] += _CENTRE[k]
    points[..., 1] += np.minimum(elevation, 0.0) * _AXIS_UNIT
    return points, outward


def surface_radius(surface: np.ndarray, elevation: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """Bilinear look-up [...] in one of a scalp's surfaces."""
    row = np.clip((elevation - _LOWEST) * ((_ROWS - 1) / (_HIGHEST - _LOWEST)), 0, _ROWS - 1.001)
    column = np.clip(azimuth * (_COLUMNS / (2 * np.pi)) + _COLUMNS / 2, 0, _COLUMNS - 0.001)
    i, j = row.astype(np.int32), column.astype(np.int32)
    a, b = row - i.astype(row.dtype), column - j.astype(row.dtype)
    # The last column repeats the first, so that j + 1 needs no wrapping.
    place = i * (_COLUMNS + 1) + j
    flat = surface.ravel()
    low = flat[place] * (1 - b) + flat[place + 1] * b
    high = flat[place + _COLUMNS + 1] * (1 - b) + flat[place + _COLUMNS + 2] * b
    radius: np.ndarray = low * (1 - a) + high * a
    return radius


class _Same:
    """Wraps a head as a cache key: the same object, since arrays have no hash."""

    def __init__(self, head: HeadModel) -> None:
        self.head = head

    def __hash__(self) -> int:
        return id(self.head)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.head is other.head


@dataclass(frozen=True, slots=True)
class _Envelope:
    """Outer ``vertices`` [O] with their resting ``angles`` [O,2]; which of them make up each direction [cells,K]."""

    vertices: np.ndarray
    angles: np.ndarray
    nearest: np.ndarray
    weights: np.ndarray

    def measure(self, points: np.ndarray) -> np.ndarray:
        """Radii [rows,columns+1] of the skin, given all vertices [V,3]."""
        elevation, azimuth, radius = to_capsule(points[self.vertices])
        turn = (azimuth - self.angles[:, 1] + np.pi) % (2 * np.pi) - np.pi
        moved = np.stack([radius, elevation - self.angles[:, 0], np.clip(turn, -0.3, 0.3)], axis=1)
        cells = np.einsum("nkc,nk->nc", moved[self.nearest], self.weights).reshape(_ROWS, _COLUMNS, 3)
        cells = np.concatenate([cells, cells[:, :1]], axis=1)
        # Each cell tells where its skin went; look up what came here instead.
        elevation, azimuth = np.meshgrid(*_grid(_COLUMNS + 1), indexing="ij")
        came = (azimuth - cells[..., 2] + np.pi) % (2 * np.pi) - np.pi
        return surface_radius(np.ascontiguousarray(cells[..., 0]), elevation - cells[..., 1], came)


def _blurred(bulge: np.ndarray) -> np.ndarray:
    """Round off the ears [rows,columns+1], so that hair does not kink over them; the gain keeps their height."""
    for _ in range(4):
        bulge[1:-1] = 0.25 * (bulge[:-2] + 2.0 * bulge[1:-1] + bulge[2:])
        bulge[:, 1:-1] = 0.25 * (bulge[:, :-2] + 2.0 * bulge[:, 1:-1] + bulge[:, 2:])
    return 1.25 * bulge


def _grid(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Elevations of the rows and azimuths of the columns of a surface."""
    rows = np.linspace(_LOWEST, _HIGHEST, _ROWS)
    return rows, (np.arange(columns) / _COLUMNS - 0.5) * 2 * np.pi


@dataclass(frozen=True, slots=True)
class _Plan:
    """What depends on the head model alone: roots as weighted corners [N,3], crown vertices, envelopes."""

    corners: np.ndarray
    weights: np.ndarray
    rest: np.ndarray
    crown: np.ndarray
    skull: _Envelope
    ears: _Envelope


@lru_cache(maxsize=2)
def _plan(key: _Same) -> _Plan:
    head = key.head
    rest = head.rest
    skin = head.triangles[head.region == REGIONS.index("skin")]
    wing = head.shape[2 * SHAPE_CONTROLS.index("ears/*ear-wing-decr|incr") + 1].reshape(-1, 3)
    ear = np.sqrt((wing**2).sum(axis=1)) > 0.01
    vertices = np.unique(skin)
    depth = hairline_depth(rest)
    corners, weights = _spread_roots(rest, skin[~ear[skin].all(axis=1) & (depth[skin] > -0.15).all(axis=1)])
    place = np.einsum("nk,nkc->nc", weights, rest[corners])
    inside = hairline_depth(place) > 0
    return _Plan(
        corners=corners[inside],
        weights=weights[inside],
        rest=place[inside],
        crown=vertices[(rest[vertices, 1] > 7.5) & (depth[vertices] > 0)],
        skull=_envelope(rest, vertices[~ear[vertices]]),
        ears=_envelope(rest, vertices),
    )


def _spread_roots(rest: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Farthest-point order of random points on ``triangles``: corners [N,3] and barycentric weights [N,3]."""
    rng = np.random.default_rng(20240501)
    a, b, c = (rest[triangles[:, k]] for k in range(3))
    area = np.sqrt((np.cross(b - a, c - a) ** 2).sum(axis=1))
    chosen = rng.choice(len(triangles), size=3 * _POOL, p=area / area.sum())
    weights = rng.dirichlet([1.0, 1.0, 1.0], size=len(chosen))
    points = np.einsum("nk,nkc->nc", weights, rest[triangles[chosen]])
    order = np.zeros(_POOL, dtype=np.int64)
    gap = np.full(len(points), np.inf)
    for k in range(1, _POOL):
        gap = np.minimum(gap, ((points - points[order[k - 1]]) ** 2).sum(axis=1))
        order[k] = gap.argmax()
    return triangles[chosen[order]], weights[order]


def _envelope(rest: np.ndarray, vertices: np.ndarray) -> _Envelope:
    """Outermost of ``vertices`` seen from each direction: mouth, nostrils and the back of an ear do not count."""
    from scipy.spatial import cKDTree

    vertices = vertices[rest[vertices, 1] > _LOWEST_SKIN]
    elevation, azimuth, radius = to_capsule(rest[vertices])
    seen = from_capsule(elevation, azimuth, np.ones_like(radius))[0]
    neighbours = cKDTree(seen).query(seen, k=40, distance_upper_bound=0.08)[1]
    widest = np.append(radius, 0.0)[neighbours].max(axis=1)
    outer = radius > widest - 0.1
    rows, columns = np.meshgrid(*_grid(_COLUMNS), indexing="ij")
    target = from_capsule(rows, columns, np.ones_like(rows))[0].reshape(-1, 3)
    distance, nearest = cKDTree(seen[outer]).query(target, k=4)
    weights = 1.0 / (distance + 0.01) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    angles = np.stack([elevation, azimuth], axis=1)[outer]
    return _Envelope(vertices[outer], angles, nearest, weights)
