"""Every random choice behind an image, drawn from seeds that depend on nothing but the sample's own name.

A subject belongs to one split by its id, so splits are subject-disjoint by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ofer_bench.core.expressions import Expression
from ofer_bench.core.seeding import derive_rng
from ofer_bench.data.paraface.expressions import INTENSITY_RANGE, draw_actions
from ofer_bench.data.paraface.model import ANCESTRIES, SHAPE_CONTROLS

PARAFACE_VERSION = "1"
"""Version of everything that shapes the pixels; part of every seed."""

Rgb = tuple[float, float, float]

# Linear sRGB albedo from the lightest to the darkest skin, read off the Fitzpatrick chart.
_SKIN = np.array([[0.72, 0.47, 0.36], [0.60, 0.36, 0.25], [0.46, 0.26, 0.16], [0.30, 0.155, 0.09], [0.14, 0.07, 0.042]])
_TONE_OF_ANCESTRY = {"african": 3.2, "asian": 1.3, "caucasian": 0.6}
_HAIR = np.array(
    [[0.012, 0.010, 0.009], [0.045, 0.026, 0.016], [0.13, 0.075, 0.04], [0.36, 0.24, 0.12], [0.2, 0.07, 0.03]]
)
_GREY = np.array([0.42, 0.41, 0.40])
_IRIS = np.array([[0.05, 0.022, 0.01], [0.11, 0.06, 0.025], [0.09, 0.11, 0.05], [0.10, 0.17, 0.26], [0.16, 0.19, 0.20]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One person. Colours are linear sRGB albedos in [0,1]; shares, strengths and shape values have no unit.

    ``age`` in years; ``masculinity``, ``weight`` in [0,1]; ``ancestry`` three shares; ``shape`` in [-1,1];
    ``brow`` is (height and thickness in decimetres, arch); ``hairline`` in decimetres above the mean one.
    """

    id: str
    age: float
    gender: str
    masculinity: float
    weight: float
    ancestry: tuple[float, float, float]
    shape: tuple[float, ...]
    skin: Rgb
    lips: Rgb
    hair: Rgb
    iris: Rgb
    brow: tuple[float, float, float]
    hairline: float
    beard: float
    texture_seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One image of a subject. Angles in degrees, light directions as unit vectors pointing to the light.

    ``actions`` action -> weight; ``gaze`` (right, up); ``camera`` distance in decimetres; ``key``, ``fill``
    and ``ambient`` light in linear units; ``background`` four corner colours; ``landmark_noise`` [3,2] in
    picture sides; ``blur`` in 1/64 of the picture side; ``grain`` in 8-bit levels.
    """

    sample_id: str
    expression: Expression
    intensity: float
    actions: Mapping[str, float]
    yaw: float
    pitch: float
    roll: float
    gaze: tuple[float, float]
    camera: float
    key_direction: Rgb
    key: Rgb
    fill_direction: Rgb
    fill: Rgb
    ambient: Rgb
    background: tuple[Rgb, Rgb, Rgb, Rgb]
    landmark_noise: tuple[tuple[float, float], ...]
    blur: float
    grain: float
    pixel_seed: int


def draw_subject(split: str, number: int, seed: int) -> Subject:
    """Draw subject ``number`` (from 1) of ``split``."""
    rng = derive_rng("paraface", PARAFACE_VERSION, seed, split, number)
    age = float(rng.uniform(18, 80))
    male = bool(rng.random() < 0.5)
    ancestry = rng.dirichlet([0.5] * len(ANCESTRIES))
    tone = sum(share * _TONE_OF_ANCESTRY[name] for name, share in zip(ANCESTRIES, ancestry, strict=True))
    skin = _ramp(_SKIN, tone + rng.normal(0, 0.35)) * rng.uniform(0.92, 1.08, 3)
    hair = _hair_colour(rng, age, float(ancestry[2]))
    # Half of the controls stay at rest: a face has a few features, not ninety.
    shape = np.clip(rng.normal(0, 0.45, len(SHAPE_CONTROLS)), -1, 1) * (rng.random(len(SHAPE_CONTROLS)) < 0.5)
    lip_pigment = rng.uniform(0.0, 0.5) if male else rng.uniform(0.2, 1.0)
    return Subject(
        id=f"{split}-{number:04d}",
        age=age,
        gender="male" if male else "female",
        masculinity=float(rng.uniform(0.75, 1.0) if male else rng.uniform(0.0, 0.25)),
        weight=float(rng.beta(2.5, 2.5)),
        ancestry=(float(ancestry[0]), float(ancestry[1]), float(ancestry[2])),
        shape=tuple(float(value) for value in shape),
        skin=_rgb(skin),
        lips=_rgb(skin * (1 - 0.55 * lip_pigment) * [1.0, 0.62, 0.68] + lip_pigment * np.array([0.16, 0.02, 0.03])),
        hair=hair,
        iris=_rgb(_ramp(_IRIS, rng.uniform(0, 4) * float(ancestry[2]) ** 2) * rng.uniform(0.8, 1.2)),
        brow=(
            float(rng.uniform(-0.015, 0.02)),
            float(rng.uniform(0.03, 0.055 if male else 0.04)),
            float(rng.uniform(0.2, 0.9)),
        ),
        hairline=float(rng.uniform(-0.08, 0.08) + (rng.uniform(0, 0.35) * (age / 80) if male else 0.0)),
        beard=float(rng.beta(1, 2) if male else 0.0),
        texture_seed=int(rng.integers(2**31)),
    )


def draw_shot(subject: Subject, split: str, number: int, expression: Expression, repeat: int, seed: int) -> Shot:
    """Draw image ``repeat`` (from 0) of ``subject``, number ``number`` of ``split``."""
    rng = derive_rng("paraface", PARAFACE_VERSION, seed, split, number, expression.value, repeat)
    intensity = float(rng.uniform(*INTENSITY_RANGE)) if expression is not Expression.NEUTRAL else 0.0
    actions = draw_actions(expression, intensity, rng)
    key_side = rng.uniform(-50, 50)
    warmth = rng.uniform(-0.12, 0.12)
    level = rng.uniform(0.85, 1.25)
    backdrop = rng.uniform(0.02, 0.55) * rng.uniform(0.75, 1.25, 3)
    return Shot(
        sample_id=f"{subject.id}-{expression.value}-{repeat}",
        expression=expression,
        intensity=intensity,
        actions=actions,
        yaw=_small_angle(rng, 20),
        pitch=_small_angle(rng, 10),
        roll=_small_angle(rng, 5),
        gaze=(_small_angle(rng, 10), _small_angle(rng, 5)),
        camera=float(rng.uniform(7, 18)),
        key_direction=_direction(key_side, rng.uniform(10, 45)),
        key=_rgb(level * rng.uniform(0.65, 1.15) * np.array([1 + warmth, 1.0, 1 - warmth])),
        fill_direction=_direction(-np.sign(key_side) * rng.uniform(20, 75), rng.uniform(-10, 40)),
        fill=_rgb(level * rng.uniform(0.12, 0.5) * np.array([1 - warmth, 1.0, 1 + warmth])),
        ambient=_rgb(level * rng.uniform(0.14, 0.38) * rng.uniform(0.9, 1.1, 3)),
        background=tuple(_rgb(backdrop * rng.uniform(0.6, 1.4)) for _ in range(4)),  # type: ignore[arg-type]
        landmark_noise=tuple((float(dx), float(dy)) for dx, dy in np.clip(rng.normal(0, 0.004, (3, 2)), -0.01, 0.01)),
        blur=float(rng.uniform(0, 0.35)),
        grain=float(rng.uniform(0.5, 4.0)),
        pixel_seed=int(rng.integers(2**62)),
    )


def dominant_ancestry(subject: Subject) -> str:
    """Name of the subject's largest ancestry share."""
    return ANCESTRIES[int(np.argmax(subject.ancestry))]


