"""What training does to clean faces before they are restored: jitter, random masks, occlusion under them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ofer_bench.api import patch_mask_to_pixels, random_affine

BLOB_SMOOTHING = 3
"""Passes of a 3x3 average over white noise; makes blobs of a few patches across."""


def jittered(image: Tensor, generator: torch.Generator) -> Tensor:
    """Flip half of the faces [B,3,H,W] in [0,1], and move all by no more than the landmarks of aligned faces err.

    Less than what trains classifiers: to learn how faces look at places where they never are costs training time.
    """
    return random_affine(image, generator, degrees=2.0, scale=0.03, shift=0.02)


def mask_priority(count: int, grid: int, generator: torch.Generator) -> Tensor:
    """Rank the patches of ``count`` faces: int64 [count,G*G], 0 = masked first.

    Every face draws one of three shapes with equal chance: scattered patches, a rectangle, blobs. Masking the
    first ``n`` ranks gives such a shape with exactly ``n`` patches, so that a batch can share one count.
    """
    device = generator.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    scattered = uniform(count, grid, grid)
    blobs = uniform(count, 1, grid, grid)
    for _ in range(BLOB_SMOOTHING):
        blobs = F.avg_pool2d(blobs, 3, stride=1, padding=1, count_include_pad=False)
    place = torch.arange(grid, device=device) + 0.5
    centre = uniform(count, 2) * grid
    log_aspect = (uniform(count) * 2 - 1) * math.log(2.0)
    rows = (place[None] - centre[:, :1]).abs() * torch.exp(log_aspect)[:, None]
    columns = (place[None] - centre[:, 1:]).abs() * torch.exp(-log_aspect)[:, None]
    rectangles = torch.maximum(rows[:, :, None], columns[:, None, :])
    shape = torch.randint(3, (count, 1, 1), generator=generator, device=device)
    score = torch.where(shape == 0, scattered, torch.where(shape == 1, rectangles, blobs[:, 0]))
    return score.flatten(1).argsort(dim=1, stable=True).argsort(dim=1, stable=True)


def draw_patch_masks(
    count: int, grid: int, generator: torch.Generator, ratio: tuple[float, float] = (0.1, 0.6)
) -> Tensor:
    """Draw ``count`` masks bool [count,G,G] (True = hole), share uniform in ``ratio``, at least one patch."""
    low, high = ratio
    share = torch.rand(count, 1, generator=generator, device=generator.device) * (high - low) + low
    holes = (share * grid * grid).round().clamp(min=1)
    return (mask_priority(count, grid, generator) < holes).reshape(count, grid, grid)


def occlude_by_others(image: Tensor, grid: int, patch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Occlude faces [B,3,H,W] by patches of the next face of the batch, upside down, so that no object is ever seen.

    Returns the faces and which of their patches, bool [B,G*G], stay unoccluded.
    """
    holes = draw_patch_masks(len(image), grid, generator)
    occluded = torch.where(patch_mask_to_pixels(holes, patch_size), image.roll(1, dims=0).flip(2), image)
    return occluded, ~holes.flatten(1)
