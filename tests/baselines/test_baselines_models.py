from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ofer_baselines.dan import DAN, AttentionHead, affinity_loss, partition_loss
from ofer_baselines.mae import MAEReconstructor
from ofer_baselines.mean_fill import MeanFill
from ofer_baselines.one_class_svm import OneClassSVMDetector
from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import ComponentSettings, FaceBatch, FaceSet, Recipe, torch_seed
from ofer_bench.occlusion.cam import patch_relevance
from ofer_bench.plugins.protocols import Explainable
from tests.conftest import toy_faces
from tests.recorder import Recorder


def settings(size: int = 32, **model: object) -> ComponentSettings:
    return ComponentSettings(image_size=size, patch_size=8, num_classes=7, model=model)


def resnet(width: int = 8, stem: str = "small") -> ResNet18:
    with torch_seed(0):
        return ResNet18(settings(width=width, stem=stem)).eval()


def test_a_narrow_trunk_stays_out_of_the_layout_that_corrupts_memory() -> None:
    """A process that trains on odd batches with fewer than 16 channels in channels_last dies in oneDNN."""
    image = torch.rand(3, 3, 32, 32).to(memory_format=torch.channels_last)
    for width, layout in ((8, torch.contiguous_format), (16, torch.channels_last)):
        levels = resnet(width).feature_levels(image)
        assert all(level.is_contiguous(memory_format=layout) for level in levels[:3]), width


def test_resnet18_at_full_width_is_torchvisions() -> None:
    from torchvision.models import resnet18

    reference = resnet18(num_classes=7).eval()
    ours = ResNet18(settings(width=64, stem="imagenet")).eval()
    theirs = reference.state_dict()
    ours.trunk.net.load_state_dict({k: v for k, v in theirs.items() if not k.startswith("fc.")}, strict=True)
    ours.fc.load_state_dict({k.removeprefix("fc."): v for k, v in theirs.items() if k.startswith("fc.")})
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (image - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(image), reference(normalised))


def test_resnet18_levels_halve_and_double() -> None:
    shapes = [tuple(x.shape) for x in resnet().feature_levels(torch.rand(1, 3, 32, 32))]
    assert shapes == [(1, 8, 16, 16), (1, 16, 8, 8), (1, 32, 4, 4), (1, 64, 2, 2)]


def test_resnet18_attention_is_the_class_activation_map() -> None:
    model = resnet()
    batch = FaceBatch(image=torch.rand(2, 3, 32, 32), sample_id=("a", "b"))
    prediction = model.predict(batch)
    with torch.no_grad():
        features = model.feature_map(batch.image)
    assert prediction.attention is not None
    for b in range(2):
        k = int(prediction.logits[b].argmax())
        weight = model.fc.weight.detach()[k]
        expected = sum(float(weight[c]) * features[b, c] for c in range(features.shape[1]))
        torch.testing.assert_close(prediction.attention[b], torch.as_tensor(expected).relu(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "dan"])
def test_classifiers_learn_toy_faces_and_repeat(name: str) -> None:
    train, val = toy_faces(84), toy_faces(28, seed=1)
    recipe = Recipe(epochs=10, batch_size=14, lr=4e-3)

    def fitted() -> nn.Module:
        with torch_seed(1):
            model: nn.Module = (
                ResNet18(settings(width=8, stem="small"))
                if name == "resnet18"
                else DAN(settings(heads=2), {"resnet18": resnet()})
            )
            model.fit(train, val, recipe, 1, Recorder())  # type: ignore[operator]
        return model

    first, second = fitted(), fitted()
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    logits = first.predict(val.batch(range(len(val)))).logits  # type: ignore[operator]
    assert float((logits.argmax(1).numpy() == val.label).mean()) > 0.3


def test_dan_partition_loss_by_hand() -> None:
    heads = torch.tensor([[[0.0, 2.0], [2.0, 2.0]], [[1.0, 0.0], [1.0, 4.0]]])
    variances = [2.0, 0.0, 0.0, 8.0]
    assert float(partition_loss(heads)) == pytest.approx(math.log(1 + 2 / np.mean(variances)), rel=1e-6)


def test_dan_affinity_loss_by_hand() -> None:
    feature = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    centers = torch.tensor([[0.0, 0.0], [0.0, 1.0], [3.0, 2.0]])
    label = torch.tensor([0, 1])
    spread = np.var([0, 0, 3], ddof=1) + np.var([0, 1, 2], ddof=1)
    assert float(affinity_loss(feature, label, centers)) == pytest.approx((1 + 4) / 2 / spread, rel=1e-6)


def test_dan_head_weights_space_then_channel() -> None:
    with torch_seed(0):
        head = AttentionHead(16, 8).eval()
    x = torch.rand(2, 16, 4, 4)
    with torch.no_grad():
        vector, attention = head(x)
        pooled = (x * attention[:, None]).mean(dim=(2, 3))
        torch.testing.assert_close(vector, pooled * head.gate(pooled))
    assert attention.min() >= 0


