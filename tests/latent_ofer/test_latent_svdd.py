"""Eq. 1, its centre and radius, and the detector."""

import numpy as np
import pytest
import torch

from ofer_bench.api import FaceBatch, FaceSet, PluginError, Recipe, TrainingDiverged
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.masks import occlude_by_others
from ofer_bench.latent_ofer.svdd import (
    ViTSVDD,
    initial_centre,
    soft_boundary_objective,
    squared_distance,
    squared_radius,
    svdd_objective,
)
from ofer_bench.latent_ofer.whitening import FLOOR, SHRINKAGE, Whitening, fit_whitening, whiten


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


def test_soft_boundary():
    distance = torch.tensor([[0.5, 1.0], [3.0, 4.5]])
    weight = torch.tensor([[1.0, 2.0]])
    result = soft_boundary_objective(distance, torch.tensor(2.0), 0.25, [weight], 0.1)
    assert float(result) == pytest.approx(2.0 + (1.0 + 2.5) / 4 / 0.25 + 0.1 / 2 * 5.0)


def test_centre_keeps_away_from_zero():
    mean = torch.tensor([0.0, 0.05, -0.05, 0.1, -0.3, 2.0])
    assert torch.equal(initial_centre(mean), torch.tensor([0.1, 0.1, -0.1, 0.1, -0.3, 2.0]))


def test_radius_leaves_nu_outside():
    distance = np.random.default_rng(0).gamma(2, size=5000)
    assert (distance > squared_radius(distance, 0.05)).mean() == pytest.approx(0.05, abs=1e-3)


def unoccluded(batches):
    """Batches of latents, none of which is occluded."""
    return [(batch, torch.ones(batch.shape[:2], dtype=torch.bool)) for batch in batches]


def test_whitened_distance_is_mahalanobis_per_position():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(4, 6, 6, generator=generator)
    latents = torch.einsum("bnd,nde->bne", torch.randn(200, 4, 6, generator=generator), mixing)
    latents = latents + torch.randn(4, 6, generator=generator) * 3
    whitening = fit_whitening(lambda: unoccluded(latents.split(17)), components=6)
    distance = whiten(latents, whitening).square().sum(2)
    for n in range(4):
        rows = latents[:, n].double().numpy()
        centred = rows - rows.mean(0)
        covariance = centred.T @ centred / len(rows)
        inverse = np.linalg.inv(covariance + SHRINKAGE * np.trace(covariance) / 6 * np.eye(6))
        expected = [row @ inverse @ row for row in centred]
        np.testing.assert_allclose(distance[:, n], expected, rtol=1e-3)


def test_whitening_leaves_occluded_patches_out():
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(120, 4, 6, generator=generator)
    kept = torch.rand(120, 4, generator=generator) < 0.7
    spoiled = torch.where(kept[:, :, None], latents, 1e3)
    whitening = fit_whitening(lambda: zip(spoiled.split(50), kept.split(50), strict=True), components=6)
    for n in range(4):
        rows = latents[kept[:, n], n].double()
        np.testing.assert_allclose(whitening.mean[n], rows.mean(0), atol=1e-5)
        covariance = torch.cov(rows.T, correction=0)
        shrunk = covariance + SHRINKAGE * covariance.trace() / 6 * torch.eye(6)
        made = whitening.projection.double() @ whitening.scale[n].double()
        np.testing.assert_allclose(made @ made.T @ shrunk, torch.eye(6), atol=1e-4)


