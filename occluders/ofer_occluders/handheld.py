"""Cut-outs people hold before their face: hand, mug, phone, book, fruit. Each draws on a :class:`Board`."""

from __future__ import annotations

import numpy as np

from ofer_occluders.drawing import Board, dome, smooth_union

_SKIN = (
    (250, 218, 190),
    (238, 194, 158),
    (222, 170, 128),
    (196, 138, 98),
    (158, 106, 70),
    (122, 80, 52),
    (90, 60, 42),
)
_FINGERS = (
    (0.36, 0.245, -14.0, 0.76),
    (0.455, 0.225, -4.0, 0.95),
    (0.55, 0.23, 4.0, 0.9),
    (0.64, 0.26, 13.0, 0.7),
)
"""Knuckle x and y, fan angle in degrees, relative length of the four fingers."""


def vivid(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw an sRGB colour (0-255) of any hue, moderately saturated."""
    hue, saturation, value = rng.uniform(0, 6), rng.uniform(0.35, 0.85), rng.uniform(0.35, 0.95)
    wheel = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    red, green, blue = 255 * value * (1 - saturation + saturation * wheel)
    return float(red), float(green), float(blue)


def draw_hand(board: Board, rng: np.random.Generator) -> None:
    """Back of a hand, fingers up, with nails and knuckles; the sleeved forearm leaves at the bottom."""
    skin = np.array(_SKIN[rng.integers(len(_SKIN))]) * rng.uniform(0.94, 1.04)
    spread, side = rng.uniform(0.5, 1.25), rng.choice([-1, 1])

    def mirror(x: float) -> float:
        return 0.5 + side * (x - 0.5)

    palm = board.box((0.5, 0.415), (0.175, 0.15), 0.1)
    body = smooth_union(palm, board.capsule((0.5, 0.5), (0.5, 1.1), 0.115, 0.15), 0.08)
    height = dome(body, 0.09)
    nails = creases = np.ones_like(height)
    for x, y, fan, length in _FINGERS:
        angle = np.radians(fan * spread + rng.uniform(-3, 3)) * side
        reach = 0.235 * length * rng.uniform(0.88, 1.03)
        direction = np.array([np.sin(angle), -np.cos(angle)])
        knuckle = np.array([mirror(x), y + 0.04])
        tip = knuckle + direction * reach
        finger = board.capsule((knuckle[0], knuckle[1]), (tip[0], tip[1]), 0.043, 0.031)
        height = np.maximum(height, dome(finger, 0.04) + 0.035)
        body = smooth_union(body, finger, 0.025)
        nail = tip + direction * 0.008
        nails = np.minimum(nails, board.capsule(tuple(nail), tuple(nail + direction * 0.01), 0.017, 0.015))
        for share in (0.42, 0.72):
            middle, across = (
                knuckle + direction * reach * share,
                np.array([-direction[1], direction[0]]) * 0.018,
            )
            creases = np.minimum(creases, board.capsule(tuple(middle - across), tuple(middle + across), 0.002))
    base, joint, end = (mirror(0.62), 0.5), (mirror(0.74), 0.4), (mirror(0.77), 0.315)
    thumb = smooth_union(board.capsule(base, joint, 0.07, 0.046), board.capsule(joint, end, 0.046, 0.034), 0.03)
    height = np.maximum(height, dome(thumb, 0.045) + 0.02)
    body = smooth_union(body, thumb, 0.05)
    mottle = 1 + 0.05 * board.noise(rng, (9, 9)) + 0.03 * board.noise(rng, (40, 40))
    board.paint(body, skin, board.lighting(height * (body < 0), soften=0.006) * mottle)
    board.paint(creases, skin * 0.62, opacity=0.55)
    board.paint(nails, skin * 0.6 + np.array([90, 76, 74]), board.lighting(dome(nails, 0.012)), gloss=0.03)
    _sleeve(board, rng)


def _sleeve(board: Board, rng: np.random.Generator) -> None:
    sleeve = board.outline(((0.33, 0.76), (0.67, 0.76), (0.72, 1.3), (0.28, 1.3)), smooth=False)
    board.shadow(sleeve, blur=0.03, strength=0.6)
    across = (board.x - 0.5) / 0.21
    ribs = 1 + 0.07 * np.cos(board.x * 2 * np.pi * 42)
    board.paint(sleeve, vivid(rng), (0.35 + 0.65 * np.sqrt(np.clip(1 - across**2, 0, 1))) * ribs)


def draw_mug(board: Board, rng: np.random.Generator) -> None:
    """Mug from slightly above: cylinder, handle, dark drink and a printed band."""
    glaze, side = np.array(vivid(rng)), rng.choice([-1, 1])
    top, bottom, half = 0.2, 0.84, 0.27
    ring = np.abs(board.ellipse((0.5 + side * (half + 0.02), 0.5), (0.145, 0.175))) - 0.036
    board.paint(ring, glaze * 0.9, board.lighting(dome(ring, 0.03)), gloss=0.3 * board.gloss(dome(ring, 0.03)))
    wall = np.minimum(board.box((0.5, (top + bottom) / 2), (half, (bottom - top) / 2), 0.01), 1.0)
    wall = np.minimum(wall, board.ellipse((0.5, bottom), (half, 0.065)))
    across = np.clip((board.x - 0.5) / half, -1, 1)
    round_light = 0.3 + 0.75 * np.sqrt(np.clip(1 - (across + 0.25) ** 2 / 1.6, 0, 1))
    shine = 0.35 * np.exp(-(((across + 0.55) / 0.09) ** 2))
    board.paint(wall, glaze, round_light, gloss=shine)
    bend = 0.065 * np.sqrt(np.clip(1 - across**2, 0, 1))
    for level, thick in ((0.42, 0.018), (0.62, rng.uniform(0.02, 0.09))):
        band = np.maximum(np.abs(board.y - level - bend) - thick, wall)
        board.paint(band, 255 - glaze * 0.55, round_light, gloss=shine)
    rim, drink = (
        board.ellipse((0.5, top), (half, 0.068)),
        board.ellipse((0.5, top + 0.012), (half - 0.03, 0.045)),
    )
    board.paint(rim, np.minimum(glaze * 1.12, 255), 1.0 + 0.2 * across)
    board.paint(drink, (58, 34, 20), 0.7 + 0.5 * (board.x - 0.2))


def draw_phone(board: Board, rng: np.random.Generator) -> None:
    """Back of a phone: rounded body with a bright edge, camera island with lenses, glossy sweep."""
    body_colour = np.array(vivid(rng)) * rng.choice([0.25, 0.6, 1.0])
    body = board.box((0.5, 0.5), (0.235, 0.46), 0.055)
    board.paint(body, np.minimum(body_colour * 0.5 + 110, 255), board.lighting(dome(body, 0.02)))
    back = body + 0.011
    sweep = 0.16 * np.exp(-(((board.x * 0.8 + board.y * 0.6 - rng.uniform(0.5, 0.9)) / 0.12) ** 2))
    board.paint(back, body_colour, 0.85 + 0.3 * (1 - board.y), gloss=sweep)
    island = board.box((0.385, 0.19), (0.095, 0.115), 0.035)
    board.shadow(island, blur=0.02, strength=0.5)
    board.paint(island, body_colour * 0.8 + 18, board.lighting(dome(island, 0.012)), gloss=0.02)
    for x, y in ((0.36, 0.135), (0.36, 0.245), (0.425, 0.19))[: rng.integers(2, 4)]:
        lens = board.ellipse((x, y), (0.04, 0.04))
        board.paint(lens, (150, 150, 155), board.lighting(dome(lens, 0.012)))
        board.paint(lens + 0.008, (14, 16, 22), gloss=0.25 * np.exp(-(((lens + 0.03) / 0.006) ** 2)))
        board.paint(board.ellipse((x - 0.01, y - 0.012), (0.009, 0.009)), (150, 175, 220))
    board.paint(board.ellipse((0.445, 0.115), (0.014, 0.014)), (255, 240, 205))
    board.paint(board.ellipse((0.5, 0.52), (0.04, 0.04)), np.minimum(body_colour + 45, 255))


def draw_book(board: Board, rng: np.random.Generator) -> None:
    """Closed hardback: cover with spine crease, frame, title bars and the page block below."""
    cover = np.array(vivid(rng))
    board.paint(board.box((0.515, 0.515), (0.335, 0.425), 0.012), cover * 0.55)
    pages = board.box((0.515, 0.51), (0.325, 0.415), 0.006)
    board.paint(pages, (238, 230, 208), 0.8 + 0.2 * np.cos((board.x + board.y) * 2 * np.pi * 110))
    front = board.box((0.49, 0.485), (0.33, 0.42), 0.014)
    cloth = 1 + 0.05 * board.noise(rng, (70, 70)) + 0.1 * (0.5 - board.y)
    crease = 1 - 0.45 * np.exp(-(((board.x - 0.225) / 0.012) ** 2))
    board.paint(front, cover, board.lighting(dome(front, 0.012)) * cloth * crease)
    ink = np.array(vivid(rng)) * 0.3 + (200 if cover.mean() < 140 else 15)
    board.paint(np.abs(board.box((0.52, 0.485), (0.25, 0.36), 0.01)) - 0.005, ink, cloth)
    for row in range(int(rng.integers(2, 5))):
        board.paint(board.box((0.52, 0.26 + 0.065 * row), (rng.uniform(0.08, 0.19), 0.017), 0.006), ink, cloth)
    board.paint(board.ellipse((0.52, 0.63), (0.11, 0.11)), ink, cloth)
    board.paint(board.ellipse((0.52, 0.63), (0.085, 0.085)), np.array(vivid(rng)), cloth)


def draw_fruit(board: Board, rng: np.random.Generator) -> None:
    """Apple: two-lobed body with streaked skin, a dimple, a stem and a leaf."""
    skin = np.array(((196, 32, 36), (122, 172, 48), (232, 168, 44), (236, 120, 24))[rng.integers(4)])
    left, right = board.ellipse((0.42, 0.57), (0.29, 0.34)), board.ellipse((0.58, 0.57), (0.29, 0.34))
    body = smooth_union(left, right, 0.08)
    height = dome(body, 0.3)
    streak = 1 + 0.1 * board.noise(rng, (4, 36)) + 0.06 * board.noise(rng, (60, 60))
    dimple = 1 - 0.65 * np.exp(-(((board.x - 0.5) / 0.1) ** 2) - ((board.y - 0.27) / 0.035) ** 2)
    board.paint(
        body,
        skin,
        board.lighting(height, ambient=0.25) * streak * dimple,
        gloss=0.4 * board.gloss(height, sharpness=60),
    )
    board.paint(board.capsule((0.5, 0.28), (0.53, 0.14), 0.011, 0.017), (82, 56, 34))
    leaf = board.outline(((0.53, 0.2), (0.62, 0.11), (0.76, 0.1), (0.68, 0.19)))
    vein = 1 - 0.3 * np.exp(-(((board.y - 0.2 + 0.43 * (board.x - 0.53)) / 0.006) ** 2))
    board.paint(leaf, (66, 128, 44), board.lighting(dome(leaf, 0.03)) * vein)
