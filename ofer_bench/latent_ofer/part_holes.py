"""Holes that hide the eyes or the mouth of aligned faces whole, as glasses, masks and hands do."""

from __future__ import annotations

import torch
from torch import Tensor

from ofer_bench.latent_ofer.masks import draw_patch_masks

EYES = (0.12, 0.22, 0.88, 0.50)
MOUTH = (0.14, 0.63, 0.86, 1.0)
"""Left, top, right, bottom as shares of the side, where aligned crops have the part."""

EDGE = 0.08
"""Every edge moves by up to this share of the side, within the picture."""


def draw_part_holes(count: int, grid: int, generator: torch.Generator) -> Tensor:
    """Draw a rectangle over eyes or mouth for each of ``count`` faces: bool [count,G,G], True = hole."""
    device = generator.device
    boxes = torch.tensor([EYES, MOUTH], device=device)
    which = torch.randint(len(boxes), (count,), generator=generator, device=device)
    moved = boxes[which] + (torch.rand(count, 4, generator=generator, device=device) * 2 - 1) * EDGE
    left, top, right, bottom = (moved.clamp(0, 1) * grid).round().unbind(1)
    return _between(top, bottom, grid)[:, :, None] & _between(left, right, grid)[:, None, :]


def draw_holes(count: int, grid: int, generator: torch.Generator, part_share: float) -> Tensor:
    """Draw holes bool [count,G,G]: of a ``part_share`` of the faces eyes or mouth, else ``draw_patch_masks``."""
    anywhere = draw_patch_masks(count, grid, generator)
    if part_share == 0:
        return anywhere
    of_part = torch.rand(count, 1, 1, generator=generator, device=generator.device) < part_share
    return torch.where(of_part, draw_part_holes(count, grid, generator), anywhere)


def _between(first: Tensor, end: Tensor, grid: int) -> Tensor:
    """Bool [B,G] of the patches from ``first`` up to ``end`` [B], at least one."""
    place = torch.arange(grid, device=first.device)
    return (place >= first[:, None]) & (place < torch.maximum(end, first + 1)[:, None])
