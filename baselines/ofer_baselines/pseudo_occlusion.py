"""Pseudo-occlusions: made-up surfaces in random shapes on unoccluded faces, for a detector to learn from.

No picture of an object takes part: shapes are drawn (blobs, fingers, a border across the image), surfaces are pieces of
other faces of the batch, magnified, turned and recoloured, or shaded colours with a random texture, two thirds of them
in colours of faces. After CutPaste (Li et al., CVPR 2021) and DRAEM (Zavrtanik et al., ICCV 2021), whose anomalies are
pasted pieces and textures on objects of industry.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

FINGERS = 5
LARGEST, SMALLEST = 0.5, 0.02
"""Share of the image that a pseudo-occlusion may cover; a face whose shape is out of bounds stays as it is."""

OCTAVES = (3, 7, 16, 32)
"""Cells per side of the noises that textures are summed from."""

PIECES = 0.35
"""Share of surfaces that are a piece of another face."""


class Shape(NamedTuple):
    """``cover`` of a shape in [0,1], ``height`` of its surface in [0,1], and its own axes, all [B,H,W].

    Coordinates run from -1 to 1 along the image's side.
    """

    cover: Tensor
    height: Tensor
    along: Tensor
    across: Tensor


def pseudo_occlude(image: Tensor, generator: torch.Generator, unoccluded: float = 0.1) -> tuple[Tensor, Tensor]:
    """Occlude faces [B,3,H,W] in [0,1]; about the share ``unoccluded`` of them stays as it is.

    Returns the faces and what is covered, [B,1,H,W] in [0,1]. The generator lives on the device of ``image``. Shapes
    cast a shadow around them, which counts as unoccluded.
    """
    count = len(image)
    shape = _draw_shapes(count, image.shape[2], image.shape[3], generator)
    piece = _uniform(generator, count, 1, 1, 1) < PIECES
    surface = _soften(torch.where(piece, _pieces(image, generator), _shaded(image, shape, generator)), generator)
    share = shape.cover.mean(dim=(1, 2))
    kept = (share > SMALLEST) & (share < LARGEST) & (_uniform(generator, count) >= unoccluded)
    cover = (shape.cover * kept[:, None, None])[:, None]
    spread = max(3, image.shape[3] // 7 | 1)
    shadow = F.avg_pool2d(F.pad(cover, (spread // 2,) * 4, mode="replicate"), spread, stride=1)
    shadow = shadow * 0.5 * _uniform(generator, count, 1, 1, 1)
    return (image * (1 - shadow) * (1 - cover) + surface * cover).clamp(0, 1), cover


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator, device=generator.device)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, device=generator.device)


def _noise(generator: torch.Generator, count: int, channels: int, cells: int, height: int, width: int) -> Tensor:
    """Smooth noise [count,channels,height,width]: normal values at ``cells`` knots per side, bicubic between."""
    return F.interpolate(_normal(generator, count, channels, cells, cells), (height, width), mode="bicubic")


def _draw_shapes(count: int, height: int, width: int, generator: torch.Generator) -> Shape:
    """Draw a quarter of blobs, half of fingers, a quarter of borders."""
    kind = torch.randint(4, (count,), generator=generator, device=generator.device)
    x = torch.linspace(-1, 1, width, device=generator.device)
    y = torch.linspace(-1, 1, height, device=generator.device)
    angle = _uniform(generator, count, 1, 1) * 2 * math.pi
    centre = (_uniform(generator, count, 2, 1, 1) * 2 - 1) * 0.9
    right, down = x[None, None, :] - centre[:, 0], y[None, :, None] - centre[:, 1]
    along = right * torch.cos(angle) + down * torch.sin(angle)
    across = down * torch.cos(angle) - right * torch.sin(angle)
    # From one to three pixels at any size: pasted and photographed borders are sharp in every resolution.
    sharpness = width / 2 / (1 + 2 * _uniform(generator, count, 1, 1))
    cover, relief = torch.zeros_like(along), torch.zeros_like(along)
    for draw, chosen in ((_blob, kind == 0), (_fingers, (kind == 1) | (kind == 2)), (_border, kind == 3)):
        inside, raised = draw(along[chosen], across[chosen], generator)
        cover[chosen] = (inside * sharpness[chosen] + 0.5).clamp(0, 1)
        relief[chosen] = raised.clamp(0, 1)
    return Shape(cover, relief, along, across)


def _blob(along: Tensor, across: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Superellipses with a wavy border; signed depth inside, and height."""
    count, height, width = along.shape
    size = torch.exp(_normal(generator, count, 2, 1, 1) * 0.5) * 0.5
    power = torch.where(_uniform(generator, count, 1, 1) < 0.5, 2.0, 6.0)
    radius = (along / size[:, 0]).abs() ** power + (across / size[:, 1]).abs() ** power
    wave = _noise(generator, count, 1, 6, height, width)[:, 0] * 0.25 * _uniform(generator, count, 1, 1)
    depth = 1 - radius ** (1 / power) + wave
    return depth * size.amin(dim=1), depth


