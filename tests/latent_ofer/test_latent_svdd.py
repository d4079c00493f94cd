"""Eq. 1, its centre and radius, and the detector."""

import numpy as np
import pytest
import torch

from ofer_bench.api import FaceBatch, PluginError, Recipe
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.svdd import (
    ViTSVDD,
    initial_centre,
    squared_distance,
    squared_radius,
    svdd_objective,
)
from ofer_bench.latent_ofer.whitening import VARIANCE_FLOOR, position_statistics


@pytest.fixture
def mae(tiny):
    torch.manual_seed(0)
    return FaceMAE(tiny.settings("face-mae"), {})


def test_equation_1():
    generator = torch.Generator().manual_seed(0)
    embedded = torch.randn(3, 4, 5, generator=generator)
    centre = torch.randn(5, generator=generator)
    weights = [torch.randn(2, 3, generator=generator), torch.randn(5, 2, generator=generator)]
    total = 0.0
    for n in range(3):
        for patch in range(4):
            total += sum((float(embedded[n, patch, d]) - float(centre[d])) ** 2 for d in range(5))
    decay = sum(float(value) ** 2 for weight in weights for value in weight.flatten())
    result = svdd_objective(squared_distance(embedded, centre), weights, 0.3)
    assert float(result) == pytest.approx(total / 12 + 0.3 / 2 * decay, rel=1e-5)


def test_centre_keeps_away_from_zero():
    mean = torch.tensor([0.0, 0.05, -0.05, 0.1, -0.3, 2.0])
    assert torch.equal(initial_centre(mean), torch.tensor([0.1, 0.1, -0.1, 0.1, -0.3, 2.0]))


def test_radius_leaves_nu_outside():
    distance = np.random.default_rng(0).gamma(2, size=5000)
    assert (distance > squared_radius(distance, 0.05)).mean() == pytest.approx(0.05, abs=1e-3)


def test_statistics_equal_numpy():
    latents = torch.randn(64, 4, 6) @ torch.randn(6, 6) + torch.randn(4, 6) * 3
    mean, whitening = position_statistics(latents.split(17))
    np.testing.assert_allclose(mean, latents.mean(0), atol=1e-5)
    centred = (latents - latents.mean(0)).reshape(-1, 6).double().numpy()
    covariance = centred.T @ centred / len(centred)
    floor = VARIANCE_FLOOR * np.trace(covariance) / 6
    expected = np.linalg.inv(covariance + floor * np.eye(6))
    np.testing.assert_allclose(whitening @ whitening.T, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model", [{}, {"latent": "local"}])
def test_detects_what_it_never_saw(tiny, mae, model):
    torch.manual_seed(1)
    detector = ViTSVDD(tiny.settings("vit-svdd", **model), {"face-mae": mae})
    train, val, test = tiny.faces(96, 0), tiny.faces(32, 1), tiny.faces(32, 2)
    detector.fit(train, val, Recipe(epochs=2, batch_size=32, lr=1e-3), 0, tiny.log())
    clean = detector.detect(val.batch(range(32)))
    assert clean.score.shape == clean.mask_patch.shape == (32, 4, 4)
    assert float(clean.mask_patch.float().mean()) == pytest.approx(0.05, abs=0.01)
    assert torch.equal(clean.mask_patch, clean.score > clean.threshold)

    image = test.batch(range(32)).image
    image[:, :, 8:16, 8:16] = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = detector.detect(FaceBatch(image=image, sample_id=test.sample_id))
    others = found.score.flatten(1).median(dim=1).values
    assert (found.score[:, 1, 1] > others).float().mean() > 0.9


def test_statistics_centre_and_radius_travel_with_the_weights(tiny, mae):
    torch.manual_seed(1)
    trained = ViTSVDD(tiny.settings("vit-svdd"), {"face-mae": mae})
    recipe = Recipe(epochs=1, batch_size=16, lr=1e-3)
    trained.fit(tiny.faces(32, 0), tiny.faces(16, 1), recipe, 0, tiny.log())
    state = trained.state_dict()
    assert {name.split(".")[0] for name in state} == {"head", "mean", "whitening", "centre", "radius_squared"}
    other = ViTSVDD(tiny.settings("vit-svdd"), {"face-mae": mae})
    other.load_state_dict(state)
    batch = tiny.faces(4, 9).batch(range(4))
    first, second = trained.detect(batch), other.detect(batch)
    assert torch.equal(first.score, second.score) and first.threshold == second.threshold > 0


def test_the_head_has_no_bias_and_the_encoder_stays(tiny, mae):
    detector = ViTSVDD(tiny.settings("vit-svdd"), {"face-mae": mae})
    assert all(p.ndim == 2 for p in detector.parameters())
    before = {name: value.clone() for name, value in mae.state_dict().items()}
    recipe = Recipe(epochs=1, batch_size=16, lr=1e-2)
    detector.fit(tiny.faces(32, 0), tiny.faces(16, 1), recipe, 0, tiny.log())
    assert all(torch.equal(before[name], value) for name, value in mae.state_dict().items())


def test_unknown_settings_and_missing_encoder_are_named(tiny, mae):
    with pytest.raises(PluginError, match="contextual, local"):
        ViTSVDD(tiny.settings("vit-svdd", latent="global"), {"face-mae": mae})
    with pytest.raises(PluginError, match="face-mae"):
        ViTSVDD(tiny.settings("vit-svdd"), {})
