"""Putting a cut-out into a picture: pose, sub-pixel warp, size by target ratio, shadow, blending in linear light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ofer_occluders.colour import bytes_to_linear, linear_to_bytes
from ofer_occluders.cutouts import REDUCTIONS, Cutout, Point

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_STEPS = 14
COVERED = 128
"""Alphas from here on, of 255, count as covered."""

COARSE, SURE = 2, 0.008
"""Where the ratio need not be met better than by ``SURE``, it is measured on a raster coarser by ``COARSE``."""

FAINT = 4
"""Shadows below this, of 255, change no pixel by more than one level."""

Matrix = tuple[float, float, float, float, float, float, float, float]
"""Picture to cut-out: (x, y) comes from ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where a cut-out goes: its middle to ``centre`` px, ``scale`` times its natural size, ``angle`` degrees clockwise.

    ``tilt`` turns its right and its lower side away, by that share over one picture side; ``mirrored`` left for right.
    """

    centre: Point
    scale: float
    angle: float
    tilt: tuple[float, float] = (0.0, 0.0)
    mirrored: bool = False

    def forward(self, cutout: Cutout, side: float) -> np.ndarray:
        """Homography [3,3] from pixels of the cut-out to those of a picture with this ``side``."""
        unit = -1.0 / cutout.side if self.mirrored else 1.0 / cutout.side
        local = np.array(
            [
                [unit, 0.0, -cutout.middle[0] * unit],
                [0.0, 1.0 / cutout.side, -cutout.middle[1] / cutout.side],
                [0.0, 0.0, 1.0],
            ]
        )
        # The tilt must stay mild however large the thing is.
        tilted = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [*(np.array(self.tilt) * self.scale), 1.0]])
        c, s = np.cos(np.radians(self.angle)) * side * self.scale, np.sin(np.radians(self.angle)) * side * self.scale
        place = np.array([[c, -s, self.centre[0]], [s, c, self.centre[1]], [0.0, 0.0, 1.0]])
        matrix: np.ndarray = place @ tilted @ local
        return matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What an object close to a face takes from it: ``strength`` in [0,1], ``offset`` (x, y) and ``blur`` in px."""

    strength: float
    offset: tuple[int, int]
    blur: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A placed cut-out: rows and columns of its window, and what to put there, uint8, read-only.

    ``colour`` [h,w,3] sRGB, ``alpha``, ``skin`` and ``shade`` (the shadow) [h,w].
    """

    rows: slice
    columns: slice
    colour: np.ndarray
    alpha: np.ndarray
    skin: np.ndarray
    shade: np.ndarray

    def spread(self, inside: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Put bool [h,w] of the window into a picture of ``size`` (height, width)."""
        whole = np.zeros(size, dtype=bool)
        whole[self.rows, self.columns] = inside
        return whole


@lru_cache(maxsize=2)
def lay(cutout: Cutout, matrix: Matrix, size: tuple[int, int], blur: float, soften: float, shadow: Shadow) -> Layer:
    """Warp a cut-out into a picture of ``size`` (height, width) px and cast its shadow.

    Its edge is blurred by ``blur`` px, all else by ``soften`` px. Kept for a moment, since an occlusion is mostly
    applied right after it is sampled.
    """
    reach = 3 * blur + 2
    far = reach + 3 * shadow.blur + max(abs(step) for step in shadow.offset)
    window = _window(cutout, matrix, size, far)
    look = _warp(cutout, matrix, window, "look")
    colour = np.array(_blurred(look.convert("RGB"), soften))
    alpha = np.array(_blurred(look.getchannel(3), blur))
    if cutout.mixed:
        skin = np.array(_warp(cutout, matrix, window, "skin"))
    else:
        skin = np.full_like(alpha, 255 * (cutout.skin is not None))
    layer = Layer(
        rows=slice(window[1], window[3]),
        columns=slice(window[0], window[2]),
        colour=colour,
        alpha=alpha,
        skin=skin,
        shade=_shade(alpha, shadow),
    )
    for plane in (layer.colour, layer.alpha, layer.skin, layer.shade):
        plane.setflags(write=False)
    return layer


def backwards(forward: np.ndarray) -> Matrix:
    """Return the way back from the picture of a homography [3,3], as numbers that replay exactly."""
    inverse = np.linalg.inv(forward)
    a, b, c, d, e, f, g, h, _ = (float(v) for v in (inverse / inverse[2, 2]).ravel())
    return (a, b, c, d, e, f, g, h)


def covered(cutout: Cutout, matrix: Matrix, size: tuple[int, int], blur: float) -> float:
    """Share of a picture of ``size`` (height, width) px that a cut-out covers."""
    window = _window(cutout, matrix, size, 3 * blur + 2)
    alpha = np.asarray(_blurred(_warp(cutout, matrix, window, "alpha"), blur))
    return float(np.count_nonzero(alpha >= COVERED)) / (size[0] * size[1])


