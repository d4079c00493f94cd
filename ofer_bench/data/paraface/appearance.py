"""Colours and hair of one subject, drawn together because skin, hair and eyes go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ofer_bench.data.paraface.hair import Hair

Rgb = tuple[float, float, float]

# Linear sRGB albedo of CIELAB (71, 10, 14) to (28, 9, 11), about what is measured on the lightest and darkest faces.
_SKIN = np.array(
    [
        [0.587, 0.385, 0.300],
        [0.498, 0.305, 0.226],
        [0.402, 0.227, 0.157],
        [0.265, 0.137, 0.084],
        [0.161, 0.080, 0.050],
        [0.091, 0.046, 0.031],
    ]
)
_TONE_OF_ANCESTRY = np.array([4.0, 1.2, 0.5])
_HAIR = np.array(
    [[0.010, 0.008, 0.007], [0.035, 0.021, 0.013], [0.09, 0.052, 0.028], [0.26, 0.17, 0.085], [0.17, 0.055, 0.022]]
)
_GREY = np.array([0.38, 0.37, 0.36])
_IRIS = np.array(
    [[0.024, 0.012, 0.007], [0.10, 0.055, 0.022], [0.09, 0.10, 0.045], [0.10, 0.16, 0.24], [0.15, 0.18, 0.19]]
)
_CLOTH = np.array(
    [[0.02, 0.02, 0.025], [0.6, 0.6, 0.6], [0.03, 0.05, 0.15], [0.25, 0.03, 0.03], [0.1, 0.13, 0.08], [0.3, 0.28, 0.24]]
)
_STYLES_MALE = {
    "bald": 0.09,
    "buzz": 0.17,
    "receding": 0.12,
    "short-swept": 0.24,
    "side-part": 0.17,
    "fringe": 0.08,
    "curly": 0.08,
    "long-wavy": 0.03,
    "tied-back": 0.02,
}
_STYLES_FEMALE = {
    "long-straight": 0.26,
    "long-wavy": 0.22,
    "tied-back": 0.19,
    "fringe": 0.13,
    "side-part": 0.08,
    "short-swept": 0.05,
    "curly": 0.07,
}
_COVER = {"bald": 0.0, "buzz": 0.75, "receding": 0.8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brow:
    """Shape of the brows on the resting head in decimetres; ``density`` and ``ink`` have no unit.

    ``rise`` is how much higher than its inner end a brow's middle lies, before its ``arch``.
    """

    height: float
    rise: float
    thickness: float
    arch: float
    gap: float
    density: float
    ink: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """Colours are linear sRGB albedos in [0,1]; shares and strengths lie in [0,1] unless said otherwise.

    ``collar`` in decimetres from the mean one; ``ruddiness`` in [0,2]; ``stubble`` is the
    shadow of shaved hair, ``beard`` one of none, full, moustache, goatee, chin; ``sockets`` in [-0.5,1] how dark the
    hollows between eyes, brows and nose are.
    """

    skin: Rgb
    lips: Rgb
    hair_colour: Rgb
    brow_colour: Rgb
    iris: Rgb
    cloth: Rgb
    teeth: Rgb
    lash: Rgb
    brow: Brow
    hair: Hair
    hair_cover: float
    collar: float
    ruddiness: float
    freckles: float
    stubble: float
    beard: str
    beard_density: float
    oil: float
    sockets: float
    texture_seed: int


def draw_appearance(rng: np.random.Generator, *, male: bool, age: float, ancestry: np.ndarray) -> Appearance:
    """Draw what a person of this gender, age in years and ancestry shares [3] looks like."""
    tone = float(ancestry @ _TONE_OF_ANCESTRY) + rng.normal(0, 0.45)
    skin = _ramp(_SKIN, tone) * rng.uniform(0.94, 1.06, 3)
    european = float(ancestry[2])
    pigment = _HAIR[rng.choice(5, p=[0.22, 0.33, 0.24, 0.15, 0.06])] if rng.random() < european else _HAIR[0]
    pigment = pigment * rng.uniform(0.8, 1.25)
    grey = float(np.clip((age - 50) / 25 + rng.normal(0, 0.25), 0, 1))
    hair = pigment + grey * (_GREY - pigment)
    styles = _STYLES_MALE if male else _STYLES_FEMALE
    chances = np.array(list(styles.values()))
    style = str(rng.choice(list(styles), p=chances / chances.sum()))
    beard = str(rng.choice(["none", "full", "moustache", "goatee", "chin"], p=[0.66, 0.18, 0.05, 0.07, 0.04]))
    lip_pigment = rng.uniform(0.0, 0.2) if male else rng.uniform(0.0, 0.9) * rng.uniform(0.3, 1.0)
    bare_lips = skin * [0.92, 0.68, 0.71]
    lips = bare_lips + lip_pigment * (np.array([0.30, 0.035, 0.05]) * rng.uniform(0.6, 1.2, 3) - bare_lips) * 0.6
    brow_shade = rng.uniform(0.5, 0.9)
    return Appearance(
        skin=rgb(skin),
        lips=rgb(lips),
        hair_colour=rgb(hair),
        brow_colour=rgb((pigment + 0.6 * grey * (_GREY - pigment)) * brow_shade),
        iris=rgb(_ramp(_IRIS, rng.uniform(0, 4) * european**2) * rng.uniform(0.8, 1.2)),
        cloth=rgb(_CLOTH[rng.integers(len(_CLOTH))] * rng.uniform(0.5, 1.5)),
        teeth=rgb(
            np.array([0.72, 0.68, 0.60]) * rng.uniform(0.85, 1.08) * [1.0, rng.uniform(0.95, 1.0), rng.uniform(0.85, 1)]
        ),
        lash=rgb(np.array([0.010, 0.008, 0.008]) + (0.12 * skin if male else 0.02 * skin)),
        brow=Brow(
            height=float(rng.uniform(-0.05, 0.005) if male else rng.uniform(-0.022, 0.027)),
            rise=float(rng.uniform(0.02, 0.06)),
            thickness=float(rng.uniform(0.022, 0.052) if male else rng.uniform(0.016, 0.036)),
            arch=float(rng.uniform(0.0, 0.035 if male else 0.065)),
            gap=float(rng.uniform(0.10, 0.15)),
            density=float(rng.uniform(0.45, 1.15 if male else 0.9)),
            ink=float(rng.uniform(0.45, 1.0)),
        ),
        hair=Hair(
            style=style,
            colour=rgb(hair),
            length=float(rng.uniform(0, 1)),
            volume=float(rng.uniform(0, 1)),
            parting=float(rng.uniform(-1, 1)),
            curl=float(rng.beta(1, 2)),
            seed=int(rng.integers(2**31)),
        ),
        hair_cover=_COVER.get(style, 1.0),
        collar=float(rng.uniform(-0.15, 0.3)),
        ruddiness=float(rng.uniform(0.3, 1.5)),
        freckles=float(rng.beta(1, 4) * european),
        stubble=float(rng.beta(1.2, 2.0) if male else 0.0),
        beard=beard if male else "none",
        beard_density=float(rng.uniform(0.35, 1.0)),
        oil=float(rng.uniform(0.5, 1.5)),
        sockets=float(rng.uniform(-0.5, 1.0)),
        texture_seed=int(rng.integers(2**31)),
    )


def rgb(value: np.ndarray) -> Rgb:
    """Clip a colour to [0,2] and make it a tuple."""
    red, green, blue = (float(channel) for channel in np.clip(value, 0.0, 2.0))
    return (red, green, blue)


def _ramp(table: np.ndarray, position: float) -> np.ndarray:
    """Interpolate the rows of ``table`` at a fractional row number."""
    at = float(np.clip(position, 0, len(table) - 1))
    low = min(int(at), len(table) - 2)
    mixed: np.ndarray = table[low] + (at - low) * (table[low + 1] - table[low])
    return mixed