def test_others_occlude_in_whole_patches():
    image = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    occluded, kept = occlude_by_others(image, 4, 8, torch.Generator().manual_seed(1))
    changed = (occluded != image).any(dim=1).reshape(3, 4, 8, 4, 8).any(dim=(2, 4)).flatten(1)
    assert torch.equal(changed, ~kept) and 0 < int(changed.sum()) < changed.numel()
    place = (~kept[0]).nonzero()[0, 0]
    rows, columns = slice(place // 4 * 8, place // 4 * 8 + 8), slice(place % 4 * 8, place % 4 * 8 + 8)
    assert torch.equal(occluded[0, :, rows, columns], image[2].flip(1)[:, rows, columns])


def test_a_position_that_never_varies_is_whitened_by_the_floor():
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(100, 4, 6, generator=generator)
    latents[:, 2] = 3.0
    whitening = fit_whitening(lambda: unoccluded(latents.split(30)), components=6)
    white = whiten(latents, whitening)
    assert torch.isfinite(white).all()
    assert float(white[:, 2].abs().max()) < 1e-3
    assert white[:, [0, 1, 3]].var(dim=0).mean() == pytest.approx(1 / (1 + SHRINKAGE), abs=0.05)
    # A change there counts for more than one elsewhere, but not without limit.
    variance = float(latents[:, [0, 1, 3]].var(dim=0, correction=0).mean()) * 3 / 4
    changed = whiten(latents + 0.1, whitening)[:, 2].square().sum(dim=1)
    assert float(changed.mean()) == pytest.approx(6 * 0.1**2 / (SHRINKAGE * FLOOR * variance), rel=1e-2)


def black_bordered(tiny, count: int, seed: int) -> FaceSet:
    faces = tiny.faces(count, seed)
    faces.image[:, :8] = 0
    return faces


def test_faces_with_a_black_border_train_a_usable_detector(tiny, mae):
    torch.manual_seed(1)
    detector = ViTSVDD(tiny.settings("vit-svdd"), {"face-mae": mae})
    train, val = black_bordered(tiny, 96, 0), black_bordered(tiny, 32, 1)
    detector.fit(train, val, Recipe(epochs=1, batch_size=32, lr=1e-3), 0, tiny.log())
    clean = detector.detect(val.batch(range(32)))
    assert torch.isfinite(clean.score).all() and 0 < clean.threshold < 1e4
    assert not clean.mask_patch[:, 0].any()
    image = val.batch(range(32)).image
    image[:, :, :8, 8:16] = 0.5
    covered = detector.detect(FaceBatch(image=image, sample_id=val.sample_id)).mask_patch
    assert covered[:, 0, 1].all() and not covered[:, 0, 2:].any()


def test_a_radius_that_is_no_number_is_an_error(tiny, mae):
    torch.manual_seed(1)
    detector = ViTSVDD(tiny.settings("vit-svdd", position="plain"), {"face-mae": mae})
    # The loss of the only step is finite, for it is taken before the weights explode.
    with pytest.raises(TrainingDiverged, match="vit-svdd: the squared radius is"):
        detector.fit(tiny.faces(16, 0), tiny.faces(16, 1), Recipe(epochs=1, batch_size=16, lr=1e30), 0, tiny.log())


def test_whitening_keeps_the_principal_directions():
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(300, 4, 6, generator=generator) * torch.tensor([5.0, 4.0, 3.0, 0.1, 0.1, 0.1])
    projection = fit_whitening(lambda: unoccluded(latents.split(50)), components=3).projection
    assert projection.shape == (6, 3)
    assert float(projection[3:].abs().max()) < 0.05


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"latent": "contextual"},
        {"latent": "contextual", "trained_on": "occluded"},
        {"objective": "soft-boundary"},
        {"position": "centred"},
    ],
)
def test_detects_what_it_never_saw(tiny, mae, model):
    torch.manual_seed(1)
    detector = ViTSVDD(tiny.settings("vit-svdd", **model), {"face-mae": mae})
    train, val, test = tiny.faces(96, 0), tiny.faces(32, 1), tiny.faces(32, 2)
    detector.fit(train, val, Recipe(epochs=2, batch_size=32, lr=1e-3), 0, tiny.log())
    clean = detector.detect(val.batch(range(32)))
    assert clean.score.shape == clean.mask_patch.shape == (32, 4, 4)
    outside = float(clean.mask_patch.float().mean())
    assert outside == pytest.approx(0.02, abs=0.01) or (model.get("trained_on") == "occluded" and outside < 0.1)
    assert torch.equal(clean.mask_patch, clean.score > clean.threshold)

    image = test.batch(range(32)).image
    image[:, :, 8:16, 8:16] = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = detector.detect(FaceBatch(image=image, sample_id=test.sample_id))
    others = found.score.flatten(1).median(dim=1).values
    assert (found.score[:, 1, 1] > others).float().mean() > 0.9


