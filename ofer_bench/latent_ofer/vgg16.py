"""VGG-16 (Simonyan and Zisserman 2015): frozen perceptual features, from weights that the user has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from ofer_bench.api import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Component,
    ComponentSettings,
    ForeignState,
    LoadReport,
    WeightsError,
    check_known,
    match_weights,
    read_weights,
)

UP_TO_RELU4_3 = cfgs["D"][:13]
"""Ten convolutions and three poolings: the deepest features that the losses read (CSA, Liu et al. 2019)."""

_FIT = "torchvision's vgg16-397923af.pth and timm's vgg16.tv_in1k fit"
_LATER = tuple(f"features.{place}." for place in (24, 26, 28))
_CLASSIFIERS = {"torchvision VGG-16": ("classifier.",), "timm VGG-16": ("pre_logits.", "head.")}


class VGG16(nn.Module):
    """Convolutions of VGG-16 (configuration D, no batch norm) on images in [0,1], as far as relu4_3.

    Frozen, differentiable in its input; ImageNet's normalisation is part of the network. It has no settings, and
    layer names are torchvision's. As built, its weights are random: :meth:`load_foreign` brings the real ones.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component] | None = None) -> None:
        super().__init__()
        check_known("vgg16", settings.model, ())
        self.features = make_layers(UP_TO_RELU4_3)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        # Convolutions are about a fifth faster in this layout, on CPU and on CUDA.
        self.to(memory_format=torch.channels_last)

    def feature_levels(self, image01: Tensor) -> tuple[Tensor, ...]:
        """Return relu1_2, relu2_2, relu3_3 and relu4_3 of [B,3,H,W] in [0,1]: 64 to 512 channels, 1 to 1/8 of H, W."""
        x = (image01 - self.mean) / self.std
        levels = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                levels.append(x)
            x = layer(x)
        return (*levels, x)

    def load_foreign(self, path: Path) -> LoadReport:
        """Fill the network from a VGG-16 in torchvision's or timm's layout; deeper layers are ignored.

        Raises WeightsError, and changes nothing, where a tensor is missed, and for other networks of the family.
        """
        own = self.state_dict()
        foreign = to_vgg16(path, read_weights(path))
        report = match_weights(path, foreign, own, hint=_FIT)
        self.load_state_dict(foreign.tensors)
        return report


def to_vgg16(path: Path, state: Mapping[str, Tensor]) -> ForeignState:
    """Take the convolutions up to relu4_3 out of ``state``, read from ``path``; names stay.

    Raises WeightsError for a network with batch norm, and for numbers that are not finite.
    """
    if any(name.endswith("running_mean") for name in state):
        raise WeightsError(f"weights {path} are of a network with batch norm, which VGG-16 has not", hint=_FIT)
    # torchvision's vgg16_features-amdegroot has NaN for a classifier; no other mark tells that it wants pixel values.
    empty = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if empty:
        raise WeightsError(
            f"weights {path}: {empty[0]} is not finite",
            hint=f"{_FIT}; vgg16_features-amdegroot, whose classifier is empty, wants pixels from 0 to 255",
        )
    layout = next((name for name, start in _CLASSIFIERS.items() if any(n.startswith(start) for n in state)), "VGG-16")
    ignored = tuple(name for name in state if name.startswith((*_LATER, *_CLASSIFIERS.get(layout, ()))))
    tensors = {name: tensor for name, tensor in state.items() if name not in ignored}
    return ForeignState(layout=layout, tensors=tensors, ignored=ignored)
