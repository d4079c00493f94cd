"""Channel and spatial attention over the CNN's feature map (section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

REDUCTION = 16


class Attended(NamedTuple):
    """``vector`` [B,C] and the non-negative spatial map ``activation`` [B,g,g]."""

    vector: Tensor
    activation: Tensor


class ChannelAttention(nn.Module):
    """Weight channels by a squeezed global mean: [B,C,g,g] -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(channels // REDUCTION, 4)
        self.weigh = nn.Sequential(
            nn.Linear(channels, squeezed),
            nn.BatchNorm1d(squeezed),
            nn.ReLU(),
            nn.Linear(squeezed, channels),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scale ``features`` channel by channel."""
        return features * self.weigh(features.mean(dim=(2, 3)))[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weight positions by the response of three kernel shapes: [B,C,g,g] -> the map [B,1,g,g] >= 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = max(channels // 2, 4)
        self.reduce = _normed(channels, half, (1, 1))
        self.shapes = nn.ModuleList(_normed(half, channels, kernel) for kernel in ((3, 3), (1, 3), (3, 1)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the attention map.

        DAN sums over channels; the mean, a choice of this suite, keeps the scale independent of the width.
        """
        reduced = self.reduce(features)
        response = torch.stack([shape(reduced) for shape in self.shapes]).sum(dim=0)
        return torch.relu(response).mean(dim=1, keepdim=True)


class AttentionHead(nn.Module):
    """Channel, then spatial attention, then the global mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels)
        self.spatial = SpatialAttention(channels)

    def forward(self, features: Tensor) -> Attended:
        """Attend to ``features`` [B,C,g,g]."""
        weighted = self.channel(features)
        activation = self.spatial(weighted)
        return Attended((weighted * activation).mean(dim=(2, 3)), activation[:, 0])


class MultiHeadAttention(nn.Module):
    """Parallel heads, fused by a log-softmax across heads and a sum, as in DAN; the batch norm after it is not DAN's.

    The class activation map of the model is the mean of the heads' spatial maps.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(AttentionHead(channels) for _ in range(heads))
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, features: Tensor) -> Attended:
        """Attend to ``features`` [B,C,g,g]."""
        attended = [head(features) for head in self.heads]
        vectors = torch.stack([one.vector for one in attended], dim=1)
        if len(attended) > 1:
            vectors = torch.log_softmax(vectors, dim=1)
        activation = torch.stack([one.activation for one in attended], dim=1).mean(dim=1)
        return Attended(self.norm(vectors.sum(dim=1)), activation)


def _normed(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False), nn.BatchNorm2d(outputs))
