"""Paints the skin of one subject: tone and blotches, lips, brows, beard, stubble, scalp, freckles, pores, collar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ofer_bench.data.paraface.appearance import Appearance
from ofer_bench.data.paraface.hollows import above_seam, mouth_corner
from ofer_bench.data.paraface.skin_map import SkinMap, noise


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintedSkin:
    """Sheets of one subject: linear ``albedo`` float32 [T,T,3] in [0,1], ``gloss`` [T,T], ``relief`` [T,T] in dm."""

    albedo: np.ndarray
    gloss: np.ndarray
    relief: np.ndarray


def paint_skin(skin: SkinMap, look: Appearance, age_years: float, hairline: np.ndarray) -> PaintedSkin:
    """Paint a sheet; everything random comes from the texture seed of ``look``.

    ``hairline`` [T,T] is the distance of each texel inside the line where the hair begins, in decimetres.
    """
    rng = np.random.Generator(np.random.PCG64(look.texture_seed))
    size = skin.size
    x, y, z = (np.abs(skin.position[..., 0]), skin.position[..., 1], skin.position[..., 2])
    age = (age_years - 18.0) / 62.0
    coarse, middle, fine, pores = (noise(rng, size, band) for band in (1, 2, 3, 4))
    albedo = np.broadcast_to(np.array(look.skin, dtype=np.float32), skin.position.shape).copy()
    blood = _blood(x, y) * look.ruddiness + 0.10 * coarse + (0.05 + 0.05 * age) * middle
    albedo *= np.stack([1 + 0.07 * blood, 1 - 0.15 * blood, 1 - 0.13 * blood], axis=-1)
    tan = 0.05 * noise(rng, size, 0) + (0.015 + 0.03 * age) * middle + 0.018 * fine + 0.012 * pores
    albedo *= np.float32(1.0) + tan[..., None]
    _tint(albedo, (0.80, 0.70, 0.70), np.clip((0.25 + 0.4 * age) * _spot(x, y, 0.30, 7.13, 0.13, 0.06), 0, 1))
    # Thin skin round the eyes, and lids that lashes shade.
    _tint(albedo, (0.78, 0.68, 0.68), np.clip(0.2 * _spot(x, y, 0.33, 7.29, 0.25, 0.10), 0, 1))
    _tint(albedo, (0.60, 0.48, 0.46), 0.3 * skin.eyelids)
    _sculpt(albedo, x, y, look, rng)
    _freckle(albedo, x, y, z, look, rng, size)
    # The mesh closes the nostrils just behind their rims.
    nostril = np.clip(rng.uniform(1.4, 2.6) * _spot(x, y, 0.095, 6.868, 0.042, 0.024), 0, 1)
    _tint(albedo, (0.10, 0.06, 0.05), nostril * (z > 1.2))
    beard = _beard_share(x, y, z, coarse, look)
    shadow = beard * look.stubble
    _blend(albedo, albedo * 0.62 + 0.22 * np.array(look.hair_colour, dtype=np.float32), 0.65 * shadow * (1 - skin.lips))
    hairs = _bristles(rng, size, 0.0 if look.beard == "none" else look.beard_density)
    bristle = np.clip(beard * hairs, 0, 1) * (1 - skin.lips) if look.beard != "none" else 0 * beard
    _blend(albedo, np.array(look.hair_colour, dtype=np.float32) * 0.85, 0.93 * bristle)
    lips = np.clip(skin.lips * 1.15, 0, 1) * np.clip((z - 0.6) / 0.3, 0, 1) * _lens(x, y)
    creases = noise(rng, size, 3) * 0.6 + pores * 0.4
    _blend(albedo, np.array(look.lips, dtype=np.float32) * (1 + 0.10 * creases[..., None]), lips)
    _blend(albedo, np.array(look.lips, dtype=np.float32) * 0.45, 0.5 * _mouth_line(x, y) * lips)
    # The mesh closes the lips flush with the cheeks; in life their corners lie in a dark hollow that ends in a point.
    corner = np.clip(rng.uniform(0.5, 1.0) * mouth_corner(x, y), 0, 1) * (z > 1.2)
    _tint(albedo, (0.32, 0.22, 0.22), corner)
    brow = _brows(skin, look, rng)
    _blend(albedo, np.array(look.brow_colour, dtype=np.float32), brow)
    scalp = _rise(hairline + 0.015 * middle + 0.01, 0.07) * look.hair_cover
    _blend(
        albedo, np.array(look.hair_colour, dtype=np.float32) * 0.6 + 0.1 * np.array(look.skin, dtype=np.float32), scalp
    )
    cloth = np.clip((5.75 + look.collar - 0.45 * np.clip(z, 0, 1) - y) / 0.04, 0, 1)
    _blend(albedo, np.array(look.cloth, dtype=np.float32) * (1 + 0.15 * fine[..., None]), cloth)
    oil = 0.035 + 0.03 * _spot(x, y, 0.0, 7.05, 0.14, 0.22) + 0.025 * _spot(x, y, 0.0, 7.65, 0.35, 0.2)
    oil = oil * (1 + 0.35 * pores) + 0.055 * lips
    gloss = oil * (1 - cloth) * (1 - 0.8 * brow) * (1 - 0.7 * bristle) * (1 - 0.8 * scalp)
    relief = (0.0004 * pores + 0.0004 * fine * (1 + 1.5 * age)) * (1 - lips) + 0.0007 * creases * lips
    relief = relief + 0.002 * brow + 0.004 * gaussian_filter(np.float32(bristle), 0.6)
    return PaintedSkin(
        albedo=np.clip(albedo, 0.0, 1.0).astype(np.float32),
        gloss=np.clip(gloss, 0.0, 1.0).astype(np.float32),
        relief=relief.astype(np.float32),
    )


def _blend(albedo: np.ndarray, colour: np.ndarray, share: np.ndarray) -> None:
    """Move ``albedo`` [T,T,3] towards ``colour`` by ``share`` [T,T], in place."""
    albedo += (colour - albedo) * np.asarray(share, dtype=np.float32)[..., None]


def _tint(albedo: np.ndarray, factor: tuple[float, float, float], share: np.ndarray) -> None:
    """Move ``albedo`` [T,T,3] towards ``factor`` times itself by ``share`` [T,T], in place."""
    share = np.asarray(share, dtype=np.float32)
    for channel, target in enumerate(factor):
        albedo[..., channel] *= 1 - np.float32(1 - target) * share


def _spot(x: np.ndarray, y: np.ndarray, at_x: float, at_y: float, wide: float, high: float) -> np.ndarray:
    """Gaussian spot around (|x|, y), mirrored to both sides."""
    spot: np.ndarray = np.exp(-(((x - at_x) / wide) ** 2) - ((y - at_y) / high) ** 2)
    return spot


def _blood(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the skin is redder: cheeks, nose, chin, ears."""
    return (
        0.8 * _spot(x, y, 0.40, 6.93, 0.22, 0.18)
        + 0.9 * _spot(x, y, 0.0, 6.95, 0.13, 0.12)
        + 0.4 * _spot(x, y, 0.0, 6.30, 0.2, 0.12)
        + 1.2 * np.clip((x - 0.70) / 0.06, 0, 1) * _spot(x, y, 0.75, 7.1, 0.3, 0.35)
    )


