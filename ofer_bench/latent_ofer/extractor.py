"""Expression-relevant ViT latents: those at the positions the CNN attends to (section 3.3, figure 4).

Or, as in the paper's release, those at the same positions of every face.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SHARE = 0.5
"""The paper's top 50 %."""

RELEASED_TOKENS = (*(start + n for start in range(46, 159, 14) for n in range(8)), *range(172, 178))
"""The 78 token indices of the paper's release, for 14x14 patches; the class token is number 0 (as we read it)."""

RELEASED_GRID = 14


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


def released_positions(grid: int) -> Tensor:
    """Return the fixed positions of the paper's release on a patch grid, int64 [K], rising, in raster order.

    On 14x14 patches its 78: rows 3 to 11 of columns 3 to 10, and row 12 of columns 3 to 8, counted from 0. It has
    no other grid; there, a choice of this suite, those patches whose centre lies in the same part of the face.
    """
    inside = torch.zeros(RELEASED_GRID**2, dtype=torch.bool)
    inside[torch.tensor(RELEASED_TOKENS) - 1] = True
    nearest = (2 * torch.arange(grid) + 1) * RELEASED_GRID // (2 * grid)
    return inside.view(RELEASED_GRID, RELEASED_GRID)[nearest][:, nearest].flatten().nonzero()[:, 0]
