"""Finds eyes and mouth with a network that has seen rendered faces only, and aligns pictures by them."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from photographic import STRETCH, cut_frame, lit, photographed
from torch import Tensor, nn

from ofer_baselines.resnet18 import ResNetTrunk
from ofer_bench.api import random_erasing
from ofer_bench.core.types import FaceSet
from ofer_bench.data.paraface.alignment import picture_to_plane

WIDTH, CHANNELS, BATCH = 16, 48, 64


class Landmarker(nn.Module):
    """Maps [B,3,S,S] in [0,1] to eyes and mouth [B,3,2] in picture sides.

    Each landmark is the mean place of a heat map (integral regression, Sun et al., ECCV 2018) that is drawn from the
    last three stages of a ResNet together (feature pyramid, Lin et al., CVPR 2017).
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = ResNetTrunk(WIDTH, "small")
        self.lateral = nn.ModuleList(nn.Conv2d(WIDTH * factor, CHANNELS, 1) for factor in (2, 4, 8))
        self.heat = nn.Sequential(
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, 3, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the places."""
        _, *levels = self.trunk.levels(image * 2 - 1)
        height, width = levels[0].shape[2:]
        pyramid = torch.zeros(())
        for lateral, level in zip(self.lateral, levels, strict=True):
            pyramid = pyramid + F.interpolate(lateral(level), (height, width), mode="bilinear", align_corners=False)
        heat = self.heat(pyramid).float().flatten(2).softmax(dim=2).unflatten(2, (height, width))
        x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
        return torch.stack([(heat.sum(dim=2) * x).sum(dim=2), (heat.sum(dim=3) * y).sum(dim=2)], dim=2)


def moved(image: Tensor, places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn, scale, stretch, shift and mirror pictures [B,3,S,S] together with their landmarks [B,3,2]."""
    n = len(image)
    uniform = torch.rand(n, 6, generator=generator) * 2 - 1
    angle, factor = uniform[:, 0] * math.radians(20), torch.exp(uniform[:, 1] * 0.35)
    cos, sin = torch.cos(angle) / factor, torch.sin(angle) / factor
    mirror = torch.sign(uniform[:, 4])
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1], theta[:, 0, 2] = cos * mirror, -sin, uniform[:, 2] * 0.35
    theta[:, 1, 0], theta[:, 1, 1], theta[:, 1, 2] = sin * mirror, cos, uniform[:, 3] * 0.35
    theta[:, :, 1] *= torch.exp(uniform[:, 5:] * STRETCH)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    image = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    back = torch.linalg.inv(theta[:, :, :2])
    places = torch.einsum("bij,bkj->bki", back, places * 2 - 1 - theta[:, None, :, 2]) / 2 + 0.5
    swapped = places[:, [1, 0, 2]]
    return image, torch.where(mirror[:, None, None] < 0, swapped, places)


def train_landmarker(faces: FaceSet, places: np.ndarray, *, epochs: int, seed: int) -> Landmarker:
    """Train on ``faces`` and their ``places`` [N,3,2]."""
    torch.manual_seed(seed)
    model, generator = Landmarker(), torch.Generator().manual_seed(seed)
    target = torch.from_numpy(places).float()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * (len(faces) // BATCH))
    for epoch in range(epochs):
        order, losses = torch.randperm(len(faces), generator=generator).numpy(), []
        for start in range(0, len(faces) - BATCH + 1, BATCH):
            index = order[start : start + BATCH]
            image, there = moved(lit(faces.batch(index).image, generator, 6), target[index], generator)
            image = photographed(cut_frame(image, generator, lowest=0.6), generator)
            with torch.autocast("cpu", torch.bfloat16):
                found = model(random_erasing(image, generator, probability=0.3))
            loss = F.smooth_l1_loss(found, there, beta=0.02)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float((found - there).norm(dim=2).mean().detach()))
        print(f"landmarks, epoch {epoch + 1}: mean error {np.mean(losses):.4f} of the side", flush=True)
    return model.eval()


@torch.no_grad()
def align(model: Landmarker, picture: Tensor, network_size: int, size: int, margin: float) -> tuple[Tensor, np.ndarray]:
    """Crop ``picture`` [1,3,H,H] as ParaFace is cropped: [1,3,size,size], and the landmarks found [3,2].

    Found three times, each time in a crop that the last find has centred.
    """
    crop, to_picture = picture, np.array([[1.0, 0, 0], [0, 1.0, 0]])
    places = np.zeros((3, 2))
    for step in range(4):
        small = F.interpolate(crop, (network_size, network_size), mode="area")
        both = torch.cat([small, small.flip(-1)])
        found = model(both).numpy()
        mirrored = found[1][[1, 0, 2]] * [-1, 1] + [1, 0]
        here = (found[0] + mirrored) / 2
        places = here @ to_picture[:, :2].T + to_picture[:, 2]
        wide = margin if step == 3 else 0.35
        matrix = picture_to_plane(places) @ np.array([[1 + 2 * wide, 0, -wide], [0, 1 + 2 * wide, -wide], [0, 0, 1.0]])
        crop, to_picture = _crop(picture, matrix, 256), matrix
    return F.interpolate(crop, (size, size), mode="area"), places


def misses(model: Landmarker, faces: FaceSet, places: np.ndarray, network_size: int) -> tuple[float, float]:
    """How far eyes and mouth are missed in ``faces`` that lie anywhere in their pictures, in distances of the eyes."""
    generator = torch.Generator().manual_seed(5)
    image, there = moved(faces.batch(range(len(faces))).image, torch.from_numpy(places).float(), generator)
    image = cut_frame(image, generator, lowest=0.6)
    found = np.stack([align(model, one[None], network_size, network_size, 0.0)[1] for one in image])
    true = there.numpy()
    distance = np.linalg.norm(true[:, 1] - true[:, 0], axis=1, keepdims=True)
    missed = np.linalg.norm(found - true, axis=2) / distance
    return float(missed[:, :2].mean()), float(missed[:, 2].mean())


def _crop(picture: Tensor, matrix: np.ndarray, size: int) -> Tensor:
    """Sample the picture where ``matrix`` [2,3] puts the unit square."""
    theta = np.zeros((2, 3))
    theta[:, :2] = matrix[:, :2]
    theta[:, 2] = 2 * (matrix[:, :2] @ [0.5, 0.5] + matrix[:, 2]) - 1
    grid = F.affine_grid(torch.from_numpy(theta).float()[None], [1, 3, size, size], align_corners=False)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
