"""The two discriminators that train the hybrid network; they are not part of the trained component.

Their last layer has no bias: the relativistic loss compares scores and can't see one.
"""

from __future__ import annotations

from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Scores overlapping windows of an image (L_d): [B,3,H,W] in [0,1] -> [B,1,h,w].

    Five 4x4 convolutions as in pix2pix's window discriminator; needs at least 32 px.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *_stage(width, 2 * width, stride=2),
            *_stage(2 * width, 4 * width, stride=2),
            *_stage(4 * width, 8 * width, stride=1),
            nn.Conv2d(8 * width, 1, 4, padding=1, bias=False),
        )

    def forward(self, image01: Tensor) -> Tensor:
        """Return raw scores."""
        return self.net(image01 * 2 - 1)


class FeatureDiscriminator(nn.Module):
    """Scores the positions of a frozen network's feature map (L_df): [B,C,h,w] -> [B,1,h,w].

    Keeps the map's size, so that it works on small maps; unnormalised, for instance norm of one position is
    void.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 1, 1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return raw scores."""
        return self.net(features)


def _stage(inputs: int, outputs: int, *, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=False),
        nn.GroupNorm(outputs, outputs),
        nn.LeakyReLU(0.2),
    )