def _fingers(along: Tensor, across: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One to five capsules side by side, often with a palm behind; signed depth inside, and height."""
    count = len(along)
    half = 0.09 + 0.08 * _uniform(generator, count, 1, 1)
    number = (_uniform(generator, count, 1, 1) * FINGERS).floor() + 1
    finger = torch.arange(FINGERS, device=along.device).view(1, FINGERS, 1, 1)
    width, many = half[:, None], number[:, None]
    place = (finger - (many - 1) / 2) * width * 2 * (0.95 + 0.3 * _uniform(generator, count, FINGERS, 1, 1))
    tilt = _normal(generator, count, FINGERS, 1, 1) * 0.12
    length = 0.35 + 0.5 * _uniform(generator, count, FINGERS, 1, 1)
    aside = across[:, None] - place - tilt * along[:, None]
    beyond = (along[:, None] - length).clamp(min=0.0)
    distance = torch.sqrt(aside.square() + beyond.square()) / width
    distance = torch.where((along[:, None] > -1.2) & (finger < many), distance, torch.inf).amin(dim=1)
    depth, raised = (1 - distance) * half, torch.sqrt((1 - distance.square()).clamp(min=0.0))
    palm = torch.minimum(
        half * number + 0.05 - across.abs(), -0.1 - along + 0.2 * _normal(generator, count, 1, 1)
    ).masked_fill(_uniform(generator, count, 1, 1) > 0.6, -torch.inf)
    return torch.maximum(depth, palm), torch.where(palm > 0, 0.7, raised)


def _border(along: Tensor, across: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Everything on one side of a curve, as a mask or a scarf covers it; signed depth inside, and height."""
    count, height, width = along.shape
    wave = _noise(generator, count, 1, 5, height, width)[:, 0] * 0.1
    depth = wave - along + 0.6 * _normal(generator, count, 1, 1) * across.square()
    return depth, depth / 1.5


def _pieces(image: Tensor, generator: torch.Generator) -> Tensor:
    """Other faces of the batch, mostly magnified, turned and recoloured."""
    count = len(image)
    other = image[torch.randperm(count, generator=generator, device=generator.device)]
    angle = _uniform(generator, count) * 2 * math.pi
    zoom = torch.exp(_normal(generator, count) * 0.5) * 0.5
    sine, cosine = torch.sin(angle) * zoom, torch.cos(angle) * zoom
    shift = (_uniform(generator, count, 2, 1) * 2 - 1) * 0.5
    turn = torch.cat([torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2), shift], dim=2)
    sampling = F.affine_grid(turn, list(image.shape), align_corners=False)
    piece = F.grid_sample(other, sampling, padding_mode="reflection", align_corners=False)
    return piece * torch.exp(_normal(generator, count, 3, 1, 1) * 0.2) + _normal(generator, count, 3, 1, 1) * 0.08


def _shaded(image: Tensor, shape: Shape, generator: torch.Generator) -> Tensor:
    """Surfaces in one colour (the face's own, a pixel's of another face, any), lit from a side, with a texture."""
    count, _, height, width = image.shape
    top, left = height // 4, width // 4
    own = image[:, :, top : height - top, left : width - left].mean(dim=(2, 3), keepdim=True)
    other = torch.randperm(count, generator=generator, device=generator.device)
    pixel = torch.randint(height * width, (count,), generator=generator, device=generator.device)
    of_face = image.flatten(2)[other, :, pixel][:, :, None, None]
    kind = _uniform(generator, count, 1, 1, 1)
    colour = torch.where(kind < 0.65, of_face, _uniform(generator, count, 3, 1, 1))
    colour = torch.where(kind < 0.4, own, colour)
    colour = colour * torch.exp(_normal(generator, count, 3, 1, 1) * 0.1 + _normal(generator, count, 1, 1, 1) * 0.15)
    light = _normal(generator, count, 2, 1, 1) * 0.2
    slope = light[:, :1] * shape.along[:, None] + light[:, 1:] * shape.across[:, None]
    shading = 1 + 0.7 * _uniform(generator, count, 1, 1, 1) * (shape.height[:, None] - 0.6) + slope
    return colour * shading + _texture(shape, generator)


def _texture(shape: Shape, generator: torch.Generator) -> Tensor:
    """Noise of several scales, mostly grey, now and then with stripes; [B,3,H,W] around 0."""
    count, height, width = shape.along.shape
    noise = torch.zeros(count, 3, height, width, device=generator.device)
    for cells in OCTAVES:
        noise = noise + _noise(generator, count, 3, cells, height, width) * _uniform(generator, count, 1, 1, 1) ** 2
    grey = _uniform(generator, count, 1, 1, 1) < 0.6
    noise = torch.where(grey, noise.mean(dim=1, keepdim=True), noise)
    rate, phase = 5 + 40 * _uniform(generator, count, 1, 1, 1), 2 * math.pi * _uniform(generator, count, 1, 1, 1)
    stripes = torch.sin(shape.along[:, None] * rate + phase) * (_uniform(generator, count, 1, 1, 1) < 0.2)
    return 0.3 * _uniform(generator, count, 1, 1, 1) ** 2 * (0.5 * noise + stripes)


def _soften(surface: Tensor, generator: torch.Generator) -> Tensor:
    """Blur by a random share: occluders are seldom as sharp as the face."""
    blurred = F.avg_pool2d(F.pad(surface, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return surface + (blurred - surface) * _uniform(generator, len(surface), 1, 1, 1)
