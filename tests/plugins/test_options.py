"""Settings that no component reads."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch

from ofer_bench.core.errors import SpecError
from ofer_bench.core.seeding import torch_seed
from ofer_bench.engine.config import load_profile
from ofer_bench.plugins.discovery import load_class, registry, required
from ofer_bench.plugins.options import check_known
from ofer_bench.plugins.protocols import ComponentSettings, Trainable
from ofer_bench.spec.profile import Recipe
from tests.conftest import toy_faces

COMPONENTS = sorted(
    entry.card.id
    for entry in registry().of_kind("backbone", "detector", "reconstructor", "classifier")
    if entry.origin == "ofer-bench"
)
PROFILES = ("smoke", "quick", "hours", "standard", "paper")
FACES = toy_faces(14)


class Enough(Exception):
    pass


class Impatient:
    """A training sink that ends the training at its first step."""

    def progress(self, done: int, total: int, unit: str = "images") -> None:
        raise Enough

    def log(self, step: int, **values: float) -> None:
        return None


def build(component_id: str, profile: str = "smoke", size: int = 32, **model: Any) -> Any:
    """Build a component, ``model`` laid over the profile's settings, and what it stands on."""
    card, profiles = registry().card(component_id), load_profile(profile).components
    model = {**(profiles[component_id].model if component_id in profiles else {}), **model}
    settings = ComponentSettings(image_size=size, patch_size=8, num_classes=7, model=model)
    with torch_seed(0):
        return load_class(card)(settings, {name: build(name, profile, size) for name in required(card, model)})


def fit(component: Any, extra: dict[str, Any]) -> None:
    with contextlib.suppress(Enough):
        component.fit(FACES, FACES, Recipe(epochs=1, batch_size=14, lr=1e-3, extra=extra), 0, Impatient())


def test_an_unknown_setting_is_named_with_the_known_ones() -> None:
    check_known("dan", {"heads": 4}, ("heads",))
    with pytest.raises(SpecError, match=r"dan: unknown setting 'head'\n.*did you mean 'heads'\? known: heads"):
        check_known("dan", {"head": 4}, ("heads",))
    with pytest.raises(SpecError, match=r"known: \(none\)"):
        check_known("mae", {"dim": 4}, ())


@pytest.mark.parametrize("component_id", COMPONENTS)
def test_no_built_in_component_swallows_a_setting(component_id: str) -> None:
    with pytest.raises(SpecError, match="unknown setting 'nonsense'"):
        build(component_id, nonsense=1)
    component = build(component_id)
    if isinstance(component, Trainable):
        with pytest.raises(SpecError, match="unknown setting 'nonsense'"):
            fit(component, {"nonsense": 1})


@pytest.mark.parametrize("component_id", COMPONENTS)
def test_the_shipped_profiles_give_what_components_read(component_id: str) -> None:
    refused, references = [], registry().card(component_id).requires_by
    for profile in PROFILES:
        given = load_profile(profile).components.get(component_id)
        try:
            with torch.device("meta"):
                build(component_id, profile, size=64)
            if given is not None and given.recipe is not None:
                named = {setting: given.model[setting] for setting in references if setting in given.model}
                fit(build(component_id, **named), given.recipe.extra)
        except SpecError as error:
            refused.append(f"{profile}: {error}")
    assert refused == []
