"""The FER network whose weights the U-Net's encoder starts from, and the FER network of restored parts."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from ofer_baselines.part_reader import PartReader
from ofer_bench.api import PluginError, Recipe, patch_mask_to_pixels
from ofer_bench.latent_ofer.encoder_labels import Labels
from ofer_bench.latent_ofer.fer_encoder import FEREncoder
from ofer_bench.latent_ofer.hybrid import HybridReconstructor
from ofer_bench.latent_ofer.hybrid_training import Critics, generator_pass
from ofer_bench.latent_ofer.losses import LossWeights, semantic_consistency
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.masks import draw_patch_masks


@pytest.fixture
def upstream(tiny):
    torch.manual_seed(0)
    made = {"face-mae": FaceMAE(tiny.settings("face-mae"), {}), "resnet18": tiny.net()}
    made["fer-encoder"] = FEREncoder(tiny.settings("fer-encoder", width=4), made)
    made["part-reader"] = PartReader(tiny.settings("part-reader", width=8, stem="small"))
    return made


def hybrid_of(tiny, upstream, **model) -> HybridReconstructor:
    torch.manual_seed(1)
    return HybridReconstructor(tiny.settings("hybrid", **model), upstream)


def case(tiny) -> SimpleNamespace:
    mask = draw_patch_masks(4, 4, torch.Generator().manual_seed(0), ratio=(0.2, 0.6))
    return SimpleNamespace(image=tiny.faces(4, 0).batch(range(4)).image, mask=mask, hole=patch_mask_to_pixels(mask, 8))


def test_the_encoder_sees_nothing_of_the_hole_and_reads_as_the_unet_does(tiny, upstream):
    network, given = upstream["fer-encoder"], case(tiny)
    logits = network.logits(given.image, given.mask)
    other = torch.where(given.hole, torch.rand_like(given.image), given.image)
    assert torch.equal(network.logits(other, given.mask), logits)
    assert not torch.allclose(network.logits(given.image, ~given.mask), logits)
    unet = hybrid_of(tiny, upstream, encoder="fer-encoder").unet
    seen = []
    unet.down[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    network.encoder.down[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    hybrid = hybrid_of(tiny, upstream, encoder="fer-encoder")
    hybrid.unet = unet
    hybrid.restore(given.image, given.mask)
    network.logits(given.image, given.mask)
    assert torch.equal(seen[0], seen[1])


def test_the_unet_starts_from_the_encoder_and_leaves_it_alone(tiny, upstream):
    plain, started = hybrid_of(tiny, upstream), hybrid_of(tiny, upstream, encoder="fer-encoder")
    encoder = upstream["fer-encoder"].encoder.state_dict()
    for name, value in started.unet.state_dict().items():
        if name in encoder:
            assert torch.equal(value, encoder[name])
        else:
            assert torch.equal(value, plain.unet.state_dict()[name])
    assert any(not torch.equal(plain.unet.state_dict()[name], value) for name, value in encoder.items())
    before = {name: value.clone() for name, value in encoder.items()}
    recipe = Recipe(epochs=1, batch_size=8, lr=1e-2)
    started.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, tiny.log())
    assert all(torch.equal(encoder[name], value) for name, value in before.items())
    assert not torch.equal(started.unet.stem[0].weight, encoder["stem.0.weight"])


def test_an_encoder_of_another_width_is_refused(tiny, upstream):
    with pytest.raises(PluginError, match="give fer-encoder the width of the hybrid network"):
        hybrid_of(tiny, upstream, encoder="fer-encoder", width=8)


def test_the_encoder_learns_expressions_of_faces_with_holes(tiny, upstream):
    network, log = upstream["fer-encoder"], tiny.log()
    frozen = {name: value.clone() for name, value in upstream["face-mae"].state_dict().items()}
    network.fit(tiny.faces(112, 0), tiny.faces(28, 1), Recipe(epochs=20, batch_size=8, lr=1e-2), 5, log)
    assert log.rows[-1]["loss"] < log.rows[0]["loss"]
    assert max(row["score"] for row in log.rows) > 0.4
    assert all(torch.equal(frozen[name], value) for name, value in upstream["face-mae"].state_dict().items())
    assert not any(name.startswith("_frozen") for name in network.state_dict())


def test_a_gradient_reaches_every_parameter_of_the_encoder(tiny, upstream):
    network, given = upstream["fer-encoder"], case(tiny)
    network.logits(given.image, given.mask).logsumexp(dim=1).sum().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_eq_4_asks_the_part_reader_about_the_hole_alone(tiny, upstream):
    hybrid, given = hybrid_of(tiny, upstream, expression="part-reader"), case(tiny)
    reader = upstream["part-reader"]
    critics = Critics(hybrid.feature_channels, 4, torch.device("cpu"))
    made = generator_pass(hybrid, critics, given.image, given.mask)
    with torch.no_grad():
        alone = [torch.where(given.hole, image, torch.tensor(0.5)) for image in (made.image, given.image)]
        expected = semantic_consistency(*(reader.logits(image) for image in alone))
        levels = hybrid.perceptual.feature_levels(given.image)[hybrid.feature_level]
    torch.testing.assert_close(made.terms.semantic_consistency, expected)
    assert torch.equal(made.features_real, levels)
    assert hybrid.perceptual is upstream["resnet18"] and hybrid.expression is reader
    (gradient,) = torch.autograd.grad(made.terms.semantic_consistency, made.image)
    hole = given.hole.expand_as(gradient)
    assert gradient[hole].any() and not gradient[~hole].any()


def test_labels_train_the_encoder_and_a_head_of_its_own(tiny, upstream):
    given = case(tiny)
    hybrid = hybrid_of(tiny, upstream, encoder="fer-encoder")
    critics = Critics(hybrid.feature_channels, 4, torch.device("cpu"))
    head, label = copy.deepcopy(hybrid.label_head).requires_grad_(True), torch.tensor([0, 1, 2, 3])
    terms = generator_pass(hybrid, critics, given.image, given.mask, Labels(head=head, label=label)).terms
    deepest = hybrid.restore(given.image, given.mask).deepest
    expected = F.cross_entropy(deepest.flatten(2).mean(2) @ head.weight.T + head.bias, label)
    torch.testing.assert_close(terms.label, expected)
    whole = terms.total(LossWeights(label=3.0)) - terms.total(LossWeights())
    torch.testing.assert_close(whole, 3 * expected)
    terms.label.backward()
    reached = {name.split(".")[0] for name, value in hybrid.unet.named_parameters() if value.grad is not None}
    assert reached == {"stem", "down", "layer"}
    assert head.weight.grad.any() and not hybrid.label_head.weight.requires_grad


def test_a_training_on_labels_keeps_the_head_it_began_with_and_leaves_none_in_the_network(tiny, upstream):
    def trained(**weights):
        hybrid = hybrid_of(tiny, upstream, encoder="fer-encoder")
        recipe = Recipe(epochs=1, batch_size=8, lr=1e-3, extra={"loss_weights": weights})
        hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, tiny.log())
        return hybrid.state_dict()

    before = {name: value.clone() for name, value in upstream["fer-encoder"].state_dict().items()}
    plain, taught = trained(), trained(label=1.0)
    assert plain.keys() == taught.keys()
    assert not torch.equal(plain["unet.stem.0.weight"], taught["unet.stem.0.weight"])
    assert all(torch.equal(before[name], value) for name, value in upstream["fer-encoder"].state_dict().items())


def test_labels_need_an_encoder_that_knows_them(tiny, upstream):
    recipe = Recipe(epochs=1, batch_size=8, lr=1e-3, extra={"loss_weights": {"label": 1.0}})
    with pytest.raises(PluginError, match=r"needs a FER network to start from\n.*encoder: fer-encoder"):
        hybrid_of(tiny, upstream).fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, tiny.log())
