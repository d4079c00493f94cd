"""The hidden part shown by itself: restored, and unoccluded as the reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ofer_bench.core.types import FaceBatch, Prediction
from ofer_bench.engine.blocked import blocked_rows
from ofer_bench.engine.config import RunConfig, load_profile, load_suite
from ofer_bench.engine.execute import Execution
from ofer_bench.engine.produce_models import GREY
from ofer_bench.engine.score import _part
from ofer_bench.engine.tasks import plan_run
from ofer_bench.engine.variants import configured
from ofer_bench.latent_ofer.unet import MASK_FILL
from ofer_bench.spec.datasets import Datasets, DatasetSpec
from ofer_bench.store.records import read_records
from tests.engine.conftest import ToyRun

CELL = "mouth-0.01-1.00"
BY = {"oracle+mean-fill": "mean-fill", "unoccluded": ""}
"""Beginning of the stage's name, and what has restored the part."""


def judging(config: RunConfig, **task: Any) -> RunConfig:
    """Mouths restored by mean fill, judged whole by DAN and alone by ResNet-18."""
    suite = load_suite("ablation-expression").model_dump(mode="json") | {"recognition": None, "variants": {}}
    task = {"reconstructors": ["mean-fill"], "families": ["mouth"], "classifier": "dan"} | task
    suite["reconstruction"] = {"part_classifier": "resnet18"} | task
    suite["occlusions"] |= {"scene": {"data": "Occlusion-{data}"}}
    return replace(config, suite=type(config.suite).model_validate(suite))


@pytest.fixture(scope="module")
def shown(toy: ToyRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[Execution, pd.DataFrame, list[np.ndarray]]:
    """A run, its records, and every batch of images that ResNet-18 was shown."""
    from ofer_baselines.resnet18 import ResNet18

    seen: list[np.ndarray] = []
    plain = ResNet18.predict

    def watch(self: ResNet18, batch: FaceBatch) -> Prediction:
        assert batch.occluded is None and batch.clean is None and batch.label is None
        seen.append(batch.image.permute(0, 2, 3, 1).numpy().copy())
        return plain(self, batch)

    out = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResNet18, "predict", watch)
        execution, recorder = toy.again(out, config=judging(toy.config))
    assert not recorder.failed
    return execution, read_records(out), seen


def test_all_is_grey_but_the_part(shown: tuple[Execution, pd.DataFrame, list[np.ndarray]]) -> None:
    execution, _, seen = shown
    cell = execution.artefacts[f"occlude/Toy/{CELL}"].path
    mask = np.unpackbits(np.load(cell / "mask.npy"), axis=-1, count=48).astype(bool)
    restored = execution.artefacts[f"reconstruct/oracle+mean-fill/{CELL}/seed0"].path
    clean = np.load(execution.artefacts["split/Toy/test"].path / "image.npy")
    assert len(seen) == 2 and 0 < mask.mean() < 1
    for images, source in zip(seen, (np.load(restored / "composited.npy"), clean), strict=True):
        np.testing.assert_array_equal(images[mask], (source[mask] / np.float32(255)).astype(np.float32))
        assert set(images[~mask].ravel().tolist()) == {GREY}


def test_networks_that_know_parts_have_learned_from_this_grey() -> None:
    assert GREY == MASK_FILL


@pytest.mark.parametrize("name", BY)
def test_records_count_the_stored_answers(name: str, shown: tuple[Execution, pd.DataFrame, list[np.ndarray]]) -> None:
    execution, records, _ = shown
    stored = execution.artefacts[f"predict/{name}+resnet18@part/{CELL}/seed0"].path
    answers = pd.read_parquet(stored / "predictions.parquet")
    rows = records[(records.metric == "restored_expression") & (records.reconstructor == BY[name])]
    row = rows.squeeze()
    # The fifteenth face can't be read, and counts as wrong.
    assert (row.n, row.n_failed, row.unit, row.classifier) == (15, 1, "percent", "resnet18")
    assert row.value == pytest.approx(100 * sum(answers["label"] == answers["predicted"]) / 15)
    assert row.ci_lo < row.value < row.ci_hi and row.ci_method == "wilson"
    assert row.detector == ("oracle" if BY[name] else "") and row.system == ""


