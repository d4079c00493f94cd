from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from pydantic import ValidationError

from ofer_bench.core.errors import SpecError, UnknownName
from ofer_bench.engine.config import load_profile, load_suite, restrict, system_spec
from ofer_bench.engine.variants import check_variants
from ofer_bench.plugins.discovery import BUILT_IN, COMPONENT_KINDS, load_class, registry
from ofer_bench.spec.datasets import Datasets, load_datasets
from ofer_bench.spec.profile import Profile
from ofer_bench.spec.suite import OcclusionSpec, Suite
from ofer_bench.spec.yaml_io import packaged_names, parse_yaml

SUITE = """
name: tiny
version: "1"
title: Tiny
occlusions:
  patches:
    occluder: random-patch
    ratios: [0.25, [0.1, 0.2]]
recognition:
  systems: [resnet18]
  families: [patches]
"""


def test_exact_ratios_and_ranges_are_both_understood() -> None:
    suite = parse_yaml(SUITE, Suite, "tiny.yaml")
    assert suite.occlusions["patches"].ratios == [(0.25, 0.25), (0.1, 0.2)]


@pytest.mark.parametrize(
    ("change", "line", "problem"),
    [
        (("ratios: [0.25, [0.1, 0.2]]", "ratios: [1.5]"), 6, "must satisfy 0 < lo <= hi <= 1"),
        (("families: [patches]", "families: [objects]"), 2, "unknown occlusion 'objects'"),
        (("systems: [resnet18]", "systems: resnet18"), 10, "valid list"),
        (("title: Tiny", "titel: Tiny"), 2, "title"),
    ],
)
def test_mistakes_are_reported_with_file_and_line(change: tuple[str, str], line: int, problem: str) -> None:
    with pytest.raises(SpecError, match=r"tiny\.yaml") as caught:
        parse_yaml(SUITE.replace(*change), Suite, "tiny.yaml")
    assert problem in str(caught.value)
    assert caught.value.line == line


def test_broken_yaml_names_the_line() -> None:
    with pytest.raises(SpecError, match=r"x.yaml:3: not valid YAML"):
        parse_yaml("a: 1\nb: [1, 2\nc: 3\n", Suite, "x.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: \x01\n", r"x\.yaml:2: not valid YAML: special characters"),
        ("a: 2020-13-45\n", r"x\.yaml: not valid YAML: month must be in 1\.\.12"),
    ],
)
def test_what_yaml_itself_stumbles_over_is_a_typed_error(text: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        parse_yaml(text, Suite, "x.yaml")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[resnet18]", "[resnet18, dan, resnet18]", "'resnet18' is named twice"),
        ("[0.25, [0.1, 0.2]]", "[0.25, [0.25, 0.25]]", "is named twice"),
        ("[resnet18]", "[]", "at least 1"),
    ],
)
def test_every_row_is_asked_for_once(old: str, new: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        parse_yaml(SUITE.replace(old, new), Suite, "tiny.yaml")


@pytest.mark.parametrize("task", ["detection: {detectors: [d]", "reconstruction: {classifier: c, reconstructors: [r]"])
def test_detection_and_reconstruction_need_an_occlusion(task: str) -> None:
    with pytest.raises(SpecError, match="families"):
        parse_yaml(f"{SUITE}{task}, families: []}}\n", Suite, "tiny.yaml")


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="expected a mapping"):
        parse_yaml("- 1\n", Suite, "x.yaml")


@pytest.mark.parametrize("name", packaged_names("ofer_bench.spec.suites"))
def test_shipped_suites_name_registered_plugins_only(name: str) -> None:
    suite = load_suite(name)
    found = registry()
    for occlusion in suite.occlusions.values():
        if occlusion.occluder:
            found.card(occlusion.occluder, kind="occluder")
    check_variants(suite)
    parts = [spec.parts.items() for spec in suite.systems.values()]
    if suite.recognition is not None:
        others = [system for system in suite.recognition.systems if system not in suite.systems]
        parts.append([("system", system) for system in others])
    if suite.detection is not None:
        parts.append([("detector", detector) for detector in suite.detection.detectors])
    if suite.reconstruction is not None:
        parts.append([("reconstructor", name) for name in suite.reconstruction.reconstructors])
        judges = (suite.reconstruction.classifier, suite.reconstruction.part_classifier)
        parts.append([("classifier", judge) for judge in judges if judge])
    for kind, part in chain.from_iterable(parts):
        found.card(suite.component_of(part), kind=("system", "classifier") if kind == "system" else kind)


@pytest.mark.parametrize("name", packaged_names("ofer_bench.spec.profiles"))
def test_shipped_profiles_train_every_component(name: str) -> None:
    profile = load_profile(name)
    for entry in registry().of_kind(*COMPONENT_KINDS):
        if entry.origin == BUILT_IN and hasattr(load_class(entry.card), "fit"):
            assert profile.components[entry.card.id].recipe is not None, entry.card.id


@pytest.mark.parametrize("name", packaged_names("ofer_bench.spec.profiles"))
def test_shipped_profiles_configure_known_components(name: str) -> None:
    profile = load_profile(name)
    for component in profile.components:
        registry().card(component)
    assert profile.image_size % profile.patch_size == 0


def test_standard_and_paper_use_the_papers_patch_grid() -> None:
    for name in ("standard", "paper"):
        profile = load_profile(name)
        assert (profile.image_size, profile.patch_size) == (224, 16)


