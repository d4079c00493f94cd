"""From linear light to an 8-bit photograph: lens, exposure, tone curve, grain and JPEG."""

from __future__ import annotations

import io

import numpy as np
from scipy.ndimage import gaussian_filter

from ofer_bench.data.paraface.scenery import Scenery

# Standard deviation in pixels of what lens, demosaicking and scaling do to any picture; without it pictures have
# twice the power of photographs in their finest details.
_PIXEL_BLUR = 0.45


def develop(linear: np.ndarray, scenery: Scenery) -> np.ndarray:
    """Turn linear light float32 [S,S,3] into an sRGB photograph uint8 [S,S,3]."""
    size = len(linear)
    exposed = linear * (np.array(scenery.tint, dtype=np.float32) * scenery.exposure)
    # A soft shoulder instead of clipped highlights.
    exposed = np.where(exposed > 0.8, 0.8 + 0.35 * (1 - np.exp(-(exposed - 0.8) / 0.35)), exposed)
    sigma = np.hypot(_PIXEL_BLUR, scenery.blur * size / 64.0)
    soft = np.maximum(gaussian_filter(exposed, sigma=(sigma, sigma, 0.0)), 0.0)
    srgb = np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * np.power(np.maximum(soft, 1e-6), 1 / 2.4) - 0.055)
    srgb = srgb + 0.35 * scenery.contrast * srgb * (1 - srgb) * (2 * srgb - 1)
    noise = np.random.Generator(np.random.PCG64(scenery.pixel_seed)).standard_normal(srgb.shape, dtype=np.float32)
    # Sensors are noisier in the dark; demosaicking smears noise over neighbours.
    noise = gaussian_filter(noise, (0.45, 0.45, 0.0)) * 1.5
    noisy = srgb * 255.0 + noise * scenery.grain * (1.3 - 0.6 * np.clip(srgb, 0, 1))
    photograph = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return _through_jpeg(photograph, scenery.jpeg) if scenery.jpeg else photograph


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded.convert("RGB")).copy()
