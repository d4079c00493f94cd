"""The seven expressions as facial action units, and the action units as controls of the head model.

Prototypes and their variants after Ekman, Friesen & Hager, *Facial Action Coding System: Investigator's Guide*
(2002), and EMFACS-7 (Friesen & Ekman, 1983).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ofer_bench.core.expressions import Expression

Units = Mapping[int, float]


def _both(name: str, gain: float) -> dict[str, float]:
    """One gain for the left and the right action; ``*`` stands for the side."""
    return {name.replace("*", side): gain for side in (("left", "right") if "-" in name else ("Left", "Right"))}


ACTION_UNITS: Mapping[int, Mapping[str, float]] = {
    1: {"browInnerUp": 1.2, **_both("eyebrows-*-inner-up", 1.0)},
    2: {**_both("browOuterUp*", 1.0), **_both("eyebrows-*-extern-up", 0.7)},
    4: {**_both("browDown*", 1.2), **_both("eyebrows-*-down", 0.7)},
    5: _both("eyeWide*", 1.3),
    6: {**_both("cheekSquint*", 1.2), **_both("eyeSquint*", 0.3)},
    7: _both("eyeSquint*", 1.1),
    9: {
        **_both("noseSneer*", 1.2),
        **_both("nose-*-elevation", 0.9),
        **_both("mouthUpperUp*", 0.45),
        **_both("eyeSquint*", 0.4),
    },
    10: {**_both("mouthUpperUp*", 0.7), "mouth-elevation": 0.45},
    12: {**_both("mouthSmile*", 0.85), "mouth-corner-puller": 0.25},
    15: {**_both("mouthFrown*", 0.8), "mouth-depression": 0.55},
    16: _both("mouthLowerDown*", 0.9),
    17: {"mouthShrugLower": 1.0},
    20: {**_both("mouthStretch*", 0.85), "mouth-retraction": 0.25},
    22: {"mouthFunnel": 0.7},
    23: {"mouthRollUpper": 0.6, "mouthRollLower": 0.6, "mouthPucker": 0.25},
    24: {**_both("mouthPress*", 0.4), "mouthRollUpper": 0.5, "mouthRollLower": 0.5, "mouthPucker": 0.7},
    25: {**_both("mouthUpperUp*", 0.35), **_both("mouthLowerDown*", 0.65)},
    26: {"jawOpen": 0.45, "mouth-open": 0.4},
    27: {"jawOpen": 0.75, "mouth-open": 0.4},
    64: _both("eyeBlink*", 0.35),
}
"""Action unit -> {action of the head model: weight at full intensity}."""

_TOGETHER: Mapping[tuple[int, int], Mapping[str, float]] = {
    (12, 25): {"mouth-upward-retraction": 0.4, **_both("mouthUpperUp*", 0.6), **_both("mouthLowerDown*", 0.3)},
    (20, 25): {**_both("mouthUpperUp*", 0.3), **_both("mouthLowerDown*", 0.5)},
    (20, 26): {"jawOpen": 0.65},
}
"""Lips and jaw part differently while the lips are drawn up or sideways: these replace the actions of the second
unit."""

VARIANTS: Mapping[Expression, Mapping[str, Units]] = {
    Expression.NEUTRAL: {"0": {}},
    Expression.HAPPINESS: {
        "12": {12: 1.1},
        "6+12": {6: 0.8, 12: 1.0},
        "6+12+25": {6: 0.8, 12: 0.8, 25: 1.0},
        "6+12+25+26": {6: 0.9, 12: 0.8, 25: 1.0, 26: 0.5},
        "12+25": {12: 0.8, 25: 1.0},
    },
    Expression.SADNESS: {
        "1+4+15": {1: 1.2, 4: 0.7, 15: 0.9},
        "1+4+15+17": {1: 1.2, 4: 0.7, 15: 0.8, 17: 0.7},
        "1+4+7+15": {1: 1.2, 4: 0.8, 7: 0.4, 15: 0.9},
        "1+4+15+64": {1: 1.2, 4: 0.6, 15: 0.9, 64: 1.0},
        "1+4+15+17+64": {1: 1.2, 4: 0.7, 15: 0.8, 17: 0.7, 64: 1.0},
    },
    Expression.SURPRISE: {
        "1+2+5+26": {1: 1.2, 2: 0.9, 5: 0.8, 26: 1.0},
        "1+2+5+27": {1: 1.2, 2: 0.9, 5: 0.9, 27: 0.9},
        "1+2+26": {1: 1.2, 2: 0.9, 26: 1.2},
    },
    Expression.FEAR: {
        "1+2+4+5+20": {1: 1.0, 2: 0.5, 4: 0.45, 5: 1.0, 20: 1.0},
        "1+2+4+5+20+25": {1: 1.0, 2: 0.5, 4: 0.45, 5: 1.0, 20: 1.0, 25: 0.9},
        "1+2+4+5+20+25+26": {1: 1.0, 2: 0.5, 4: 0.45, 5: 1.0, 20: 1.0, 25: 0.8, 26: 0.6},
    },
    Expression.DISGUST: {
        "9+17": {9: 1.0, 17: 0.6},
        "9+10+17": {9: 0.9, 10: 0.7, 17: 0.5},
        "9+10+25": {9: 0.9, 10: 0.8, 25: 0.4},
        "9+16+25": {9: 1.0, 16: 0.8, 25: 0.5},
        "4+7+9+10": {4: 0.2, 7: 0.2, 9: 1.0, 10: 0.8},
    },
    Expression.ANGER: {
        "4+5+7+23": {4: 1.15, 5: 0.6, 7: 0.6, 23: 0.9},
        "4+5+7+24": {4: 1.15, 5: 0.5, 7: 0.6, 24: 0.9},
        "4+7+17+24": {4: 1.15, 7: 0.7, 17: 0.6, 24: 0.8},
        "4+5+7+10+22+25": {4: 1.15, 5: 0.5, 7: 0.6, 10: 0.5, 22: 0.5, 25: 0.8},
        "4+5+7+10+25+26": {4: 1.15, 5: 0.6, 7: 0.5, 10: 0.5, 25: 0.8, 26: 0.8},
    },
}
"""Expression -> variant (its code) -> action units with weights in [0,1.2]; an image shows one variant."""

NOISE_ACTIONS: Mapping[str, float] = {
    "browInnerUp": 0.13,
    "browDownLeft": 0.1,
    "browDownRight": 0.1,
    "browOuterUpLeft": 0.13,
    "browOuterUpRight": 0.13,
    "cheekPuff": 0.2,
    "cheekSquintLeft": 0.2,
    "cheekSquintRight": 0.2,
    "eyeBlinkLeft": 0.12,
    "eyeBlinkRight": 0.12,
    "eyeSquintLeft": 0.2,
    "eyeSquintRight": 0.2,
    "jawForward": 0.3,
    "jawLeft": 0.25,
    "jawOpen": 0.06,
    "jawRight": 0.25,
    "mouthDimpleLeft": 0.25,
    "mouthDimpleRight": 0.25,
    "mouthFrownLeft": 0.2,
    "mouthFrownRight": 0.2,
    "mouthLeft": 0.2,
    "mouthLowerDownLeft": 0.12,
    "mouthLowerDownRight": 0.12,
    "mouthPressLeft": 0.3,
    "mouthPressRight": 0.3,
    "mouthPucker": 0.2,
    "mouthRight": 0.2,
    "mouthRollLower": 0.2,
    "mouthSmileLeft": 0.1,
    "mouthSmileRight": 0.1,
}
"""Action -> largest weight at which it also moves when no emotion is shown: faces at rest differ."""

RESTING_ACTIONS: Mapping[str, tuple[float, float]] = {
    "eyeWide": (0.0, 0.25),
    "mouthFrown": (0.0, 0.4),
    "browDown": (0.0, 0.26),
    "mouthRollUpper": (0.0, 0.35),
}
"""Action (both sides) -> range of its weight in a face at rest."""

INTENSITY_RANGE = (0.3, 1.0)
"""Intensity of the variant that an image shows; about the FACS levels B to E."""

MOVEMENT: Mapping[Expression, float] = {
    Expression.NEUTRAL: 1.0,
    Expression.HAPPINESS: 1.8,
    **dict.fromkeys(
        (Expression.SADNESS, Expression.SURPRISE, Expression.FEAR, Expression.DISGUST, Expression.ANGER), 0.5
    ),
}
"""Expression -> exponent of the intensity, whose power is the share of the full movement.

