"""Grows strands over a scalp: integrates a style's flow, cuts, gathers into locks, curls. All strands at once."""

from __future__ import annotations

import numpy as np

from ofer_bench.data.paraface.hair_scalp import Scalp, from_capsule, surface_radius, to_capsule
from ofer_bench.data.paraface.hair_styles import Strands, Style, knot, smooth

_MOST_STEPS = 18
_CLEARANCE = 0.02
"""Decimetres that the middle of every ribbon keeps from the skin; its edges tilt by less."""


def grow_paths(scalp: Scalp, style: Style, strands: Strands, rng: np.random.Generator) -> np.ndarray:
    """Grow all ``strands`` from root to tip: float64 [N,nodes,3] in the scalp frame, outside the skin."""
    path, room = _integrate(scalp, style, strands, rng)
    path = _into_locks(path, style, strands)
    path = _cut(path, room, scalp, style, strands, rng)
    if style.wave[0]:
        path = _wind(path, style, strands, rng)
    return _outside(path, _surface(scalp, style))


def tangents(path: np.ndarray) -> np.ndarray:
    """Unit directions [N,K,3] along paths [N,K,3]."""
    ahead = np.empty_like(path)
    ahead[:, 1:-1] = path[:, 2:] - path[:, :-2]
    ahead[:, 0] = path[:, 1] - path[:, 0]
    ahead[:, -1] = path[:, -1] - path[:, -2]
    return unit(ahead)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [...,3] brought to length 1; zero stays zero."""
    square = np.einsum("...c,...c->...", vectors, vectors)
    scaled: np.ndarray = vectors / np.sqrt(square + 1e-18)[..., None]
    return scaled


def _outside(path: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Push whatever touches the skin off it; roots may."""
    elevation, azimuth, radius = to_capsule(path)
    clear = np.full(path.shape[1], _CLEARANCE, dtype=path.dtype)
    clear[0] = 0.0
    return from_capsule(elevation, azimuth, np.maximum(radius, surface_radius(surface, elevation, azimuth) + clear))[0]


def _surface(scalp: Scalp, style: Style) -> np.ndarray:
    return scalp.head if style.over_ears else scalp.skull


