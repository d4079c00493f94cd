"""The CNN of the hybrid reconstruction network: a U-Net with the self-assembly layer in its encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_bench.api import PluginError
from ofer_bench.latent_ofer.csa import csa
from ofer_bench.latent_ofer.released_layer import released_layer
from ofer_bench.latent_ofer.self_assembly import self_assembly

MAX_FACTOR = 8
"""Widest level in units of the base width (64 -> 512 channels in the paper's release)."""

SMALLEST_MAP = 4
"""The encoder halves the map until this side; instance norm needs more than one position."""

MAX_HALVINGS = 5

MASK_FILL = 0.5
"""Grey of the hole in the masked image; zero in the network's input range."""

RESIDUAL_STD = 1e-3


def hybrid_input(image: Tensor, coarse: Tensor, hole_px: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the U-Net sees: the face with the ``coarse`` hole, and with a grey one.

    Images [B,3,H,W] in [0,1], ``hole_px`` bool [B,1,H,W]; pixels of the hole are in neither.
    """
    return torch.where(hole_px, coarse, image), image.masked_fill(hole_px, MASK_FILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """``image`` [B,3,H,W], unclamped; ``taps`` [B,C,h,w] at the layer and its mirror in the decoder.

    ``deepest`` [B,C,h,w] is the end of the encoder.
    """

    image: Tensor
    taps: tuple[Tensor, Tensor]
    deepest: Tensor


class Encoder(nn.Module):
    """The way down of the U-Net: ``stem`` at full resolution, then every level at half the side of the one before."""

    def __init__(self, image_size: int, width: int) -> None:
        super().__init__()
        levels = _halvings(image_size)
        self.width = width
        self.channels = [width * min(2**level, MAX_FACTOR) for level in range(levels + 1)]
        self.stem = nn.Sequential(nn.Conv2d(6, width, 3, padding=1), nn.LeakyReLU(0.2))
        self.down = nn.ModuleList(_Down(self.channels[n], self.channels[n + 1]) for n in range(levels))

    def first(self, composite: Tensor, masked: Tensor) -> Tensor:
        """Return ``stem`` of the two images [B,3,H,W] in [0,1]: [B,width,H,W]."""
        return self.stem(torch.cat([composite, masked], dim=1) * 2 - 1)


class HybridUNet(Encoder):
    """Restores a face from its composite (known pixels + coarse hole) and the masked image.

    ``layer`` at 1/2**``layer_level`` of the resolution is one of LAYERS: ``self-assembly`` (Eq. 3), ``conventional``
    (3x3 convolution, instance norm, leaky ReLU: Table 8), ``csa`` (Table 8) or ``released``. The output is a residual
    over the composite, started near zero, so that training starts at the quality of the coarse stage; the paper
    leaves this open.
    """

    def __init__(self, image_size: int, width: int, layer: str, layer_level: int, tap_channels: int) -> None:
        super().__init__(image_size, width)
        levels, channels = len(self.down), self.channels
        if not 1 <= layer_level < levels:
            raise PluginError(
                f"layer_level={layer_level} lies outside the encoder of {levels} levels",
                hint=f"choose 1 to {levels - 1}",
            )
        self.layer_level = layer_level
        self.up = nn.ModuleList(_Up(channels[n + 1], channels[n]) for n in reversed(range(levels)))
        middle = channels[layer_level]
        self.layer = LAYERS[layer](middle)
        self.tap_encoder = nn.Conv2d(middle, tap_channels, 1)
        self.tap_decoder = nn.Conv2d(middle, tap_channels, 1)
        self.to_residual = nn.Conv2d(width, 3, 3, padding=1, bias=False)
        nn.init.normal_(self.to_residual.weight, std=RESIDUAL_STD)
        # Convolutions are about a fifth faster in this layout, on CPU and on CUDA.
        self.to(memory_format=torch.channels_last)

    def start_from(self, encoder: Encoder) -> None:
        """Take the weights of ``encoder``; PluginError where it has another width or image size."""
        if encoder.channels != self.channels:
            raise PluginError(
                f"an encoder of {encoder.channels} channels is none of a U-Net of {self.channels}",
                hint="give fer-encoder the width of the hybrid network",
            )
        self.stem.load_state_dict(encoder.stem.state_dict())
        self.down.load_state_dict(encoder.down.state_dict())

    def forward(self, composite: Tensor, masked: Tensor, hole_px: Tensor) -> Restored:
        """Restore; images [B,3,H,W] in [0,1], ``hole_px`` bool [B,1,H,W]."""
        x = self.first(composite, masked)
        skips = []
        assembled = x
        for level, down in enumerate(self.down, start=1):
            skips.append(x)
            x = down(x)
            if level == self.layer_level:
                hole = F.max_pool2d(hole_px.to(x.dtype), 2**level) > 0
                x = assembled = self.layer(x, hole)
        deepest = mirrored = x
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x, skip)
            if x.shape[-1] == assembled.shape[-1]:
                mirrored = x
        taps = (self.tap_encoder(assembled), self.tap_decoder(mirrored))
        return Restored(image=composite + self.to_residual(x), taps=taps, deepest=deepest)


class SelfAssembly(nn.Module):
    """Eq. 3 on the map of the composite, then instance norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(channels, channels)

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Rebuild ``hole`` bool [B,1,h,w] of ``features`` [B,C,h,w]."""
        return self.norm(self_assembly(features, hole))


class CSA(SelfAssembly):
    """The CSA layer in the same place, then instance norm (Table 8)."""

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Rebuild ``hole`` bool [B,1,h,w] of ``features`` [B,C,h,w]."""
        return self.norm(csa(features, hole))


class Released(SelfAssembly):
    """The layer of the authors' code in the same place, then instance norm.

    The release doubles every level of its encoder and feeds it the image and a copy flipped in width and in
    colours; half of the channels before the layer are the "flip" features. Kept of that: they are further outputs of
    a 3x3 convolution at the layer, no mirror image of the others, and never trained, for the layer gives them no
    gradient. Not kept: the doubled encoder and its flipped input, so that nothing but the layer is exchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.flip = _convolution(channels, channels, kernel=3)

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Rebuild ``hole`` bool [B,1,h,w] of ``features`` [B,C,h,w]."""
        with torch.no_grad():
            flip = self.flip(features)
        return self.norm(released_layer(features, flip, hole))


class Conventional(nn.Module):
    """The 3x3 layer that Table 8 puts in the place of self-assembly."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = _convolution(channels, channels, kernel=3)

    def forward(self, features: Tensor, hole: Tensor) -> Tensor:
        """Convolve ``features`` [B,C,h,w] everywhere; ``hole`` plays no part."""
        return self.net(features)


LAYERS: Mapping[str, Callable[[int], nn.Module]] = {
    "self-assembly": SelfAssembly,
    "conventional": Conventional,
    "csa": CSA,
    "released": Released,
}
"""What ``layer`` may be: builds the layer for a number of channels."""


class _Down(nn.Module):
    """Halve the map, then refine it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            _convolution(inputs, outputs, kernel=4, stride=2), _convolution(outputs, outputs, kernel=3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class _Up(nn.Module):
    """Double the map and merge the skip connection of that size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = _convolution(inputs + outputs, outputs, kernel=3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.net(torch.cat([F.interpolate(x, size=skip.shape[-2:], mode="nearest"), skip], dim=1))


def _convolution(inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, instance norm (a group per channel: that form keeps the memory layout), leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1, bias=False),
        nn.GroupNorm(outputs, outputs),
        nn.LeakyReLU(0.2),
    )


def _halvings(image_size: int) -> int:
    """How often ``image_size`` can be halved: evenly, down to a map of at least ``SMALLEST_MAP``."""
    count, size = 0, image_size
    while size % 2 == 0 and size // 2 >= SMALLEST_MAP and count < MAX_HALVINGS:
        count, size = count + 1, size // 2
    return count
