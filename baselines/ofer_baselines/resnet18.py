"""ResNet-18 (He et al. 2016): the plain classifier, the frozen FER network and the trunk of the other classifiers.

Card parameters (``ComponentSettings.model``): ``width`` channels of the first stage (64 in the paper), ``stem``
``"imagenet"`` (7x7 stride 2 and max-pool) or ``"small"`` (3x3 stride 2, no pool; for images of about 64 px).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn

from ofer_baselines.classifier_training import fit_classifier
from ofer_baselines.resnet_weights import to_resnet18
from ofer_bench.api import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Component,
    ComponentSettings,
    FaceBatch,
    FaceSet,
    LoadReport,
    PluginError,
    Prediction,
    Recipe,
    TrainingSink,
    check_known,
    match_weights,
    read_weights,
)


class ResNet18(nn.Module):
    """ResNet-18 on images in [0,1]; the ImageNet normalisation is part of the network.

    Sources: He et al. 2016; layer names are torchvision's, so its checkpoints fit at width 64.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component] | None = None) -> None:
        super().__init__()
        check_known("resnet18", settings.model, ("width", "stem"))
        width = int(settings.model.get("width", 64))
        self.trunk = ResNetTrunk(width, str(settings.model.get("stem", "imagenet")))
        self.fc = nn.Linear(8 * width, settings.num_classes)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def normalise(self, image: Tensor) -> Tensor:
        """Map [B,3,H,W] in [0,1] to the network's range."""
        return (image - self.mean) / self.std

    def feature_levels(self, image: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the four stages for [B,3,H,W] in [0,1]; channels width * (1, 2, 4, 8)."""
        return self.trunk.levels(self.normalise(image))

    def feature_map(self, image: Tensor) -> Tensor:
        """Output of the last stage, [B, 8*width, g, g]."""
        return self.trunk(self.normalise(image))

    def logits(self, image: Tensor) -> Tensor:
        """Logits [B,K] of [B,3,H,W] in [0,1]; differentiable."""
        return self.fc(F.adaptive_avg_pool2d(self.feature_map(image), 1).flatten(1))

    def forward(self, image: Tensor) -> Tensor:
        """Same as :meth:`logits`."""
        return self.logits(image)

    @property
    def cam_layer(self) -> nn.Module:
        """Last convolutional block, where Grad-CAM is taken (``occlusion-and-statistics`` recipe, step 1)."""
        return self.trunk.net.layer4

    @torch.no_grad()
    def predict(self, batch: FaceBatch) -> Prediction:
        """Return logits; the attention is the class activation map of the predicted class (ReLU)."""
        features = self.feature_map(batch.image)
        logits = self.fc(F.adaptive_avg_pool2d(features, 1).flatten(1))
        attention = torch.einsum("bchw,bc->bhw", features, self.fc.weight[logits.argmax(1)]).relu()
        return Prediction(logits=logits, sample_id=batch.sample_id, attention=attention)

    def backbone(self) -> ResNet18:
        """Copy without ``fc`` that trains on: where other networks start."""
        copied = copy.deepcopy(self).requires_grad_(True)
        del copied.fc
        return copied

    def load_foreign(self, path: Path) -> LoadReport:
        """Fill the trunk from a ResNet-18 of MS-Celeb-1M or ImageNet, of width 64; ``fc`` has to be trained.

        Raises WeightsError, and changes nothing, where a tensor of the trunk is not covered.
        """
        own = self.state_dict()
        foreign = to_resnet18(read_weights(path))
        hint = "public files are of ResNet-18 as it was published: model {width: 64, stem: imagenet}"
        classifier = [name for name in own if name.startswith("fc.")]
        report = match_weights(path, foreign, own, may_miss=classifier, hint=hint)
        self.load_state_dict({**own, **{name: foreign.tensors[name] for name in report.matched}})
        return replace(report, must_train="its classifier has not learned the expressions")

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train with cross-entropy on augmented clean faces; select on validation accuracy."""
        fit_classifier(self, train, val, recipe, seed, out, loss=lambda image, label: self._loss(image, label, recipe))

    def _loss(self, image: Tensor, label: Tensor, recipe: Recipe) -> Tensor:
        return F.cross_entropy(self.logits(image), label, label_smoothing=recipe.label_smoothing)


class ResNetTrunk(nn.Module):
    """ResNet-18 without pooling and classifier: normalised [B,3,H,W] -> [B, 8*width, g, g]."""

    def __init__(self, width: int, stem: str) -> None:
        super().__init__()
        channels = tuple(width * factor for factor in (1, 2, 4, 8))
        self.net = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=0, channels=channels)
        if stem == "small":
            self.net.conv1 = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
            nn.init.kaiming_normal_(self.net.conv1.weight, mode="fan_out", nonlinearity="relu")
            self.net.bn1 = nn.BatchNorm2d(width)
            self.net.maxpool = nn.Identity()
            self.net.layer1 = nn.Sequential(BasicBlock(width, width), BasicBlock(width, width))
        elif stem != "imagenet":
            raise PluginError(f"stem={stem!r} is no setting of resnet18", hint="'imagenet' or 'small'")
        # Convolutions are about a fifth faster in channels_last, on CPU and on CUDA. Below 16 channels the backward
        # pass of a strided 1x1 convolution in that layout corrupts memory (oneDNN 3.13 with AVX-512, odd batches).
        self.channels_last = width >= 16
        self.to(memory_format=self._layout)

    @property
    def _layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def levels(self, image: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the four stages."""
        net = self.net
        x = net.maxpool(net.act1(net.bn1(net.conv1(image.contiguous(memory_format=self._layout)))))
        out = []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            out.append(x)
        return tuple(out)

    def forward(self, image: Tensor) -> Tensor:
        """Output of the last stage."""
        return self.levels(image)[-1]