def test_overrides_reach_into_the_profile() -> None:
    profile = load_profile("quick", ("paraface.train_subjects=3", "components.dan.recipe.epochs=1"))
    assert profile.paraface.train_subjects == 3
    recipe = profile.components["dan"].recipe
    assert recipe is not None
    assert recipe.epochs == 1


def test_overrides_add_a_registered_component(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    size = "{train_subjects: 1, val_subjects: 1, test_subjects: 1}"
    path.write_text(f"name: bare\nimage_size: 48\npatch_size: 8\nparaface: {size}\n")
    whole = load_profile(str(path), ("components.dan.recipe={epochs: 3, batch_size: 4, lr: 1e-3}",))
    single = ("epochs=3", "batch_size=4", "lr=1e-3", "extra.x=1")
    by_key = load_profile(str(path), tuple(f"components.dan.recipe.{text}" for text in single))
    for profile in (whole, by_key):
        recipe = profile.components["dan"].recipe
        assert recipe is not None
        assert (recipe.epochs, recipe.batch_size, recipe.lr) == (3, 4, 1e-3)
    with pytest.raises(UnknownName, match="did you mean 'dan'"):
        load_profile(str(path), ("components.dann.recipe.epochs=3",))
    with pytest.raises(SpecError, match="recipee"):
        load_profile(str(path), ("components.dan.recipee.epochs=3",))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("image_size=2020-13-45", SpecError, "not valid YAML"),
        ("components.dann.recipe.epochs=1", UnknownName, "did you mean 'dan'"),
        ("paraface.train_subjects=0", SpecError, "train_subjects"),
        ("image_size", SpecError, "not of the form"),
        ("image_size=60", SpecError, "multiple of patch_size"),
    ],
)
def test_wrong_overrides_are_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_profile("quick", (text,))


def test_unknown_suite_suggests() -> None:
    with pytest.raises(UnknownName, match="did you mean 'core'"):
        load_suite("cor")


def test_profile_must_divide_into_patches() -> None:
    with pytest.raises(ValueError, match="multiple of patch_size"):
        Profile.model_validate(
            {
                "name": "x",
                "image_size": 65,
                "patch_size": 8,
                "paraface": {"train_subjects": 1, "val_subjects": 1, "test_subjects": 1},
            }
        )


def test_a_system_is_a_card_a_composition_or_a_classifier() -> None:
    suite = load_suite("core")
    spec = system_spec(
        suite, "latent-ofer", {"latent-ofer": {"classifier": "a", "detector": "b", "reconstructor": "c"}}
    )
    assert (spec.detector, spec.reconstructor, spec.classifier) == ("b", "c", "a")
    assert system_spec(suite, "resnet18", {}).detector is None


def test_restricting_to_systems_drops_other_tasks() -> None:
    suite = restrict(load_suite("core"), ("dan",))
    assert suite.recognition is not None
    assert suite.recognition.systems == ["dan"]
    assert suite.detection is None


def test_data_sets_come_from_the_users_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.yaml"
    path.write_text("datasets:\n  Mine: {reader: folder, root: $HOME/x, licence: CC0, alignment: none}\n")
    monkeypatch.setenv("OFER_BENCH_DATASETS", "~/d.yaml")
    monkeypatch.setenv("HOME", str(tmp_path))
    datasets = load_datasets()
    assert datasets.named("Mine").path == tmp_path / "x"
    with pytest.raises(UnknownName, match="did you mean 'Mine'"):
        datasets.named("mime")


def test_the_shipped_data_sets_hold_paraface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OFER_BENCH_DATASETS", raising=False)
    assert isinstance(load_datasets(), Datasets)
    assert load_datasets().named("ParaFace").reader == "paraface"


@pytest.mark.parametrize("name", ["smoke", "quick", "hours", "standard", "paper"])
def test_dan_trains_with_the_random_erasing_of_its_authors(name: str) -> None:
    recipe = load_profile(name).components["dan"].recipe
    assert recipe is not None
    assert recipe.extra == {"erasing": 0.5}


def _family(**fields: object) -> OcclusionSpec:
    return OcclusionSpec.model_validate(fields)


def test_a_family_has_an_occluder_or_another_data_sets_faces() -> None:
    for fields in ({}, {"occluder": "objects"}, {"data": "X-{data}", "ratios": [0.1]}, {"occluder": "a", "data": "b"}):
        with pytest.raises(ValidationError):
            _family(**fields)
    assert _family(occluder="objects", ratios=[0.2], split="Syn-{data}").cells("A") == [("Syn-A", 0.2, 0.2)]
    assert _family(data="FED-{data}").cells("A") == [("FED-A", 0.0, 0.0)]


def test_families_of_unknown_data_sets_give_no_split() -> None:
    suite = load_suite("core")
    assert "Occlusion-ParaFace" not in suite.split_families("ParaFace")
    families = suite.split_families("ParaFace", {"ParaFace", "Occlusion-ParaFace", "FED-ParaFace"})
    assert families["Occlusion-ParaFace"] == "scene" and families["FED-ParaFace"] == "shifted"
    assert families["Syn-ParaFace"] == "objects"


def test_the_recorded_occluder_names_its_options_but_no_path() -> None:
    assert _family(occluder="objects", ratios=[0.2]).recorded == "objects"
    options = {"fill": "blur", "border": True, "folder": "/home/me/masks"}
    recorded = _family(occluder="irregular", ratios=[[0.1, 0.2]], params=options, explain="prediction").recorded
    assert recorded == "irregular[border=True,explain=prediction,fill=blur,folder=masks]"