def _sculpt(albedo: np.ndarray, x: np.ndarray, y: np.ndarray, look: Appearance, rng: np.random.Generator) -> None:
    """Paint the hollows between brows, eyes and nose that the mesh does not have, as a lamp from above leaves them."""
    _tint(albedo, (0.45, 0.40, 0.40), look.sockets * _spot(x, y, 0.15, 7.33, 0.08, 0.10))
    _tint(albedo, (0.62, 0.56, 0.56), look.sockets * _spot(x, y, 0.30, 7.36, 0.26, 0.07))
    # Its noses are round; most have planes beside the ridge, which turn away from the light.
    _tint(albedo, (0.62, 0.54, 0.53), rng.uniform(0.1, 0.7) * _spot(x, y, 0.115, 7.13, 0.045, 0.17))
    # Its lids do not fold above the eye.
    crease = np.exp(-(((y - 7.372 + 1.9 * (x - 0.30) ** 2) / 0.013) ** 2)) * _spot(x, y, 0.31, 7.36, 0.13, 0.2)
    _tint(albedo, (0.45, 0.34, 0.32), rng.uniform(0.0, 1.0) * crease)


def _freckle(
    albedo: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    look: Appearance,
    rng: np.random.Generator,
    size: int,
) -> None:
    """Freckles over nose and cheeks, a few moles, age spots."""
    field = 0.7 * noise(rng, size, 3) + 0.7 * noise(rng, size, 4)
    where = np.clip(_spot(x, y, 0.25, 7.02, 0.35, 0.25) + 0.25, 0, 1) * (z > 0.3)
    _tint(albedo, (0.72, 0.58, 0.48), np.clip((field - 2.4 + 1.3 * look.freckles) * 1.5, 0, 1) * where * 0.5)
    for _ in range(int(rng.poisson(2.0))):
        at_x, at_y = rng.uniform(-0.6, 0.6), rng.uniform(6.3, 7.9)
        radius = rng.uniform(0.006, 0.018)
        on_side = (np.arange(size)[None, :] < size / 2) == (at_x < 0)
        inside = (((x - abs(at_x)) ** 2 + (y - at_y) ** 2) < 16 * radius**2) & on_side
        if not inside.any():
            continue
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        near = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        mole = np.exp(-((x[near] - abs(at_x)) ** 2 + (y[near] - at_y) ** 2) / radius**2)
        _tint(albedo[near], (0.42, 0.30, 0.26), 0.9 * mole * on_side[:, near[1]])


