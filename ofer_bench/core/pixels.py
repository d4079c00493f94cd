"""From float images to the 8 bits that a picture has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def to_bytes(image: Tensor) -> np.ndarray:
    """Round [B,3,H,W] in [0,1] (clamped) to uint8 [B,H,W,3]; the inverse of ``FaceSet.batch`` on 8-bit images."""
    return (image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
