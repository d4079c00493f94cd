"""Attention, the choice of latents and the recognition network."""

import numpy as np
import pytest
import torch

from ofer_bench.api import Card, FaceBatch, PluginError, Recipe, accuracy, derive_seed
from ofer_bench.latent_ofer import cards, recognizer_training
from ofer_bench.latent_ofer.attention import MultiHeadAttention
from ofer_bench.latent_ofer.extractor import released_positions, select_latents, to_patch_grid
from ofer_bench.latent_ofer.hybrid import HybridReconstructor
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.recognizer import BRANCHES, LATENTS, LatentRecognizer
from ofer_bench.latent_ofer.recognizer_training import deoccluded
from ofer_bench.occlusion.cam import patch_relevance
from ofer_bench.plugins.discovery import registry


@pytest.fixture
def upstream(tiny):
    torch.manual_seed(0)
    parts = {"face-mae": FaceMAE(tiny.settings("face-mae"), {}), "resnet18": tiny.net()}
    return {**parts, "hybrid": HybridReconstructor(tiny.settings("hybrid"), parts)}


@pytest.mark.parametrize("ties", [False, True])
def test_selection_equals_a_sort(ties):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(20, 16, 3, generator=generator)
    activation = torch.rand(20, 4, 4, generator=generator)
    if ties:
        activation = (activation * 3).floor()
    selected = select_latents(latents, activation)
    for n in range(20):
        flat = activation[n].flatten().tolist()
        expected = sorted(sorted(range(16), key=lambda i, flat=flat: (-flat[i], i))[:8])
        assert selected.place[n].tolist() == expected
        assert torch.equal(selected.latents[n], latents[n, expected])


def test_selection_passes_gradients_to_the_chosen():
    latents = torch.randn(1, 16, 3, requires_grad=True)
    selected = select_latents(latents, torch.arange(16.0).reshape(1, 4, 4))
    selected.latents.sum().backward()
    assert latents.grad[0, 8:].all() and not latents.grad[0, :8].any()


def test_a_map_grows_to_the_patch_grid():
    activation = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    grown = to_patch_grid(activation, 4)
    assert grown.shape == (1, 4, 4)
    assert grown[0, 0].tolist() == pytest.approx([0.0, 0.25, 0.75, 1.0])


def test_attention_is_a_weighted_mean_of_channels():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, heads=3).eval()
    features = torch.rand(2, 8, 4, 4)
    vector, activation = attention(features)
    assert activation.shape == (2, 4, 4) and activation.min() >= 0
    heads = []
    for head in attention.heads:
        weighted = features * head.channel.weigh(features.mean((2, 3)))[:, :, None, None]
        place = head.spatial(weighted)
        heads.append((weighted * place).mean((2, 3)))
    logs = [h - torch.log(sum(torch.exp(other) for other in heads)) for h in heads]
    torch.testing.assert_close(vector, attention.norm(sum(logs)))


@pytest.mark.parametrize("branches", BRANCHES)
def test_gradients_reach_every_parameter(tiny, upstream, branches):
    torch.manual_seed(0)
    model = LatentRecognizer(tiny.settings("latent-recognizer", branches=branches), upstream).train()
    batch = tiny.faces(14, 0).batch(range(14))
    model.loss(batch.image, batch.label, 0.1).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for part in upstream.values() for p in part.parameters())
    prediction = model.predict(batch)
    assert prediction.logits.shape == (14, 7) and prediction.sample_id == batch.sample_id
    assert (prediction.attention is None) == (branches == "full-latent")


