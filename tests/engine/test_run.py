from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from ofer_bench.core.errors import DatasetMissing
from ofer_bench.engine import pool
from ofer_bench.engine.config import restrict
from ofer_bench.engine.pool import ComponentPool
from ofer_bench.engine.progress import Silent
from ofer_bench.engine.run import run_suite
from ofer_bench.spec.datasets import Datasets, DatasetSpec
from ofer_bench.store.artefacts import Store
from ofer_bench.store.records import read_records
from tests.engine.conftest import ToyRun


def records(path: Path) -> pd.DataFrame:
    return read_records(path)


def test_every_stage_of_the_smoke_suite_succeeds(toy: ToyRun) -> None:
    assert toy.recorder.failed == {}
    assert len(toy.recorder.made) == len(toy.first.artefacts)
    assert json.loads((toy.out / "run.json").read_text())["status"] == "done"


def test_a_second_run_makes_nothing_and_loads_no_model(
    toy: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: ComponentPool, *arguments: object) -> None:
        raise AssertionError("a warm run loaded a model")

    monkeypatch.setattr(ComponentPool, "get", forbidden)
    monkeypatch.setattr(pool, "load_class", forbidden)
    execution, recorder = toy.again(tmp_path / "again")
    assert recorder.made == []
    assert execution.failures == {}
    pd.testing.assert_frame_equal(
        records(toy.out).drop(columns="run_id"), records(tmp_path / "again").drop(columns="run_id")
    )


def test_what_an_earlier_run_left_in_the_directory_goes(toy: ToyRun, tmp_path: Path) -> None:
    toy.again(tmp_path / "run")
    (tmp_path / "run" / "predictions" / "notes.txt").write_text("the user's")
    config = replace(toy.config, suite=restrict(toy.config.suite, ("dan",)))
    toy.again(tmp_path / "run", config=config)
    listed = {entry["file"] for entry in json.loads((tmp_path / "run" / "run.json").read_text())["predictions"]}
    there = {f"predictions/{p.name}" for p in (tmp_path / "run" / "predictions").iterdir()}
    assert there == listed | {"predictions/notes.txt"}
    assert not list((tmp_path / "run" / "samples").iterdir())
    assert set(records(tmp_path / "run").system) == {"dan"}


def test_two_cold_runs_write_the_same_records(toy: ToyRun, tmp_path: Path) -> None:
    toy.again(tmp_path / "cold", store=tmp_path / "other-store")
    first, second = (pd.read_csv(p / "records.csv", dtype=str) for p in (toy.out, tmp_path / "cold"))
    pd.testing.assert_frame_equal(first.drop(columns="run_id"), second.drop(columns="run_id"))


def test_a_lost_artefact_is_made_again_alone(toy: ToyRun, tmp_path: Path) -> None:
    stage = next(s for s in toy.first.artefacts if s.startswith("detect/vit-svdd/objects"))
    (toy.first.artefacts[stage].path / "score.npy").unlink()
    _, recorder = toy.again(tmp_path / "again")
    assert recorder.made == [stage]


def test_the_seed_changes_training_but_not_the_occlusions(toy: ToyRun, tmp_path: Path) -> None:
    _, recorder = toy.again(tmp_path / "seeds", config=replace(toy.config, seeds=2))
    assert "train/Toy/resnet18/seed1" in recorder.made
    made = [s for s in recorder.made if s.startswith(("occlude/", "split/"))]
    assert made == ["occlude/Toy/gradcam-0.20/seed1", "occlude/Toy/gradcam-0.50/seed1"]


def test_accuracies_follow_from_the_stored_predictions(toy: ToyRun) -> None:
    table = records(toy.out)
    run = json.loads((toy.out / "run.json").read_text())
    cells = {c["id"]: c for c in run["cells"]}
    checked = 0
    for entry in run["predictions"]:
        cell = cells[entry["cell"]]
        predictions = pd.read_parquet(toy.out / entry["file"])
        row = table[
            (table.metric == "accuracy")
            & (table.system == entry["system"])
            & (table.split == cell["split"])
            & (table.occluder == cell["occluder"])
            & (table.ratio_lo == cell["ratio_lo"])
        ]
        if len(row) != 1:
            continue
        right = int((predictions.label == predictions.predicted).sum())
        assert row.value.item() == pytest.approx(100 * accuracy_score(predictions.label, predictions.predicted))
        low, high = proportion_confint(right, len(predictions), method="wilson")
        assert row.ci_lo.item() == pytest.approx(100 * low)
        assert row.ci_hi.item() == pytest.approx(100 * high)
        checked += 1
    assert checked == 3 * len(cells)


