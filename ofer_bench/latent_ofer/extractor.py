"""Expression-relevant ViT latents: those at the positions the CNN attends to (section 3.3, figure 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SHARE = 0.5
"""The paper's top 50 %."""


def selected_count(patches: int, share: float = SHARE) -> int:
    """Return K = floor(share * N), the number of latents kept of N = ``patches``; at least one."""
    return max(1, int(share * patches))


class Selected(NamedTuple):
    """``latents`` [B,K,D] in raster order of their positions ``place`` int64 [B,K]."""

    latents: Tensor
    place: Tensor


def to_patch_grid(activation: Tensor, grid: int) -> Tensor:
    """Resize an activation map [B,g,g] to the patch grid [B,G,G], bilinearly."""
    resized = F.interpolate(activation[:, None], size=(grid, grid), mode="bilinear", align_corners=False)
    return resized[:, 0]


def select_latents(latents: Tensor, activation: Tensor, share: float = SHARE) -> Selected:
    """Keep the latents at the most activated positions, the same number K of them for every face.

    ``latents`` [B,N,D], ``activation`` [B,G,G] with N = G*G, any scale. Among equal activations the first
    position in raster order wins. Gradients flow to the latents kept, not to the choice.
    """
    count = selected_count(latents.shape[1], share)
    order = activation.flatten(1).argsort(dim=1, descending=True, stable=True)
    place = order[:, :count].sort(dim=1).values
    return Selected(torch.gather(latents, 1, place[:, :, None].expand(-1, -1, latents.shape[2])), place)
