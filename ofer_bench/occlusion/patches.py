"""Patch grids and the masks on them. True always means occluded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def patch_mask_to_pixels(mask_patch: Tensor, patch_size: int) -> Tensor:
    """Spread a patch mask bool [B,G,G] over its pixels: bool [B,1,G*patch_size,G*patch_size]."""
    return mask_patch[:, None].repeat_interleave(patch_size, dim=2).repeat_interleave(patch_size, dim=3)


def patch_coverage(mask_px: Tensor, patch_size: int) -> Tensor:
    """Return the occluded share of each patch, float32 [B,G,G] in [0,1], of a pixel mask bool [B,1,H,W]."""
    return F.avg_pool2d(mask_px.to(torch.float32), patch_size)[:, 0]


def pixel_mask_to_patches(mask_px: Tensor, patch_size: int, tau: float = 0.5) -> Tensor:
    """Call a patch occluded when at least ``tau`` of its pixels are: bool [B,1,H,W] -> bool [B,G,G].

    ``tau = 0`` asks for any overlap at all.
    """
    coverage = patch_coverage(mask_px, patch_size)
    return coverage > 0 if tau == 0 else coverage >= tau
