"""Cut-outs of the unseen kinds: sunglasses, surgical mask, scarf, microphone, bottle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ofer_occluders.drawing import Board, Point, dome
from ofer_occluders.handheld import vivid

_LENS_TOP = ((0.06, 0.46), (0.14, 0.405), (0.32, 0.4), (0.45, 0.425), (0.44, 0.5))
_LENS_BOTTOM = ((0.37, 0.5), (0.25, 0.53), (0.12, 0.5))
"""The right lens, measured from the bridge; the bottom drops by a random depth."""
_MASK = ((0.5, 0.255), (0.7, 0.29), (0.87, 0.36), (0.86, 0.6), (0.72, 0.73), (0.5, 0.78))
_WRAP = ((0.5, 0.22), (0.78, 0.235), (0.98, 0.3), (0.97, 0.56), (0.78, 0.68), (0.5, 0.71))
_BOTTLE = (
    *((0.5, 0.14), (0.56, 0.14), (0.57, 0.22), (0.63, 0.3), (0.67, 0.4)),
    *((0.67, 0.65), (0.67, 0.9), (0.64, 0.955), (0.5, 0.965)),
)


def _symmetric(right: Sequence[Point]) -> list[Point]:
    """Close a right half outline, from the top middle to the bottom middle, by its mirror image."""
    return [*right, *((1 - x, y) for x, y in reversed(right[1:-1]))]


def draw_sunglasses(board: Board, rng: np.random.Generator) -> None:
    """Sunglasses from the front: rims, bridge, hinges, dark graded lenses with a reflection."""
    frame = np.array(vivid(rng)) * rng.choice([0.15, 0.5])
    tint = np.array(vivid(rng)) * 0.22 + 8
    drop = rng.uniform(0.11, 0.16)
    bridge = np.abs(board.ellipse((0.5, 0.5), (0.075, 0.05))) - 0.013
    board.paint(np.maximum(bridge, board.y - 0.49), frame, board.lighting(dome(bridge, 0.012)))
    for side in (-1, 1):
        hinge = board.capsule((0.5 + side * 0.43, 0.44), (0.5 + side * 0.49, 0.44), 0.022)
        board.paint(hinge, frame, board.lighting(dome(hinge, 0.02)))
        rim = board.outline([(0.5 + side * x, y) for x, y in (*_LENS_TOP, *((x, y + drop) for x, y in _LENS_BOTTOM))])
        board.paint(rim, frame, board.lighting(dome(rim, 0.02)), gloss=0.25 * board.gloss(dome(rim, 0.02)))
        lens = rim + 0.02
        fall = np.clip((board.y - 0.4) / 0.28, 0, 1)
        sweep = board.x * 0.75 + board.y * 0.65 - (0.5 + side * 0.25) * 0.75 - 0.3
        reflection = 0.16 * np.exp(-((sweep / 0.03) ** 2)) + 0.08 * np.exp(-(((sweep - 0.075) / 0.014) ** 2))
        board.paint(lens, tint, 0.6 + 1.5 * fall**2, gloss=reflection)


def draw_surgical_mask(board: Board, rng: np.random.Generator) -> None:
    """Pleated surgical mask: three folds, hems, a nose wire and ear loops."""
    palette = ((150, 196, 222), (176, 214, 206), (236, 238, 240), (48, 50, 56), (228, 178, 190))
    cloth = np.array(palette[rng.integers(len(palette))])
    for side in (-1, 1):
        loop = np.abs(board.ellipse((0.5 + side * 0.37, 0.49), (0.11, 0.2))) - 0.008
        board.paint(np.maximum(loop, side * (0.5 - board.x) + 0.33), (240, 240, 238), 0.92)
    body = board.outline(_symmetric(_MASK))
    sag = 0.05 * (1 - ((board.x - 0.5) / 0.38) ** 2)
    folds = np.zeros_like(board.x)
    for level in (0.41, 0.5, 0.59):
        step = board.y - level - sag
        folds += 0.012 * np.clip(step / 0.05 + 1, 0, 1) * (step < 0) - 0.012 * (step >= 0) * np.exp(-step / 0.02)
    fibre = 1 + 0.03 * board.noise(rng, (110, 110)) + 0.05 * board.noise(rng, (5, 5))
    board.paint(body, cloth, board.lighting(dome(body, 0.24) * 0.6 + folds, soften=0.003) * fibre)
    for shift in (0.0, 0.012):
        hem = np.abs(body + 0.025 + shift) - 0.0018
        board.paint(np.maximum(hem, np.abs(board.x - 0.5) - 0.34), cloth * 0.7, opacity=0.5)
    wire = np.abs(board.y - 0.3 - 0.5 * (board.x - 0.5) ** 2) - 0.006
    board.paint(np.maximum(wire, np.abs(board.x - 0.5) - 0.13), np.minimum(cloth * 1.08, 255), opacity=0.7)


def draw_scarf(board: Board, rng: np.random.Generator) -> None:
    """Knitted scarf: a wrap with deep folds and stripes over a fringed hanging end."""
    yarn, stripe = np.array(vivid(rng)), np.array(vivid(rng))
    knit = 1 + 0.14 * np.cos(board.x * 2 * np.pi * 56 + 1.6 * np.abs(np.sin(board.y * 2 * np.pi * 40)))
    end = board.outline(((0.57, 0.5), (0.78, 0.5), (0.82, 0.88), (0.6, 0.9)), smooth=False)
    for strand in np.linspace(0.612, 0.808, 11):
        fringe = board.capsule((strand, 0.87), (strand + rng.uniform(-0.012, 0.012), 0.97), 0.0075, 0.005)
        board.paint(fringe, yarn * rng.uniform(0.75, 1.0))
    board.paint(end, yarn, board.lighting(dome(end, 0.05)) * knit)
    for level in (0.72, 0.8):
        board.paint(np.maximum(end, np.abs(board.y - level) - 0.022), stripe, board.lighting(dome(end, 0.05)) * knit)
    wrap = board.outline(_symmetric(_WRAP))
    board.shadow(wrap, blur=0.05, strength=0.6)
    curve = board.y - 0.16 * (1 - ((board.x - 0.5) / 0.55) ** 2) + 0.02 * board.noise(rng, (3, 5))
    folds = 0.02 * np.abs(np.sin(curve * 2 * np.pi * 4.2 + rng.uniform(0, 3)))
    light = board.lighting(dome(wrap, 0.1) + folds, soften=0.006) * knit
    board.paint(wrap, yarn, light)
    for level in rng.uniform(0.2, 0.42, size=2):
        board.paint(np.maximum(wrap, np.abs(curve - level) - 0.02), stripe, light)


def draw_microphone(board: Board, rng: np.random.Generator) -> None:
    """Stage microphone: meshed ball, ring, tapering handle with a switch."""
    body = np.array([34, 34, 38]) if rng.random() < 0.6 else np.array(vivid(rng)) * 0.7
    handle = board.capsule((0.5, 0.4), (0.5, 0.95), 0.105, 0.062)
    across = (board.x - 0.5) / 0.1
    tube = 0.25 + 0.8 * np.sqrt(np.clip(1 - (across + 0.25) ** 2 / 1.7, 0, 1))
    board.paint(handle, body, tube, gloss=0.14 * np.exp(-(((across + 0.45) / 0.14) ** 2)))
    switch = board.box((0.5, 0.58), (0.02, 0.045), 0.01)
    board.paint(switch, (150, 150, 155), board.lighting(dome(switch, 0.01)))
    ball = board.ellipse((0.5, 0.24), (0.19, 0.205))
    height = dome(ball, 0.19)
    weave = np.cos((board.x + board.y) * 2 * np.pi * 34) * np.cos((board.x - board.y) * 2 * np.pi * 34)
    board.paint(
        ball,
        (150, 152, 158),
        board.lighting(height) * (0.72 + 0.38 * weave),
        gloss=0.35 * board.gloss(height),
    )
    ring = board.box((0.5, 0.335), (0.185, 0.022), 0.015)
    board.paint(ring, (188, 190, 195), 0.35 + 0.85 * np.sqrt(np.clip(1 - ((board.x - 0.45) / 0.24) ** 2, 0, 1)))


def draw_bottle(board: Board, rng: np.random.Generator) -> None:
    """Drinking bottle: tapered shoulder, screw cap, label with text bars, metallic shine."""
    metal, label = np.array(vivid(rng)), np.array(vivid(rng)) * 0.25 + 185
    body = board.outline(_symmetric(_BOTTLE))
    across = (board.x - 0.5) / 0.17
    tube = 0.3 + 0.8 * np.sqrt(np.clip(1 - (across + 0.2) ** 2 / 1.6, 0, 1))
    shine = 0.4 * np.exp(-(((across + 0.5) / 0.1) ** 2)) + 0.12 * np.exp(-(((across - 0.7) / 0.06) ** 2))
    board.paint(body, metal, tube, gloss=shine)
    board.paint(np.maximum(body, np.abs(board.y - 0.64) - 0.13), label, tube, gloss=0.4 * shine)
    for row, width in enumerate(rng.uniform(0.04, 0.11, size=3)):
        board.paint(board.box((0.5, 0.58 + 0.055 * row), (width, 0.014), 0.005), metal * 0.6, tube)
    cap = board.box((0.5, 0.095), (0.078, 0.062), 0.018)
    board.paint(cap, metal * 0.35 + 10, tube * (1 + 0.18 * np.cos(board.x * 2 * np.pi * 60)))
