"""Plans: names, keys and what they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ofer_bench.core.errors import SpecError
from ofer_bench.engine.blocked import blocked_rows
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.engine.config import RunConfig, load_profile, load_suite, restrict
from ofer_bench.engine.stages import Plan, Workspace
from ofer_bench.engine.tasks import plan_run
from ofer_bench.spec.datasets import Datasets, DatasetSpec

CONFIG = RunConfig(
    suite=load_suite("smoke"),
    profile=load_profile("smoke"),
    datasets=("A",),
    splits=(),
    seeds=1,
    device="cpu",
)


def data_sets(root: Path) -> Datasets:
    spec = DatasetSpec(reader="folder", root=str(root), licence="CC0", alignment="none")
    absent = spec.model_copy(update={"root": "/no/such"})
    return Datasets(
        datasets={
            "A": spec,
            "B": spec.model_copy(update={"train_on": "A"}),
            "Half": DatasetSpec(reader="folder", root=str(root), train_on="Absent", licence="CC0", alignment="none"),
            "Absent": absent,
        }
    )


def keys(blueprint: Blueprint) -> dict[str, str]:
    return {stage.id: stage.key for stage in blueprint.plan.stages.values()}


def with_occlusions(config: RunConfig, **occlusions: Mapping[str, Any]) -> RunConfig:
    value = config.suite.model_dump(mode="json")
    value["occlusions"].update(occlusions)
    return replace(config, suite=type(config.suite).model_validate(value))


def test_keys_do_not_depend_on_what_else_is_planned(face_folder: Path) -> None:
    alone = keys(plan_run(CONFIG, data_sets(face_folder)))
    beside = keys(plan_run(replace(CONFIG, datasets=("B", "A")), data_sets(face_folder)))
    assert set(alone.values()) <= set(beside.values())
    assert alone["detect/vit-svdd/objects-0.10-0.40/seed0"] == beside["detect/vit-svdd/A-objects-0.10-0.40/seed0"]


def test_a_second_gpu_changes_no_key_but_the_kind_of_device_does(face_folder: Path) -> None:
    def on(device: str) -> dict[str, str]:
        return keys(plan_run(replace(CONFIG, device=device), data_sets(face_folder)))

    assert on("cpu:0") == on("cpu")
    assert on("cuda:1") == on("cuda")
    assert not set(on("cpu").values()) & set(on("cuda").values())


def test_ratios_that_agree_in_two_decimals_are_different_cells(face_folder: Path) -> None:
    config = with_occlusions(CONFIG, **{"random-patch": {"occluder": "random-patch", "ratios": [0.121, 0.124, 0.5]}})
    cells = [c for c in plan_run(config, data_sets(face_folder)).cells if c.startswith("random-patch")]
    assert cells == ["random-patch-0.121", "random-patch-0.124", "random-patch-0.50"]


def test_one_name_for_two_stages_is_refused() -> None:
    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        return {}

    plan, other = Plan(), Plan()
    plan.add("a", "split", {"n": 1}, (), produce)
    assert plan.add("a", "split", {"n": 1}, (), produce) == "a"
    with pytest.raises(SpecError, match="two different stages are called a"):
        plan.add("a", "split", {"n": 2}, (), produce)
    other.add("a", "split", {"n": 2}, (), produce)
    with pytest.raises(SpecError, match="two different stages are called a"):
        plan.merge(other)


def test_changed_cut_outs_change_the_key(face_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    folder.mkdir()
    config = with_occlusions(
        CONFIG, objects={"occluder": "objects", "ratios": [[0.1, 0.4]], "params": {"folder": str(folder)}}
    )

    def planned() -> str:
        return keys(plan_run(config, data_sets(face_folder)))["occlude/A/objects-0.10-0.40"]

    def draw(value: int) -> None:
        Image.fromarray(np.full((20, 20, 4), value, dtype=np.uint8)).save(folder / "a.png")

    draw(200)
    before = planned()
    assert planned() == before
    draw(100)
    assert planned() != before


def test_components_are_named_with_the_stage_that_trained_them(face_folder: Path) -> None:
    datasets = Datasets(datasets={name: data_sets(face_folder).datasets["A"] for name in ("A", "C")})
    blueprint = plan_run(replace(CONFIG, datasets=("A", "C"), seeds=2), datasets)
    for outcome in blueprint.outcomes:
        data = outcome.cell.split.removeprefix("Syn-")
        assert outcome.components
        for component, stage in outcome.components.items():
            assert stage == f"train/{data}/{component}/seed{outcome.seed}"


def test_seeds_share_the_cells_of_the_first(face_folder: Path) -> None:
    one = plan_run(CONFIG, data_sets(face_folder))
    two = plan_run(replace(CONFIG, seeds=2), data_sets(face_folder))
    assert one.cells == two.cells


def test_a_blocked_data_set_leaves_nothing_in_the_plan(face_folder: Path) -> None:
    blueprint = plan_run(replace(CONFIG, datasets=("Half", "A")), data_sets(face_folder))
    assert list(blueprint.blocked) == ["Half"]
    assert not [s for s in blueprint.plan.stages if "Half" in s]
    assert not [c for c in blueprint.cells if "Half" in c]


def test_blocked_rows_keep_to_the_splits_and_tasks_asked_for() -> None:
    config = replace(CONFIG, splits=("Syn-A",))
    assert {row["split"] for row in blocked_rows(config, "A")} == {"Syn-A"}
    named = {row["metric"] for row in blocked_rows(config, "A")}
    assert named == {"accuracy", "psnr", "patch_auroc", "restored_expression"}
    only = replace(CONFIG, suite=restrict(CONFIG.suite, ("dan",)))
    assert {row["system"] for row in blocked_rows(only, "A")} == {"dan"}
    detection = replace(CONFIG, suite=CONFIG.suite.model_copy(update={"recognition": None, "reconstruction": None}))
    assert {row["detector"] for row in blocked_rows(detection, "A")} == {"one-class-svm", "vit-svdd"}


def with_natural_family(data: str) -> RunConfig:
    config = with_occlusions(CONFIG, real={"data": data})
    recognition = config.suite.recognition
    assert recognition is not None
    task = recognition.model_copy(update={"families": ["real"]})
    return replace(config, suite=config.suite.model_copy(update={"recognition": task}))


def test_another_data_sets_faces_are_a_family_of_this_one(face_folder: Path) -> None:
    blueprint = plan_run(with_natural_family("B"), data_sets(face_folder))
    cell = blueprint.cells["real"]
    assert (cell.split, cell.occluder, cell.split_stage, cell.occlude_stage) == ("B", "", "split/B/test", None)
    scored = [o for o in blueprint.outcomes if o.kind == "recognition" and o.cell.family == "real"]
    assert scored and all("train/A/" in stage for o in scored for stage in o.components.values())
    unknown = plan_run(with_natural_family("Occlusion-{data}"), data_sets(face_folder))
    assert "real" not in unknown.cells and not unknown.blocked_families


def test_a_missing_companion_blocks_its_family_alone(face_folder: Path) -> None:
    config = with_natural_family("Absent")
    blueprint = plan_run(config, data_sets(face_folder))
    assert "real" not in blueprint.cells and "clean" in blueprint.cells
    assert list(blueprint.blocked_families) == [("A", "real")]
    rows = list(blocked_rows(config, "A", "real"))
    assert rows and {(row["split"], row["status"]) for row in rows} == {("Absent", "blocked")}


def with_recognition(config: RunConfig, *families: str) -> RunConfig:
    recognition = config.suite.recognition
    assert recognition is not None
    task = recognition.model_copy(update={"families": list(families)})
    return replace(config, suite=config.suite.model_copy(update={"recognition": task}))


def test_a_white_box_occluder_attacks_every_system_with_its_own_classifier(face_folder: Path) -> None:
    family = {"own": {"occluder": "gradcam-self", "ratios": [0.2]}}
    config = with_recognition(with_occlusions(CONFIG, **family), "gradcam", "own")
    blueprint = plan_run(config, data_sets(face_folder))
    classifiers = {"resnet18": "resnet18", "dan": "dan", "latent-ofer": "latent-recognizer"}
    attacks = {o.system: o for o in blueprint.outcomes if o.kind == "recognition" and o.cell.family == "own"}
    assert set(attacks) == set(classifiers)
    for system, classifier in classifiers.items():
        cell = attacks[system].cell
        assert cell.id == f"own-0.20@{classifier}" and cell.occluder == "gradcam-self"
        assert cell.occlude_stage is not None
        assert f"relevance/A/{classifier}/label/seed0" in blueprint.plan.stages[cell.occlude_stage].inputs
        assert cell.occlude_stage in blueprint.plan.stages[attacks[system].stage].inputs or system == "latent-ofer"
    shared = {o.cell.occlude_stage for o in blueprint.outcomes if o.system and o.cell.id == "gradcam-0.20"}
    assert shared == {"occlude/A/gradcam-0.20/seed0"}
    # The reference attacked by itself sees the very map that gradcam goes by.
    assert "relevance/A/resnet18/label/seed0" in blueprint.plan.stages["occlude/A/gradcam-0.20/seed0"].inputs


def test_a_white_box_occluder_has_nothing_to_attack_in_a_detector(face_folder: Path) -> None:
    config = with_occlusions(CONFIG, objects={"occluder": "gradcam-self", "ratios": [0.2]})
    with pytest.raises(SpecError, match="recognition alone"):
        plan_run(config, data_sets(face_folder))


def test_the_explained_class_is_part_of_what_is_recorded(face_folder: Path) -> None:
    family = {"occluder": "gradcam", "ratios": [0.2], "explain": "prediction"}
    blueprint = plan_run(
        with_recognition(with_occlusions(CONFIG, other=family), "gradcam", "other"), data_sets(face_folder)
    )
    assert blueprint.cells["other-0.20"].occluder == "gradcam[explain=prediction]"
    relevance = [s.key for s in blueprint.plan.stages.values() if s.kind == "relevance"]
    assert len(set(relevance)) == 2
    wrong = with_occlusions(CONFIG, objects={**family, "occluder": "random-patch"})
    with pytest.raises(SpecError, match="explains nothing"):
        plan_run(wrong, data_sets(face_folder))


def test_fills_are_occluders_of_their_own_in_records_and_keys(face_folder: Path) -> None:
    def family(**params: str) -> dict[str, Any]:
        return {"occluder": "random-patch", "ratios": [0.2], "params": params}

    config = with_recognition(with_occlusions(CONFIG, a=family(), b=family(fill="black")), "a", "b")
    blueprint = plan_run(config, data_sets(face_folder))
    assert [blueprint.cells[f"{name}-0.20"].occluder for name in "ab"] == ["random-patch", "random-patch[fill=black]"]
    assert {row["occluder"] for row in blocked_rows(config, "A", "b")} == {"random-patch[fill=black]"}
    keys_of = keys(blueprint)
    assert keys_of["occlude/A/a-0.20"] != keys_of["occlude/A/b-0.20"]