def test_an_unreadable_image_counts_as_wrong(toy: ToyRun) -> None:
    table = records(toy.out)
    accuracy = table[(table.metric == "accuracy") & (table.system != "")]
    assert (accuracy.n == 15).all()
    assert (accuracy.n_failed == 1).all()
    predictions = pd.read_parquet(toy.out / "predictions" / "resnet18__clean.parquet")
    lost = predictions[predictions.status == "failed"]
    assert lost.sample_id.tolist() == ["test/fear/broken.png"]
    assert lost.predicted.tolist() == [-1]


def test_detection_auroc_follows_from_stored_scores(toy: ToyRun) -> None:
    folder = toy.first.artefacts["detect/vit-svdd/objects-0.10-0.40/seed0"].path
    truth = np.load(folder / "coverage.npy") >= 0.5
    expected = roc_auc_score(truth.ravel(), np.load(folder / "score.npy").ravel())
    table = records(toy.out)
    row = table[(table.metric == "patch_auroc") & (table.detector == "vit-svdd")]
    assert row.value.item() == pytest.approx(expected, abs=1e-9)


def test_with_tau_zero_any_overlap_makes_a_patch_occluded(toy: ToyRun, tmp_path: Path) -> None:
    assert toy.config.suite.detection is not None
    task = toy.config.suite.detection.model_copy(update={"tau": 0.0})
    suite = toy.config.suite.model_copy(update={"detection": task, "reconstruction": None, "recognition": None})
    execution, _ = toy.again(tmp_path / "run", config=replace(toy.config, suite=suite))
    coverage = np.load(execution.artefacts["detect/vit-svdd/objects-0.10-0.40/seed0"].path / "coverage.npy")
    prevalence = records(tmp_path / "run").query("metric == 'patch_prevalence'")
    assert prevalence.value.tolist() == pytest.approx([100 * (coverage > 0).mean()] * 2)
    assert (prevalence.n_failed == 36).all()


