"""The hybrid reconstruction network and its training."""

import pytest
import torch

from ofer_bench.api import PluginError, Recipe, TrainingDiverged, patch_mask_to_pixels
from ofer_bench.latent_ofer.hybrid import (
    ConventionalReconstructor,
    CSAReconstructor,
    HybridReconstructor,
    ReleasedReconstructor,
)
from ofer_bench.latent_ofer.hybrid_training import Critics, generator_pass, hole_psnr
from ofer_bench.latent_ofer.losses import LossWeights
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.masks import draw_patch_masks
from ofer_bench.latent_ofer.unet import CSA, LAYERS, Conventional, Released, SelfAssembly
from ofer_bench.latent_ofer.upstream import levels_and_logits

RECONSTRUCTORS = {
    HybridReconstructor: SelfAssembly,
    ConventionalReconstructor: Conventional,
    CSAReconstructor: CSA,
    ReleasedReconstructor: Released,
}


@pytest.fixture
def upstream(tiny):
    torch.manual_seed(0)
    return {"face-mae": FaceMAE(tiny.settings("face-mae"), {}), "resnet18": tiny.net()}


def holes(count: int, seed: int = 0) -> torch.Tensor:
    return draw_patch_masks(count, 4, torch.Generator().manual_seed(seed), ratio=(0.2, 0.6))


@pytest.mark.parametrize("build", RECONSTRUCTORS)
def test_known_pixels_stay_and_hidden_ones_do_not_matter(tiny, upstream, build):
    hybrid = build(tiny.settings("hybrid"), upstream)
    batch, mask = tiny.faces(6, 0).batch(range(6)), holes(6)
    result = hybrid.reconstruct(batch, mask)
    hole = patch_mask_to_pixels(mask, 8).expand_as(batch.image)
    assert torch.equal(result.composited[~hole], batch.image[~hole])
    assert torch.equal(result.composited[hole], result.image[hole])
    assert result.image.min() >= 0 and result.image.max() <= 1
    occluded = batch.with_image(torch.where(hole, torch.rand_like(batch.image), batch.image))
    assert torch.equal(hybrid.reconstruct(occluded, mask).image, result.image)


def test_an_empty_mask_returns_the_face(tiny, upstream):
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    batch = tiny.faces(2, 0).batch(range(2))
    result = hybrid.reconstruct(batch, torch.zeros(2, 4, 4, dtype=torch.bool))
    assert torch.equal(result.composited, batch.image)


def test_starts_at_the_coarse_stage(tiny, upstream):
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    batch, mask = tiny.faces(4, 0).batch(range(4)), holes(4)
    coarse = upstream["face-mae"].inpaint(batch.image, mask)
    hole = patch_mask_to_pixels(mask, 8)
    composite = torch.where(hole, coarse, batch.image)
    assert float((hybrid.reconstruct(batch, mask).image - composite).abs().max()) < 0.05


def test_layers_are_exchanged_and_nothing_else(tiny, upstream):
    def others(model):
        return {n: p.shape for n, p in model.state_dict().items() if not n.startswith("unet.layer.")}

    own = HybridReconstructor(tiny.settings("hybrid"), upstream)
    assert set(RECONSTRUCTORS.values()) == set(LAYERS.values())
    for build, layer in RECONSTRUCTORS.items():
        model = build(tiny.settings("hybrid"), upstream)
        by_setting = HybridReconstructor(tiny.settings("hybrid", layer=build.default_layer), upstream)
        assert type(model.unet.layer) is type(by_setting.unet.layer) is layer
        assert others(model) == others(own)


@pytest.mark.parametrize("build", RECONSTRUCTORS)
def test_eq_5_reaches_every_parameter_that_the_layer_does_not_starve_and_no_frozen_one(tiny, upstream, build):
    torch.manual_seed(0)
    hybrid = build(tiny.settings("hybrid"), upstream)
    critics = Critics(hybrid.feature_channels, 4, torch.device("cpu"))
    target = tiny.faces(4, 0).batch(range(4)).image
    made = generator_pass(hybrid, critics, target, holes(4))
    made.terms.total(LossWeights()).backward()
    # The backward pass of the release has nothing for the convolution that makes its flip features.
    starved = {n for n, _ in hybrid.named_parameters() if n.startswith("unet.layer.flip.")}
    assert len(starved) == (3 if build is ReleasedReconstructor else 0)
    assert {n for n, p in hybrid.named_parameters() if p.grad is None or not p.grad.any()} == starved
    assert all(p.grad is None for part in upstream.values() for p in part.parameters())


