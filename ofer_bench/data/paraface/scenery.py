"""Light, camera and background of one photograph, in two domains: ``plain`` and ``shifted``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ofer_bench.data.paraface.appearance import Rgb, rgb

BACKDROP_SIZE = 33

FRONTAL_SHARE, STUDIO_SHARE = 0.35, 0.25
"""Shares of plain pictures lit from the camera (a flash, a ring, a screen), and by two lamps of like power, one on each
side, as laboratories light their portraits; the others have one lamp and what the room throws back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """Lamps as linear colours and unit vectors towards them, in the camera's frame; ``sky`` and ``ground`` ambient.

    ``camera`` distance in decimetres; ``blur`` in 1/64 of the picture side; ``grain`` in 8-bit levels; ``jpeg``
    quality or 0 for none; ``exposure`` a factor; ``contrast`` strength of the tone curve in [0,1]; ``tint``
    factors of the white balance.
    """

    camera: float
    key_direction: Rgb
    key: Rgb
    fill_direction: Rgb
    fill: Rgb
    rim_direction: Rgb
    rim: Rgb
    sky: Rgb
    ground: Rgb
    backdrop: str
    backdrop_colour: Rgb
    backdrop_seed: int
    blur: float
    grain: float
    jpeg: int
    exposure: float
    contrast: float
    tint: Rgb
    pixel_seed: int


def draw_scenery(rng: np.random.Generator, domain: str = "plain") -> Scenery:
    """Draw the circumstances of one photograph of ``domain``."""
    harsh = domain == "shifted"
    key_side = float(rng.uniform(-75, 75) if harsh else rng.normal(0, 28))
    key_height = float(rng.uniform(-5, 65) if harsh else rng.uniform(8, 45))
    share = float(rng.uniform(0.75, 1.0) if harsh else rng.uniform(0.35, 0.85))
    level = float(rng.uniform(0.95, 1.35))
    warmth = rng.normal(0, 0.10 if harsh else 0.05)
    warm = np.array([1 + warmth, 1.0, 1 - warmth])
    key, rest = level * share * 1.25 * warm, level * (1 - share)
    fill_side = -np.sign(key_side) * rng.uniform(15, 70)
    fill = rest * rng.uniform(0.3, 0.8) * warm[::-1]
    lamps = 1.0 if harsh else rng.random()
    if lamps < FRONTAL_SHARE:
        key_side, key_height = float(rng.normal(0, 6)), float(rng.uniform(-4, 12))
        fill_side = -np.sign(key_side) * abs(fill_side)
        key, rest = level * warm, 0.15 * level
        fill = rest * warm[::-1]
    elif lamps < FRONTAL_SHARE + STUDIO_SHARE:
        key_side, key_height = float(rng.choice([-1, 1]) * rng.uniform(25, 60)), float(rng.uniform(-10, 35))
        fill_side = -np.sign(key_side) * rng.uniform(25, 60)
        key, rest = 0.6 * level * warm, 0.25 * level
        fill = key * rng.uniform(0.7, 1.0)
    rim = float(rng.random() < 0.35) * rng.uniform(0.1, 0.7 if harsh else 0.4)
    sky = rest * rng.uniform(0.5, 0.9) * rng.uniform(0.94, 1.06, 3) + 0.10
    kinds = ["wall", "blobs", "stripes", "studio"]
    chances = [0.15, 0.45, 0.35, 0.05] if harsh else [0.35, 0.25, 0.15, 0.25]
    backdrop = str(rng.choice(kinds, p=chances))
    shade = rng.uniform(0.35, 0.8) if backdrop == "studio" else np.exp(rng.uniform(np.log(0.02), np.log(0.6)))
    return Scenery(
        camera=float(rng.uniform(5, 9) if harsh else rng.uniform(8, 22)),
        key_direction=_direction(key_side, key_height),
        key=rgb(key),
        fill_direction=_direction(fill_side, rng.uniform(-10, 40)),
        fill=rgb(fill),
        rim_direction=_direction(rng.choice([-1, 1]) * rng.uniform(110, 150), rng.uniform(5, 50)),
        rim=rgb(rim * warm),
        sky=rgb(sky),
        ground=rgb(sky * rng.uniform(0.35, 0.9) * [1.05, 1.0, 0.93]),
        backdrop=backdrop,
        backdrop_colour=rgb(shade * rng.uniform(0.85, 1.15, 3)),
        backdrop_seed=int(rng.integers(2**31)),
        blur=float(rng.uniform(0.1, 0.9) if harsh else rng.uniform(0, 0.4)),
        grain=float(rng.uniform(2, 9) if harsh else rng.uniform(0.5, 3.5)),
        jpeg=int(rng.integers(35, 75) if harsh else rng.integers(75, 98))
        if rng.random() < (0.9 if harsh else 0.5)
        else 0,
        exposure=float(np.exp(rng.normal(0, 0.28 if harsh else 0.12))),
        contrast=float(rng.uniform(0, 1)),
        tint=rgb(1 + rng.normal(0, 0.06 if harsh else 0.025, 3)),
        pixel_seed=int(rng.integers(2**62)),
    )


def paint_backdrop(scenery: Scenery) -> np.ndarray:
    """Out-of-focus background: linear float32 [33,33,3], to be enlarged."""
    rng = np.random.Generator(np.random.PCG64(scenery.backdrop_seed))
    size, colour = BACKDROP_SIZE, np.array(scenery.backdrop_colour)
    y, x = np.mgrid[0:size, 0:size] / (size - 1)
    sheet = np.broadcast_to(colour, (size, size, 3)).copy()
    slope = rng.normal(0, 0.25, 2)
    sheet *= (1 + slope[0] * (x - 0.5) + slope[1] * (y - 0.5))[..., None]
    if scenery.backdrop == "blobs":
        for _ in range(int(rng.integers(4, 14))):
            at, radius = rng.uniform(-0.1, 1.1, 2), rng.uniform(0.06, 0.35)
            inside = np.clip((radius - np.hypot(x - at[0], y - at[1])) / (0.3 * radius), 0, 1)[..., None]
            sheet += inside * (colour * np.exp(rng.normal(0, 0.7)) * rng.uniform(0.6, 1.4, 3) - sheet) * 0.8
    elif scenery.backdrop == "stripes":
        angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.1)
        place = x * np.cos(angle) + y * np.sin(angle)
        edges = np.sort(rng.uniform(-0.2, 1.2, int(rng.integers(2, 9))))
        tints = colour * np.exp(rng.normal(0, 0.6, (len(edges) + 1, 1))) * rng.uniform(0.7, 1.3, (len(edges) + 1, 3))
        sheet = tints[np.searchsorted(edges, place)]
    elif scenery.backdrop == "studio":
        sheet *= (1.1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None]
    soft = gaussian_filter(sheet, (rng.uniform(0.5, 2.0),) * 2 + (0,), mode="nearest")
    return np.clip(soft, 0.0, 2.0).astype(np.float32)


def _direction(azimuth: float, elevation: float) -> Rgb:
    """Unit vector from degrees: azimuth to the picture's right, elevation up; (0, 0) is the camera."""
    a, e = np.radians(azimuth), np.radians(elevation)
    return (float(np.sin(a) * np.cos(e)), float(np.sin(e)), float(np.cos(a) * np.cos(e)))