def test_prediction_of_a_face_does_not_depend_on_its_batch(tiny, upstream):
    model = LatentRecognizer(tiny.settings("latent-recognizer"), upstream)
    faces = tiny.faces(6, 0)
    together = model.predict(faces.batch(range(6))).logits
    alone = torch.cat([model.predict(faces.batch([n])).logits for n in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_trunk_starts_at_the_upstream_and_leaves_it_alone(tiny, upstream):
    model = LatentRecognizer(tiny.settings("latent-recognizer"), upstream)
    start = {n: p.clone() for n, p in upstream["resnet18"].state_dict().items()}
    for name, value in model.trunk.state_dict().items():
        assert torch.equal(value, start[f"trunk.{name}"])
    model.fit(tiny.faces(28, 0), tiny.faces(14, 1), Recipe(epochs=1, batch_size=14, lr=1e-2), 0, tiny.log())
    assert all(torch.equal(start[n], p) for n, p in upstream["resnet18"].state_dict().items())
    assert not torch.equal(model.trunk.stages[0].weight, start["trunk.stages.0.weight"])


def test_state_round_trip_without_upstream(tiny, upstream):
    model = LatentRecognizer(tiny.settings("latent-recognizer"), upstream)
    own = {"trunk", "attention", "latent_branch", "classifier"}
    assert {name.split(".")[0] for name in model.state_dict()} == own
    other = LatentRecognizer(tiny.settings("latent-recognizer"), upstream)
    other.load_state_dict(model.state_dict())
    batch = tiny.faces(4, 0).batch(range(4))
    assert torch.equal(model.predict(batch).logits, other.predict(batch).logits)


def test_deoccluded_faces_differ_in_their_holes_only(tiny, upstream):
    faces = tiny.faces(10, 0)
    first = deoccluded(faces, upstream["hybrid"], 4, 4, 7, "cpu")
    second = deoccluded(faces, upstream["hybrid"], 4, 4, 7, "cpu")
    assert (first.image == second.image).all()
    changed = (first.image != faces.image).any(axis=(1, 2, 3))
    same = (first.image == faces.image).all(axis=3).reshape(10, 4, 8, 4, 8).all(axis=(2, 4))
    assert changed.all() and same.any()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_decides_between_clean_and_deoccluded_faces(tiny, upstream, monkeypatch, share):
    for name in ("random_affine", "random_colour"):
        monkeypatch.setattr(recognizer_training, name, lambda image, generator: image)
    model, seen = LatentRecognizer(tiny.settings("latent-recognizer"), upstream), []

    def spied(image, label, smoothing, loss=model.loss):
        seen.append((image, label))
        return loss(image, label, smoothing)

    monkeypatch.setattr(model, "loss", spied)
    train, val = tiny.faces(14, 0), tiny.faces(7, 1)
    recipe = Recipe(epochs=1, batch_size=14, lr=1e-3, extra={"deoccluded_share": share})
    model.fit(train, val, recipe, 3, tiny.log())
    restored = deoccluded(train, upstream["hybrid"], 4, 14, derive_seed("deoccluded", "train", 3), "cpu")
    ((image, label),) = seen
    expected, other = (restored, train) if share else (train, restored)
    place = [int(((expected.batch(range(14)).image - face).abs().amax((1, 2, 3))).argmin()) for face in image]
    assert sorted(place) == list(range(14))
    assert torch.equal(image, expected.batch(place).image) and label.tolist() == expected.label[place].tolist()
    assert not torch.equal(image, other.batch(place).image)


def test_epochs_are_chosen_on_clean_and_deoccluded_faces(tiny, upstream):
    torch.manual_seed(0)
    model, log = LatentRecognizer(tiny.settings("latent-recognizer"), upstream), tiny.log()
    val = tiny.faces(42, 1)
    model.fit(tiny.faces(140, 0), val, Recipe(epochs=6, batch_size=20, lr=1e-2), 2, log)
    restored = deoccluded(val, upstream["hybrid"], 4, 20, derive_seed("deoccluded", "val", 2), "cpu")
    parts = [accuracy(model.predict, faces, "cpu") for faces in (val, restored)]
    assert parts[0] != parts[1]
    assert max(row["score"] for row in log.rows) == pytest.approx(sum(parts) / 2)


def test_the_latents_are_those_that_the_attention_points_at(tiny, upstream):
    model = LatentRecognizer(tiny.settings("latent-recognizer"), upstream).eval()
    image = tiny.faces(5, 0).batch(range(5)).image
    given = []
    model.latent_branch.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    activation = torch.rand(5, 4, 4, generator=torch.Generator().manual_seed(0))
    model.attention.register_forward_hook(lambda _, args, out: out._replace(activation=activation))
    with torch.no_grad():
        model(image)
        latents = upstream["face-mae"].encode(image)
    for n in range(5):
        flat = activation[n].flatten().tolist()
        highest = sorted(sorted(range(16), key=lambda i, flat=flat: -flat[i])[:8])
        assert torch.equal(given[0][n], latents[n, highest].flatten())


@pytest.mark.parametrize(
    ("option", "part", "value"),
    [
        ("hidden", lambda model: model.latent_branch[1].out_features, 24),
        ("dropout", lambda model: model.latent_branch[0].p, 0.25),
        ("heads", lambda model: len(model.attention.heads), 2),
    ],
)
def test_sizes_are_settings(tiny, upstream, option, part, value):
    assert part(LatentRecognizer(tiny.settings("latent-recognizer", **{option: value}), upstream)) == value


def test_training_learns_drawn_expressions(tiny, upstream):
    torch.manual_seed(0)
    model, log = LatentRecognizer(tiny.settings("latent-recognizer"), upstream), tiny.log()
    model.fit(tiny.faces(140, 0), tiny.faces(42, 1), Recipe(epochs=8, batch_size=20, lr=1e-2), 0, log)
    assert max(row["score"] for row in log.rows) > 0.4
    assert log.rows[-1]["loss"] < log.rows[0]["loss"]


def test_released_positions_are_the_release_s_78():
    listed = "46-53 60-67 74-81 88-95 102-109 116-123 130-137 144-151 158-165 172-177"
    ranges = [[int(end) for end in part.split("-")] for part in listed.split()]
    tokens = [n for first, last in ranges for n in range(first, last + 1)]
    place = released_positions(14).tolist()
    assert len(place) == 78 and place == [token - 1 for token in tokens]
    block = [(row, column) for row in range(3, 12) for column in range(3, 11)]
    assert [divmod(n, 14) for n in place] == [*block, *((12, column) for column in range(3, 9))]


@pytest.mark.parametrize("grid", [1, 2, 4, 6, 8, 16, 28])
def test_other_grids_take_the_same_part_of_the_face(grid):
    def inside(n: float) -> bool:
        row, column = int((n // grid + 0.5) * 14 / grid), int((n % grid + 0.5) * 14 / grid)
        return (3 <= row <= 11 and 3 <= column <= 10) or (row == 12 and 3 <= column <= 8)

    place = released_positions(grid).tolist()
    assert place and place == [n for n in range(grid**2) if inside(n)]


@pytest.mark.parametrize("latents", LATENTS)
@pytest.mark.parametrize("branches", BRANCHES[:4])
def test_fixed_positions_of_either_latents(tiny, upstream, branches, latents):
    torch.manual_seed(0)
    changed = {"branches": branches, "latents": latents, "positions": "fixed"}
    model = LatentRecognizer(tiny.settings("latent-recognizer", **changed), upstream).train()
    given = []
    model.latent_branch.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    batch = tiny.faces(14, 0).batch(range(14))
    model.loss(batch.image, batch.label, 0.1).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is None for part in upstream.values() for p in part.parameters())
    mae = upstream["face-mae"]
    tokens = (mae.encode if latents == "encoder" else mae.decode_latents)(batch.image)
    place = released_positions(4) if "extracted" in branches else torch.arange(16)
    assert torch.equal(given[0], tokens[:, place].flatten(1))
    assert not any(name.startswith("place") for name in model.state_dict())
    assert (model.predict(batch).attention is None) == ("cnn" not in branches)


def test_decoder_latents_at_the_positions_of_the_attention(tiny, upstream):
    model = LatentRecognizer(tiny.settings("latent-recognizer", latents="decoder"), upstream).eval()
    image, given = tiny.faces(5, 0).batch(range(5)).image, []
    model.latent_branch.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    with torch.no_grad():
        activation = model(image).activation
        tokens = upstream["face-mae"].decode_latents(image)
    assert torch.equal(given[0], select_latents(tokens, to_patch_grid(activation, 4)).latents.flatten(1))


@pytest.mark.parametrize(("option", "allowed"), [("latents", "encoder, decoder"), ("positions", "cam, fixed")])
def test_unknown_settings_are_named(tiny, upstream, option, allowed):
    with pytest.raises(PluginError, match=allowed):
        LatentRecognizer(tiny.settings("latent-recognizer", **{option: "vit"}), upstream)


def test_unknown_branches_are_named(tiny, upstream):
    with pytest.raises(PluginError, match="full-latent"):
        LatentRecognizer(tiny.settings("latent-recognizer", branches="vit"), upstream)


def test_every_card_is_registered():
    registered = [entry.card for entry in registry().entries.values()]
    found = [card for card in vars(cards).values() if isinstance(card, Card)]
    assert len(found) > 5 and all(card in registered for card in found)


@pytest.mark.parametrize("branches", BRANCHES)
def test_grad_cam_needs_a_branch_with_a_cnn(tiny, upstream, branches):
    model = LatentRecognizer(tiny.settings("latent-recognizer", branches=branches), upstream).eval()
    if "cnn" not in branches:
        with pytest.raises(PluginError, match="convolutional block"):
            _ = model.cam_layer
        return
    image = torch.rand(2, 3, 32, 32)
    relevance = patch_relevance(model, model.cam_layer, image, None, 8)
    assert relevance.shape == (2, 4, 4) and np.isfinite(relevance).all()
    batch = FaceBatch(image=image, sample_id=("a", "b"))
    torch.testing.assert_close(model.logits(image), model.predict(batch).logits)
