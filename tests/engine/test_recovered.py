"""Recovery of accuracy against a bootstrap written out, and which cells have one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ofer_bench.core.seeding import derive_rng
from ofer_bench.engine.blueprint import CLEAN, Blueprint, CellInfo, Outcome
from ofer_bench.engine.execute import Execution
from ofer_bench.engine.recovered import RESAMPLES, Recoveries, recovered
from ofer_bench.store.artefacts import Artefact
from ofer_bench.store.records import read_records
from tests.engine.conftest import ToyRun


def rng() -> np.random.Generator:
    return derive_rng("test")


def test_the_interval_resamples_subjects() -> None:
    own = np.random.default_rng(0)
    subject = np.repeat([f"s{i}" for i in range(30)], 7)
    chance = np.array([[0.85], [0.45], [0.6]]) + own.normal(0, 0.1, 30).repeat(7)
    right = own.random((3, 210)) < chance
    result = recovered(right, list(subject), rng())
    clean, occluded, restored = right.mean(axis=1)
    assert result.value == pytest.approx((restored - occluded) / (clean - occluded)) and result.n == 210
    sums = right.reshape(3, 30, 7).sum(axis=2)
    drawn = np.random.default_rng(1).integers(30, size=(20_000, 30))
    a, b, c = sums[:, drawn].sum(axis=2)
    assert result.interval is not None and f"{RESAMPLES}" in result.interval.method
    low, high = np.quantile((c - b) / (a - b), [0.025, 0.975])
    assert result.interval.low == pytest.approx(low, abs=0.02)
    assert result.interval.high == pytest.approx(high, abs=0.02)
    assert not result.note


def test_without_a_loss_nothing_can_come_back() -> None:
    own = np.random.default_rng(0)
    right = own.random((3, 100)) < 0.7
    result = recovered(right, list(range(100)), rng())
    assert np.isnan(result.value) and result.interval is None and "sampling error" in result.note


class Bench:
    """Outcomes with stored predictions, the first of ``wrong`` of which are wrong, on 28 faces of four people."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.blueprint, self.execution = folder, Blueprint(), Execution()
        self.label = np.arange(28) % 7
        self.write("split", "index", {"label": self.label, "error": "", "subject": np.arange(28) % 4})

    def write(self, stage: str, name: str, columns: dict[str, object], prefix: str = "face") -> None:
        path = self.folder / stage
        path.mkdir()
        table = pd.DataFrame({"sample_id": [f"{prefix}-{i}" for i in range(28)], **columns})
        table.to_parquet(path / f"{name}.parquet")
        self.execution.artefacts[stage] = Artefact(key=stage, path=path, meta={})

    def add(self, family: str, wrong: int, reconstructor: str = "", prefix: str = "face", seed: int = 0) -> Outcome:
        stage = f"predict-{len(self.blueprint.outcomes)}"
        predicted = np.where(np.arange(28) < wrong, (self.label + 1) % 7, self.label)
        self.write(stage, "predictions", {"label": self.label, "predicted": predicted}, prefix)
        occluded = "occlude" if family == "objects" else None
        cell = CellInfo(
            id=family, split="X", occluder="", ratio=(0, 0), family=family, split_stage="split", occlude_stage=occluded
        )
        outcome = Outcome(
            kind="recognition", stage=stage, cell=cell, seed=seed, components={}, classifier="c",
            reconstructor=reconstructor,
        )  # fmt: skip
        self.blueprint.outcomes.append(outcome)
        return outcome

    def recovery(self, outcome: Outcome) -> float | None:
        found = Recoveries(self.blueprint, self.execution).of(outcome)
        return None if found is None else found.value


def test_a_restored_cell_is_compared_with_the_same_classifier_on_the_same_faces(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    restored, natural = bench.add("objects", 10, "r"), bench.add("scene", 16, "r")
    assert bench.recovery(restored) is None
    bench.add("objects", 20)
    assert bench.recovery(restored) is None
    clean, bare = bench.add(CLEAN, 4), bench.add("scene", 24)
    assert bench.recovery(restored) == pytest.approx(10 / 16)
    assert bench.recovery(natural) == pytest.approx(8 / 20)
    assert bench.recovery(clean) is None and bench.recovery(bare) is None
    assert bench.recovery(bench.add(CLEAN, 5, "r")) is None
    assert bench.recovery(bench.add("objects", 10, "r", seed=1)) is None


def test_faces_of_other_people_are_no_twins(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    restored = bench.add("scene", 10, "r", prefix="stranger")
    bench.add("scene", 20, prefix="stranger")
    bench.add(CLEAN, 4)
    assert bench.recovery(restored) is None


def test_records_of_a_run_hold_recovery(toy: ToyRun) -> None:
    table = read_records(toy.out)
    rows = table[table.metric == "recovery"]
    assert set(rows.classifier) == {"dan"} and set(rows.detector) == {"oracle"}
    assert len(rows) == len(table.query("metric == 'accuracy' and system == '' and reconstructor != ''"))
    assert ((rows.value.isna() & (rows.note != "")) | rows.ci_lo.notna()).all()