def test_predictions_in_the_store_are_scored_without_their_faces(
    toy: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ofer_bench.data.folder import FolderReader

    def gone(self: FolderReader, *arguments: object) -> None:
        raise RuntimeError("gone")

    monkeypatch.setattr(FolderReader, "read", gone)
    hidden = toy.first.artefacts["split/Toy/test"].path
    hidden.rename(tmp_path / "hidden")
    try:
        toy.again(tmp_path / "run")
    finally:
        (tmp_path / "hidden").rename(hidden)
    assert set(records(tmp_path / "run").status) == {"ok"}


def test_composited_images_keep_known_pixels(toy: ToyRun) -> None:
    artefacts = toy.first.artefacts
    occluded = np.load(artefacts["occlude/Toy/objects-0.10-0.40"].path / "image.npy")
    detected = np.load(artefacts["detect/vit-svdd/objects-0.10-0.40/seed0"].path / "mask_patch.npy")
    restored = np.load(artefacts["reconstruct/vit-svdd+hybrid/objects-0.10-0.40/seed0"].path / "composited.npy")
    hole = detected.repeat(8, axis=1).repeat(8, axis=2)
    np.testing.assert_array_equal(restored[~hole], occluded[~hole])


def test_records_name_weights_and_data(toy: ToyRun) -> None:
    row = records(toy.out).query("system == 'latent-ofer' and metric == 'accuracy' and occluder == ''").iloc[0]
    assert {part.split(":")[0] for part in row.weights_digest.split()} == {"vit-svdd", "hybrid", "latent-recognizer"}
    assert row.split_digest
    assert row.seed == 0
    assert row.selection == (
        "vit-svdd: end of training; hybrid: best validation epoch; latent-recognizer: best validation epoch"
    )
    assert "seed" not in json.loads((toy.out / "run.json").read_text())


def test_the_qualitative_sample_is_complete(toy: ToyRun) -> None:
    sample = np.load(toy.out / "samples" / "qualitative.npz")
    columns = sample["column"].tolist()
    assert columns[:2] == ["clean", "occluded"]
    assert {"vit-svdd score", "vit-svdd mask", "mae", "hybrid"} <= set(columns)
    assert sample["image"].shape == (2, len(columns), 48, 48, 3)
    assert (sample["predicted"][:, columns.index("hybrid")] >= 0).all()


def test_a_failing_plugin_costs_only_its_own_rows(toy: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ofer_baselines.dan import DAN

    def broken(self: DAN, *arguments: object, **options: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(DAN, "fit", broken)
    stage = "train/Toy/dan/seed0"
    hidden = toy.first.artefacts[stage].path
    hidden.rename(tmp_path / "hidden")
    changed = replace(toy.config, suite=toy.config.suite.model_copy(update={"version": "another"}))
    try:
        execution, recorder = toy.again(tmp_path / "broken", config=changed)
    finally:
        (tmp_path / "hidden").rename(hidden)
    assert recorder.failed == {stage: "RuntimeError: no luck"}
    table = records(tmp_path / "broken")
    # Predictions on clean faces are in the store already, and stay good without the weights.
    dan = table[(table.system == "dan") & (table.occluder != "")]
    assert set(dan.status) == {"failed"}
    assert dan.note.str.contains("no luck").all()
    assert (table[table.system == "resnet18"].status == "ok").all()
    assert json.loads((tmp_path / "broken" / "run.json").read_text())["status"] == "failed"
    assert execution.failed(stage) is not None


def test_a_missing_data_set_among_several_is_blocked_and_visible(toy: ToyRun, tmp_path: Path) -> None:
    absent = DatasetSpec(reader="folder", root="/no/such", licence="CC0", alignment="none")
    datasets = Datasets(datasets={**toy.datasets.datasets, "Absent": absent})
    config = replace(toy.config, datasets=("Toy", "Absent"))
    result = run_suite(config, datasets, Store(toy.store), tmp_path / "run", ["ofer-bench"], Silent())
    assert list(result.blocked) == ["Absent"]
    table = records(tmp_path / "run")
    blocked = table.query("status == 'blocked'")
    assert blocked.value.isna().all()
    # Exactly the rows that the headline metrics of the data set would have had.
    named = ["accuracy/failures-wrong", "psnr/whole/rgb", "patch_auroc/pooled/tau0.5", "restored-expression/hole-alone"]
    there = table[table.metric_def.isin(named)]
    columns = ["metric", "split", "occluder", "ratio_lo", "system", "detector", "reconstructor", "classifier"]
    expected = there.assign(split=there.split.str.replace("Toy", "Absent"))
    assert sorted(map(tuple, blocked[columns].to_numpy())) == sorted(map(tuple, expected[columns].to_numpy()))
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert not [stage for stage in run["stages"] if "Absent" in stage]
    assert not [cell for cell in run["cells"] if "Absent" in cell["id"]]
    sample = np.load(tmp_path / "run" / "samples" / "qualitative.npz")
    assert (sample["predicted"][:, sample["column"].tolist().index("clean")] >= 0).all()
    with pytest.raises(DatasetMissing):
        run_suite(replace(config, datasets=("Absent",)), datasets, Store(toy.store), tmp_path / "no", [], Silent())


def test_every_system_is_attacked_with_its_own_map(toy: ToyRun, tmp_path: Path) -> None:
    value = toy.config.suite.model_dump(mode="json")
    value["occlusions"]["own"] = {"occluder": "gradcam-self", "ratios": [0.2]}
    value["recognition"] = {"systems": ["resnet18", "dan", "latent-ofer"], "families": ["gradcam", "own"]}
    config = replace(toy.config, suite=type(toy.config.suite).model_validate(value))
    execution, _ = toy.again(tmp_path / "own", config=config)
    assert not execution.failures

    def image(stage: str) -> np.ndarray:
        return np.load(execution.artefacts[stage].path / "image.npy")

    own = {c: image(f"occlude/Toy/own-0.20@{c}/seed0") for c in ("resnet18", "dan", "latent-recognizer")}
    # The family's name has no part in which patches go, so the reference's own attack is gradcam's.
    np.testing.assert_array_equal(own["resnet18"], image("occlude/Toy/gradcam-0.20/seed0"))
    assert not np.array_equal(own["dan"], own["resnet18"])
    table = records(tmp_path / "own")
    rows = table[(table.metric == "accuracy") & (table.occluder == "gradcam-self")]
    assert sorted(rows.system) == ["dan", "latent-ofer", "resnet18"] and set(rows.status) == {"ok"}
