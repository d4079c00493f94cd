"""Food that a hand holds: apple, banana, ice cream; upright about its own origin, as in ``objects``."""

from __future__ import annotations

import numpy as np

from ofer_bench.data.paraface.geometry import merge, solid
from ofer_bench.data.paraface.props.objects import Thing, cylinder_clearance
from ofer_bench.data.paraface.props.shapes import lathe, listed, resample, tube

_APPLES = np.array([[0.42, 0.03, 0.03], [0.30, 0.42, 0.07], [0.60, 0.42, 0.08]])
_SCOOPS = np.array([[0.74, 0.64, 0.45], [0.13, 0.055, 0.03], [0.70, 0.30, 0.33], [0.42, 0.60, 0.42]])
_WOOD = np.array([0.10, 0.05, 0.02])


def make_apple(rng: np.random.Generator) -> Thing:
    """Apple with a dimple and a stem, blushed on one side."""
    size = float(rng.uniform(0.34, 0.42))
    t = np.linspace(0.0, np.pi, 40)
    radius = size * np.sin(t) * (1.0 + 0.10 * np.cos(t))
    height = (
        0.92 * size * np.cos(t) * (1.0 - 0.55 * np.exp(-((t / 0.42) ** 2)) - 0.2 * np.exp(-(((np.pi - t) / 0.3) ** 2)))
    )
    vertices, triangles = lathe(np.stack([radius, height], axis=1), sides=48)
    base, blush = _APPLES[rng.permutation(3)[:2]]
    turn = float(rng.uniform(-1.2, 1.2))
    side = 0.5 + 0.5 * np.cos(np.arctan2(vertices[:, 0], vertices[:, 2]) - turn)
    streaks = 0.85 + 0.15 * np.repeat(rng.uniform(0, 1, 48)[None], 40, axis=0).ravel()
    colour = base + (side**2 * streaks)[:, None] * 0.75 * (blush - base)
    stem = resample(np.array([(0.0, 0.28, 0.0), (0.01, 0.42, 0.0), (0.05, 0.52, 0.0)]) * size / 0.38, 10)
    pieces = [solid(vertices, triangles, colour, "plastic"), solid(*tube(stem, 0.018, sides=6), _WOOD, "cloth")]
    return Thing(
        geometry=merge(pieces),
        clearance=cylinder_clearance(0.93 * size, 0.8 * size),
        half=(0.93 * size, 0.8 * size, 0.93 * size),
        record={"colour": listed(base)},
    )


def make_banana(rng: np.random.Generator) -> Thing:
    """Bent banana with dark ends, its bow towards the picture's side."""
    half, thick, bend = float(rng.uniform(0.75, 0.95)), float(rng.uniform(0.15, 0.18)), float(rng.uniform(0.18, 0.3))
    s = np.linspace(-1.0, 1.0, 40)
    path = np.stack([bend * (1.0 - s**2) - 0.5 * bend, half * s, np.zeros(40)], axis=1)
    radius = thick * np.sqrt(np.clip(1.0 - np.abs(s) ** 5, 0.0, 1.0)) * (1.0 - 0.15 * s)
    radius = np.maximum(radius, np.where(s > 0.8, 0.045, 0.02))
    vertices, triangles = tube(path, radius, sides=10)
    along = np.repeat(s, 10)
    ripe = np.array([0.66, 0.48, 0.06]) * rng.uniform(0.85, 1.05) + np.array([-0.15, 0.05, 0.0]) * rng.uniform(0, 0.8)
    ridge = 1.0 - 0.16 * (np.tile(np.arange(10), 40) % 2)
    dark = np.clip((np.abs(along) - 0.88) / 0.08, 0.0, 1.0)
    spots = rng.random(400) < 0.05
    colour = (ripe * ridge[:, None]) * np.where(spots, 0.6, 1.0)[:, None]
    colour = colour + dark[:, None] * (_WOOD - colour)
    return Thing(
        geometry=solid(vertices, triangles, colour, "cloth"),
        clearance=cylinder_clearance(1.3 * thick, half),
        half=(1.3 * thick, half, 1.3 * thick),
        record={"colour": listed(ripe)},
    )


def make_ice_cream(rng: np.random.Generator) -> Thing:
    """Waffle cone with one to three scoops."""
    cone = np.stack([np.linspace(0.34, 0.03, 30), np.linspace(0.05, -1.0, 30)], axis=1)
    vertices, triangles = lathe(np.concatenate([[[0.0, 0.05]], cone, [[0.0, -1.02]]]), sides=48)
    row, column = np.divmod(np.arange(len(vertices)), 48)
    lines = ((row + column // 2) % 4 == 0) | ((row - column // 2) % 4 == 0)
    waffle = np.where(lines[:, None], 0.62, 1.0) * np.array([0.52, 0.27, 0.09])
    pieces = [solid(vertices, triangles, waffle, "cloth")]
    count = int(rng.integers(1, 4))
    places = [(0.0, 0.22, 0.0)] if count == 1 else [(-0.18, 0.2, 0.0), (0.18, 0.2, 0.05), (0.0, 0.48, 0.03)][:count]
    t = np.linspace(0.0, np.pi, 28)
    for place in places:
        ball, faces = lathe(np.stack([np.sin(t), np.cos(t)], axis=1), sides=36)
        bumps = 1.0 + 0.035 * rng.standard_normal(len(ball))
        bumps.reshape(28, 36)[[0, -1]] = 1.0
        flavour = _SCOOPS[int(rng.integers(len(_SCOOPS)))]
        shade = np.clip(rng.normal(1.0, 0.05, len(ball)), 0.8, 1.15)[:, None]
        size = 0.34 if count == 1 else 0.29
        pieces.append(solid(size * ball * bumps[:, None] + np.array(place), faces, flavour * shade, "cloth"))
    return Thing(
        geometry=merge(pieces),
        clearance=cylinder_clearance(0.2, 1.0),
        half=(0.2, 1.0, 0.2),
        record={"scoops": count},
    )