def _integrate(scalp: Scalp, style: Style, strands: Strands, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Follow the style's flow: paths [N,steps+1,3], and how far each point is from being pushed off a shoulder."""
    surface = _surface(scalp, style)
    length = _lengths(style, strands)
    steps = min(_MOST_STEPS, 2 * style.nodes)
    step = length / steps
    lift = _lifts(style, strands, rng)
    # High locks turn over in a wider arc.
    bend = np.maximum(0.16, 0.9 * lift)
    guard = (style.guard or 0.0) + 0.22 * rng.random(len(step)) ** 2
    elevation, azimuth, _ = to_capsule(strands.root)
    point, outward = from_capsule(elevation, azimuth, surface_radius(surface, elevation, azimuth) + 0.005)
    heading = np.zeros_like(point)
    paths, room = [point], [np.ones_like(step)]
    for k in range(steps):
        along = (k + 1) / steps
        flow = style.flow(point, strands, along)
        flow = unit(flow - np.einsum("nc,nc->n", flow, outward)[:, None] * outward)
        heading = flow if k == 0 else unit(0.5 * heading + 0.5 * flow)
        point = point + step[:, None] * heading
        elevation, azimuth, reached = to_capsule(point)
        if style.guard is not None:
            azimuth = _guarded(azimuth, point[:, 1], guard, strands.side)
        rise = along if style.stand else 1.0 - np.exp(-along * length / bend)
        height = surface_radius(surface, elevation, azimuth) + np.maximum(lift * rise, _CLEARANCE)
        # Below the widest part of the head, hair hangs almost straight instead of following the neck.
        hangs = smooth(0.15, -0.1, elevation)
        free = np.where(point[:, 1] < 6.2, reached + 0.05 - height, 1.0)
        radius = height + hangs * np.maximum(np.minimum(reached, height + 0.6) - 0.14 * step - height, 0.0)
        # What a shoulder stops is cut later; until then it must not drag its lock outwards.
        radius = np.where(free < 0, reached, radius)
        room.append(free)
        point, outward = from_capsule(elevation, azimuth, radius)
        paths.append(point)
    return np.stack(paths, axis=1), np.stack(room, axis=1)


def _lengths(style: Style, strands: Strands) -> np.ndarray:
    low, high = style.reach
    top = smooth(7.35, 8.05, strands.root[:, 1])
    share = style.crop + (1.0 - style.crop) * top
    length: np.ndarray = (low + (high - low) * strands.hair.length) * share * (1.0 + 0.15 * strands.noise[:, 3])
    return length


def _lifts(style: Style, strands: Strands, rng: np.random.Generator) -> np.ndarray:
    """Height over the skin: layers from the scalp outwards, highest over the forehead and on top."""
    low, high = style.lift
    layer = rng.random(len(strands.root))
    y, z = strands.root[:, 1], strands.root[:, 2]
    forehead = smooth(0.9, 1.35, z) * smooth(7.7, 7.9, y)
    place = 0.4 + 0.6 * smooth(7.3, 8.1, y) + 0.3 * forehead
    lift: np.ndarray = (low + (high - low) * strands.hair.volume) * (0.15 + 0.85 * layer) * place
    return lift


def _guarded(azimuth: np.ndarray, height: np.ndarray, guard: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Turn strands that have come down into the face back to its side, along the hairline."""
    share = np.interp(height, [7.45, 7.62, 7.78, 7.88, 8.0], [1.0, 0.93, 0.7, 0.4, 0.0]).astype(height.dtype)
    sign = np.where(np.abs(azimuth) < 0.15, side, np.sign(azimuth))
    turned: np.ndarray = sign * np.maximum(sign * azimuth, guard * share)
    return turned


def _into_locks(path: np.ndarray, style: Style, strands: Strands) -> np.ndarray:
    """Draw every strand towards the nearest of the leading ones, more so at its tip."""
    guides = max(len(path) // 9, 1)
    # The side counts as a coordinate: a lock never spans the parting.
    mark = np.concatenate([strands.root - strands.root.mean(axis=0), strands.side[:, None]], axis=1)
    gap = (mark[:guides] ** 2).sum(axis=1) - 2.0 * mark @ mark[:guides].T
    along = np.linspace(0.0, 1.0, path.shape[1]) ** 1.5
    pull = style.lock * along * (1.0 + 0.5 * strands.noise[:, :1])
    apart = path[gap.argmin(axis=1)] - path
    # Neighbours that the whorl has sent different ways do not meet inside the head.
    pull *= np.minimum(0.3 / np.sqrt(np.einsum("nkc,nkc->nk", apart, apart) + 1e-9), 1.0)
    drawn: np.ndarray = path + pull[..., None] * apart
    return drawn


def _cut(
    path: np.ndarray, room: np.ndarray, scalp: Scalp, style: Style, strands: Strands, rng: np.random.Generator
) -> np.ndarray:
    """Cut strands at the hem, over the brows and on the shoulders; lay the nodes evenly on the rest: [N,nodes,3]."""
    count, steps = len(path), path.shape[1] - 1
    low, high = style.hem
    # Layers in front are shorter than those down the back.
    front = smooth(0.0, 1.0, strands.root[:, 2])
    hem = low + (high - low) * strands.hair.length + style.ragged * (strands.noise[:, 1] + 1.5 * front)
    brow = scalp.eye_y + style.brow + 0.05 * rng.random(count)
    x, y, z = path[..., 0], path[..., 1], path[..., 2]
    over_eyes = [y - brow[:, None], np.abs(x) - scalp.eye_x - 0.29, 0.85 - z]
    margin = np.stack([*over_eyes, y - hem[:, None], room])
    bad = np.minimum(margin[:3].max(axis=0), margin[3:].min(axis=0)) < 0
    bad[:, :2] = False
    first = np.where(bad.any(axis=1), bad.argmax(axis=1), steps)
    row = np.arange(count)
    before, after = margin[:, row, first - 1], margin[:, row, first]
    crossing = np.where(after < 0, np.clip(before / np.maximum(before - after, 1e-6), 0.0, 1.0), 1.0)
    # A strand is over the eyes once it is so in all three respects.
    share = np.minimum(crossing[:3].max(axis=0), crossing[3:].min(axis=0))
    last = first - 1 + share
    at = last[:, None] * np.linspace(0.0, 1.0, style.nodes)
    node = np.minimum(at.astype(np.int32), steps - 1)
    part = (at - node)[..., None]
    flat = path.reshape(-1, 3)
    place = node + row[:, None] * path.shape[1]
    start = flat[place]
    kept: np.ndarray = start + part * (flat[place + 1] - start)
    return kept


def _wind(path: np.ndarray, style: Style, strands: Strands, rng: np.random.Generator) -> np.ndarray:
    """Wind strands into waves, or into corkscrews where they stand off the scalp."""
    amplitude, wavelength = style.wave
    elevation, azimuth, radius = to_capsule(path)
    outward = from_capsule(elevation, azimuth, radius)[1]
    across = unit(np.cross(tangents(path), outward))
    pieces = np.diff(path, axis=1)
    arc = np.cumsum(np.sqrt(np.einsum("nkc,nkc->nk", pieces, pieces)), axis=1)
    arc = np.concatenate([np.zeros_like(arc[:, :1]), arc], axis=1)
    # Neighbours wave together, but not exactly.
    start = 3.0 * strands.root[:, 0] + 2.0 * strands.root[:, 2] + rng.normal(0.0, 0.6, len(path))
    phase = start[:, None] + (2 * np.pi / wavelength) * arc / (1.0 + 0.15 * strands.noise[:, 2:3])
    size = amplitude * (0.35 + 0.65 * strands.hair.curl) * np.minimum(arc / (0.1 if style.stand else 0.9), 1.0)
    depth = size * np.sin(phase) * (1.0 if style.stand else 0.8)
    wound: np.ndarray = path + (size * np.cos(phase))[..., None] * across + depth[..., None] * outward
    return wound


def grow_tail(
    path: np.ndarray, scalp: Scalp, style: Style, strands: Strands, rng: np.random.Generator
) -> tuple[np.ndarray, Strands]:
    """Add what lies beyond the knot of tied hair: a bun when short, a tail when long."""
    count, nodes = style.tail, path.shape[1]
    elevation, azimuth, _ = to_capsule(knot(strands.hair)[None])
    centre = from_capsule(elevation, azimuth, surface_radius(scalp.skull, elevation, azimuth) + 0.05)[0][0]
    along = np.linspace(0.0, 1.0, nodes)[None, :, None]
    pick = rng.standard_normal((count, 3))
    if strands.hair.length < 0.5:
        # A bun is a ball wound of great circles, most of them lying flat against the head.
        axis = unit(pick + np.array([0.0, 1.0, -2.2]))
        start = unit(np.cross(axis, pick[:, ::-1]))
        angle = 3.6 * along + 6.3 * rng.random((count, 1, 1))
        turn = start[:, None] * np.cos(angle) + np.cross(axis, start)[:, None] * np.sin(angle)
        size = 0.18 + 0.1 * strands.hair.volume
        lift = axis[:, None] * (rng.random((count, 1, 1)) - 0.3)
        out = unit(centre - np.array([0.0, 7.6, 0.5]))
        tail = centre + 0.9 * size * out + size * unit(turn + lift)
    else:
        fall = 0.6 + 1.6 * strands.hair.length + 0.15 * pick[:, :1, None]
        spread = (0.13 + 0.08 * strands.hair.volume) * np.sin(np.pi * np.minimum(along * 0.85 + 0.05, 1.0)) + 0.02
        tail = centre + unit(pick)[:, None] * spread
        tail[..., 1] += (0.25 * along * (1.0 - along) - fall * along**1.4)[..., 0]
        tail[..., 2] -= (0.32 * (1.0 - np.exp(-5.0 * along)))[..., 0]
    beyond = Strands(
        root=np.broadcast_to(centre, (count, 3)),
        depth=np.ones(count),
        side=np.ones(count),
        noise=np.zeros((count, 4)),
        hair=strands.hair,
    )
    joined = (np.concatenate([getattr(strands, n), getattr(beyond, n)]) for n in ("root", "depth", "side", "noise"))
    root, depth, side, noise = joined
    tail = _outside(tail, scalp.skull)
    return np.concatenate([path, tail]), Strands(root=root, depth=depth, side=side, noise=noise, hair=strands.hair)
