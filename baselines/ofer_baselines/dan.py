"""DAN (Wen et al. 2021): several spatial-then-channel attention heads on one feature map, pushed apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_baselines.classifier_training import fit_classifier
from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import (
    Component,
    ComponentSettings,
    FaceBatch,
    FaceSet,
    Prediction,
    Recipe,
    TrainingSink,
    check_known,
)

EPS = 1e-12


class SpatialAttention(nn.Module):
    """[B,C,h,w] -> attention map [B,1,h,w] >= 0: 1x1 reduction, then 3x3, 1x3 and 3x1 branches summed over channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Sequential(nn.Conv2d(channels, half, 1), nn.BatchNorm2d(half))
        shapes = ((3, 3), (1, 3), (3, 1))
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(half, channels, shape, padding=(shape[0] // 2, shape[1] // 2)), nn.BatchNorm2d(channels)
            )
            for shape in shapes
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the unnormalised attention map."""
        y = self.reduce(x)
        return torch.stack([branch(y) for branch in self.branches]).sum(0).relu().sum(1, keepdim=True)


class AttentionHead(nn.Module):
    """One head: features weighted by space, pooled, then gated by channel: [B,C,h,w] -> [B,C] and the map [B,h,w]."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.spatial = SpatialAttention(channels)
        self.gate = nn.Sequential(
            nn.Linear(channels, squeeze), nn.BatchNorm1d(squeeze), nn.ReLU(), nn.Linear(squeeze, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gated vector and the attention map."""
        attention = self.spatial(x)
        pooled = (x * attention).mean(dim=(2, 3))
        return pooled * self.gate(pooled), attention[:, 0]


def affinity_loss(feature: Tensor, label: Tensor, centers: Tensor) -> Tensor:
    """Distance of pooled features [B,C] to their class centers [K,C], over the spread of the centers."""
    distance = (feature - centers[label]).square().sum(1).clamp(EPS, 1 / EPS)
    return distance.mean() / centers.var(dim=0).sum().clamp_min(EPS)


def partition_loss(heads: Tensor) -> Tensor:
    """log(1 + K / variance across the K heads); ``heads`` [B,K,C]."""
    count = heads.shape[1]
    return torch.log1p(count / (heads.var(dim=1).mean() + EPS))


class DAN(nn.Module):
    """Distract-your-Attention network. ``model``: ``heads`` (4 in the paper).

    Losses: cross-entropy + affinity + partition, each with weight 1.
    """

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        check_known("dan", settings.model, ("heads",))
        reference = cast(ResNet18, upstream["resnet18"])
        channels = reference.fc.in_features
        self.backbone = reference.backbone()
        heads = int(settings.model.get("heads", 4))
        self.heads = nn.ModuleList(AttentionHead(channels, max(8, channels // 16)) for _ in range(heads))
        self.fc = nn.Linear(channels, settings.num_classes)
        self.bn = nn.BatchNorm1d(settings.num_classes)
        self.centers = nn.Parameter(torch.randn(settings.num_classes, channels))
        self.heads.apply(_initialise)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return logits [B,K], pooled features [B,C], normalised heads [B,heads,C], attention [B,g,g]."""
        features = self.backbone.feature_map(image)
        pairs = [head(features) for head in self.heads]
        stacked = torch.stack([vector for vector, _ in pairs], dim=1)
        if stacked.shape[1] > 1:
            stacked = F.log_softmax(stacked, dim=1)
        attention = torch.stack([a for _, a in pairs]).mean(0)
        logits = self.bn(self.fc(stacked.sum(1)))
        return logits, features.mean(dim=(2, 3)), stacked, attention

    def logits(self, image: Tensor) -> Tensor:
        """Logits [B,K] of [B,3,H,W] in [0,1]; differentiable."""
        return self(image)[0]

    @property
    def cam_layer(self) -> nn.Module:
        """Last convolutional block, where Grad-CAM is taken."""
        return self.backbone.cam_layer

    @torch.no_grad()
    def predict(self, batch: FaceBatch) -> Prediction:
        """Return logits and the mean attention map of the heads."""
        logits, _, _, attention = self(batch.image)
        return Prediction(logits=logits, sample_id=batch.sample_id, attention=attention)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train with the three losses; select on validation accuracy."""

        def loss(image: Tensor, label: Tensor) -> Tensor:
            logits, pooled, heads, _ = self(image)
            entropy = F.cross_entropy(logits, label, label_smoothing=recipe.label_smoothing)
            return entropy + affinity_loss(pooled, label, self.centers) + partition_loss(heads)

        fit_classifier(self, train, val, recipe, seed, out, loss=loss)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.zeros_(module.bias) if module.bias is not None else None
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.001)
        nn.init.zeros_(module.bias)
