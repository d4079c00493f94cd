"""DAN's forward pass and losses written out, and what the classifiers are trained on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ofer_baselines import classifier_training, dan
from ofer_baselines.dan import DAN, affinity_loss, partition_loss
from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import ComponentSettings, FaceBatch, FaceSet, Recipe, torch_seed
from tests.conftest import toy_faces
from tests.recorder import Recorder


def settings(**model: object) -> ComponentSettings:
    return ComponentSettings(image_size=32, patch_size=8, num_classes=7, model=model)


def network(heads: int) -> DAN:
    """A DAN whose norms and linear layers all have something to say."""
    with torch_seed(0):
        model = DAN(settings(heads=heads), {"resnet18": ResNet18(settings(width=8, stem="small"))})
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if name.startswith(("fc.", "heads.")) and value.ndim == 2:
                torch.nn.init.normal_(value, std=0.3)
            if name.startswith(("bn.", "heads.")) and name.endswith(("running_mean", "bias")):
                torch.nn.init.normal_(value)
            if name.startswith(("bn.", "heads.")) and name.endswith("running_var"):
                torch.nn.init.uniform_(value, 0.5, 2.0)
    return model.eval()


@pytest.mark.parametrize("heads", [1, 3])
def test_dan_equals_a_plain_loop(heads: int) -> None:
    model, image = network(heads), toy_faces(4).batch(range(4)).image
    with torch.no_grad():
        logits, pooled, stacked, attention = model(image)
        features = model.backbone.feature_map(image)
        outputs = [head(features) for head in model.heads]
    channels = features.shape[1]
    torch.testing.assert_close(pooled, features.mean(dim=(2, 3)))
    torch.testing.assert_close(attention, sum(a for _, a in outputs) / heads)
    for b in range(4):
        fused = torch.zeros(channels)
        for c in range(channels):
            values = [float(vector[b, c]) for vector, _ in outputs]
            if heads > 1:
                values = [v - math.log(sum(math.exp(other) for other in values)) for v in values]
            np.testing.assert_allclose(stacked[b, :, c], values, atol=1e-5)
            fused[c] = sum(values)
        for k in range(7):
            raw = float((model.fc.weight[k] @ fused + model.fc.bias[k]).detach())
            mean, variance = float(model.bn.running_mean[k]), float(model.bn.running_var[k])
            scaled = (raw - mean) / math.sqrt(variance + model.bn.eps)
            expected = scaled * float(model.bn.weight[k].detach()) + float(model.bn.bias[k].detach())
            assert float(logits[b, k]) == pytest.approx(expected, abs=1e-3)
    prediction = model.predict(FaceBatch(image=image, sample_id=tuple("abcd")))
    torch.testing.assert_close(prediction.logits, logits)
    assert prediction.attention is not None
    torch.testing.assert_close(prediction.attention, attention)


def test_dan_trains_on_all_three_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(dan, "fit_classifier", lambda *args, **kwargs: given.update(kwargs))
    model, faces = network(3), toy_faces(6)
    model.fit(faces, faces, Recipe(epochs=1, batch_size=6, lr=1e-3, label_smoothing=0.1), 0, Recorder())
    batch = faces.batch(range(6))
    assert batch.label is not None
    with torch.no_grad():
        loss = given["loss"](batch.image, batch.label)
        logits, pooled, heads, _ = model(batch.image)
        entropy = F.cross_entropy(logits, batch.label, label_smoothing=0.1)
        parts = entropy, affinity_loss(pooled, batch.label, model.centers), partition_loss(heads)
    assert min(float(part) for part in parts) > 1e-3
    assert float(loss) == pytest.approx(sum(float(part) for part in parts), rel=1e-5)


def shown(monkeypatch: pytest.MonkeyPatch, faces: FaceSet, extra: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The images that one epoch trains on, unaugmented but for erasing, and the same faces as they are."""
    for name in ("random_affine", "random_colour"):
        monkeypatch.setattr(classifier_training, name, lambda image, generator: image)
    with torch_seed(0):
        model = ResNet18(settings(width=8, stem="small"))
    seen: list[tuple[Tensor, Tensor]] = []

    def loss(image: Tensor, label: Tensor) -> Tensor:
        seen.append((image, label))
        return F.cross_entropy(model.logits(image), label)

    recipe = Recipe(epochs=1, batch_size=len(faces), lr=1e-3, extra=extra)
    classifier_training.fit_classifier(model, faces, toy_faces(7, seed=1), recipe, 0, Recorder(), loss)
    image, label = seen[0]
    clean = faces.batch(range(len(faces))).image
    place = [int((clean - face).abs().mean((1, 2, 3)).argmin()) for face in image]
    assert torch.equal(label, torch.from_numpy(faces.label[place]))
    return image, clean[place]


@pytest.mark.parametrize(("extra", "low", "high"), [({}, 0, 0), ({"erasing": 0.5}, 0.3, 0.7), ({"erasing": 1}, 1, 1)])
def test_erasing_covers_its_share_of_the_training_faces(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], low: float, high: float
) -> None:
    image, clean = shown(monkeypatch, toy_faces(56), extra)
    erased = (image != clean).any(dim=1).float().mean(dim=(1, 2))
    assert low <= float((erased > 0).float().mean()) <= high
    assert float(erased.max()) < 0.3


def test_one_class_svm_options() -> None:
    from ofer_baselines.one_class_svm import OneClassSVMDetector

    faces = toy_faces(42)

    def support(**extra: float) -> int:
        model = OneClassSVMDetector(settings(components=6), {})
        model.fit(faces, faces, Recipe(epochs=1, batch_size=1, lr=1.0, extra=extra), 0, Recorder())
        return len(model.support)

    # At least a share nu of the training patches are support vectors.
    assert support(nu=0.5, patches=200) >= 100 > support(nu=0.1, patches=200) >= 20
    assert support(nu=0.5, patches=100) < 100
