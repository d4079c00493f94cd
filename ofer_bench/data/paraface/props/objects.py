"""Things a hand can hold, each upright about its own origin and facing z, with the room it takes up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ofer_bench.data.paraface.geometry import Geometry, merge, solid
from ofer_bench.data.paraface.props.shapes import draw_colour, lathe, listed, resample, rounded, slab, tube
from ofer_bench.data.paraface.props.surface import Clearance

_WHITE = np.array([0.72, 0.72, 0.70])
_DARK = np.array([0.012, 0.012, 0.014])
_STEEL = np.array([0.42, 0.43, 0.45])


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object in its own frame, in decimetres; ``half`` is its half width, height and depth where it is held."""

    geometry: Geometry
    clearance: Clearance
    half: tuple[float, float, float]
    record: dict[str, object]


def make_cup(rng: np.random.Generator) -> Thing:
    """Mug with a handle or paper cup with a lid."""
    paper = bool(rng.random() < 0.5)
    colour = draw_colour(rng) if rng.random() < 0.65 else _WHITE
    band = draw_colour(rng)
    if paper:
        half, top, bottom = rng.uniform(0.5, 0.62), rng.uniform(0.38, 0.44), 0.29
        wall = [(top, half), (bottom, -half)]
        lid = [(0.0, half + 0.10), (top - 0.05, half + 0.10), (top - 0.03, half + 0.04), (top + 0.025, half + 0.03)]
        profile = [*lid, (top + 0.025, half - 0.02), *wall, (bottom - 0.03, -half), (0.0, -half + 0.02)]
    else:
        half, top = rng.uniform(0.42, 0.52), rng.uniform(0.37, 0.44)
        bottom = top * rng.uniform(0.86, 1.0)
        inner = [(0.0, -half + 0.08), (bottom - 0.04, -half + 0.08), (top - 0.035, half)]
        profile = [*inner, (top, half), (bottom, -half + 0.03), (bottom - 0.05, -half), (0.0, -half)]
    vertices, triangles = lathe(_filled(rounded(np.array(profile), 0.015)))
    y = vertices[:, 1]
    painted = np.broadcast_to(colour, vertices.shape).copy()
    painted[(y > -0.45 * half) & (y < 0.40 * half)] = band
    if paper:
        painted[y > half - 0.03] = _WHITE if rng.random() < 0.5 else _DARK
    pieces = [solid(vertices, triangles, painted, "paper" if paper else "plastic")]
    if not paper:
        bow = np.array([(0.0, 0.28), (0.20, 0.26), (0.28, 0.0), (0.20, -0.24), (0.0, -0.28)])
        path = np.stack([-bow[:, 0] - 0.97 * bottom, bow[:, 1], np.zeros(5)], axis=1)
        pieces.append(solid(*tube(resample(path, 24), 0.05, sides=10), colour, "plastic"))
    record: dict[str, object] = {
        "style": "paper cup" if paper else "mug",
        "colour": listed(colour),
        "band": listed(band),
    }
    return Thing(
        geometry=merge(pieces),
        clearance=cylinder_clearance(0.5 * (top + bottom), half),
        half=(0.5 * (top + bottom), half, 0.5 * (top + bottom)),
        record=record,
    )


def make_bottle(rng: np.random.Generator) -> Thing:
    """Drinking bottle with shoulder, neck, cap and label."""
    radius, half = rng.uniform(0.29, 0.37), rng.uniform(0.85, 1.1)
    colour, cap, label = draw_colour(rng), draw_colour(rng), draw_colour(rng, value=(0.3, 0.75))
    neck = 0.125
    profile = [
        (0.0, half),
        (neck + 0.03, half),
        (neck + 0.03, half - 0.14),
        (neck, half - 0.15),
        (neck, half - 0.26),
        (0.72 * radius, half - 0.52),
        (radius, half - 0.72),
        (radius, -half + 0.06),
        (radius - 0.06, -half),
        (0.0, -half),
    ]
    vertices, triangles = lathe(_filled(rounded(np.array(profile), 0.05)))
    y = vertices[:, 1]
    painted = np.broadcast_to(colour, vertices.shape).copy()
    painted[y > half - 0.145] = cap
    painted[(y < 0.32 * half - 0.2) & (y > -0.62 * half)] = label
    return Thing(
        geometry=solid(vertices, triangles, painted, "metal" if rng.random() < 0.3 else "plastic"),
        clearance=cylinder_clearance(radius, half),
        half=(radius, half, radius),
        record={"colour": listed(colour), "label": listed(label), "cap": listed(cap)},
    )