def blend(
    image: np.ndarray,
    layer: Layer,
    recolour: Callable[[np.ndarray, np.ndarray], np.ndarray],
    shadow: float,
    opacity: float,
) -> np.ndarray:
    """Blend ``layer`` over ``image`` uint8 [H,W,3] in linear light.

    ``recolour`` takes the layer's light [N,3] and how far it is skin [N] in [0,1] to the light to be seen;
    ``shadow`` in [0,1] is its strength, ``opacity`` in [0,1] multiplies alpha. Pixels without alpha and shade stay
    as they are.
    """
    blended = image.copy()
    window = blended[layer.rows, layer.columns]
    alpha, shade = layer.alpha.ravel(), layer.shade.ravel()
    # Rows by number: picking pixels by a mask of the picture costs several times as much.
    reached = np.flatnonzero((alpha > 0) | (shade > 0))
    pixels = window.copy().reshape(-1, 3)
    under = bytes_to_linear(pixels.take(reached, axis=0))
    under *= 1 - np.float32(shadow * opacity / 255) * shade.take(reached).astype(np.float32)[:, None]
    share = alpha.take(reached)
    within = np.flatnonzero(share)
    seen = reached.take(within)
    light = recolour(
        bytes_to_linear(layer.colour.reshape(-1, 3).take(seen, axis=0)),
        layer.skin.ravel().take(seen).astype(np.float32) / 255,
    )
    weight = share.take(within).astype(np.float32)[:, None] * np.float32(opacity / 255)
    behind = under.take(within, axis=0)
    under[within] = behind + weight * (light - behind)
    pixels[reached] = linear_to_bytes(under)
    window[:] = pixels.reshape(window.shape)
    return blended


def fit_scale(cutout: Cutout, pose: Pose, size: tuple[int, int], blur: float, target: float, tolerance: float) -> Pose:
    """Find the scale at which the cut-out covers ``target`` of the picture, within ``tolerance`` where that can be.

    Bracketed secant on the square root of the ratio, which is nearly proportional to the scale.
    """
    side, small, big = min(size), (0.0, 0.0), (np.inf, 1.0)
    coarse = COARSE if tolerance > SURE else 1
    shrink = np.diag([1 / coarse, 1 / coarse, 1.0])
    raster = (-(-size[0] // coarse), -(-size[1] // coarse))
    best, best_error, scale = pose, np.inf, pose.scale
    for _ in range(MAX_STEPS):
        candidate = replace(pose, scale=scale)
        ratio = covered(
            cutout,
            backwards(shrink @ candidate.forward(cutout, side)),
            raster,
            blur / coarse if coarse == 1 or blur > coarse else 0.0,
        )
        if abs(ratio - target) < best_error:
            best, best_error = candidate, abs(ratio - target)
        if best_error <= tolerance:
            break
        if ratio < target:
            small = (scale, ratio)
        else:
            big = (scale, ratio)
        scale = _next_scale(small, big, target)
        if scale * side > 8 * max(size) or scale * side < 1:
            break
    return best


def _next_scale(small: tuple[float, float], big: tuple[float, float], target: float) -> float:
    """Interpolate between the bracket's (scale, ratio) ends, staying off them; grow without an upper end."""
    if np.isinf(big[0]):
        return small[0] * float(np.clip(np.sqrt(target / max(small[1], 1e-6)), 1.05, 2.0))
    low, high, goal = np.sqrt(small[1]), np.sqrt(big[1]), np.sqrt(target)
    share = (goal - low) / max(high - low, 1e-9)
    return small[0] + float(np.clip(share, 0.05, 0.95)) * (big[0] - small[0])


def _window(cutout: Cutout, matrix: Matrix, size: tuple[int, int], reach: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what the cut-out can touch, ``reach`` px beyond its edges."""
    forward = np.linalg.inv(np.array([*matrix, 1.0]).reshape(3, 3))
    width, height = cutout.size
    corners = forward @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]], dtype=np.float64)
    low = np.floor((corners[:2] / corners[2]).min(axis=1) - reach)
    high = np.ceil((corners[:2] / corners[2]).max(axis=1) + reach)
    left, top = (int(v) for v in np.clip(low, 0, [size[1] - 1, size[0] - 1]))
    right, bottom = (int(v) for v in np.clip(high, [left + 1, top + 1], [size[1], size[0]]))
    return left, top, right, bottom


def _warp(cutout: Cutout, matrix: Matrix, window: tuple[int, int, int, int], plane: str) -> Image:
    """Warp a plane of a cut-out into a window of the picture."""
    from PIL.Image import Resampling, Transform

    left, top, right, bottom = window
    a, b, c, d, e, f, g, h = matrix
    # Bilinear sampling sees two pixels only, so a large cut-out is averaged down first.
    stride = max(1.0, np.sqrt(abs(a * e - b * d)))
    level = min(int(np.log2(stride)), len(cutout.levels) - 1)
    factor = REDUCTIONS[level]
    w = g * left + h * top + 1.0
    shifted = (
        *(a / factor / w, b / factor / w, (a * left + b * top + c) / factor / w),
        *(d / factor / w, e / factor / w, (d * left + e * top + f) / factor / w),
        *(g / w, h / w),
    )
    source: Image = getattr(cutout.levels[level], plane)
    return source.transform((right - left, bottom - top), Transform.PERSPECTIVE, shifted, Resampling.BILINEAR)


def _blurred(picture: Image, blur: float) -> Image:
    from PIL import ImageFilter

    return picture.filter(ImageFilter.GaussianBlur(blur)) if blur > 0 else picture


def _shade(alpha: np.ndarray, shadow: Shadow) -> np.ndarray:
    """Shift and blur alpha uint8 [h,w]; a shadow is so soft that half the resolution is enough."""
    from PIL import Image

    (height, width), (x, y) = alpha.shape, shadow.offset
    moved = np.zeros_like(alpha)
    moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = alpha[
        max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)
    ]
    soft = _blurred(Image.fromarray(moved).reduce(2), shadow.blur / 2)
    shade = np.array(soft.resize((width, height), Image.Resampling.BILINEAR))
    # Too faint to be seen, and wide.
    shade[shade < FAINT] = 0
    return shade
