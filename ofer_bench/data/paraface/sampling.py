"""Every random choice behind an image, drawn from seeds that depend on nothing but the sample's own name.

A subject belongs to one split by its id, so splits are subject-disjoint by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ofer_bench.core.expressions import Expression
from ofer_bench.core.seeding import derive_rng
from ofer_bench.data.paraface.appearance import Appearance, draw_appearance
from ofer_bench.data.paraface.expressions import (
    INTENSITY_RANGE,
    MAX_WEIGHT,
    draw_actions,
    draw_resting,
    lowered_gaze,
)
from ofer_bench.data.paraface.model import ANCESTRIES, ASYMMETRY_CONTROLS, SHAPE_CONTROLS
from ofer_bench.data.paraface.part import DRAWS
from ofer_bench.data.paraface.scenery import Scenery, draw_scenery

# Female, male. Eyes are meant to stand 62 and 64 mm apart (about 63 on average: Dodgson 2004). All else was set by
# lengths on photographs, in distances between the pupils, as a mesh network finds them there and on rendered faces
# (tests/benchmarks/face_proportions.py, docs/paraface.md), and by sight where it finds nothing: MakeHuman's faces have
# short midfaces, a low root of the nose, and wings of the nose that look drawn up, as in disgust.
_MEAN_SHAPE: Mapping[str, tuple[float, float]] = {
    "eyes/*eye-trans-in|out": (-0.15, 0.0),
    "eyes/*eye-scale-decr|incr": (0.45, 0.35),
    "eyes/*eye-height2-decr|incr": (0.6, 0.6),
    "eyebrows/eyebrows-angle-down|up": (0.3, 0.3),
    "head/head-scale-horiz-decr|incr": (0.5, 0.5),
    "mouth/mouth-trans-down|up": (-0.3, 0.05),
    "mouth/mouth-scale-horiz-decr|incr": (-0.2, -0.05),
    "mouth/mouth-angles-down|up": (-0.15, -0.15),
    "chin/chin-height-decr|incr": (0.2, 0.3),
    "mouth/mouth-lowerlip-height-decr|incr": (-0.3, -0.3),
    "nose/nose-scale-vert-decr|incr": (0.3, -0.3),
    "nose/nose-nostrils-angle-down|up": (-0.2, -0.2),
    "nose/nose-base-down|up": (0.5, 0.5),
    "nose/nose-point-down|up": (0.3, 0.3),
    "nose/nose-greek-decr|incr": (0.5, 0.7),
    "nose/nose-hump-decr|incr": (0.2, 0.3),
    "nose/nose-scale-horiz-decr|incr": (-0.75, -0.75),
    "nose/nose-width1-decr|incr": (-0.5, -0.5),
}

_SHAPE_SPREAD = 0.32
# A long face has nose, mouth and chin lower together.
_LENGTH_SPREAD = 0.35
_LENGTHENS: Mapping[str, float] = {
    "mouth/mouth-trans-down|up": -1.0,
    "nose/nose-scale-vert-decr|incr": 0.4,
    "chin/chin-height-decr|incr": 0.2,
}
# Lower inner ends of the brows are action unit 4; as a trait they show, but less. Their height is what action units 1,
# 2 and 4 move, and differs less between people than other features do. The corners of the mouth differ more: some
# people look to smile, others to frown.
_OWN_SPREAD: Mapping[str, float] = {
    "eyebrows/eyebrows-angle-down|up": 0.16,
    "eyebrows/eyebrows-trans-down|up": 0.2,
    "mouth/mouth-angles-down|up": 0.55,
    "mouth/mouth-scale-horiz-decr|incr": 0.2,
}

KDEF_VIEWS = (-90.0, -45.0, 0.0, 45.0, 90.0)
"""Yaw of the five views of KDEF-like pictures in degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One person: ``age`` in years; ``masculinity``, ``weight`` in [0,1]; ``ancestry`` three shares.

    ``shape`` and ``asymmetry`` hold one value in [-1,1] and [0,1] per control of the head model; ``resting``
    action -> weight is the face at rest: some have wide eyes, some the corners of the mouth down.
    """

    id: str
    age: float
    gender: str
    masculinity: float
    weight: float
    ancestry: tuple[float, float, float]
    shape: tuple[float, ...]
    asymmetry: tuple[float, ...]
    resting: Mapping[str, float]
    appearance: Appearance


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One image of a subject. Angles in degrees; ``actions`` action -> weight; ``gaze`` (right, up).

    ``landmark_noise`` [3,2] in picture sides is the error of the face detector that a real crop comes from.
    """

    sample_id: str
    expression: Expression
    intensity: float
    variant: str
    actions: Mapping[str, float]
    yaw: float
    pitch: float
    roll: float
    gaze: tuple[float, float]
    landmark_noise: tuple[tuple[float, float], ...]
    scenery: Scenery