def make_microphone(rng: np.random.Generator) -> Thing:
    """Stage microphone: round or egg-shaped grille, collar, tapered handle."""
    ball, half = rng.uniform(0.25, 0.33), rng.uniform(0.85, 1.05)
    body = _DARK if rng.random() < 0.6 else draw_colour(rng)
    grille = _STEEL if rng.random() < 0.7 else _DARK * 3.0
    angle = np.radians(np.linspace(0.0, 140.0, 28))
    egg = rng.uniform(1.0, 1.2)
    crown = np.stack([ball * np.sin(angle), half - ball * egg * (1.0 - np.cos(angle))], axis=1)
    low = crown[-1, 1]
    handle = rounded(
        np.array(
            [
                crown[-1],
                (0.20, low),
                (0.20, low - 0.09),
                (0.15, low - 0.12),
                (0.105, -half),
                (0.07, -half - 0.02),
                (0.0, -half - 0.02),
            ]
        ),
        0.015,
    )
    profile = np.concatenate([crown[:-1], _filled(handle, 0.15)])
    vertices, triangles = lathe(profile, sides=56)
    y = vertices[:, 1]
    painted = np.broadcast_to(body, vertices.shape).copy()
    # Wire mesh: between crossing wires one looks into the dark.
    row, column = np.divmod(np.arange(len(vertices)), 56)
    mesh = np.where((row % 2 == 1) & (column % 2 == 1), 0.12, 1.0)[:, None] * grille
    painted = np.where((y > low + 0.01)[:, None], mesh, painted)
    painted[(y > half - 1.12 * ball * egg) & (y < half - 0.92 * ball * egg)] = _STEEL
    return Thing(
        geometry=solid(vertices, triangles, painted, "metal"),
        clearance=cylinder_clearance(0.14, half),
        half=(0.14, half, 0.14),
        record={"colour": listed(body), "grille": listed(grille)},
    )


def make_phone(rng: np.random.Generator) -> Thing:
    """Phone with its back and cameras towards z."""
    width, height = rng.uniform(0.70, 0.80), rng.uniform(1.42, 1.65)
    colour = draw_colour(rng, value=(0.02, 0.7)) if rng.random() < 0.6 else _DARK * 2.0
    pieces = [solid(*slab(width, height, 0.09, corner=0.11, edge=0.035), colour, "plastic")]
    lens_x, lens_y = width / 2 - 0.19, height / 2 - 0.21
    vertices, triangles = slab(0.28, 0.32, 0.03, corner=0.07, edge=0.012)
    pieces.append(solid(vertices + np.array([lens_x, lens_y, 0.05]), triangles, 0.7 * colour + 0.01, "plastic"))
    rim, faces = slab(0.11, 0.11, 0.03, corner=0.055, edge=0.012)
    glass, glass_faces = slab(0.08, 0.08, 0.032, corner=0.04, edge=0.012)
    for x, y in ((-0.065, 0.075), (-0.065, -0.075), (0.07, 0.0))[: int(rng.integers(2, 4))]:
        at = np.array([lens_x + x, lens_y + y, 0.068])
        pieces.append(solid(rim + at, faces, _STEEL, "metal"))
        pieces.append(solid(glass + at + np.array([0, 0, 0.004]), glass_faces, _DARK, "plastic"))
    half = (width / 2, height / 2, 0.045)
    return Thing(geometry=merge(pieces), clearance=_box(half), half=half, record={"colour": listed(colour)})


def make_board(rng: np.random.Generator, width: float, height: float) -> tuple[Thing, Geometry]:
    """Left half of an open book, its spine at x = 0, cover towards z and pages behind; and the cover's print."""
    cover, title = draw_colour(rng), draw_colour(rng, value=(0.3, 0.8))
    pages = float(rng.uniform(0.03, 0.12))
    middle = np.array([width / 2, 0.0, 0.0])
    board, faces = slab(width, height, 0.035, corner=0.02, edge=0.014)
    block, block_faces = slab(width - 0.05, height - 0.09, pages, corner=0.01, edge=0.008)
    pieces = [
        solid(board + middle, faces, cover, "paper"),
        solid(block + middle - np.array([0.03, 0.0, pages / 2 + 0.018]), block_faces, _WHITE, "paper"),
    ]
    # Title, author and picture a hair above the cover.
    prints = []
    rows = rng.uniform(0.25, 0.8, 3)
    for y, share, tall in zip((0.30, 0.14, -0.28), rows, (0.10, 0.06, 0.26), strict=True):
        print_, print_faces = slab(share * width, tall * height, 0.006, corner=0.01, edge=0.002)
        at = middle + np.array([0.0, y * height, 0.018])
        prints.append(solid(print_ + at, print_faces, title, "paper"))
    half = (width / 2, height / 2, pages / 2 + 0.03)
    inside = _box(half)
    at = middle - np.array([0.0, 0.0, pages / 2])
    thing = Thing(
        geometry=merge(pieces),
        clearance=lambda points: inside(points - at),
        half=half,
        record={"colour": listed(cover), "title": listed(title)},
    )
    return thing, merge(prints)


def _filled(profile: np.ndarray, step: float = 0.06) -> np.ndarray:
    """Add points to long straight stretches of a profile, for bands of colour to have edges."""
    count = np.maximum(1, np.ceil(np.linalg.norm(np.diff(profile, axis=0), axis=1) / step)).astype(np.int64)
    at = np.repeat(np.arange(len(count)), count)
    share = (np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)) / count[at]
    inner = profile[at] + share[:, None] * (profile[at + 1] - profile[at])
    return np.concatenate([inner, profile[-1:]])


def cylinder_clearance(radius: float, half: float) -> Clearance:
    """Room taken up by an upright cylinder about the origin, in decimetres."""

    def distance(points: np.ndarray) -> np.ndarray:
        beside = np.hypot(points[..., 0], points[..., 2]) - radius
        above = np.abs(points[..., 1]) - half
        return np.minimum(np.maximum(beside, above), 0.0) + np.hypot(np.maximum(beside, 0.0), np.maximum(above, 0.0))

    return distance


def _box(half: tuple[float, float, float]) -> Clearance:
    def distance(points: np.ndarray) -> np.ndarray:
        beyond = np.abs(points) - np.array(half)
        return np.minimum(beyond.max(axis=-1), 0.0) + np.linalg.norm(np.maximum(beyond, 0.0), axis=-1)

    return distance
