"""Masks as text and as shares: what a manifest says of a mask."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from ofer_bench.core.errors import OccluderError
from ofer_bench.occlusion.patches import occluded


def encode_mask(mask: np.ndarray) -> str:
    """Write ``mask`` bool [H,W] (True = occluded) as a 1-bit PNG in base64."""
    buffer = BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def decode_mask(text: str, size: int) -> np.ndarray:
    """Read :func:`encode_mask` back: bool [size,size]. OccluderError for anything else."""
    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as image:
            # Before decoding: a small text must not become a huge picture.
            if image.mode == "1" and image.size == (size, size):
                return np.asarray(image.convert("L")) > 0
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError):
        pass
    raise OccluderError(f"the mask is no 1-bit PNG of {size}x{size} px", hint="the manifest is damaged: get it anew")


def patch_ratio(mask: np.ndarray, patch_size: int, tau: float) -> float:
    """Return the share of patches of ``mask`` bool [H,W] that are occluded from a share of ``tau`` of their pixels."""
    height, width = mask.shape
    cells = mask.reshape(height // patch_size, patch_size, width // patch_size, patch_size)
    return float(occluded(cells.mean(axis=(1, 3), dtype=np.float32), tau).mean())
