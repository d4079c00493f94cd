"""Putting a cut-out into a picture: sub-pixel placement, size by target ratio, blending in linear light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ofer_occluders.colour import to_linear, to_srgb
from ofer_occluders.cutouts import Cutout

SUPERSAMPLE = 3
"""Samples per pixel and axis while placing."""
FEATHER = 0.6 / 224
"""Standard deviation of the edge feather as a share of the side: a transition of 1-2 px at 224 px."""
ALPHA_FLOOR = 0.03
"""Alphas below this are cut to zero; they would enlarge the mask without being visible."""
MAX_STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where a cut-out goes: ``centre`` (x, y) px, ``scale`` px per unit, ``angle`` degrees clockwise."""

    centre: tuple[float, float]
    scale: float
    angle: float


def place(layers: np.ndarray, cutout: Cutout, pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """Transform ``layers`` [h,w,C] of a cut-out to a picture of ``size`` (height, width): float32 [H,W,C]."""
    return np.stack([_place_one(layers[..., c], cutout, pose, size) for c in range(layers.shape[-1])], axis=-1)


def _place_one(layer: np.ndarray, cutout: Cutout, pose: Pose, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    height, width = size
    source = Image.fromarray(np.ascontiguousarray(layer))
    # Bilinear sampling sees two pixels only, so a large cut-out is averaged down first.
    reduction = max(1, int(cutout.unit / (pose.scale * SUPERSAMPLE)))
    if reduction > 1:
        source = source.reduce(reduction)
    step = cutout.unit / pose.scale / reduction
    cos, sin = np.cos(np.radians(pose.angle)) * step, np.sin(np.radians(pose.angle)) * step
    fine_cos, fine_sin = cos / SUPERSAMPLE, sin / SUPERSAMPLE
    offset_x = cutout.anchor[0] / reduction - cos * pose.centre[0] - sin * pose.centre[1]
    offset_y = cutout.anchor[1] / reduction + sin * pose.centre[0] - cos * pose.centre[1]
    placed = source.transform(
        (width * SUPERSAMPLE, height * SUPERSAMPLE),
        Image.Transform.AFFINE,
        (fine_cos, fine_sin, offset_x, -fine_sin, fine_cos, offset_y),
        Image.Resampling.BILINEAR,
    )
    return gaussian_filter(np.asarray(placed.reduce(SUPERSAMPLE)), FEATHER * min(size), truncate=3.0)


def alpha_of(cutout: Cutout, pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """Return the placed alpha float32 [H,W], zero outside the occlusion mask."""
    return _floor(place(cutout.rgba[..., 3:], cutout, pose, size)[..., 0])


def _floor(alpha: np.ndarray) -> np.ndarray:
    return np.where(alpha < ALPHA_FLOOR, np.float32(0), np.minimum(alpha, np.float32(1)))


def blend(image: np.ndarray, cutout: Cutout, pose: Pose) -> np.ndarray:
    """Blend a cut-out over ``image`` uint8 [H,W,3] in linear light; pixels of zero alpha stay as they are."""
    placed = place(cutout.rgba, cutout, pose, (image.shape[0], image.shape[1]))
    alpha = _floor(placed[..., 3])
    inside = alpha > 0
    over = placed[inside][:, :3] + (1 - alpha[inside][:, None]) * to_linear(image[inside] / np.float32(255))
    blended = image.copy()
    blended[inside] = np.rint(to_srgb(over) * 255).astype(np.uint8)
    return blended


def fit_scale(
    cutout: Cutout, pose: Pose, size: tuple[int, int], target: float, tolerance: float
) -> tuple[Pose, np.ndarray]:
    """Find the scale whose mask covers ``target`` of the picture; return the best pose and mask bool [H,W].

    Bracketed secant on the square root of the ratio, which is nearly proportional to the scale.
    """
    small, big = (0.0, 0.0), (np.inf, 1.0)
    scale = float(np.sqrt(target * size[0] * size[1] / max(float(cutout.rgba[..., 3].sum()), 1.0)) * cutout.unit)
    best, best_mask, best_error = pose, np.zeros(size, dtype=bool), np.inf
    for _ in range(MAX_STEPS):
        candidate = replace(pose, scale=scale)
        mask = alpha_of(cutout, candidate, size) > 0
        ratio = float(mask.mean())
        if abs(ratio - target) < best_error:
            best, best_mask, best_error = candidate, mask, abs(ratio - target)
        if best_error <= tolerance:
            break
        if ratio < target:
            small = (scale, ratio)
        else:
            big = (scale, ratio)
        scale = _next_scale(small, big, target)
        if scale > 8 * max(size):
            break
    return best, best_mask


def _next_scale(small: tuple[float, float], big: tuple[float, float], target: float) -> float:
    """Interpolate between the bracket's (scale, ratio) ends, staying off them; grow without an upper end."""
    if np.isinf(big[0]):
        return small[0] * float(np.clip(np.sqrt(target / max(small[1], 1e-6)), 1.05, 2.0))
    low, high, goal = np.sqrt(small[1]), np.sqrt(big[1]), np.sqrt(target)
    share = (goal - low) / max(high - low, 1e-9)
    return small[0] + float(np.clip(share, 0.1, 0.9)) * (big[0] - small[0])
