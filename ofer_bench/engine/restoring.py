"""From a mask to a restored face: which patches a reconstructor paints anew, and which of its pixels are taken."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ofer_bench.core.types import Detection, Reconstruction
from ofer_bench.occlusion.patches import patch_mask_to_pixels, pixel_mask_to_patches


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """What is restored: ``patches`` bool [B,G,G], and of those ``pixels`` bool [B,1,H,W] alone, if given."""

    patches: Tensor
    pixels: Tensor | None = None

    @classmethod
    def of_pixels(cls, pixels: Tensor, patch_size: int, tau: float) -> Hole:
        """Restore the patches that ``pixels`` cover at ``tau``; at 0 no covered pixel counts as known."""
        return cls(patches=pixel_mask_to_patches(pixels, patch_size, tau), pixels=pixels)

    @classmethod
    def of_detection(cls, mask_patch: Tensor, mask_px: Tensor | None, patch_size: int) -> Hole:
        """Restore what a detector found: the pixels, where it names any, or whole patches."""
        return cls(patches=mask_patch) if mask_px is None else cls.of_pixels(mask_px, patch_size, tau=0.0)

    def composite(self, restored: Reconstruction, image: Tensor) -> Reconstruction:
        """Take the pixels of the hole from ``restored.image`` and all else from ``image`` [B,3,H,W], bit for bit."""
        if self.pixels is None:
            return restored
        return Reconstruction(image=restored.image, composited=torch.where(self.pixels, restored.image, image))


def found_pixels(found: Detection, patch_size: int) -> Tensor:
    """Return all pixels that are replaced after ``found``: bool [B,1,H,W]."""
    return patch_mask_to_pixels(found.mask_patch, patch_size) if found.mask_px is None else found.mask_px