def _ramp(table: np.ndarray, position: float) -> np.ndarray:
    """Interpolate the rows of ``table`` at a fractional row number."""
    at = float(np.clip(position, 0, len(table) - 1))
    low = min(int(at), len(table) - 2)
    mixed: np.ndarray = table[low] + (at - low) * (table[low + 1] - table[low])
    return mixed


def _hair_colour(rng: np.random.Generator, age: float, european: float) -> Rgb:
    pigment = _HAIR[rng.choice(5, p=[0.25, 0.35, 0.2, 0.15, 0.05])] if rng.random() < european else _HAIR[0]
    grey = np.clip((age - 48) / 30 + rng.normal(0, 0.2), 0, 1)
    return _rgb(pigment + grey * (_GREY - pigment))


def _small_angle(rng: np.random.Generator, limit: float) -> float:
    return float(np.clip(rng.normal(0, limit / 2), -limit, limit))


def _direction(azimuth: float, elevation: float) -> Rgb:
    """Unit vector from degrees: azimuth to the subject's left, elevation up; (0, 0) is the camera."""
    a, e = np.radians(azimuth), np.radians(elevation)
    return (float(np.sin(a) * np.cos(e)), float(np.sin(e)), float(np.cos(a) * np.cos(e)))


def _rgb(value: np.ndarray) -> Rgb:
    red, green, blue = (float(channel) for channel in np.clip(value, 0.0, 2.0))
    return (red, green, blue)