def test_faces_without_a_hole_do_not_count(
    shown: tuple[Execution, pd.DataFrame, list[np.ndarray]], toy: ToyRun, tmp_path: Path
) -> None:
    execution, _, _ = shown
    answers = pd.read_parquet(
        execution.artefacts[f"predict/unoccluded+resnet18@part/{CELL}/seed0"].path / "predictions.parquet"
    )
    holes = answers["mask_ratio"].to_numpy().copy()
    for ratio, counted in ((np.where(np.arange(15) < 4, 0.0, holes), 11), (np.zeros(15), 0)):
        answers.assign(mask_ratio=ratio).to_parquet(tmp_path / "predictions.parquet")
        (row,) = _part(tmp_path, toy.config, 0)
        assert row["n"] == counted
        right = answers["label"].eq(answers["predicted"])[15 - counted :]
        assert row["value"] == pytest.approx(100 * right.mean(), nan_ok=True)
    assert row["note"] == "No face has a hole."


def test_whole_faces_are_still_judged(shown: tuple[Execution, pd.DataFrame, list[np.ndarray]]) -> None:
    _, records, _ = shown
    row = records[records.metric == "accuracy"].squeeze()
    assert (row.reconstructor, row.classifier, row.status) == ("mean-fill", "dan", "ok")


def test_faces_without_true_masks_have_no_part(toy: ToyRun, tmp_path: Path) -> None:
    natural = DatasetSpec(
        reader="folder", root=toy.datasets.named("Toy").root, train_on="Toy", licence="CC0", alignment="none"
    )
    datasets = Datasets(datasets={**toy.datasets.datasets, "Occlusion-Toy": natural})
    replace(toy, datasets=datasets).again(tmp_path / "run", config=judging(toy.config, families=["scene"]))
    records = read_records(tmp_path / "run")
    alone = records[records.metric == "restored_expression"]
    assert sorted(alone.reconstructor) == ["", "mean-fill"]
    assert set(alone.status) == {"failed"}
    assert all("no true masks" in note for note in alone.note)


def test_other_stages_do_not_change(toy: ToyRun) -> None:
    def keys(config: RunConfig) -> dict[str, str]:
        return {stage.id: stage.key for stage in plan_run(config, toy.datasets).plan.stages.values()}

    plain, judged = keys(judging(toy.config, part_classifier=None)), keys(judging(toy.config))
    assert plain.items() < judged.items()
    added = [stage for stage in judged if stage not in plain and stage.startswith("predict/")]
    assert added == [f"predict/{name}+resnet18@part/{CELL}/seed0" for name in BY]


def test_a_missing_data_set_stays_visible(toy: ToyRun) -> None:
    rows = [row for row in blocked_rows(judging(toy.config), "A") if row["metric"] == "restored_expression"]
    assert [row.get("reconstructor", "") for row in rows] == list(BY.values())
    assert {(row["classifier"], row["occluder"]) for row in rows} == {("resnet18", "mouth")}


def test_rows_of_the_suite_differ_in_what_they_are_named_for() -> None:
    suite = load_suite("ablation-expression")
    for profile in ("quick", "hours"):
        rows = {name: configured(suite, load_profile(profile), name) for name in suite.variants}
        settings = {name: (row.model.get("expression"), row.model.get("encoder")) for name, row in rows.items()}
        assert settings == {
            "whole-face": ("resnet18", None),
            "part-alone": ("part-reader", None),
            "part-alone/fer-encoder": ("part-reader", "fer-encoder"),
            "judge": (None, None),
        }
        weights = [row.recipe.extra["loss_weights"] for name, row in rows.items() if row.recipe and name != "judge"]
        assert weights[0]["semantic_consistency"] == 2.0 and all(w == weights[0] for w in weights)
        assert rows["judge"].model["width"] != load_profile(profile).components["part-reader"].model["width"]
