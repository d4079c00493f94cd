from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import log_loss, roc_auc_score

from ofer_baselines import pseudo_occlusion
from ofer_baselines.pseudo_occlusion import LARGEST, SMALLEST, pseudo_occlude
from ofer_baselines.pseudo_occlusion_detector import PseudoOcclusionDetector
from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import ComponentSettings, FaceSet, PluginError, Recipe, torch_seed
from tests.conftest import toy_faces
from tests.recorder import Recorder


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=generator(9))


def test_faces_change_only_under_cover_and_in_its_shadow() -> None:
    image = images(200) * 0.6 + 0.2
    occluded, cover = pseudo_occlude(image, generator())
    assert cover.shape == (200, 1, 64, 64) and occluded.shape == image.shape
    assert float(occluded.min()) >= 0 and float(occluded.max()) <= 1
    bare = (cover == 0).expand_as(image)
    assert (occluded[bare] <= image[bare] + 1e-6).all()
    assert (occluded[bare] >= 0.5 * image[bare] - 1e-6).all()
    untouched = cover.amax(dim=(1, 2, 3)) == 0
    assert torch.equal(occluded[untouched], image[untouched])


def test_what_lies_under_the_cover_leaves_no_trace() -> None:
    image = images(40)
    occluded, cover = pseudo_occlude(image, generator())
    changed = image.clone()
    # A corner of every face, outside the middle from which surfaces take the face's colour.
    changed[:, :, :12, :12] = 1 - changed[:, :, :12, :12]
    again, cover_again = pseudo_occlude(changed, generator())
    assert torch.equal(cover, cover_again)
    corner = (cover[:, :, :12, :12] == 1).expand(-1, 3, -1, -1)
    same = (occluded == again)[:, :, :12, :12][corner].float().mean()
    # Surfaces made of other faces' pixels may show their corners.
    assert corner.sum() > 1000 and same > 0.8


def test_covered_shares_are_in_bounds_and_some_faces_stay_bare() -> None:
    _, cover = pseudo_occlude(images(2000, 32, 32), generator(), unoccluded=0.25)
    share = cover.mean(dim=(1, 2, 3))
    covered = share > 0
    assert share[covered].min() > SMALLEST and share.max() < LARGEST
    _, always = pseudo_occlude(images(2000, 32, 32), generator(), unoccluded=0.0)
    possible = (always.mean(dim=(1, 2, 3)) > 0).float().mean()
    assert float(covered.float().mean()) == pytest.approx(0.75 * float(possible), abs=0.04)


