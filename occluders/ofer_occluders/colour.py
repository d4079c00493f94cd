"""sRGB, linear light and CIELAB: blending in linear light is what a camera does at an edge."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_STEPS = 65535
_D65 = (0.95047, 1.0, 1.08883)
_XYZ_OF_RGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_BEND = 6 / 29


def to_linear(srgb01: np.ndarray) -> np.ndarray:
    """Decode sRGB in [0,1] (any shape) to linear light in [0,1], float32 (IEC 61966-2-1)."""
    srgb01 = np.asarray(srgb01, dtype=np.float32)
    return np.where(srgb01 <= 0.04045, srgb01 / 12.92, ((srgb01 + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Encode linear light in [0,1] (any shape) to sRGB in [0,1], float32."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


def bytes_to_linear(image: np.ndarray) -> np.ndarray:
    """Decode sRGB uint8 (any shape) to linear light float32 in [0,1], by table."""
    linear: np.ndarray = _decoding().take(image)
    return linear


def linear_to_bytes(linear: np.ndarray) -> np.ndarray:
    """Encode linear light in [0,1] (any shape) to the nearest sRGB uint8, by table."""
    steps = np.clip(linear, 0.0, 1.0) * np.float32(_STEPS) + np.float32(0.5)
    encoded: np.ndarray = _encoding().take(steps.astype(np.uint16))
    return encoded


def to_lab(linear: np.ndarray) -> np.ndarray:
    """Linear light [...,3] in [0,1] to CIELAB float32 [...,3] under D65: L in [0,100], a and b about [-110,110]."""
    to_white = (np.array(_XYZ_OF_RGB) / np.array(_D65)[:, None]).T.astype(np.float32)
    share = np.asarray(linear, dtype=np.float32) @ to_white
    steps = np.clip(share, 0.0, 1.0) * np.float32(_STEPS) + np.float32(0.5)
    f = _cube_root().take(steps.astype(np.uint16))
    mix = np.array([[0, 500, 0], [116, -500, 200], [0, 0, -200]], dtype=np.float32)
    return f @ mix - np.array([16, 0, 0], dtype=np.float32)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """CIELAB [...,3] under D65 to linear light float32 [...,3], clipped to [0,1]."""
    lab = np.asarray(lab, dtype=np.float32)
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    share = np.where(f > _BEND, f * f * f, np.float32(3 * _BEND**2) * (f - np.float32(4 / 29)))
    from_white = np.linalg.inv(np.array(_XYZ_OF_RGB) / np.array(_D65)[:, None]).T.astype(np.float32)
    linear: np.ndarray = np.clip(share @ from_white, 0.0, 1.0)
    return linear


@lru_cache(maxsize=1)
def _decoding() -> np.ndarray:
    return to_linear(np.arange(256, dtype=np.float32) / 255)


@lru_cache(maxsize=1)
def _encoding() -> np.ndarray:
    return np.rint(to_srgb(np.arange(_STEPS + 1, dtype=np.float64) / _STEPS) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _cube_root() -> np.ndarray:
    """CIELAB's cube root with its straight foot, by table: it is taken of every pixel, and is slow to compute."""
    share = np.arange(_STEPS + 1, dtype=np.float64) / _STEPS
    return np.where(share > _BEND**3, np.cbrt(share), share / (3 * _BEND**2) + 4 / 29).astype(np.float32)
