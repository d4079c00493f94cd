"""VGG-16 as the network whose features the losses of the hybrid network compare."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from ofer_baselines.cards import CONVENTIONAL, CSA, RELEASED
from ofer_bench.api import PluginError, Recipe, patch_mask_to_pixels
from ofer_bench.latent_ofer.cards import HYBRID
from ofer_bench.latent_ofer.hybrid import EXPRESSION, HybridReconstructor
from ofer_bench.latent_ofer.hybrid_training import Critics, generator_pass
from ofer_bench.latent_ofer.losses import LossWeights, consistency_loss, semantic_consistency
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.masks import draw_patch_masks
from ofer_bench.latent_ofer.perceptual import FEATURE_LEVEL
from ofer_bench.latent_ofer.vgg16 import VGG16
from tests.vgg16_files import random_features

SIZE = 64
RELU3_3, RELU4_3 = 2, 3


@pytest.fixture
def made(tiny) -> SimpleNamespace:
    """A hybrid network of 64 px whose layer works at 1/8, what it stands on, its critics, faces and holes."""
    torch.manual_seed(0)
    vgg = VGG16(tiny.settings("vgg16"))
    vgg.features.load_state_dict({n: t for n, t in random_features().state_dict().items() if int(n.split(".")[0]) < 23})
    mae = FaceMAE(replace(tiny.settings("face-mae"), image_size=SIZE), {})
    upstream = {"face-mae": mae, "resnet18": tiny.net(), "vgg16": vgg}
    settings = replace(tiny.settings("hybrid", layer_level=3, perceptual="vgg16"), image_size=SIZE)
    hybrid = HybridReconstructor(settings, upstream)
    critics = Critics(hybrid.feature_channels, 4, torch.device("cpu"))
    mask = draw_patch_masks(2, 8, torch.Generator().manual_seed(0), ratio=(0.2, 0.6))
    target = tiny.faces(2, 0, SIZE).batch(range(2)).image
    return SimpleNamespace(upstream=upstream, hybrid=hybrid, critics=critics, mask=mask, target=target)


def test_the_cards_name_the_networks_there_are() -> None:
    expected = {"perceptual": tuple(FEATURE_LEVEL), "expression": EXPRESSION, "encoder": ("fer-encoder",)}
    for card in (HYBRID, CONVENTIONAL, CSA, RELEASED):
        assert card.requires_by == expected


@pytest.mark.parametrize(("level", "target", "channels"), [(1, 1, 128), (2, 2, 256), (3, 3, 512)])
def test_the_consistency_target_has_the_size_of_the_layers_map(tiny, made, level, target, channels) -> None:
    settings = replace(tiny.settings("hybrid", layer_level=level, perceptual="vgg16"), image_size=SIZE)
    hybrid = HybridReconstructor(settings, made.upstream)
    assert (hybrid.target_level, hybrid.feature_level, hybrid.feature_channels) == (target, RELU3_3, 256)
    assert hybrid.unet.tap_encoder.out_channels == hybrid.unet.tap_decoder.out_channels == channels
    restored = hybrid.restore(made.target, made.mask)
    assert restored.taps[0].shape == made.upstream["vgg16"].feature_levels(made.target)[target].shape


def test_each_term_reads_its_own_network(made) -> None:
    vgg, fer = made.upstream["vgg16"], made.upstream["resnet18"]
    passed = generator_pass(made.hybrid, made.critics, made.target, made.mask)
    with torch.no_grad():
        real, fake = vgg.feature_levels(made.target), vgg.feature_levels(passed.image)
        restored = made.hybrid.restore(made.target, made.mask)
        cells = F.max_pool2d(patch_mask_to_pixels(made.mask, 8).float(), 8) > 0
        consistency = sum(float(consistency_loss(tap, real[RELU4_3], cells)) for tap in restored.taps)
        semantic = semantic_consistency(fer.logits(passed.image), fer.logits(made.target))
    torch.testing.assert_close(passed.features_real, real[RELU3_3])
    torch.testing.assert_close(passed.features, fake[RELU3_3])
    assert passed.terms.consistency.item() == pytest.approx(consistency, rel=1e-4)
    assert passed.terms.semantic_consistency.item() == pytest.approx(float(semantic), rel=1e-4)


def test_every_network_sees_each_face_once(made, monkeypatch) -> None:
    seen = []
    for name in ("vgg16", "resnet18"):
        network = made.upstream[name]

        def watch(image, name=name, forward=network.feature_levels):
            seen.append(name)
            return forward(image)

        monkeypatch.setattr(network, "feature_levels", watch)
    generator_pass(made.hybrid, made.critics, made.target, made.mask)
    assert sorted(seen) == ["resnet18", "resnet18", "vgg16", "vgg16"]


def test_gradients_reach_the_network_and_its_critics_and_no_frozen_network(made) -> None:
    passed = generator_pass(made.hybrid, made.critics, made.target, made.mask)
    stem = made.hybrid.unet.stem[0].weight
    for term in ("feature_discriminator", "consistency"):
        (gradient,) = torch.autograd.grad(getattr(passed.terms, term), stem, retain_graph=True)
        assert gradient.abs().sum() > 0
    made.critics.requires_grad_(False)
    passed = generator_pass(made.hybrid, made.critics, made.target, made.mask)
    passed.terms.total(LossWeights()).backward()
    made.critics.requires_grad_(True)
    made.critics.loss(made.target, passed.image, passed.features_real, passed.features).backward()
    for module in (made.hybrid, made.critics):
        assert [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for part in made.upstream.values() for p in part.parameters())


def test_it_trains_and_keeps_nothing_of_vgg(tiny, made) -> None:
    before = {name: tensor.clone() for name, tensor in made.upstream["vgg16"].state_dict().items()}
    start = {name: tensor.clone() for name, tensor in made.hybrid.state_dict().items()}
    log = tiny.log()
    made.hybrid.fit(tiny.faces(4, 0, SIZE), tiny.faces(2, 1, SIZE), Recipe(epochs=1, batch_size=2, lr=1e-3), 5, log)
    assert not any(torch.equal(start[name], tensor) for name, tensor in made.hybrid.state_dict().items())
    assert {name.split(".")[0] for name in start} == {"unet"}
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.upstream["vgg16"].state_dict().items())


def test_resnet18_is_the_default(tiny, made) -> None:
    def trained(**model):
        torch.manual_seed(0)
        hybrid = HybridReconstructor(tiny.settings("hybrid", **model), upstream)
        hybrid.fit(tiny.faces(8, 0), tiny.faces(4, 1), Recipe(epochs=1, batch_size=4, lr=1e-3), 5, tiny.log())
        assert hybrid.perceptual is hybrid.expression
        return hybrid.state_dict()

    upstream = {"face-mae": FaceMAE(tiny.settings("face-mae"), {}), "resnet18": tiny.net()}
    plain, named = trained(), trained(perceptual="resnet18")
    assert all(torch.equal(tensor, named[name]) for name, tensor in plain.items())


def test_wrong_settings_are_named(tiny, made) -> None:
    with pytest.raises(PluginError, match=r"perceptual='dan' is no setting of hybrid\n.*resnet18, vgg16"):
        HybridReconstructor(tiny.settings("hybrid", perceptual="dan"), made.upstream)
    del made.upstream["vgg16"]
    with pytest.raises(PluginError, match="'vgg16' was not handed over"):
        HybridReconstructor(tiny.settings("hybrid", perceptual="vgg16"), made.upstream)
