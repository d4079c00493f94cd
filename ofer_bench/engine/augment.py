"""Training augmentation on batches of aligned faces, on the batch's device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def _uniform(n: int, low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=like.device) * (high - low) + low


def random_affine(
    image: Tensor,
    generator: torch.Generator,
    *,
    degrees: float = 8.0,
    scale: float = 0.08,
    shift: float = 0.06,
) -> Tensor:
    """Flip half of the faces, rotate, scale and shift them; ``image`` [B,3,H,W] in [0,1], border colours repeat."""
    n = len(image)
    angle = _uniform(n, -degrees, degrees, image, generator) * (math.pi / 180)
    factor = 1.0 + _uniform(n, -scale, scale, image, generator)
    flip = torch.where(torch.rand(n, generator=generator, device=image.device) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) / factor, torch.sin(angle) / factor
    theta = torch.zeros(n, 2, 3, device=image.device)
    theta[:, 0, 0], theta[:, 0, 1] = cos * flip, -sin
    theta[:, 1, 0], theta[:, 1, 1] = sin * flip, cos
    theta[:, 0, 2] = _uniform(n, -shift, shift, image, generator) * 2
    theta[:, 1, 2] = _uniform(n, -shift, shift, image, generator) * 2
    with torch.autocast(image.device.type, enabled=False):
        # Mixed precision would place pixels with the eight bits of bfloat16.
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


def random_colour(image: Tensor, generator: torch.Generator, *, strength: float = 0.2) -> Tensor:
    """Change brightness, contrast and saturation by up to ``strength``; ``image`` [B,3,H,W] in [0,1]."""
    n = len(image)

    def factor() -> Tensor:
        return 1.0 + _uniform(n, -strength, strength, image, generator)[:, None, None, None]

    image = image * factor()
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    image = (image - mean) * factor() + mean
    grey = image.mean(dim=1, keepdim=True)
    return ((image - grey) * factor() + grey).clamp(0.0, 1.0)


def random_erasing(
    image: Tensor, generator: torch.Generator, *, probability: float = 0.5, area: tuple[float, float] = (0.02, 0.25)
) -> Tensor:
    """Fill one random rectangle of a share of the faces with noise colour; ``image`` [B,3,H,W] in [0,1]."""
    n, _, height, width = image.shape
    share = _uniform(n, *area, image, generator)
    aspect = torch.exp(_uniform(n, -math.log(3.3), math.log(3.3), image, generator))
    h = (torch.sqrt(share * aspect) * height).clamp(1, height)
    w = (torch.sqrt(share / aspect) * width).clamp(1, width)
    top = torch.rand(n, generator=generator, device=image.device) * (height - h)
    left = torch.rand(n, generator=generator, device=image.device) * (width - w)
    use = torch.rand(n, generator=generator, device=image.device) < probability
    y = torch.arange(height, device=image.device)[None, :, None]
    x = torch.arange(width, device=image.device)[None, None, :]

    def column(value: Tensor) -> Tensor:
        return value[:, None, None]

    inside = (y >= column(top)) & (y < column(top + h)) & (x >= column(left)) & (x < column(left + w)) & column(use)
    colour = torch.rand(n, 3, 1, 1, generator=generator, device=image.device)
    return torch.where(inside[:, None], colour, image)
