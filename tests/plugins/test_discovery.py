from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from ofer_bench.core.errors import PluginError, UnknownName
from ofer_bench.core.types import Card
from ofer_bench.plugins import discovery
from ofer_bench.plugins.discovery import load_class, registry, required
from ofer_bench.plugins.protocols import Classifier, Detector, Occluder, Reconstructor

METHOD = {"detector": "detect", "reconstructor": "reconstruct", "classifier": "predict"}


def test_the_systems_of_the_first_path_are_registered() -> None:
    expected = {
        "detector": {"one-class-svm", "vit-svdd", "pseudo-occlusion"},
        "reconstructor": {"mae", "conventional", "csa", "released", "hybrid", "mean-fill"},
        "classifier": {"resnet18", "dan", "latent-recognizer"},
        "occluder": {"random-patch", "gradcam", "objects", "irregular"},
        "system": {"latent-ofer", "latent-ofer-pseudo-occlusion"},
        "backbone": {"face-mae", "vgg16"},
    }
    for kind, ids in expected.items():
        assert ids <= {e.card.id for e in registry().of_kind(kind)}
    assert not registry().broken


@pytest.mark.parametrize("entry", registry().entries.values(), ids=lambda e: e.card.id)
def test_every_card_loads_a_class_of_its_kind(entry: discovery.Registered) -> None:
    card = entry.card
    named = [component for components in card.requires_by.values() for component in components]
    for needed in (*card.requires, *named, *card.composition.values(), *card.stages.values()):
        registry().card(needed)
    if card.load is None:
        assert card.composition
        return
    loaded = load_class(card)
    if card.kind in METHOD:
        assert callable(getattr(loaded, METHOD[card.kind]))
    if card.kind == "occluder":
        assert isinstance(loaded(), Occluder)
    assert card.title
    assert card.fidelity


def test_unknown_ids_suggest_and_kinds_are_checked() -> None:
    with pytest.raises(UnknownName, match="did you mean 'latent-ofer'"):
        registry().card("latent-offer")
    with pytest.raises(UnknownName, match="unknown detector 'resnet18'"):
        registry().card("resnet18", kind="detector")


def test_a_setting_may_name_one_more_component() -> None:
    card = Card(
        id="x",
        kind="reconstructor",
        version="1",
        title="x",
        requires=("face-mae", "resnet18"),
        requires_by={"perceptual": ("resnet18", "vgg16")},
    )
    assert required(card, {}) == required(card, {"perceptual": "resnet18"}) == ("face-mae", "resnet18")
    assert required(card, {"perceptual": "vgg16", "width": 4}) == ("face-mae", "resnet18", "vgg16")
    with pytest.raises(UnknownName, match=r"unknown perceptual of x 'vg16'\n.*did you mean 'vgg16'"):
        required(card, {"perceptual": "vg16"})


def test_a_broken_plugin_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        (EntryPoint("good", "ofer_baselines.cards:MAE", "ofer_bench.systems"), "ofer-bench"),
        (EntryPoint("gone", "no_such_module:CARD", "ofer_bench.systems"), "elsewhere"),
        (EntryPoint("odd", "ofer_baselines.cards:__doc__", "ofer_bench.systems"), "elsewhere"),
    ]
    monkeypatch.setattr(discovery, "_points", lambda: iter(points))
    found = registry.__wrapped__()
    assert set(found.entries) == {"mae"}
    assert "ModuleNotFoundError" in found.broken["gone"]
    assert "not a Card" in found.broken["odd"]
    with pytest.raises(PluginError, match="'gone' is broken"):
        found.card("gone")


def test_a_class_that_is_not_there_is_a_typed_error() -> None:
    with pytest.raises(PluginError, match="can't load 'x'"):
        load_class(Card(id="x", kind="detector", version="1", title="x", load="ofer_baselines.cards:Nothing"))


def test_protocols_recognise_by_shape() -> None:
    class Both:
        def detect(self, batch: object) -> None: ...

        def predict(self, batch: object) -> None: ...

    assert isinstance(Both(), Detector)
    assert isinstance(Both(), Classifier)
    assert not isinstance(Both(), Reconstructor)