def test_a_seed_says_everything() -> None:
    first, second = (pseudo_occlude(images(8), generator(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], pseudo_occlude(images(8), generator(4))[0])


@pytest.mark.parametrize("size", [48, 224])
def test_borders_are_a_few_pixels_wide_at_any_size(size: int) -> None:
    cover = pseudo_occlude(images(60, size, size), generator())[1][:, 0]
    between = ((cover > 0) & (cover < 1)).sum(dim=(1, 2)).numpy()
    inside = (cover >= 0.5).numpy()
    outline = np.array([int((m & ~ndimage.binary_erosion(m, border_value=1)).sum()) for m in inside])
    drawn = outline > 0
    assert drawn.sum() > 30
    assert np.median(between[drawn] / outline[drawn]) < 5


def test_fingers_are_capsules() -> None:
    """One finger alone, upright on its axis: covered is what lies within its half width of a line from far below."""
    axis = torch.linspace(-1, 1, 81)
    along, across = (x.expand(1, 81, 81) for x in torch.meshgrid(axis, axis, indexing="ij"))

    class Drawn:
        """In the order of the draws: half width, number, spread, length, no palm."""

        values = iter([0.5, 0.0, 0.5, 0.5, 1.0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pseudo_occlusion, "_uniform", lambda g, *shape: torch.full(shape, next(Drawn.values)))
        patch.setattr(pseudo_occlusion, "_normal", lambda g, *shape: torch.zeros(shape))
        depth, height = pseudo_occlusion._fingers(along, across, generator())
    half, length = 0.13, 0.6
    for i in range(0, 81, 8):
        for j in range(0, 81, 8):
            u, v = float(axis[i]), float(axis[j])
            distance = math.hypot(v, max(u - length, 0.0))
            assert float(depth[0, i, j]) == pytest.approx(half - distance, abs=1e-5)
            expected = math.sqrt(max(1 - (distance / half) ** 2, 0.0))
            assert float(height[0, i, j]) == pytest.approx(expected, abs=1e-3)


def detector(size: int = 32, patch_size: int = 8, stem: str = "small", seed: int = 0) -> PseudoOcclusionDetector:
    settings = ComponentSettings(image_size=size, patch_size=patch_size, num_classes=7, model={"hidden": 16})
    with torch_seed(seed):
        trunk = ResNet18(
            ComponentSettings(image_size=size, patch_size=patch_size, num_classes=7, model={"width": 8, "stem": stem})
        )
        return PseudoOcclusionDetector(settings, {"resnet18": trunk})


@pytest.mark.parametrize(("size", "patch_size", "stem"), [(32, 8, "small"), (64, 16, "imagenet"), (48, 4, "small")])
def test_every_patch_gets_a_score(size: int, patch_size: int, stem: str) -> None:
    model = detector(size, patch_size, stem)
    found = model.detect(toy_faces(3, size).batch(range(3)))
    assert found.score.shape == (3, size // patch_size, size // patch_size)
    assert torch.equal(found.mask_patch, found.score > found.threshold)
    assert found.mask_px is not None and found.mask_px.shape == (3, 1, size, size)


def test_patches_are_scored_by_their_cells_and_pixels_reach_one_cell_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    model = detector(32, 8)
    chance = torch.full((1, 16, 16), 0.1)
    chance[0, 4:8, 4:6], chance[0, 10, 10] = 0.95, 0.6
    monkeypatch.setattr(model, "logits", lambda image: torch.logit(chance))
    found = model.detect(toy_faces(1, 32).batch(range(1)))
    share = np.full((4, 4), 0.1)
    share[1, 1], share[2, 2] = (0.95 + 0.1) / 2, (15 * 0.1 + 0.6) / 16
    np.testing.assert_allclose(torch.sigmoid(found.score[0]).numpy(), share, atol=1e-6)
    assert found.mask_patch.nonzero().tolist() == [[0, 1, 1]]
    expected = np.zeros((16, 16), bool)
    expected[3:9, 3:7] = expected[9:12, 9:12] = True
    assert found.mask_px is not None
    np.testing.assert_array_equal(found.mask_px[0, 0].numpy(), expected.repeat(2, axis=0).repeat(2, axis=1))


def test_cells_divide_patches() -> None:
    settings = ComponentSettings(image_size=32, patch_size=8, num_classes=7, model={"cells": 3})
    trunk = ResNet18(ComponentSettings(image_size=32, patch_size=8, num_classes=7, model={"width": 8, "stem": "small"}))
    with pytest.raises(PluginError, match="cells=3"):
        PseudoOcclusionDetector(settings, {"resnet18": trunk})


def test_the_trunk_is_a_copy() -> None:
    trunk = ResNet18(ComponentSettings(image_size=32, patch_size=8, num_classes=7, model={"width": 8, "stem": "small"}))
    model = PseudoOcclusionDetector(ComponentSettings(image_size=32, patch_size=8, num_classes=7), {"resnet18": trunk})
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    model.fit(toy_faces(14), toy_faces(7), Recipe(epochs=1, batch_size=7, lr=1e-2), 0, Recorder())
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert not torch.equal(model.backbone.trunk.net.conv1.weight, trunk.trunk.net.conv1.weight)


def test_the_score_of_an_epoch_is_minus_the_loss_on_pseudo_occluded_validation_faces() -> None:
    train, val, model, log = toy_faces(28), toy_faces(14, seed=1), detector(), Recorder()
    model.fit(train, val, Recipe(epochs=2, batch_size=14, lr=1e-3), 5, log)
    occluded, cover = pseudo_occlude(val.batch(range(14)).image, generator(5))
    with torch.no_grad():
        chance = torch.sigmoid(model.eval().logits(occluded)).flatten().double().numpy()
    covered = cover[:, 0].reshape(14, 16, 2, 16, 2).mean(dim=(2, 4)).flatten().double().numpy()
    # A share is a weight: as much of a cell is covered, and the rest is not.
    expected = log_loss(
        np.repeat([1, 0], len(chance)), np.tile(chance, 2), sample_weight=np.concatenate([covered, 1 - covered])
    )
    assert max(row["score"] for row in log.rows) == pytest.approx(-expected, abs=1e-4)


def test_it_learns_to_find_what_it_never_saw_and_travels_as_a_state_dict() -> None:
    train = toy_faces(56)
    model = detector()
    model.fit(train, toy_faces(14, seed=1), Recipe(epochs=14, batch_size=14, lr=4e-3, weight_decay=0.01), 0, Recorder())
    test = toy_faces(28, seed=2)
    image = test.image.copy()
    stripes = np.where(np.arange(32)[:, None] // 2 % 2, 40, 220)
    image[:, 8:24, 16:] = stripes[8:24, None]
    occluded = FaceSet(image=image, label=test.label, sample_id=test.sample_id)
    score = model.detect(occluded.batch(range(28))).score
    truth = torch.zeros(28, 4, 4)
    truth[:, 1:3, 2:] = 1
    assert roc_auc_score(truth.flatten(), score.flatten()) > 0.85
    copy = detector(seed=1)
    copy.load_state_dict(model.state_dict())
    torch.testing.assert_close(copy.detect(occluded.batch(range(28))).score, score)
