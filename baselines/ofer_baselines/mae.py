"""Plain MAE in-painting: the auto-encoder's pixels in the hole, the image's own elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ofer_bench.api import Component, ComponentSettings, FaceBatch, Reconstruction, check_known, patch_mask_to_pixels


class MAEReconstructor(nn.Module):
    """Wraps the shared face auto-encoder; learns nothing of its own.

    The decoder is trained on removed patches only (He et al. 2022), so its output is pasted into the image patch by
    patch; what it says of visible patches means nothing.
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        check_known("mae", settings.model, ())
        self.patch_size = settings.patch_size
        # Kept out of the module tree: the auto-encoder's weights belong to its own artefact.
        self._upstream: tuple[Any, ...] = (upstream["face-mae"],)

    @torch.no_grad()
    def reconstruct(self, batch: FaceBatch, mask_patch: Tensor) -> Reconstruction:
        """Restore the patches where ``mask_patch`` bool [B,G,G] is True."""
        painted = self._upstream[0].inpaint(batch.image, mask_patch)
        image = torch.where(patch_mask_to_pixels(mask_patch, self.patch_size), painted, batch.image)
        return Reconstruction(image=image, composited=image)
