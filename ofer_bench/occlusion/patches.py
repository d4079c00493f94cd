"""Patch grids and the masks on them. True always means occluded."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Coverage = TypeVar("Coverage", "Tensor", np.ndarray)


def patch_mask_to_pixels(mask_patch: Tensor, patch_size: int) -> Tensor:
    """Spread a patch mask bool [B,G,G] over its pixels: bool [B,1,G*patch_size,G*patch_size]."""
    return mask_patch[:, None].repeat_interleave(patch_size, dim=2).repeat_interleave(patch_size, dim=3)


def patch_coverage(mask_px: Tensor, patch_size: int) -> Tensor:
    """Return the occluded share of each patch, float32 [B,G,G] in [0,1], of a pixel mask bool [B,1,H,W]."""
    import torch.nn.functional as F

    return F.avg_pool2d(mask_px.float(), patch_size)[:, 0]


def occluded(coverage: Coverage, tau: float) -> Coverage:
    """Say which patches count as occluded, given their ``coverage`` in [0,1] (tensor or array): bool of its shape.

    From a share of ``tau`` on; ``tau = 0`` asks for any overlap at all.
    """
    return coverage > 0 if tau == 0 else coverage >= tau


def pixel_mask_to_patches(mask_px: Tensor, patch_size: int, tau: float = 0.5) -> Tensor:
    """Call patches :func:`occluded` by the share of their pixels that are: bool [B,1,H,W] -> bool [B,G,G]."""
    return occluded(patch_coverage(mask_px, patch_size), tau)
