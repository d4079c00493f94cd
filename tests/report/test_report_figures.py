"""Figures: the data behind them equals the inputs, the files are the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix

from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.report.confusion import confusion_data, draw_confusion
from ofer_bench.report.curve import curve_data, draw_curve, spread
from ofer_bench.report.figure_files import save_drawing
from ofer_bench.report.run_files import Sheet, load_run, load_sheet
from ofer_bench.report.sheet import draw_sheet
from ofer_bench.report.spec import (
    ConfusionDefinition,
    CurveDefinition,
    SheetDefinition,
    load_definitions,
    load_layout,
)

LAYOUT = load_layout()
DEFINITIONS = {definition.id: definition for definition in load_definitions(LAYOUT)}


def test_curve_csv_equals_the_records(built_run: Path) -> None:
    shown = pd.read_csv(built_run / "report" / "figures" / "figure1.csv")
    stored = pd.read_parquet(built_run / "records.parquet")
    stored = stored[(stored["metric"] == "accuracy") & (stored["system"] == "dan") & (stored["split"] == "ParaFace")]
    random = stored[stored["occluder"] == "random-patch"].sort_values("ratio_lo")
    line = shown[(shown["panel"] == "Random patches") & (shown["series"] == "DAN")].sort_values("proportion")
    assert line["proportion"].tolist() == [0.0, *random["ratio_lo"]]
    clean = stored.loc[stored["occluder"] == "", "value"].item()
    assert line["value"].tolist() == pytest.approx([clean, *random["value"]])
    assert line["ci_lo"].tolist()[1:] == pytest.approx(random["ci_lo"].tolist())
    assert set(shown["panel"]) == {"Random patches", "Grad-CAM patches"}


def test_curve_without_occluded_points_is_not_drawn(built_run: Path) -> None:
    definition = DEFINITIONS["figure1"]
    assert isinstance(definition, CurveDefinition)
    clean = [record for record in load_run(built_run).records if not record["occluder"]]
    assert curve_data(clean, definition, LAYOUT).empty
    assert draw_curve(clean, definition, LAYOUT) is None


@pytest.mark.parametrize("name", ["confusion_clean", "confusion_syn"])
def test_confusion_equals_scikit_learn(built_run: Path, name: str) -> None:
    shown = pd.read_csv(built_run / "report" / "figures" / f"{name}.csv")
    cell = "clean" if name.endswith("clean") else "objects"
    stored = pd.read_parquet(built_run / "predictions" / f"dan__{cell}.parquet")
    wanted = confusion_matrix(stored["label"], stored["predicted"], labels=[*range(7), -1])[:7]
    assert "oracle+mae+dan" not in set(shown["system"])
    panel = shown[shown["system"] == "DAN"]
    counts = panel.pivot(index="label", columns="predicted", values="count")
    counts = counts.loc[list(EXPRESSIONS), [*EXPRESSIONS, "failed"]]
    np.testing.assert_array_equal(counts.to_numpy(), wanted)
    np.testing.assert_allclose(panel.groupby("label")["share"].sum(), 1.0)
    assert counts["failed"].sum() == (2 if cell == "objects" else 0)


def test_seeds_of_a_system_are_counted_together(built_run: Path) -> None:
    definition = DEFINITIONS["confusion_clean"]
    assert isinstance(definition, ConfusionDefinition)
    entries = [entry for entry in load_run(built_run).predictions if entry.system == "dan"]
    once = confusion_data(entries, definition, LAYOUT)
    twice = confusion_data([*entries, *entries], definition, LAYOUT)
    assert twice["count"].tolist() == [2 * count for count in once["count"]]
    np.testing.assert_allclose(twice["share"], once["share"])


def test_sheet_csv_says_what_is_right(built_run: Path) -> None:
    shown = pd.read_csv(built_run / "report" / "figures" / "figure6.csv", keep_default_na=False)
    sheet = load_sheet(built_run)
    assert sheet is not None and len(shown) == sheet.predicted.size
    flat = sheet.predicted.ravel()
    assert shown["predicted"].tolist() == [EXPRESSIONS[p] if p >= 0 else "" for p in flat]
    right = np.repeat(sheet.label, len(sheet.column)) == flat
    wanted = ["" if p < 0 else str(ok).lower() for p, ok in zip(flat, right, strict=True)]
    assert shown["correct"].tolist() == wanted


def test_files_are_the_same_every_time(built_run: Path, tmp_path: Path) -> None:
    definition, sheet = DEFINITIONS["figure6"], load_sheet(built_run)
    assert isinstance(definition, SheetDefinition) and sheet is not None
    small = Sheet(
        image=sheet.image[:1, :2],
        column=sheet.column[:2],
        row=sheet.row[:1],
        label=sheet.label[:1],
        predicted=sheet.predicted[:1, :2],
    )
    written = []
    for name in ("first", "second"):
        drawing = draw_sheet(small, definition, LAYOUT)
        assert drawing is not None
        written.append([path.read_bytes() for path in save_drawing(drawing, tmp_path / name, "x")])
    assert written[0] == written[1]
    assert b"CreationDate" not in written[0][1]


def test_figures_are_wide_enough_for_the_report(built_run: Path) -> None:
    for name in ("figure1", "figure6", "confusion_clean", "confusion_syn"):
        with Image.open(built_run / "report" / "figures" / f"{name}.png") as image:
            assert image.width >= 1300 and image.height >= 400
        assert (built_run / "report" / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_no_predictions_no_matrix() -> None:
    definition = DEFINITIONS["confusion_clean"]
    assert isinstance(definition, ConfusionDefinition)
    assert draw_confusion([], definition, LAYOUT) is None


def test_labels_are_spread_without_changing_order() -> None:
    moved = spread([10.0, 10.5, 11.0, 30.0], 2.0)
    assert moved == sorted(moved) and moved[3] == 30.0
    assert np.diff(moved).min() >= 2.0 - 1e-9
    assert np.mean(moved[:3]) == pytest.approx(10.5)
    assert spread([], 1.0) == []
