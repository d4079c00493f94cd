"""torchvision's own VGG-16 with random convolutions, and files of it. Nothing is as large as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import vgg16

RELUS = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22}
"""Places of the perceptual features in torchvision's ``features``."""


def unallocated(build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Names and shapes of a network's state, all zero; a tensor takes four bytes, in memory as in a file."""
    with torch.device("meta"):
        state = build().state_dict()
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in state.items()}


def random_features(seed: int = 0) -> nn.Module:
    """``features`` of torchvision's VGG-16, drawn so that activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        features = vgg16(weights=None, init_weights=False).features
    features.to_empty(device="cpu")
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.normal_(layer.bias, std=0.1, generator=generator)
    return features.eval()


def torchvision_state(features: nn.Module) -> dict[str, Tensor]:
    """``vgg16(...).state_dict()`` with ``features`` and an empty classifier."""
    state = unallocated(lambda: vgg16(weights=None, init_weights=False))
    return state | {f"features.{name}": tensor for name, tensor in features.state_dict().items()}


def write_vgg16(path: Path, seed: int = 0) -> Mapping[str, Tensor]:
    """Write what ``torch.save(vgg16(...).state_dict())`` writes; return it."""
    state = torchvision_state(random_features(seed))
    torch.save(state, path)
    return state
