"""Variants of components in plans and in runs, thresholds by false alarms, true masks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from torch import Tensor

from ofer_bench.core.errors import OferBenchError, SpecError, UnknownName
from ofer_bench.core.types import FaceBatch, Reconstruction
from ofer_bench.engine.blocked import blocked_rows
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.engine.config import RunConfig, load_profile, load_suite
from ofer_bench.engine.execute import Execution
from ofer_bench.engine.tasks import plan_run
from ofer_bench.spec.datasets import Datasets, DatasetSpec
from ofer_bench.spec.suite import Suite
from ofer_bench.store.records import read_records
from tests.engine.conftest import ToyRun
from tests.engine.test_plan import CONFIG

LAMBDA = {"of": "hybrid", "extra": {"loss_weights": {"semantic_consistency": 10.0}}}


def varied(config: RunConfig, tasks: Mapping[str, Any], **changes: Any) -> RunConfig:
    """The suite with other ``tasks`` and more ``variants``, ``systems`` or ``occlusions``."""
    value = config.suite.model_dump(mode="json") | {"detection": None, "reconstruction": None, "recognition": None}
    for part, entries in changes.items():
        value[part] = value[part] | entries
    return replace(config, suite=Suite.model_validate(value | tasks))


def recognising(*systems: str, families: tuple[str, ...] = ("random-patch",)) -> dict[str, Any]:
    return {"recognition": {"systems": list(systems), "families": list(families)}}


def data_sets(root: Path) -> Datasets:
    return Datasets(datasets={"A": DatasetSpec(reader="folder", root=str(root), licence="CC0", alignment="none")})


def keys(blueprint: Blueprint, kind: str = "") -> dict[str, str]:
    return {stage.id: stage.key for stage in blueprint.plan.stages.values() if stage.id.startswith(kind)}


def test_what_a_variant_shares_with_its_component_is_planned_once(face_folder: Path) -> None:
    systems = {"other": {"detector": "vit-svdd", "reconstructor": "strong", "classifier": "latent-recognizer"}}
    config = varied(CONFIG, recognising("latent-ofer", "other"), variants={"strong": LAMBDA}, systems=systems)
    plain = keys(plan_run(varied(CONFIG, recognising("latent-ofer")), data_sets(face_folder)))
    beside = keys(plan_run(config, data_sets(face_folder)))
    assert plain.items() <= beside.items()
    assert set(keys(plan_run(config, data_sets(face_folder)), "train/")) == {
        f"train/A/{name}/seed0"
        for name in ("face-mae", "vit-svdd", "resnet18", "hybrid", "strong", "latent-recognizer")
    }
    assert beside["train/A/strong/seed0"] != beside["train/A/hybrid/seed0"]
    new = set(beside) - set(plain) - {"train/A/strong/seed0"}
    assert new and all(stage.startswith(("reconstruct/vit-svdd+strong/", "predict/other/")) for stage in new)


def test_a_variant_is_laid_over_the_profile(face_folder: Path) -> None:
    profile = load_profile("smoke", ("components.hybrid.recipe.extra={loss_weights: {reconstruction: 5.0}}",))
    variants = {"strong": LAMBDA, "cnn": {"of": "latent-recognizer", "model": {"branches": "cnn", "heads": 1}}}
    tasks = recognising("cnn") | {
        "reconstruction": {"reconstructors": ["strong"], "families": ["objects"], "classifier": "cnn"}
    }
    config = replace(varied(CONFIG, tasks, variants=variants), profile=profile)
    recipes = plan_run(config, data_sets(face_folder)).recipes
    assert recipes["train/A/cnn/seed0"].settings.model == {"heads": 1, "hidden": 32, "branches": "cnn"}
    assert recipes["train/A/strong/seed0"].settings.model == {"width": 8, "layer_level": 2}
    weights = {"reconstruction": 5.0, "semantic_consistency": 10.0}
    by_hand = load_profile("smoke", (f"components.hybrid.recipe.extra={{loss_weights: {weights}}}",))
    same = replace(varied(CONFIG, recognising("latent-ofer")), profile=by_hand)
    assert (
        keys(plan_run(config, data_sets(face_folder)))["train/A/strong/seed0"]
        == keys(plan_run(same, data_sets(face_folder)))["train/A/hybrid/seed0"]
    )


def test_variants_stand_on_variants(face_folder: Path) -> None:
    variants = {
        "small": {"of": "face-mae", "model": {"depth": 1}},
        "on-small": {"of": "hybrid", "upstream": {"face-mae": "small"}},
        "same": {"of": "hybrid"},
    }
    task = {"reconstructors": ["hybrid", "on-small", "same"], "families": ["objects"], "classifier": "resnet18"}
    blueprint = plan_run(varied(CONFIG, {"reconstruction": task}, variants=variants), data_sets(face_folder))
    stages = blueprint.plan.stages
    assert "train/A/small/seed0" in stages["train/A/on-small/seed0"].inputs
    assert "train/A/face-mae/seed0" in stages["train/A/hybrid/seed0"].inputs
    assert stages["train/A/on-small/seed0"].key != stages["train/A/hybrid/seed0"].key
    # A mere other name is no other component.
    assert "train/A/same/seed0" not in stages
    keys_of = keys(blueprint)
    assert (
        keys_of["predict/oracle+same+resnet18/objects-0.10-0.40/seed0"]
        == (keys_of["predict/oracle+hybrid+resnet18/objects-0.10-0.40/seed0"])
    )


@pytest.mark.parametrize(
    ("variant", "error", "problem"),
    [
        ({"of": "hybird"}, UnknownName, "did you mean 'hybrid'"),
        ({"of": "latent-ofer"}, UnknownName, "unknown backbone or detector or reconstructor or classifier"),
        ({"of": "hybrid", "false_alarms": 0.1}, SpecError, "hybrid is no detector"),
        ({"of": "hybrid", "upstream": {"vit-svdd": "strict"}}, UnknownName, "upstream component of hybrid 'vit-svdd'"),
    ],
)
def test_what_no_variant_can_be_is_refused(
    variant: dict[str, Any], error: type[OferBenchError], problem: str, face_folder: Path
) -> None:
    strict = {"of": "vit-svdd", "false_alarms": 0.1}
    config = varied(CONFIG, recognising("resnet18"), variants={"wrong": variant, "strict": strict})
    with pytest.raises(error, match=problem):
        plan_run(config, data_sets(face_folder))


def test_a_variant_takes_no_registered_name(face_folder: Path) -> None:
    config = varied(CONFIG, recognising("resnet18"), variants={"conventional": {"of": "hybrid"}})
    with pytest.raises(SpecError, match="the name of a registered reconstructor"):
        plan_run(config, data_sets(face_folder))


def test_extra_needs_a_recipe_to_be_laid_over(face_folder: Path) -> None:
    profile = load_profile("smoke", ("components.hybrid.recipe=null",))
    task = {"reconstructors": ["strong"], "families": ["objects"], "classifier": "resnet18"}
    config = varied(CONFIG, {"reconstruction": task}, variants={"strong": LAMBDA})
    with pytest.raises(SpecError, match=r"add components\.hybrid\.recipe"):
        plan_run(replace(config, profile=profile), data_sets(face_folder))


def test_table_10_trains_five_networks_for_ten_rows(face_folder: Path) -> None:
    suite = load_suite("ablation-table10")
    blueprint = plan_run(replace(CONFIG, suite=suite), data_sets(face_folder))
    shared = ("face-mae", "resnet18", "hybrid", "vit-svdd")
    branches = ("full-latent", "extracted-latent", "cnn", "cnn+full-latent", "latent-recognizer")
    trained = keys(blueprint, "train/")
    assert set(trained) == {f"train/A/{name}/seed0" for name in (*shared, *branches)}
    assert len(set(trained.values())) == len(trained)
    assert list(dict.fromkeys(o.system for o in blueprint.outcomes)) == [
        f"{half}/{row}"
        for half in ("no-recon", "recon")
        for row in ("full-latent", "extracted-latent", "cnn", "cnn+full-latent", "cnn+extracted-latent")
    ]
    for outcome in blueprint.outcomes:
        assert bool(outcome.reconstructor) == outcome.system.startswith("recon/")


def test_other_readings_are_trainings_of_their_own(face_folder: Path) -> None:
    suite = load_suite("ablation-readings")
    blueprint = plan_run(replace(CONFIG, suite=suite), data_sets(face_folder))
    trained = keys(blueprint, "train/")
    readings = {f"train/A/{name}/seed0" for name in suite.variants}
    assert len(readings) == 7 and readings < set(trained)
    assert len(set(trained.values())) == len(trained)
    detectors = [o.detector for o in blueprint.outcomes if o.kind == "detection" and o.cell.family == "objects"]
    assert detectors == suite.detection.detectors
    system = next(o for o in blueprint.outcomes if o.system == "latent-ofer/fixed-positions")
    assert system.classifier == "latent-recognizer/fixed"


def test_supplement_table_2_gives_all_classifiers_the_same_restored_faces(face_folder: Path) -> None:
    blueprint = plan_run(replace(CONFIG, suite=load_suite("supplement-table2")), data_sets(face_folder))
    restored = [name for name in blueprint.plan.stages if name.startswith("reconstruct/") and "objects" in name]
    assert len(restored) == 1
    readers = {o.classifier for o in blueprint.outcomes if o.reconstructor == "hybrid" and o.cell.family == "objects"}
    assert readers == {"resnet18", "dan", "latent-recognizer"}


def test_blocked_rows_name_the_oracle() -> None:
    systems = {"given": {"mask": "oracle", "reconstructor": "mae", "classifier": "dan"}}
    rows = list(blocked_rows(varied(CONFIG, recognising("given"), systems=systems), "A"))
    assert {(r["detector"], r["reconstructor"], r["classifier"]) for r in rows} == {("oracle", "mae", "dan")}


SWEEP = (0.02, 0.1, 0.3)


@pytest.fixture(scope="module")
def swept(toy: ToyRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[Execution, pd.DataFrame]:
    """Both detectors at several thresholds, a whole system at one of them."""
    out = tmp_path_factory.mktemp("swept")
    detectors = ("vit-svdd", "one-class-svm")
    variants = {f"{d}@{share}": {"of": d, "false_alarms": share} for d in detectors for share in SWEEP}
    tasks = recognising("loose") | {"detection": {"detectors": [*detectors, *variants], "families": ["objects"]}}
    system = {"detector": "vit-svdd@0.3", "reconstructor": "mean-fill", "classifier": "resnet18"}
    config = varied(toy.config, tasks, variants=variants, systems={"loose": system})
    execution, recorder = toy.again(out, config=config)
    assert not execution.failures
    assert not [stage for stage in recorder.made if stage.startswith(("train/", "occlude/"))]
    return execution, read_records(out)


@pytest.mark.parametrize("detector", ["vit-svdd", "one-class-svm"])
def test_the_share_of_false_alarms_is_that_of_validation_patches(
    detector: str, swept: tuple[Execution, pd.DataFrame]
) -> None:
    execution, _ = swept

    def stored(name: str, what: str, cell: str = "objects-0.10-0.40") -> np.ndarray:
        return np.load(execution.artefacts[f"detect/{name}/{cell}/seed0"].path / f"{what}.npy")

    clean = sorted(stored(detector, "score", "validation").ravel().tolist())
    for share in SWEEP:
        # Independent reference: the order statistics on both sides of the quantile.
        place = (1 - share) * (len(clean) - 1)
        low, high = clean[math.floor(place)], clean[math.ceil(place)]
        threshold = execution.artefacts[f"detect/{detector}@{share}/objects-0.10-0.40/seed0"].meta["threshold"]
        assert threshold == pytest.approx(low + (high - low) * (place - math.floor(place)), rel=1e-6)
        assert sum(score > threshold for score in clean) == pytest.approx(share * len(clean), abs=1)
        np.testing.assert_array_equal(stored(f"{detector}@{share}", "score"), stored(detector, "score"))
        np.testing.assert_array_equal(
            stored(f"{detector}@{share}", "mask_patch"), stored(detector, "score") > np.float32(threshold)
        )


def test_the_threshold_of_vit_svdd_is_its_own_share_of_false_alarms(swept: tuple[Execution, pd.DataFrame]) -> None:
    execution, _ = swept
    own = execution.artefacts["detect/vit-svdd/objects-0.10-0.40/seed0"]
    same = execution.artefacts["detect/vit-svdd@0.02/objects-0.10-0.40/seed0"]
    assert same.meta["threshold"] == pytest.approx(own.meta["threshold"], rel=1e-4)


def test_thresholds_have_rows_of_their_own(swept: tuple[Execution, pd.DataFrame]) -> None:
    execution, table = swept
    assert set(table.status) == {"ok"}
    recall = table[table.metric == "patch_recall"].set_index("detector").value
    assert recall["vit-svdd@0.02"] <= recall["vit-svdd@0.1"] <= recall["vit-svdd@0.3"]
    auroc = table[table.metric == "patch_auroc"].set_index("detector").value
    assert auroc["vit-svdd@0.3"] == auroc["vit-svdd"]
    row = table[(table.system == "loose") & (table.metric == "accuracy") & (table.slice_key == "")].iloc[0]
    assert (row.detector, row.reconstructor) == ("vit-svdd@0.3", "mean-fill")
    assert "vit-svdd@0.3:" in row.weights_digest
    assert "train/Toy/vit-svdd/seed0" in execution.artefacts


def test_settings_of_a_variant_reach_the_component(
    toy: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ofer_bench.latent_ofer.recognizer import LatentRecognizer

    seen = []

    def watch(self: LatentRecognizer, train: object, val: object, recipe: Any, *rest: object) -> None:
        seen.append((self.branches, dict(recipe.extra), recipe.epochs))

    monkeypatch.setattr(LatentRecognizer, "fit", watch)
    variant = {"of": "latent-recognizer", "model": {"branches": "cnn"}, "extra": {"deoccluded_share": 0.25}}
    config = varied(toy.config, recognising("bare", families=()), variants={"bare": variant})
    execution, recorder = toy.again(tmp_path / "run", config=config)
    assert not execution.failures
    assert seen == [("cnn", {"deoccluded_share": 0.25}, 1)]
    assert recorder.made == ["train/Toy/bare/seed0", "predict/bare/clean/seed0"]
    weights = load_file(execution.artefacts["train/Toy/bare/seed0"].path / "weights.safetensors")
    assert not [name for name in weights if name.startswith("latent_branch")]


TAU = 0.3


def test_an_oracle_gives_the_reconstructor_the_true_mask(
    toy: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ofer_baselines.mean_fill import MeanFill

    seen: dict[str, np.ndarray] = {}

    def watch(self: MeanFill, batch: FaceBatch, mask_patch: Tensor) -> Reconstruction:
        assert batch.occluded is None and batch.clean is None and batch.label is None
        seen.update(zip(batch.sample_id, mask_patch.numpy(), strict=True))
        return Reconstruction(image=batch.image * 0 + 0.5, composited=batch.image)

    monkeypatch.setattr(MeanFill, "reconstruct", watch)
    given = {"mask": "oracle", "reconstructor": "mean-fill", "classifier": "resnet18", "tau": TAU}
    natural = DatasetSpec(
        reader="folder", root=toy.datasets.named("Toy").root, train_on="Toy", licence="CC0", alignment="none"
    )
    datasets = Datasets(datasets={**toy.datasets.datasets, "Occlusion-Toy": natural})
    config = varied(
        toy.config, recognising("resnet18", "given", families=("irregular", "scene")), systems={"given": given}
    )
    execution, _ = replace(toy, datasets=datasets).again(tmp_path / "run", config=config)

    cell = execution.artefacts["occlude/Toy/irregular-0.10-0.40"].path
    mask = np.unpackbits(np.load(cell / "mask.npy"), axis=-1, count=48).astype(bool)
    image = np.load(cell / "image.npy")
    restored = execution.artefacts[f"reconstruct/oracle@{TAU}+mean-fill/irregular-0.10-0.40/seed0"].path
    composited = np.load(restored / "composited.npy")
    assert len(seen) == len(mask) == 14
    partly = 0
    for face, hole in zip(mask, seen.values(), strict=True):
        for row in range(6):
            for column in range(6):
                covered = face[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].sum() / 64
                assert hole[row, column] == (covered >= TAU)
                partly += 0 < covered < TAU
    assert partly
    np.testing.assert_array_equal(composited[~mask], image[~mask])
    assert set(composited[mask].ravel().tolist()) == {128}

    table = read_records(tmp_path / "run")
    rows = table[(table.metric == "accuracy") & (table.slice_key == "") & (table.system == "given")]
    assert set(rows.detector) == {"oracle"}
    by_cell = rows.set_index(["split", "occluder"])
    # Unoccluded faces: nothing to restore. Faces without true masks: no number, and the reason.
    alone = table[(table.system == "resnet18") & (table.metric == "accuracy") & (table.occluder == "")]
    assert by_cell.loc[("Toy", ""), "value"] == alone[alone.split == "Toy"].value.iloc[0]
    assert by_cell.loc[("Toy", "irregular"), "status"] == "ok"
    lost = by_cell.loc[("Occlusion-Toy", "")]
    assert lost.status == "failed" and "no true masks" in lost.note and math.isnan(lost.value)
    assert alone[alone.split == "Occlusion-Toy"].status.tolist() == ["ok"]
