"""Which face, real or restored, goes where in the losses of the hybrid network."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from ofer_bench.api import PluginError, Recipe, patch_mask_to_pixels
from ofer_bench.engine import training_log
from ofer_bench.latent_ofer import hybrid_training
from ofer_bench.latent_ofer.hybrid import HybridReconstructor
from ofer_bench.latent_ofer.hybrid_training import Critics, generator_pass
from ofer_bench.latent_ofer.losses import consistency_loss, reconstruction_loss, semantic_consistency
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.masks import draw_patch_masks
from tests.recorder import Recorder

SECOND_STAGE = 1
NO_LOSS = dict.fromkeys(("reconstruction", "consistency", "semantic_consistency", "discriminator"), 0.0)


@pytest.fixture
def upstream(tiny):
    torch.manual_seed(0)
    return {"face-mae": FaceMAE(tiny.settings("face-mae"), {}), "resnet18": tiny.net()}


@pytest.fixture
def hybrid(tiny, upstream):
    return HybridReconstructor(tiny.settings("hybrid"), upstream)


@pytest.fixture
def critics(hybrid):
    """Critics of loud opinions, so that a swap of real and restored shows."""
    made = Critics(hybrid.feature_channels, 4, torch.device("cpu"))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made


def relativistic(above: torch.Tensor, below: torch.Tensor) -> float:
    first = [(float(a) - float(below.mean()) - 1) ** 2 for a in above.flatten()]
    second = [(float(b) - float(above.mean()) + 1) ** 2 for b in below.flatten()]
    return (sum(first) / len(first) + sum(second) / len(second)) / 2


def case(tiny):
    mask = draw_patch_masks(4, 4, torch.Generator().manual_seed(0), ratio=(0.2, 0.6))
    return tiny.faces(4, 0).batch(range(4)).image, mask


def test_the_network_wants_its_faces_above_real_ones(tiny, hybrid, critics):
    target, mask = case(tiny)
    with torch.no_grad():
        terms = generator_pass(hybrid, critics, target, mask).terms
        fake = hybrid.restore(target, mask).image
        levels = [hybrid.expression.feature_levels(image)[SECOND_STAGE] for image in (fake, target)]
        scores = critics.patch(fake), critics.patch(target)
        feature_scores = critics.feature(levels[0]), critics.feature(levels[1])
    for term, (restored, real) in (
        (terms.patch_discriminator, scores),
        (terms.feature_discriminator, feature_scores),
    ):
        assert float(term) == pytest.approx(relativistic(restored, real), rel=1e-4)
        assert float(term) != pytest.approx(relativistic(real, restored), rel=1e-3)


def test_the_real_face_is_the_target_of_every_other_term(tiny, hybrid, critics):
    target, mask = case(tiny)
    hole = patch_mask_to_pixels(mask, 8)
    with torch.no_grad():
        terms = generator_pass(hybrid, critics, target, mask).terms
        restored = hybrid.restore(target, mask)
        truth = hybrid.expression.feature_levels(target)[hybrid.target_level]
        judged = [hybrid.expression.logits(image) for image in (restored.image, target)]
        cells = F.max_pool2d(hole.float(), 4) > 0
        parts = [consistency_loss(tap, F.adaptive_avg_pool2d(truth, 8), cells) for tap in restored.taps]
    assert float(terms.reconstruction) == pytest.approx(float(reconstruction_loss(restored.image, target, hole)))
    assert float(terms.consistency) == pytest.approx(float(parts[0] + parts[1]), rel=1e-5)
    assert float(terms.semantic_consistency) == pytest.approx(float(semantic_consistency(*judged)), rel=1e-5)
    assert float(terms.semantic_consistency) != pytest.approx(float(semantic_consistency(*judged[::-1])), rel=1e-5)


def test_critics_want_real_faces_above_restored_ones(tiny, hybrid, critics):
    target, mask = case(tiny)
    with torch.no_grad():
        fake = hybrid.restore(target, mask).image
        real_level, fake_level = (hybrid.expression.feature_levels(image)[SECOND_STAGE] for image in (target, fake))
        loss = critics.loss(target, fake, real_level, fake_level)
        expected = relativistic(critics.patch(target), critics.patch(fake))
        expected += relativistic(critics.feature(real_level), critics.feature(fake_level))
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_the_training_hands_both_faces_to_the_critics(tiny, hybrid, monkeypatch):
    passes, judged = [], []

    def spied_pass(network, critics, target, mask_patch, labels):
        passes.append((target, generator_pass(network, critics, target, mask_patch, labels)))
        return passes[-1][1]

    def spied_loss(self, *given):
        judged.append(given)
        return loss(self, *given)

    loss = Critics.loss
    monkeypatch.setattr(hybrid_training, "generator_pass", spied_pass)
    monkeypatch.setattr(Critics, "loss", spied_loss)
    hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), Recipe(epochs=1, batch_size=8, lr=1e-3), 5, tiny.log())
    assert len(passes) == len(judged) == 2
    for (target, made), (real, fake, real_level, fake_level) in zip(passes, judged, strict=True):
        assert real is target and fake is made.image
        assert real_level is made.features_real and fake_level is made.features
        assert torch.equal(made.features_real, hybrid.expression.feature_levels(target)[SECOND_STAGE])


@pytest.mark.parametrize("term", NO_LOSS)
def test_loss_weights_decide_what_is_learned(tiny, upstream, term):
    def trained(weights):
        torch.manual_seed(0)
        hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
        start = {name: value.clone() for name, value in hybrid.state_dict().items()}
        recipe = Recipe(epochs=1, batch_size=8, lr=1e-3, weight_decay=0, extra={"loss_weights": weights})
        hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, tiny.log())
        return any(not torch.equal(start[name], value) for name, value in hybrid.state_dict().items())

    assert not trained(NO_LOSS)
    assert trained({**NO_LOSS, term: 1.0})


def test_an_interrupted_training_goes_on_with_both_optimisers(tiny, upstream, tmp_path, monkeypatch):
    def trained(name, scores):
        left = iter(scores)

        def score(*given):
            value = next(left)
            if value is None:
                raise KeyboardInterrupt
            return value

        monkeypatch.setattr(hybrid_training, "hole_psnr", score)
        torch.manual_seed(0)
        hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
        work = SimpleNamespace(scratch=tmp_path / name, advance=lambda done, total, unit: None)
        log = training_log.TrainingLog(work)
        hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), Recipe(epochs=4, batch_size=8, lr=1e-3), 5, log)
        return hybrid.state_dict(), log.rows

    monkeypatch.setattr(training_log, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(training_log, "CHECKPOINT_COST", float("inf"))
    # The best epoch is in turn the last, and one from before the interruption.
    for scores in ([1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 3.0, 4.0]):
        whole, rows = trained(f"whole{scores[1]}", scores)
        with pytest.raises(KeyboardInterrupt):
            trained(f"cut{scores[1]}", [*scores[:2], None])
        resumed, log = trained(f"cut{scores[1]}", scores[2:])
        assert all(torch.equal(whole[name], value) for name, value in resumed.items())
        assert log == rows


@pytest.mark.parametrize(("selection", "kept"), [({}, 0), ({"selection": "last"}, 1)])
def test_the_best_epoch_or_the_last_is_kept(tiny, upstream, monkeypatch, selection, kept):
    scores = iter([2.0, 1.0])
    monkeypatch.setattr(hybrid_training, "hole_psnr", lambda *given: next(scores))
    torch.manual_seed(0)
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    ends: list[dict[str, torch.Tensor]] = []

    class Log(Recorder):
        def log(self, step, **values):
            ends.append({name: value.clone() for name, value in hybrid.unet.state_dict().items()})

    recipe = Recipe(epochs=2, batch_size=8, lr=1e-3, extra=selection)
    hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, Log())
    assert not all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert all(torch.equal(hybrid.unet.state_dict()[name], value) for name, value in ends[kept].items())


@pytest.mark.parametrize(
    ("extra", "hint"),
    [
        ({"selection": "best"}, "validation or last"),
        ({"part_holes": 1.5}, "0 to 1"),
        ({"part_holes": "half"}, "0 to 1"),
    ],
)
def test_what_is_not_understood_is_refused(tiny, upstream, extra, hint):
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    recipe = Recipe(epochs=1, batch_size=8, lr=1e-3, extra=extra)
    with pytest.raises(PluginError, match=hint):
        hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, tiny.log())


def test_training_under_part_holes_hides_parts(tiny, upstream, monkeypatch):
    hybrid = HybridReconstructor(tiny.settings("hybrid"), upstream)
    seen = []
    drawn = hybrid_training.draw_holes

    def draw(count, grid, generator, part_share):
        seen.append(part_share)
        return drawn(count, grid, generator, part_share)

    monkeypatch.setattr(hybrid_training, "draw_holes", draw)
    for extra in ({}, {"part_holes": 0.5}):
        recipe = Recipe(epochs=1, batch_size=8, lr=1e-3, extra=extra)
        hybrid.fit(tiny.faces(8, 0), tiny.faces(8, 1), recipe, 5, tiny.log())
    assert seen == [0.0, 0.5]


def test_mixed_precision_changes_little(tiny, upstream):
    def trained(precision):
        torch.manual_seed(0)
        hybrid, log = HybridReconstructor(tiny.settings("hybrid"), upstream), tiny.log()
        recipe = Recipe(epochs=2, batch_size=8, lr=1e-3, precision=precision)
        hybrid.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 5, log)
        return log.rows[-1]

    exact, mixed = trained("32-true"), trained("bf16-mixed")
    assert mixed != exact
    assert mixed == pytest.approx(exact, rel=0.05)