@pytest.mark.parametrize("position", ["whitened", "plain"])
@pytest.mark.parametrize(("latent", "leaks"), [("local", False), ("contextual", True)])
def test_local_latents_keep_an_occluder_where_it_is(tiny, mae, position, latent, leaks):
    detector = ViTSVDD(tiny.settings("vit-svdd", latent=latent, position=position), {"face-mae": mae}).eval()
    image = tiny.faces(3, 0).batch(range(3)).image
    covered = image.clone()
    covered[:, :, 8:16, 16:24] = 0.9
    with torch.no_grad():
        change = (detector.embed(image) - detector.embed(covered)).abs().amax(dim=2)
    touched = torch.arange(16) == 1 * 4 + 2
    assert (change[:, touched] > 0).all()
    assert bool((change[:, ~touched] > 0).all()) == leaks
    assert bool((change[:, ~touched] == 0).all()) != leaks


def test_whitening_is_used_where_asked_for(tiny, mae):
    torch.manual_seed(1)
    plain = ViTSVDD(tiny.settings("vit-svdd", position="plain"), {"face-mae": mae})
    white = ViTSVDD(tiny.settings("vit-svdd"), {"face-mae": mae})
    for detector in (plain, white):
        detector.fit(tiny.faces(32, 0), tiny.faces(16, 1), Recipe(epochs=1, batch_size=16, lr=1e-3), 0, tiny.log())
    assert not plain.mean.any() and white.mean.any()
    with torch.no_grad():
        image = tiny.faces(3, 0).batch(range(3)).image
        torch.testing.assert_close(plain.embed(image), plain.head(mae.encode_local(image)))
        latents = whiten(mae.encode_local(image), Whitening(white.mean, white.projection, white.scale))
        torch.testing.assert_close(white.embed(image), white.head(latents))


def test_lambda_of_equation_1_is_a_setting(tiny, mae):
    def weights(**extra: float) -> torch.Tensor:
        torch.manual_seed(1)
        detector = ViTSVDD(tiny.settings("vit-svdd"), {"face-mae": mae})
        recipe = Recipe(epochs=1, batch_size=16, lr=1e-2, warmup_epochs=0, extra=extra)
        detector.fit(tiny.faces(32, 0), tiny.faces(16, 1), recipe, 0, tiny.log())
        return torch.cat([p.detach().flatten() for p in detector.head.parameters()])

    assert torch.equal(weights(), weights(svdd_lambda=1e-6))
    assert float(weights(svdd_lambda=1e6).square().sum()) < float(weights(svdd_lambda=0.0).square().sum())


def test_nu_is_the_share_of_clean_patches_outside(tiny, mae):
    torch.manual_seed(1)
    detector = ViTSVDD(tiny.settings("vit-svdd", nu=0.25, hidden=12, out=6), {"face-mae": mae})
    val = tiny.faces(16, 1)
    detector.fit(tiny.faces(32, 0), val, Recipe(epochs=1, batch_size=16, lr=1e-3), 0, tiny.log())
    assert [tuple(p.shape) for p in detector.parameters()] == [(12, 16), (6, 12)]
    assert float(detector.detect(val.batch(range(16))).mask_patch.float().mean()) == pytest.approx(0.25, abs=0.01)


def test_statistics_centre_and_radius_travel_with_the_weights(tiny, mae):
    torch.manual_seed(1)
    trained = ViTSVDD(tiny.settings("vit-svdd"), {"face-mae": mae})
    recipe = Recipe(epochs=1, batch_size=16, lr=1e-3)
    trained.fit(tiny.faces(32, 0), tiny.faces(16, 1), recipe, 0, tiny.log())
    state = trained.state_dict()
    assert {name.split(".")[0] for name in state} == {
        "head",
        "mean",
        "projection",
        "scale",
        "centre",
        "radius_squared",
    }
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
    with pytest.raises(PluginError, match="local, contextual"):
        ViTSVDD(tiny.settings("vit-svdd", latent="global"), {"face-mae": mae})
    with pytest.raises(PluginError, match="face-mae"):
        ViTSVDD(tiny.settings("vit-svdd"), {})