def draw_subject(split: str, number: int, seed: int) -> Subject:
    """Draw subject ``number`` (from 1) of ``split``."""
    rng = derive_rng("paraface", DRAWS, seed, split, number)
    age = float(rng.triangular(18, 30, 80))
    male = bool(rng.random() < 0.5)
    ancestry = rng.dirichlet([0.45] * len(ANCESTRIES))
    # Half of the controls stay at their mean: a face has a few features, not fifty.
    scale = np.array([_OWN_SPREAD.get(name, _SHAPE_SPREAD) for name in SHAPE_CONTROLS])
    spread = np.clip(rng.normal(0, scale), -2.5 * scale, 2.5 * scale) * (rng.random(len(SHAPE_CONTROLS)) < 0.5)
    asymmetry = rng.uniform(0, 0.35, len(ASYMMETRY_CONTROLS)) * (rng.random(len(ASYMMETRY_CONTROLS)) < 0.25)
    resting = draw_resting(rng)
    appearance = draw_appearance(rng, male=male, age=age, ancestry=ancestry)
    length = float(np.clip(rng.normal(0, _LENGTH_SPREAD), -2 * _LENGTH_SPREAD, 2 * _LENGTH_SPREAD))
    mean = [_MEAN_SHAPE.get(name, (0.0, 0.0))[male] + length * _LENGTHENS.get(name, 0.0) for name in SHAPE_CONTROLS]
    shape = np.clip(mean + spread, -1.0, 1.0)
    return Subject(
        id=f"{split}-{number:04d}",
        age=age,
        gender="male" if male else "female",
        masculinity=float(rng.uniform(0.8, 1.0) if male else rng.uniform(0.0, 0.2)),
        weight=float(rng.beta(3, 3)),
        ancestry=(float(ancestry[0]), float(ancestry[1]), float(ancestry[2])),
        shape=tuple(float(value) for value in shape),
        asymmetry=tuple(float(value) for value in asymmetry),
        resting=resting,
        appearance=appearance,
    )


def draw_shot(
    subject: Subject,
    expression: Expression,
    repeat: int,
    seed: int,
    *,
    domain: str = "plain",
    views: tuple[float, ...] = (),
) -> Shot:
    """Draw image ``repeat`` (from 0) of ``subject`` in a ``domain`` of :mod:`scenery`.

    With ``views`` (yaws in degrees) the repeats go through these views instead of small random turns.
    """
    rng = derive_rng("paraface", DRAWS, seed, subject.id, expression.value, repeat, domain)
    intensity = float(rng.uniform(*INTENSITY_RANGE)) if expression is not Expression.NEUTRAL else 0.0
    actions, variant = draw_actions(expression, intensity, rng)
    for action, weight in subject.resting.items():
        actions[action] = min(actions.get(action, 0.0) + weight, MAX_WEIGHT)
    wide = 1.5 if domain == "shifted" else 1.0
    yaw = _small_angle(rng, 22 * wide)
    return Shot(
        sample_id=f"{subject.id}-{expression.value}-{repeat}",
        expression=expression,
        intensity=intensity,
        variant=variant,
        actions=actions,
        yaw=views[repeat % len(views)] if views else yaw,
        pitch=_small_angle(rng, 12 * wide),
        roll=_small_angle(rng, 6 * wide),
        # Looking straight on, the model's pupils lie lower between the lids than on photographs.
        gaze=(_small_angle(rng, 12), 5.0 + _small_angle(rng, 6) - lowered_gaze(expression, variant, intensity)),
        landmark_noise=tuple((float(dx), float(dy)) for dx, dy in np.clip(rng.normal(0, 0.007, (3, 2)), -0.02, 0.02)),
        scenery=draw_scenery(rng, domain),
    )


def dominant_ancestry(subject: Subject) -> str:
    """Name of the subject's largest ancestry share."""
    return ANCESTRIES[int(np.argmax(subject.ancestry))]


def _small_angle(rng: np.random.Generator, limit: float) -> float:
    return float(np.clip(rng.normal(0, limit / 2), -limit, limit))