def _beard_share(x: np.ndarray, y: np.ndarray, z: np.ndarray, coarse: np.ndarray, look: Appearance) -> np.ndarray:
    """Share of bearded skin: jaw and chin, upper lip, as the style has them."""
    line = 6.60 + 0.8 * np.clip(x - 0.34, 0, 1) + 0.04 * coarse
    jaw = _rise(line - y, 0.16) * _rise(z - 0.1, 0.3) * _rise(y - 6.02, 0.2)
    cheek = _rise(x - 0.58 - 0.02 * coarse, 0.08) * _rise(0.735 - x, 0.05) * _rise(7.32 - y, 0.2) * _rise(z - 0.3, 0.2)
    top = 6.86 - 0.9 * np.clip(x - 0.08, 0, 1) ** 1.5 - 0.10 * np.exp(-((x / 0.035) ** 2)) * (coarse > 0)
    lip = _rise(0.38 - x + 0.02 * coarse, 0.12) * _rise(top - y, 0.08) * _rise(y - 6.60, 0.05)
    goatee = _rise(0.26 - x + 0.02 * coarse, 0.12) * _rise(6.56 - y, 0.08) * _rise(y - 5.98, 0.2)
    share = {
        "none": np.maximum.reduce([0.9 * jaw, lip, 0.7 * cheek]),
        "full": np.maximum.reduce([jaw, lip, cheek]),
        "moustache": lip,
        "goatee": np.maximum(goatee, lip),
        "chin": goatee,
    }[look.beard]
    return np.clip(share * (1 - 0.5 * _spot(x, y, 0.17, 6.44, 0.1, 0.06)), 0, 1).astype(np.float32)


def _rise(distance: np.ndarray, over: float) -> np.ndarray:
    """Ramp from 0 to 1 while ``distance`` grows from 0 to ``over``."""
    ramp: np.ndarray = np.clip(distance / over, 0.0, 1.0)
    return ramp


def _bristles(rng: np.random.Generator, size: int, density: float) -> np.ndarray:
    """Short downward hairs, between scattered bristles and a closed beard, in [0,1]."""
    if density == 0.0:
        return np.zeros((size, size), dtype=np.float32)
    grain = gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), (2.2 * size / 512, 0.35))
    return np.clip(density + 0.28 * grain / grain.std() * (1.2 - 0.5 * density), 0, 1)


def _mouth_line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The dark seam where the lips meet."""
    line: np.ndarray = np.exp(-((above_seam(x, y) / 0.012) ** 2)) * (x < 0.26)
    return line


def _lens(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where lips are red: they end in a point, while those of the mesh are still high at its corners."""
    height = above_seam(x, y)
    arc = np.clip(1 - (x / 0.275) ** 2, 0, 1)
    edge = np.where(height > 0, 0.15 * arc**1.25, 0.15 * arc**1.6)
    inside: np.ndarray = np.clip(0.5 + (edge - np.abs(height)) / 0.025, 0, 1)
    return inside


def _brows(skin: SkinMap, look: Appearance, rng: np.random.Generator) -> np.ndarray:
    """Cover of the brows in [0,1]: single hairs that fan out from the nose and lie down towards the temple."""
    size, brow = skin.size, look.brow
    count = int(brow.density * (420 if size > 256 else 260))
    side = rng.choice([-1.0, 1.0], size=count)
    t = rng.beta(1.3, 1.15, size=count)
    low_high = rng.uniform(-1, 1, size=count)
    thickness = brow.thickness * np.interp(t, [0, 0.3, 0.6, 1.0], [0.55, 1.0, 0.85, 0.3])
    x = brow.gap + t * (0.53 - brow.gap)
    # Brows rise from the nose to two thirds of their way and fall to the temple.
    y = 7.44 + brow.height + (brow.rise + brow.arch) * np.interp(t, [0, 0.35, 0.65, 1], [0, 0.6, 1, 0.45])
    y = y + low_high * thickness
    slant = np.interp(t, [0, 0.12, 0.5, 1.0], [1.45, 1.0, 0.25, -0.35]) - 0.35 * low_high * (t > 0.25)
    length = rng.uniform(0.05, 0.09, size=count) * np.interp(t, [0, 1], [1.0, 0.8])
    steps = np.linspace(0, 1, 14)[:, None]
    angle = slant + rng.normal(0, 0.16, size=count) - 0.25 * steps
    px, py = x + steps * length * np.cos(angle), y + steps * length * np.sin(angle)
    row, column = skin.texel_at((px * side).ravel(), py.ravel())
    ink = np.bincount(row * size + column, weights=np.repeat(1.0 - 0.6 * steps[:, 0], count), minlength=size * size)
    cover = (
        gaussian_filter(ink.reshape(size, size), 0.55 if size > 256 else 0.5) * brow.ink * (1.0 if size > 256 else 0.45)
    )
    solid: np.ndarray = 1.0 - np.exp(-cover)
    return np.clip(solid * 0.95, 0.0, 0.95).astype(np.float32)
