"""The seven expressions as facial action units, and the action units as controls of the head model.

Coding after the prototypes of Ekman, Friesen & Hager, *Facial Action Coding System: Investigator's Guide*
(2002), and EMFACS-7 (Friesen & Ekman, 1983): happiness 6+12, sadness 1+4+15, surprise 1+2+5+26,
fear 1+2+4+5+7+20+26, disgust 9+15+16, anger 4+5+7+23; a neutral face has none. Variants of the prototypes
(10, 17, 24, lips parted) are ``optional``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ofer_bench.core.expressions import Expression

ACTION_UNITS: Mapping[int, Mapping[str, float]] = {
    1: {"browInnerUp": 1.5},
    2: {"browOuterUpLeft": 1.3, "browOuterUpRight": 1.3},
    4: {"browDownLeft": 1.4, "browDownRight": 1.4},
    5: {"eyeWideLeft": 1.4, "eyeWideRight": 1.4},
    6: {"cheekSquintLeft": 1.4, "cheekSquintRight": 1.4},
    7: {"eyeSquintLeft": 1.4, "eyeSquintRight": 1.4},
    9: {"noseSneerLeft": 1.6, "noseSneerRight": 1.6},
    10: {"mouthUpperUpLeft": 1.2, "mouthUpperUpRight": 1.2},
    12: {"mouthSmileLeft": 1.1, "mouthSmileRight": 1.1},
    15: {"mouthFrownLeft": 1.3, "mouthFrownRight": 1.3},
    16: {"mouthLowerDownLeft": 1.0, "mouthLowerDownRight": 1.0},
    17: {"mouthShrugLower": 1.0},
    20: {"mouthStretchLeft": 1.3, "mouthStretchRight": 1.3},
    23: {"mouthRollUpper": 0.6, "mouthRollLower": 0.6, "mouthPucker": 0.2},
    24: {"mouthPressLeft": 1.0, "mouthPressRight": 1.0},
    25: {
        "mouthUpperUpLeft": 0.5,
        "mouthUpperUpRight": 0.5,
        "mouthLowerDownLeft": 0.8,
        "mouthLowerDownRight": 0.8,
    },
    26: {"jawOpen": 1.0},
}
"""Action unit -> {ARKit-style action of the head: gain}; gains above 1 make up for timid blend shapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototype:
    """Action units at full intensity: ``core`` always, each of ``optional`` in half of the images."""

    core: Mapping[int, float] = field(default_factory=dict)
    optional: Mapping[int, float] = field(default_factory=dict)


PROTOTYPES: Mapping[Expression, Prototype] = {
    Expression.NEUTRAL: Prototype(),
    Expression.HAPPINESS: Prototype(core={6: 0.9, 12: 0.95}, optional={25: 1.0, 26: 0.25}),
    Expression.SADNESS: Prototype(core={1: 1.0, 4: 0.4, 15: 1.0}, optional={17: 0.6, 7: 0.4}),
    Expression.SURPRISE: Prototype(core={1: 1.0, 2: 1.0, 5: 0.9, 26: 0.65}),
    Expression.FEAR: Prototype(core={1: 1.0, 2: 0.55, 4: 0.55, 5: 1.0, 7: 0.3, 20: 1.0, 26: 0.25}, optional={25: 0.6}),
    Expression.DISGUST: Prototype(core={9: 1.0, 15: 0.5, 16: 0.55}, optional={10: 0.7, 4: 0.4}),
    Expression.ANGER: Prototype(core={4: 1.0, 5: 0.45, 7: 0.6, 23: 0.8}, optional={24: 0.6, 17: 0.4}),
}
"""Expression -> its action units with weights in [0,1]."""

NOISE_ACTIONS: tuple[str, ...] = (
    "browInnerUp",
    "browDownLeft",
    "browDownRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthLeft",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
)
"""Actions that also move a little when no emotion is shown."""

INTENSITY_RANGE = (0.4, 1.0)
"""Share of the prototype that an image shows; about the FACS levels B to E."""

MAX_WEIGHT = 1.6
"""Largest weight of an action; beyond it the blend shapes tear."""

_UNIT_JITTER = 0.25
_ASYMMETRY = 0.12
_NOISE_COUNT = 5
_NOISE_MAX = 0.2


def action_weights(units: Mapping[int, float]) -> dict[str, float]:
    """Turn weights of action units into weights of actions; contributions of several units add up."""
    weights: dict[str, float] = {}
    for unit, weight in units.items():
        for action, gain in ACTION_UNITS[unit].items():
            weights[action] = weights.get(action, 0.0) + weight * gain
    return weights


def draw_actions(expression: Expression, intensity: float, rng: np.random.Generator) -> dict[str, float]:
    """Draw action weights in [0, ``MAX_WEIGHT``] of one image: ``expression`` at ``intensity`` in [0,1].

    Action units vary by 25 % around the prototype, the two halves of the face by 12 % around each other,
    and five unrelated actions move by up to 0.2.
    """
    prototype = PROTOTYPES[expression]
    units = dict(prototype.core)
    units.update({unit: weight for unit, weight in prototype.optional.items() if rng.random() < 0.5})
    jittered = {u: w * intensity * rng.uniform(1 - _UNIT_JITTER, 1 + _UNIT_JITTER) for u, w in units.items()}
    weights = action_weights(jittered)
    lean = rng.uniform(-_ASYMMETRY, _ASYMMETRY)
    for action in weights:
        side = action.endswith("Left") - action.endswith("Right")
        weights[action] *= 1.0 + lean * side
    for action in rng.choice(NOISE_ACTIONS, size=_NOISE_COUNT, replace=False):
        weights[str(action)] = weights.get(str(action), 0.0) + rng.uniform(0.0, _NOISE_MAX)
    return {action: float(np.clip(weight, 0.0, MAX_WEIGHT)) for action, weight in weights.items()}
