"""Building blocks of props: rotations, sheets, tubes, lathed and boxed bodies. Lengths in decimetres."""

from __future__ import annotations

import numpy as np


def unit(v: np.ndarray) -> np.ndarray:
    """Scale vectors [...,3] to length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def rotation(axis: np.ndarray, degrees: float | np.ndarray) -> np.ndarray:
    """Matrices [...,3,3] that turn about ``axis`` [3] by ``degrees`` [...]; apply as ``points @ matrix.T``."""
    angle = np.radians(np.asarray(degrees, dtype=np.float64))[..., None, None]
    x, y, z = unit(np.asarray(axis, dtype=np.float64))
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a plain float between ``low`` and ``high``, rounded to what a record needs."""
    return round(float(rng.uniform(low, high)), 4)


def sheet_triangles(rows: int, columns: int, *, closed: bool = False) -> np.ndarray:
    """Triangles [F,3] of a grid of ``rows`` x ``columns`` vertices in row order; ``closed`` joins the columns' ends.

    They face the viewer when rows go down and columns go to the picture's right.
    """
    wide = columns if closed else columns - 1
    i, j = (index.ravel() for index in np.meshgrid(np.arange(rows - 1), np.arange(wide), indexing="ij"))
    a, b = i * columns + j, i * columns + (j + 1) % columns
    c, d = a + columns, b + columns
    return np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]).astype(np.int32)


def resample(points: np.ndarray, count: int, *, closed: bool = False) -> np.ndarray:
    """Smooth curve [count,3] through control points [N,3], at equal steps of their chord length (Catmull-Rom)."""
    points = np.asarray(points, dtype=np.float64)
    if closed:
        points = np.concatenate([points[-1:], points, points[:2]])
    else:
        points = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[1:-1], axis=0), axis=1))])
    s = np.linspace(0.0, chord[-1], count, endpoint=not closed)
    i = np.clip(np.searchsorted(chord, s, side="right") - 1, 0, len(chord) - 2)
    t = ((s - chord[i]) / (chord[i + 1] - chord[i]))[:, None]
    a, b, c, d = (points[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3)


def tube(
    path: np.ndarray, radius: float | np.ndarray, *, sides: int = 8, flat: float = 1.0, closed: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Sweep an ellipse along ``path`` [N,3]: vertices [N*sides,3] and triangles.

    ``radius`` in decimetres, one or one per point; ``flat`` scales the radius across the path's own plane.
    """
    ahead, behind = np.roll(path, -1, axis=0), np.roll(path, 1, axis=0)
    if not closed:
        ahead[-1], behind[0] = path[-1], path[0]
    tangent = unit(ahead - behind)
    # One reference for the whole curve keeps the section from twisting: the normal of its plane.
    spread = path - path.mean(axis=0)
    reference = np.linalg.svd(spread, full_matrices=False)[2][2]
    inward = unit(np.cross(tangent, reference))
    upward = np.cross(inward, tangent)
    angle = np.linspace(0.0, 2 * np.pi, sides, endpoint=False)
    size = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(path),))[:, None, None]
    ring = np.cos(angle)[None, :, None] * inward[:, None] + flat * np.sin(angle)[None, :, None] * upward[:, None]
    vertices = path[:, None] + size * ring
    rows = np.arange(len(path) * sides).reshape(len(path), sides)
    if closed:
        rows = np.concatenate([rows, rows[:1]])
    triangles = sheet_triangles(len(rows), sides, closed=True)
    return vertices.reshape(-1, 3), rows.ravel()[triangles].astype(np.int32)


def lathe(profile: np.ndarray, *, sides: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Turn ``profile`` [N,2] of (radius, height), from the top down, about the y axis."""
    angle = np.linspace(0.0, 2 * np.pi, sides, endpoint=False)
    radius, height = np.asarray(profile, dtype=np.float64).T
    x, z = radius[:, None] * np.sin(angle), radius[:, None] * np.cos(angle)
    vertices = np.stack([x, np.broadcast_to(height[:, None], x.shape), z], axis=2)
    return vertices.reshape(-1, 3), sheet_triangles(len(radius), sides, closed=True)


def rounded(profile: np.ndarray, bevel: float) -> np.ndarray:
    """Cut the inner corners of a polyline [N,D] by ``bevel`` decimetres, so that smooth shading keeps edges."""
    profile = np.asarray(profile, dtype=np.float64)
    corner, before, after = profile[1:-1], profile[:-2], profile[2:]
    pieces = []
    for end in (before, after):
        reach = np.minimum(bevel, 0.45 * np.linalg.norm(end - corner, axis=1, keepdims=True))
        pieces.append(corner + unit(end - corner) * reach)
    middle = 0.5 * corner + 0.25 * (pieces[0] + pieces[1])
    inner = np.stack([pieces[0], middle, pieces[1]], axis=1).reshape(-1, profile.shape[1])
    return np.concatenate([profile[:1], inner, profile[-1:]])


def slab(
    width: float, height: float, depth: float, *, corner: float, edge: float, steps: int = 6
) -> tuple[np.ndarray, np.ndarray]:
    """Box about the origin with corners of radius ``corner`` in the xy plane, bevelled in z by less, ``edge``."""
    # A full circle would leave triangles without area, and points without a normal.
    corner = min(corner, 0.49 * width, 0.49 * height)
    angle = np.radians(np.linspace(0.0, 90.0, steps))
    quarter = np.concatenate([angle + k * np.pi / 2 for k in range(4)])
    centre_x = np.repeat([1.0, -1.0, -1.0, 1.0], steps) * (width / 2 - corner)
    centre_y = np.repeat([1.0, 1.0, -1.0, -1.0], steps) * (height / 2 - corner)
    bevel = np.radians(np.array([90.0, 60.0, 30.0, 0.0]))
    inset = edge * (1.0 - np.cos(bevel))
    z = depth / 2 - edge * (1.0 - np.sin(bevel))
    # Rings from the middle of the front over the rim to the middle of the back.
    flat_from = [0.5 * (edge + corner)]
    rings_in = np.concatenate([flat_from, inset, inset[::-1], flat_from])
    rings_z = np.concatenate([[depth / 2], z, -z[::-1], [-depth / 2]])
    reach = (corner - rings_in)[:, None]
    x = centre_x + reach * np.cos(quarter)
    y = centre_y + reach * np.sin(quarter)
    outline = np.stack([x, y, np.broadcast_to(rings_z[:, None], x.shape)], axis=2)
    caps = np.zeros((1, x.shape[1], 3)) + np.array([0.0, 0.0, depth / 2])
    rings = np.concatenate([caps, outline, caps * np.array([1.0, 1.0, -1.0])])
    return rings.reshape(-1, 3), sheet_triangles(len(rings), x.shape[1], closed=True)


def draw_colour(
    rng: np.random.Generator, *, saturation: tuple[float, float] = (0.1, 0.85), value: tuple[float, float] = (0.03, 0.7)
) -> np.ndarray:
    """Draw a linear sRGB albedo [3] of any hue with ``saturation`` and greatest channel ``value`` in [0,1]."""
    hue, strength = rng.uniform(0.0, 1.0), rng.uniform(*saturation)
    bright = rng.uniform(value[0] ** 0.5, value[1] ** 0.5) ** 2
    pure = np.clip(np.abs((hue * 6.0 + np.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    return bright * (1.0 - strength * (1.0 - pure))


def listed(colour: np.ndarray) -> list[float]:
    """Write a colour [3] as plain numbers for a record."""
    return [round(float(channel), 4) for channel in colour]
