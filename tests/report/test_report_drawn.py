"""Figures are drawn again when anything behind them has changed, and only then."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from ofer_bench.report import build
from ofer_bench.report.build import build_report
from ofer_bench.report.drawn import SUFFIXES, drawn_before


@pytest.fixture
def run(built_run: Path, tmp_path: Path) -> Path:
    """A copy of a run with its report."""
    return Path(shutil.copytree(built_run, tmp_path / "run"))


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the figures that a test has had drawn."""
    names: list[str] = []
    save = build.save_drawing

    def counted(drawing: build.Drawing, folder: Path, name: str) -> object:
        names.append(name)
        return save(drawing, folder, name)

    monkeypatch.setattr(build, "save_drawing", counted)
    return names


def figures(run: Path) -> list[str]:
    return sorted(path.stem for path in (run / "report" / "figures").glob("*.png"))


def test_the_same_data_draw_nothing_and_give_the_same_page(run: Path, saved: list[str]) -> None:
    before = (run / "report" / "index.html").read_text()
    build_report(run)
    assert saved == [] and len(figures(run)) >= 3
    assert (run / "report" / "index.html").read_text() == before


def test_a_new_run_of_the_same_data_draws_nothing(run: Path, saved: list[str]) -> None:
    table = pd.read_parquet(run / "records.parquet")
    table["run_id"] = "another"
    table.to_parquet(run / "records.parquet", index=False)
    build_report(run)
    assert saved == []


def test_other_records_draw_all_again(run: Path, saved: list[str]) -> None:
    table = pd.read_parquet(run / "records.parquet")
    table.loc[table["metric"] == "accuracy", "value"] -= 1.0
    table.to_parquet(run / "records.parquet", index=False)
    build_report(run)
    assert sorted(saved) == figures(run)


def test_other_predictions_draw_all_again(run: Path, saved: list[str]) -> None:
    entry = json.loads((run / "run.json").read_text())["predictions"][0]
    table = pd.read_parquet(run / entry["file"])
    table["predicted"] = (table["predicted"] + 1) % 7
    (run / entry["file"]).unlink()
    table.to_parquet(run / entry["file"], index=False)
    build_report(run)
    assert sorted(saved) == figures(run)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "json"])
def test_a_figure_that_lacks_a_file_is_drawn_again(run: Path, saved: list[str], suffix: str) -> None:
    name = figures(run)[0]
    (run / "report" / "figures" / f"{name}.{suffix}").unlink()
    build_report(run)
    assert saved == [name] and (run / "report" / "figures" / f"{name}.{suffix}").is_file()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": "old", "alt": "x"}'])
def test_a_stamp_that_tells_nothing_is_no_stamp(tmp_path: Path, text: str) -> None:
    for suffix in SUFFIXES:
        (tmp_path / f"x.{suffix}").touch()
    (tmp_path / "x.json").write_text(text)
    assert drawn_before(tmp_path, "x", "new") is None