def test_dan_starts_from_the_upstream_trunk_without_sharing_it() -> None:
    reference = resnet()
    dan = DAN(settings(heads=2), {"resnet18": reference})
    torch.testing.assert_close(dan.backbone.trunk.net.conv1.weight, reference.trunk.net.conv1.weight)
    with torch.no_grad():
        dan.backbone.trunk.net.conv1.weight.add_(1)
    assert not torch.equal(dan.backbone.trunk.net.conv1.weight, reference.trunk.net.conv1.weight)
    assert all(p.requires_grad for p in dan.parameters())


def test_dan_can_be_explained_by_grad_cam() -> None:
    dan = DAN(settings(heads=2), {"resnet18": resnet()}).eval()
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert isinstance(dan, Explainable) and isinstance(resnet(), Explainable)
    torch.testing.assert_close(dan.logits(image), dan.predict(FaceBatch(image=image, sample_id=("a", "b"))).logits)
    relevance = patch_relevance(dan, dan.cam_layer, image, torch.tensor([0, 4]), 8)
    assert relevance.shape == (2, 4, 4) and np.isfinite(relevance).all()


def test_mean_fill_takes_the_training_colour() -> None:
    train = toy_faces(14)
    model = MeanFill(settings(), {})
    model.fit(train, train, Recipe(epochs=1, batch_size=1, lr=1.0), 0, Recorder())
    batch = train.batch([0, 1])
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0, 1, 2] = True
    out = model.reconstruct(batch, mask)
    colour = torch.from_numpy(train.image.reshape(-1, 3).mean(0) / 255).float()
    torch.testing.assert_close(out.composited[0, :, 8:16, 16:24], colour[:, None, None].expand(3, 8, 8))
    assert torch.equal(out.composited[1], batch.image[1])
    assert torch.equal(out.image, out.composited)


def test_mae_keeps_known_pixels_and_hides_nothing_of_its_own() -> None:
    class Painter(nn.Module):
        def inpaint(self, image: torch.Tensor, mask_patch: torch.Tensor) -> torch.Tensor:
            return torch.full_like(image, 0.25)

    model = MAEReconstructor(settings(), {"face-mae": Painter()})
    batch = toy_faces(2).batch([0, 1])
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[:, 0, 0] = True
    out = model.reconstruct(batch, mask)
    assert (out.composited[:, :, :8, :8] == 0.25).all()
    assert torch.equal(out.composited[:, :, 8:], batch.image[:, :, 8:])
    assert torch.equal(out.image, out.composited)
    assert model.state_dict() == {}


def test_one_class_svm_scores_equal_scikit_learns() -> None:
    from sklearn.svm import OneClassSVM

    train = toy_faces(42)
    model = OneClassSVMDetector(settings(components=6), {})
    recipe = Recipe(epochs=1, batch_size=1, lr=1.0, extra={"nu": 0.1, "patches": 300})
    model.fit(train, train, recipe, 0, Recorder())
    batch = train.batch(range(5))
    detection = model.detect(batch)
    assert detection.score.shape == (5, 4, 4)
    assert torch.equal(detection.mask_patch, detection.score > detection.threshold)
    reference = OneClassSVM(kernel="rbf", gamma=float(model.gamma), nu=0.1)
    table = model.descriptors(train.batch(range(42)).image).flatten(0, 1).numpy().astype(np.float64)
    chosen = table[_chosen_rows(len(train), len(table))]
    reference.fit(chosen)
    descriptors = model.descriptors(batch.image).flatten(0, 1).numpy().astype(np.float64)
    np.testing.assert_allclose(-reference.decision_function(descriptors), detection.score.flatten(), atol=2e-3)


def _chosen_rows(faces: int, patches: int) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(0))
    order = rng.choice(faces, size=min(faces, 300 // 8), replace=False)
    rows = rng.choice(len(order) * 16, size=300, replace=False)
    return np.array([order[r // 16] * 16 + r % 16 for r in rows])


def test_one_class_svm_finds_a_foreign_patch_and_travels_as_a_state_dict() -> None:
    train = toy_faces(42)
    model = OneClassSVMDetector(settings(components=6), {})
    model.fit(train, train, Recipe(epochs=1, batch_size=1, lr=1.0, extra={"nu": 0.1, "patches": 300}), 0, Recorder())
    image = train.image[:7].copy()
    image[:, 8:16, 8:16] = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3))
    occluded = FaceSet(image=image, label=train.label[:7], sample_id=train.sample_id[:7])
    score = model.detect(occluded.batch(range(7))).score
    others = score.clone()
    others[:, 1, 1] = -torch.inf
    assert (score[:, 1, 1] > others.flatten(1).median(dim=1).values).all()
    assert float(score[:, 1, 1].mean()) > 0
    copy = OneClassSVMDetector(settings(components=6), {})
    copy.load_state_dict(model.state_dict())
    torch.testing.assert_close(copy.detect(occluded.batch(range(7))).score, score)
