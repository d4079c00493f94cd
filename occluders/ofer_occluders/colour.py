"""sRGB and linear light: blending in linear light is what a camera does at an edge."""

from __future__ import annotations

import numpy as np


def to_linear(srgb01: np.ndarray) -> np.ndarray:
    """Decode sRGB in [0,1] (any shape) to linear light in [0,1], float32 (IEC 61966-2-1)."""
    srgb01 = np.asarray(srgb01, dtype=np.float32)
    return np.where(srgb01 <= 0.04045, srgb01 / 12.92, ((srgb01 + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Encode linear light in [0,1] (any shape) to sRGB in [0,1], float32."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
