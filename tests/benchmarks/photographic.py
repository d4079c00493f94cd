"""How photographs differ from one another, for networks that train on rendered faces: light, camera, frame, length."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ofer_bench.api import random_colour

STRETCH = 0.12
"""Faces are made longer or shorter by up to this share, on top of how much rendered ones differ."""


def stretched(image: Tensor, generator: torch.Generator) -> Tensor:
    """Make faces [B,3,S,S] longer or shorter."""
    theta = torch.eye(2, 3).repeat(len(image), 1, 1)
    theta[:, 1, 1] = torch.exp((torch.rand(len(image), generator=generator) * 2 - 1) * STRETCH)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def cut_frame(image: Tensor, generator: torch.Generator, *, lowest: float) -> Tensor:
    """End half of the pictures [B,3,S,S] early below, anywhere from ``lowest`` of their height, and some at a side.

    Photographs end where the photographer or a data set has cut them; what lies outside repeats the last row.
    """
    n, size = len(image), image.shape[2]
    kept = lowest + (1.0 - lowest) * torch.rand(n, 3, generator=generator)
    cut = torch.rand(n, 3, generator=generator) < torch.tensor([0.5, 0.15, 0.15])
    last = torch.where(cut, (kept * size).long() - 1, size - 1)
    place = torch.arange(size).expand(n, size)
    rows = torch.minimum(place, last[:, :1])
    columns = torch.minimum(torch.maximum(place, size - 1 - last[:, 1:2]), last[:, 2:])
    sample = torch.arange(n)[:, None, None]
    return image.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def lit(image: Tensor, generator: torch.Generator, cells: int) -> Tensor:
    """Brighten and darken pictures [B,3,S,S] in up to ``cells`` places a side, each picture by another strength."""
    n = len(image)
    light = torch.randn(n, 1, cells, cells, generator=generator) * torch.rand(n, 1, 1, 1, generator=generator) * 0.35
    return image * torch.exp(F.interpolate(light, image.shape[2:], mode="bicubic"))


def photographed(image: Tensor, generator: torch.Generator) -> Tensor:
    """Give pictures [B,3,S,S] another light, colour, contrast, softness and grain, and make some grey; in [0,1]."""
    image = random_colour(lit(image, generator, 3).clamp(0, 1), generator, strength=0.35)
    n = len(image)
    gamma = torch.exp((torch.rand(n, 1, 1, 1, generator=generator) - 0.5) * 0.8)
    image = image.clamp(1e-4, 1) ** gamma
    grey = image.mean(dim=1, keepdim=True)
    image = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.3, grey, image)
    soft = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.rand(n, 1, 1, 1, generator=generator) * 1.6 - 0.6
    image = image + (soft - image) * share
    image = image + torch.randn(image.shape, generator=generator) * torch.rand(n, 1, 1, 1, generator=generator) * 0.04
    return image.clamp(0, 1)
