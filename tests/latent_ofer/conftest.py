"""Tiny faces, settings and a stand-in for the FER network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_bench.api import ComponentSettings, FaceBatch, FaceSet, Prediction
from tests.recorder import Recorder

IMAGE, PATCH, CLASSES = 32, 8, 7
TINY = {
    "face-mae": {
        "dim": 16,
        "depth": 2,
        "heads": 2,
        "decoder_dim": 16,
        "decoder_depth": 1,
        "decoder_heads": 2,
    },
    "vit-svdd": {"hidden": 16, "out": 8},
    "hybrid": {"width": 4, "layer_level": 2},
    "latent-recognizer": {"hidden": 16},
}


class TinyExpressionNet(nn.Module):
    """Four strided stages with the methods of the suite's ResNet-18."""

    class Trunk(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = (3, 4, 8, 12, 16)
            self.stages = nn.ModuleList(nn.Conv2d(widths[n], widths[n + 1], 3, stride=2, padding=1) for n in range(4))

        def levels(self, image: Tensor) -> tuple[Tensor, ...]:
            out = []
            for stage in self.stages:
                image = torch.relu(stage(image))
                out.append(image)
            return tuple(out)

        def forward(self, image: Tensor) -> Tensor:
            return self.levels(image)[-1]

    def __init__(self) -> None:
        super().__init__()
        self.trunk = self.Trunk()
        self.fc = nn.Linear(16, CLASSES)

    def normalise(self, image01: Tensor) -> Tensor:
        return (image01 - 0.5) / 0.25

    def feature_levels(self, image01: Tensor) -> tuple[Tensor, ...]:
        return self.trunk.levels(self.normalise(image01))

    def feature_map(self, image01: Tensor) -> Tensor:
        return self.trunk(self.normalise(image01))

    def logits(self, image01: Tensor) -> Tensor:
        return self.fc(F.adaptive_avg_pool2d(self.feature_map(image01), 1).flatten(1))

    def predict(self, batch: FaceBatch) -> Prediction:
        return Prediction(logits=self.logits(batch.image), sample_id=batch.sample_id)


def draw_faces(count: int, seed: int, size: int = IMAGE) -> FaceSet:
    """Drawn faces: skin, eyes and mouth that tell the class by size and colour; symmetric but for noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    label = np.arange(count) % CLASSES
    image = np.empty((count, size, size, 3), dtype=np.uint8)
    for n in range(count):
        skin = np.array([0.8, 0.6, 0.5]) * rng.uniform(0.7, 1.1)
        face = np.broadcast_to(skin, (size, size, 3)).copy()
        face[(x**2 + y**2) > 0.22] = rng.uniform(0.1, 0.3)
        wide, open_, pale = label[n] & 1, label[n] & 2, label[n] & 4
        for side in (-1, 1):
            face[((x - 0.18 * side) ** 2 + (y + 0.12) ** 2) < (0.012 if wide else 0.003)] = 0.05
        lips = (0.9, 0.7, 0.7) if pale else (0.6, 0.1, 0.1)
        face[(abs(y - 0.22) < (0.1 if open_ else 0.03)) & (abs(x) < 0.2)] = lips
        image[n] = np.clip((face + rng.normal(0, 0.02, face.shape)) * 255, 0, 255)
    return FaceSet(image=image, label=label, sample_id=tuple(f"face-{seed}-{n}" for n in range(count)))


def settings(component_id: str, **changed: object) -> ComponentSettings:
    model = {**TINY.get(component_id, {}), **changed}
    return ComponentSettings(image_size=IMAGE, patch_size=PATCH, num_classes=CLASSES, model=model)


@pytest.fixture
def tiny() -> SimpleNamespace:
    """Helpers of these tests."""
    return SimpleNamespace(
        settings=settings, faces=draw_faces, net=TinyExpressionNet, log=Recorder, grid=IMAGE // PATCH
    )