A face is labelled by what people see in it. A smile is seen as one as soon as it shows; anger, disgust and sadness are
recognised in proportion to their strength (Hess, Blairy and Kleck, 1997) and, when slight, are taken for rest. So
smiles begin at 0.11 of their full movement, and the others at 0.55."""

MAX_WEIGHT = 1.5
"""Largest weight of an action; beyond it the blend shapes tear."""

_LOWERED_GAZE = 12.0
_UNIT_JITTER = 0.2
_ASYMMETRY = 0.15
_NOISE_COUNT = 8


def action_weights(units: Units) -> dict[str, float]:
    """Turn weights of action units into weights of actions; contributions of several units add up."""
    weights: dict[str, float] = {}
    for unit, weight in units.items():
        together = next(
            (moved for (first, second), moved in _TOGETHER.items() if second == unit and first in units), None
        )
        for action, gain in (together or ACTION_UNITS[unit]).items():
            weights[action] = weights.get(action, 0.0) + weight * gain
    return weights


def lowered_gaze(expression: Expression, variant: str, intensity: float) -> float:
    """Degrees by which the eyes look down (action unit 64) in ``variant`` of ``expression``."""
    return _LOWERED_GAZE * VARIANTS[expression][variant].get(64, 0.0) * intensity ** MOVEMENT[expression]


def draw_resting(rng: np.random.Generator) -> dict[str, float]:
    """Draw the action weights of one person's face at rest; the model's own rest has heavy lids."""
    resting: dict[str, float] = {}
    for action, (low, high) in RESTING_ACTIONS.items():
        weight = float(rng.uniform(low, high))
        names = (action,) if action.startswith("mouthRoll") else (f"{action}Left", f"{action}Right")
        resting.update(dict.fromkeys(names, weight))
    return resting


def draw_actions(expression: Expression, intensity: float, rng: np.random.Generator) -> tuple[dict[str, float], str]:
    """Draw action weights in [0, ``MAX_WEIGHT``] of one image and the code of the variant it shows.

    ``intensity`` in [0,1]. Action units vary by 20 % around the variant, the two halves of the face by 15 %
    around each other, and eight unrelated actions move a little.
    """
    variants = VARIANTS[expression]
    variant = str(rng.choice(list(variants)))
    moved = intensity ** MOVEMENT[expression]
    units = {u: w * moved * rng.uniform(1 - _UNIT_JITTER, 1 + _UNIT_JITTER) for u, w in variants[variant].items()}
    weights = action_weights(units)
    lean = rng.uniform(-_ASYMMETRY, _ASYMMETRY)
    for action in weights:
        side = ("Left" in action or "-left-" in action) - ("Right" in action or "-right-" in action)
        weights[action] *= 1.0 + lean * side
    for action in rng.choice(list(NOISE_ACTIONS), size=_NOISE_COUNT, replace=False):
        weights[str(action)] = weights.get(str(action), 0.0) + rng.uniform(0.0, NOISE_ACTIONS[str(action)])
    return {action: float(np.clip(weight, 0.0, MAX_WEIGHT)) for action, weight in weights.items()}, variant
