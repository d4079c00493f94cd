"""A cap or knitted hat pulled down over the forehead, and strands of hair hanging over the face."""

from __future__ import annotations

import numpy as np

from ofer_bench.data.paraface.geometry import SURFACES, Geometry, merge, solid
from ofer_bench.data.paraface.props.shapes import between, draw_colour, listed, sheet_triangles, unit
from ofer_bench.data.paraface.props.surface import SKULL, Face, contact

Built = tuple[Geometry, dict[str, object]]

_HAIR = np.array(
    [[0.012, 0.010, 0.009], [0.045, 0.026, 0.016], [0.13, 0.075, 0.04], [0.36, 0.24, 0.12], [0.2, 0.07, 0.03]]
)
_SEGMENTS = 14


def build_cap(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Peaked cap, or a knitted hat with a folded rim."""
    knitted = bool(rng.random() < 0.3)
    colour = draw_colour(rng, value=(0.015, 0.6))
    second = draw_colour(rng, value=(0.015, 0.6)) if rng.random() < 0.5 else colour
    low = between(rng, 7.46, 7.68) if knitted else between(rng, 7.58, 7.82)
    angle = np.linspace(-np.pi, np.pi, 72, endpoint=False)
    relief = face.over.draped(0.8, gap=0.07, smooth=0.12)

    def shell(height: np.ndarray, lift: np.ndarray | float) -> np.ndarray:
        radius = relief.at(np.broadcast_to(angle, height.shape), height) + lift
        across = radius * np.cos(height)
        return SKULL + np.stack([across * np.sin(angle), radius * np.sin(height), across * np.cos(angle)], axis=-1)

    front = face.at(np.array([0.0, low, 1.5]))[1]
    lean = 0.5 * (1.0 + np.cos(angle))
    edge = np.arctan2(front - SKULL[1], 0.95) * lean - (0.10 if knitted else 0.02) * (1.0 - lean)
    v = np.linspace(0.0, 1.0, 30)[:, None]
    height = np.pi / 2 * (1.0 - v) + edge * v
    record: dict[str, object] = {"colour": listed(colour), "second": listed(second), "low": low}
    if knitted:
        ribs = 0.012 * np.cos(36 * angle)
        # The folded rim stands out over the lowest rows.
        rim = (v > 0.70) * 0.035 * np.ones_like(height)
        rim[-1] = -0.05
        vertices = shell(height, ribs + rim + 0.05 * np.sin(height))
        painted = np.where((v > 0.69)[..., None], second, colour) * (0.8 + 16.0 * ribs)[None, :, None]
        painted = np.clip(painted, 0.0, 1.0) * np.where((v > 0.66) & (v < 0.70), 0.6, 1.0)[..., None]
        hat = solid(vertices.reshape(-1, 3), sheet_triangles(30, 72, closed=True), painted.reshape(-1, 3), "cloth")
        return hat, {"style": "knitted", **record}
    vertices = shell(height, 0.10 * np.sin(np.maximum(height, 0.0)))
    seam = np.abs(np.sin(3 * angle)) < 0.08
    painted = np.where(seam[None, :, None] | (v > 0.95)[..., None], 0.7, 1.0) * colour
    dome = solid(vertices.reshape(-1, 3), sheet_triangles(30, 72, closed=True), painted.reshape(-1, 3), "cloth")
    reach, tilt, arch = between(rng, 0.55, 0.8), between(rng, 10.0, 38.0), between(rng, 0.1, 0.45)
    peak = _peak(vertices[-1], angle, reach, tilt, arch, second)
    push = max(0.0, contact(peak.vertices, face.clearance(face.front), np.array([0.0, 1.0, 0.0])))
    both = merge([dome, peak])
    if push > 0.0:
        both.vertices[:, 1] += np.float32(push)
    return both, {"style": "peaked", "tilt": tilt, "reach": reach, **record}


def _peak(edge: np.ndarray, angle: np.ndarray, reach: float, tilt: float, arch: float, colour: np.ndarray) -> Geometry:
    """Peak before the lower edge [C,3] of a dome, bent down at its sides; two faces joined round the rim."""
    ahead = np.abs(angle) < 0.98
    root, bearing = edge[ahead], angle[ahead]
    length = reach * np.sqrt(np.clip(np.cos(bearing * np.pi / 2 / 0.98), 0.0, 1.0))
    share = np.concatenate([np.linspace(-0.08, 1.0, 12), np.linspace(1.0, -0.08, 12)])[:, None]
    below = np.concatenate([np.zeros(12), np.full(12, 0.025)])[:, None]
    # A peak splays out a little and bends down at the sides.
    x = root[:, 0] * (1.0 + 0.04 * share)
    z = root[:, 2] + share * length
    level = root[:, 1].max() + 0.4 * (root[:, 1] - root[:, 1].max()) * np.ones_like(share)
    y = level - np.tan(np.radians(tilt)) * share * length - arch * x**2 * np.clip(share, 0.0, 1.0) - below
    vertices = np.stack([x, y, z], axis=-1)
    stitched = np.where((np.arange(24) % 4 == 2)[:, None], 0.88, 1.0) * np.ones_like(x)
    under = np.where(below > 0.0, 0.6, 1.0)
    painted = (stitched * under)[..., None] * colour
    triangles = sheet_triangles(24, len(root))
    return solid(vertices.reshape(-1, 3), triangles, painted.reshape(-1, 3), "cloth")


def build_hair_strands(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Ribbons of hair from the hairline over an eye, half of the face, both eyes, or loosely across."""
    style = str(rng.choice(["over-eye", "half-face", "long-fringe", "wisps"]))
    side = 1.0 if rng.random() < 0.5 else -1.0
    count, root, tip, ends = {
        "over-eye": (340, (-0.35, 0.35), (0.08, 0.72), (6.55, 7.0)),
        "half-face": (380, (-0.10, 0.55), (0.06, 0.80), (5.9, 6.3)),
        "long-fringe": (360, (-0.62, 0.62), (-0.66, 0.66), (6.95, 7.25)),
        "wisps": (int(rng.integers(14, 48)), (-0.55, 0.55), (-0.55, 0.55), (6.1, 7.0)),
    }[style]
    end = between(rng, *ends)
    wave, waves, bend = between(rng, 0.0, 0.03), between(rng, 1.0, 3.0), between(rng, 0.35, 0.7)
    colour = _HAIR[int(rng.integers(len(_HAIR)))] * rng.uniform(0.8, 1.2)
    # Locks: strands share a place and draw together towards the tip.
    locks = count // (4 if style == "wisps" else 14)
    lock = rng.integers(0, locks, count)
    place = (lock + 0.5) / locks + rng.normal(0.0, 0.35 / locks, count)
    stray = rng.normal(0.0, 0.035, count)
    t = np.linspace(0.0, 1.0, _SEGMENTS + 1)
    begin = root[0] + (root[1] - root[0]) * (place + rng.normal(0.0, 0.04, count))
    finish = tip[0] + (tip[1] - tip[0]) * ((lock + 0.5) / locks + 0.6 * (place - (lock + 0.5) / locks)) + stray
    if style == "wisps":
        finish = finish + rng.normal(0.0, 0.15, locks)[lock]
    ease = np.clip(t / bend, 0.0, 1.0)
    swing = ease * ease * (3.0 - 2.0 * ease)
    phase = rng.uniform(0.0, 2 * np.pi, locks)[lock] + rng.normal(0.0, 0.4, count)
    x = begin[:, None] + (finish - begin)[:, None] * swing
    x = side * (x + wave * t * np.sin(2 * np.pi * waves * t + phase[:, None]))
    bottom = end + rng.normal(0.0, 0.10, locks)[lock] + rng.normal(0.0, 0.05, count)
    # The face's own middle line parts hair that starts on either side of it.
    start = 8.36 - 0.45 * np.abs(begin) ** 2
    y = start[:, None] + (bottom - start)[:, None] * t
    relief = face.front.draped(0.5, gap=0.03, smooth=0.09)
    layer = rng.uniform(0.0, 0.09, count)[:, None]
    inside = np.clip(x, -0.66, 0.66)
    # Beside the face hair hangs down from where the forehead lets it go.
    z = relief.at(inside, np.maximum(y, 6.2)) + layer * (0.4 + t) + 0.04 * np.sin(np.pi * np.minimum(2 * t, 1.0))
    path = np.stack([x, y, z - 0.8 * (np.abs(x) - np.abs(inside))], axis=2)
    width = rng.uniform(0.018, 0.036, count) * (0.45 if style == "wisps" else 1.0)
    record: dict[str, object] = {"style": style, "side": "left" if side > 0 else "right", "end": end}
    return _ribbons(path, width, colour, rng), {**record, "colour": listed(colour)}


def _ribbons(path: np.ndarray, width: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> Geometry:
    """Ribbons along ``path`` [N,S+1,3], ``width`` [N] to either side, tapering to the tip."""
    count, points = path.shape[:2]
    tangent = unit(np.gradient(path, axis=1))
    outward = path - np.array([0.0, 7.2, 0.4])
    outward[..., 1] *= 0.4
    outward = unit(outward - tangent * (outward * tangent).sum(axis=2, keepdims=True))
    lateral = np.cross(tangent, outward)
    t = np.linspace(0.0, 1.0, points)
    taper = np.minimum(0.5 + 3.0 * t, 1.0) * np.sqrt(np.clip(1.0 - t**3, 0.0, 1.0)) + 0.04
    across = np.array([-1.0, 1.0])
    reach = across[None, None, :, None] * (width[:, None] * taper)[..., None, None]
    vertices = (path[:, :, None] + reach * lateral[:, :, None]).reshape(-1, 3)
    normal = unit(outward[:, :, None] + 0.6 * across[None, None, :, None] * lateral[:, :, None])
    tint = np.clip(rng.normal(1.0, 0.10, count), 0.6, 1.5)[:, None, None] * (0.75 + 0.4 * t)[None, :, None]
    shades = np.clip(tint[..., None] * colour, 0.0, 1.0)
    one = sheet_triangles(points, 2)
    triangles = (one[None] + 2 * points * np.arange(count)[:, None, None]).reshape(-1, 3)
    shape = (count, points, 2)
    return Geometry(
        vertices=vertices.astype(np.float32),
        triangles=triangles.astype(np.int32),
        normal=normal.reshape(-1, 3).astype(np.float32),
        colour=np.broadcast_to(shades, (*shape, 3)).reshape(-1, 3).astype(np.float32),
        surface=np.full(len(triangles), SURFACES.index("hair"), dtype=np.int32),
        tangent=np.repeat(tangent.reshape(-1, 3), 2, axis=0).astype(np.float32),
        grain=np.stack(np.broadcast_arrays(across, t[None, :, None] + np.zeros(shape)), axis=-1)
        .reshape(-1, 2)
        .astype(np.float32),
    )
