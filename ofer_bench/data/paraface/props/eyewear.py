"""Glasses and sunglasses: rims round the eyes, bridge, temples to the ears, dark lenses."""

from __future__ import annotations

import numpy as np

from ofer_bench.data.paraface.geometry import Geometry, merge, solid
from ofer_bench.data.paraface.props.shapes import between, draw_colour, listed, resample, sheet_triangles, tube
from ofer_bench.data.paraface.props.surface import AXIS_Z, Face, contact

Built = tuple[Geometry, dict[str, object]]

# Half width and height in decimetres, squareness, growth of the width towards the top, lean of the bottom outwards.
_SHAPES: dict[str, tuple[float, float, float, float, float]] = {
    "round": (0.225, 0.215, 2.0, 0.0, 0.0),
    "oval": (0.25, 0.175, 2.2, 0.02, 0.0),
    "rectangular": (0.262, 0.168, 4.5, 0.04, 0.0),
    "square": (0.265, 0.215, 4.0, 0.06, 0.0),
    "browline": (0.258, 0.195, 3.0, 0.12, 0.0),
    "aviator": (0.262, 0.235, 2.3, 0.14, 0.06),
}
_METALS = np.array([[0.52, 0.53, 0.55], [0.60, 0.45, 0.20], [0.05, 0.05, 0.055], [0.55, 0.36, 0.28]])
_FRONT = np.array([0.0, 0.0, 1.0])
_EYE = np.array([0.308, 7.265, 1.62])
_EAR = np.array([[0.775, 7.36, 1.0], [0.785, 7.385, 0.70], [0.78, 7.36, 0.45], [0.765, 7.2, 0.32]])


def build_glasses(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Clear glasses: a frame of metal or plastic, no lenses."""
    return _wear(face, rng, str(rng.choice(sorted(_SHAPES))), dark=False)


def build_sunglasses(face: Face, rng: np.random.Generator, skin: np.ndarray) -> Built:
    """Sunglasses with large dark or mirrored lenses."""
    return _wear(face, rng, str(rng.choice(["round", "square", "browline", "aviator"])), dark=True)


def _wear(face: Face, rng: np.random.Generator, shape: str, *, dark: bool) -> Built:
    metal = bool(rng.random() < (0.8 if shape == "aviator" else 0.45))
    size = between(rng, 1.08, 1.28) if dark else between(rng, 0.95, 1.15)
    slip, tilt = between(rng, -0.10 if not dark else -0.06, 0.02), between(rng, -0.04, 0.04)
    frame = _METALS[int(rng.integers(len(_METALS)))] if metal else draw_colour(rng, value=(0.008, 0.4))
    if not metal and rng.random() < 0.4:
        frame = np.array([0.012, 0.011, 0.011])
    thick = between(rng, 0.010, 0.014) if metal else between(rng, 0.018, 0.034)
    sides = (-1.0, 1.0)
    outlines = [_outline(face, shape, size, side, slip, tilt) for side in sides]
    # All of the front moves as one until it stands clear of nose, brows and cheeks.
    front = np.concatenate(outlines)
    push = contact(front - (0.02 + thick) * _FRONT, face.clearance(face.front), _FRONT)
    outlines = [outline + push * _FRONT for outline in outlines]
    surface = "metal" if metal else "plastic"
    pieces = [solid(*tube(o, thick, sides=8, flat=1.25, closed=True), frame, surface) for o in outlines]
    pieces.append(solid(*_bridge(outlines, thick), frame, surface))
    for outline, side in zip(outlines, sides, strict=True):
        pieces.append(solid(*_temple(face, outline, side, thick, tilt), frame, surface))
    record: dict[str, object] = {"shape": shape, "metal": metal, "frame": listed(frame), "size": size}
    if dark:
        tint = draw_colour(rng, value=(0.004, 0.03)) if rng.random() < 0.75 else draw_colour(rng, value=(0.08, 0.3))
        pieces += [_lens(outline, tint) for outline in outlines]
        record["tint"] = listed(tint)
    return merge(pieces), record


def _outline(face: Face, shape: str, size: float, side: float, slip: float, tilt: float) -> np.ndarray:
    """Closed rim [64,3] of one eye; angle 0 is the outer end, a quarter turn the top."""
    width, height, square, grow, droop = _SHAPES[shape]
    angle = np.linspace(0.0, 2 * np.pi, 64, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    x = np.sign(c) * np.abs(c) ** (2.0 / square)
    y = np.sign(s) * np.abs(s) ** (2.0 / square)
    x, y = x * width * size * (1.0 + grow * y), y * height * size
    x = x - droop * y / height - 0.3 * droop
    centre = face.at(_EYE * [side, 1.0, 1.0])
    # Lenses too wide for the nose move apart.
    middle = max(abs(centre[0]), 0.05 - float(x.min()))
    across = middle + x
    up = centre[1] + slip + y + tilt * side * across
    # Frames curve back towards the temples and lean in towards the cheeks.
    depth = centre[2] + 0.02 - 0.16 * across**2 + 0.18 * y
    return np.stack([side * across, up, depth], axis=1)


def _bridge(outlines: list[np.ndarray], thick: float) -> tuple[np.ndarray, np.ndarray]:
    """Arch between the inner upper ends of the rims."""
    ends = [outline[26] for outline in outlines]
    middle = 0.5 * (ends[0] + ends[1]) + [0.0, 0.02, 0.03]
    return tube(resample(np.stack([ends[0], middle, ends[1]]), 12), 1.1 * thick, sides=8)


def _temple(face: Face, outline: np.ndarray, side: float, thick: float, tilt: float) -> tuple[np.ndarray, np.ndarray]:
    """Bar from the rim's outer end along the head, over the ear and down behind it."""
    hinge = outline[5]
    ear = face.at(_EAR * [side, 1.0, 1.0])
    ear[:, 1] += tilt * ear[:, 0] + 0.4 * (hinge[1] - ear[0, 1])
    line = hinge + np.linspace(0.0, 1.0, 6)[1:, None] * (ear[1] - hinge)
    relief = face.around
    angle = np.arctan2(line[:, 0], line[:, 2] - AXIS_Z)
    reach = np.hypot(line[:, 0], line[:, 2] - AXIS_Z)
    # Bowed over the temple where the head is wide; near the ear the relief is the ear itself.
    skin = relief.at(np.clip(angle, -1.15, 1.15), line[:, 1]) + 0.02 + thick
    reach = np.where(np.abs(angle) < 1.15, np.maximum(reach, skin), reach)
    line = np.stack([reach * np.sin(angle), line[:, 1], AXIS_Z + reach * np.cos(angle)], axis=1)
    corner = hinge + np.array([side * 0.02, 0.0, -0.01])
    path = resample(np.concatenate([hinge[None], corner[None], line, ear[2:]]), 32)
    return tube(path, thick, sides=6, flat=1.3)


def _lens(outline: np.ndarray, tint: np.ndarray) -> Geometry:
    """Slightly bulging surface within a rim, darker at the top."""
    middle = outline.mean(axis=0)
    share = np.linspace(0.0, 1.0, 9)[:, None, None]
    vertices = middle + share * (outline - middle) + np.array([0.0, 0.0, 0.03]) * (1.0 - share**2)
    flat = vertices.reshape(-1, 3)
    height = (flat[:, 1] - outline[:, 1].min()) / np.ptp(outline[:, 1])
    colour = tint * (1.5 - 0.8 * height[:, None])
    triangles = sheet_triangles(9, len(outline), closed=True)
    if outline[0, 0] < 0.0:
        triangles = triangles[:, ::-1]
    return solid(flat, triangles, colour, "plastic")
