"""Images as rows of patches, and the fixed positions of those patches."""

from __future__ import annotations

import torch
from torch import Tensor

from ofer_bench.api import PluginError


def patchify(image: Tensor, patch_size: int) -> Tensor:
    """Cut ``image`` [B,3,H,W] into patches [B,G*G,P*P*3], raster order; inside: row, column, channel."""
    batch, channels, height, width = image.shape
    rows, columns = height // patch_size, width // patch_size
    cells = image.reshape(batch, channels, rows, patch_size, columns, patch_size)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, patch_size**2 * channels)


def unpatchify(patches: Tensor, patch_size: int) -> Tensor:
    """Undo :func:`patchify` for square images: [B,G*G,P*P*3] -> [B,3,H,W]."""
    batch, count, _ = patches.shape
    grid = round(count**0.5)
    cells = patches.reshape(batch, grid, grid, patch_size, patch_size, -1)
    return cells.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, grid * patch_size, grid * patch_size)


def sincos_positions(grid: int, dim: int) -> Tensor:
    """Return fixed 2-D sine-cosine positions float32 [G*G,dim]: first half the column, second half the row.

    Frequencies fall geometrically from 1 to 1e-4, as in the masked autoencoder. ``dim`` must be a multiple of
    4.
    """
    if dim % 4:
        raise PluginError(f"token width {dim} is not a multiple of 4", hint="choose dim and decoder_dim divisible by 4")
    omega = 1e4 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angle = torch.arange(grid, dtype=torch.float64)[:, None] * omega
    axis = torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)
    column = axis[None].expand(grid, grid, -1)
    row = axis[:, None].expand(grid, grid, -1)
    return torch.cat([column, row], dim=2).reshape(grid * grid, dim).to(torch.float32)