@pytest.mark.parametrize("build", [CSAReconstructor, ReleasedReconstructor])
def test_a_network_with_another_layer_trains(tiny, upstream, build):
    hybrid, log = build(tiny.settings("hybrid"), upstream), tiny.log()
    start = {name: value.clone() for name, value in hybrid.state_dict().items()}
    hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), Recipe(epochs=1, batch_size=8, lr=1e-3), 5, log)
    kept = {name for name, value in hybrid.state_dict().items() if torch.equal(value, start[name])}
    assert kept == {name for name in start if name.startswith("unet.layer.flip.")}


@pytest.mark.parametrize(
    "term",
    ["reconstruction", "semantic_consistency", "patch_discriminator", "feature_discriminator", "consistency"],
)
def test_each_term_alone_trains_the_encoder(tiny, upstream, term):
    torch.manual_seed(0)
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    critics = Critics(hybrid.feature_channels, 4, torch.device("cpu"))
    made = generator_pass(hybrid, critics, tiny.faces(4, 0).batch(range(4)).image, holes(4))
    getattr(made.terms, term).backward()
    assert hybrid.unet.stem[0].weight.grad.abs().sum() > 0


def test_critics_get_gradients_and_give_none(tiny, upstream):
    critics = Critics(8, 4, torch.device("cpu"))
    real, fake = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32, requires_grad=True)
    levels = [upstream["resnet18"].feature_levels(x)[1] for x in (real, fake)]
    critics.loss(real, fake, *levels).backward()
    assert [n for n, p in critics.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert fake.grad is None


def test_one_pass_gives_levels_and_logits_of_the_suites_network(tiny):
    from ofer_baselines.resnet18 import ResNet18

    network = ResNet18(tiny.settings("resnet18", width=4, stem="small")).eval()
    image = torch.rand(2, 3, 32, 32)
    levels, logits = levels_and_logits(network, image)
    torch.testing.assert_close(logits, network.logits(image))
    assert all(torch.equal(a, b) for a, b in zip(levels, network.feature_levels(image), strict=True))


def test_training_beats_the_start_and_repeats(tiny, upstream):
    train, val = tiny.faces(48, 0), tiny.faces(16, 1)
    upstream["face-mae"].fit(train, val, Recipe(epochs=3, batch_size=16, lr=2e-3), 0, tiny.log())
    recipe = Recipe(epochs=3, batch_size=16, lr=2e-3)
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        hybrid, log = HybridReconstructor(tiny.settings("hybrid"), upstream), tiny.log()
        start = hole_psnr(hybrid, val, 16, 5)
        hybrid.fit(train, val, recipe, 5, log)
        states.append(hybrid.state_dict())
    end = hole_psnr(hybrid, val, 16, 5)
    assert end > start + 0.2
    assert end == pytest.approx(max(row["score"] for row in log.rows), abs=1e-4)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_diverged_training_is_an_error(tiny, upstream):
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    recipe = Recipe(epochs=1, batch_size=8, lr=1e-3, extra={"loss_weights": {"reconstruction": float("nan")}})
    with pytest.raises(TrainingDiverged, match="HybridUNet: no finite score"):
        hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, tiny.log())


def test_state_holds_no_upstream_tensor(tiny, upstream):
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    assert {name.split(".")[0] for name in hybrid.state_dict()} == {"unet"}
    other = HybridReconstructor(tiny.settings("hybrid"), upstream)
    other.load_state_dict(hybrid.state_dict())
    batch, mask = tiny.faces(2, 0).batch(range(2)), holes(2)
    assert torch.equal(hybrid.reconstruct(batch, mask).image, other.reconstruct(batch, mask).image)


def test_wrong_settings_are_named(tiny, upstream):
    with pytest.raises(PluginError, match="choose 1 to 2"):
        HybridReconstructor(tiny.settings("hybrid", layer_level=3), upstream)
    with pytest.raises(PluginError, match="self-assembly, conventional, csa, released"):
        HybridReconstructor(tiny.settings("hybrid", layer="attention"), upstream)
