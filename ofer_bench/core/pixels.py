"""From float images to the 8 bits that a picture has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's channels in [0,1], which networks trained on it expect to be subtracted."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Their standard deviation, by which is divided."""


def to_bytes(image: Tensor) -> np.ndarray:
    """Round [B,3,H,W] in [0,1] (clamped) to uint8 [B,H,W,3]; the inverse of ``FaceSet.batch`` on 8-bit images."""
    return (image.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
