"""Where each record of a whole suite lands: data sets beside each other, natural occlusions, outcomes that failed."""

from __future__ import annotations

from typing import Any

import pytest

from ofer_bench.report.confusion import confusion_data
from ofer_bench.report.curve import curve_data
from ofer_bench.report.run_files import load_run
from ofer_bench.report.spec import ConfusionDefinition, CurveDefinition, TableDefinition
from tests.report.tables import DEFINITIONS, LAYOUT, records, section, table, texts

Row = dict[str, Any]


def suite_of(data: str, as_is: float, occluded: float) -> list[Row]:
    """The accuracies of one system on all cells that the core suite makes of a data set."""
    rows: list[Row] = [{"split": data, "value": as_is}]
    rows.append({"split": f"Syn-{data}", "occluder": "objects", "value": occluded, "ratio_lo": 0.1, "ratio_hi": 0.4})
    rows.append({"split": data, "occluder": "irregular", "value": occluded, "ratio_lo": 0.1, "ratio_hi": 0.4})
    for occluder in ("random-patch", "gradcam"):
        for ratio in (0.1, 0.7):
            rows.append({"split": data, "occluder": occluder, "value": occluded, "ratio_lo": ratio, "ratio_hi": ratio})
    return [{"system": "dan", **row} for row in rows]


@pytest.mark.parametrize("data", ["FED-RO", "Occlusion-RAF-DB", "Occlusion-ParaFace"])
def test_accuracy_under_natural_occlusions_is_that_of_the_faces_as_they_are(data: str) -> None:
    made = table("tables4to6", *suite_of(data, 70.0, 10.0))
    assert texts(made, f"Measured here: {data}") == {"DAN": {"accuracy": "70.0"}}
    assert section(made, f"Measured here: {data}").rows[0].cells[0].marks == ()


def test_a_data_set_and_its_occluded_test_part_are_never_averaged() -> None:
    rows = [*suite_of("RAF-DB", 90.0, 60.0), *suite_of("Occlusion-RAF-DB", 70.0, 10.0)]
    made = table("accuracy_by_occluder", *rows)
    columns = ("clean", "random", "gradcam", "objects", "irregular", "natural")
    assert texts(made, "Measured here: RAF-DB")["DAN"] == dict(
        zip(columns, ("90.0", "60.0", "60.0", "60.0", "60.0", "70.0"), strict=True)
    )
    assert texts(made, "Measured here: Occlusion-RAF-DB")["DAN"] == dict(
        zip(columns, ("-", "10.0", "10.0", "10.0", "10.0", "-"), strict=True)
    )
    both = table("table3", *rows)
    assert texts(both, "Measured here: RAF-DB")["DAN"]["clean"] == "90.0"
    assert texts(both, "Measured here: Occlusion-RAF-DB")["DAN"]["clean"] == "-"


def test_natural_families_of_a_suite_are_columns_of_its_data_set() -> None:
    natural = [
        {"system": "dan", "split": "Occlusion-ParaFace", "value": 55.0},
        {"system": "dan", "split": "FED-ParaFace", "value": 44.0},
    ]
    made = table("accuracy_by_occluder", *suite_of("ParaFace", 90.0, 60.0), *natural)
    measured = [part for part in made.sections if part.source == "measured"]
    assert [part.heading for part in measured] == ["Measured here: ParaFace"]
    shown = texts(made, "Measured here: ParaFace")["DAN"]
    assert (shown["clean"], shown["natural"], shown["domain"]) == ("90.0", "55.0", "44.0")
    assert [column.header for column in made.columns][-2:] == ["3-D objects", "Other domain"]


def test_photographs_of_occluded_faces_are_not_clean() -> None:
    made = table("accuracy_by_occluder", *suite_of("FED-RO", 70.0, 10.0))
    shown = texts(made, "Measured here: FED-RO")["DAN"]
    assert (shown["clean"], shown["domain"], shown["irregular"]) == ("-", "70.0", "10.0")
    assert not table("recognition", {"metric": "macro_f1", "system": "dan", "split": "FED-RO", "value": 70.0}).measured


def test_figures_tell_the_data_sets_apart(built_run: Any) -> None:
    curve, matrix = DEFINITIONS["figure1"], DEFINITIONS["confusion_clean"]
    assert isinstance(curve, CurveDefinition) and isinstance(matrix, ConfusionDefinition)
    rows = records(*suite_of("RAF-DB", 90.0, 60.0), *suite_of("Occlusion-RAF-DB", 70.0, 10.0))
    points = curve_data(rows, curve, LAYOUT).groupby("dataset")["value"].agg(set).to_dict()
    assert points == {"RAF-DB": {90.0, 60.0}, "Occlusion-RAF-DB": {10.0}}
    entry = next(e for e in load_run(built_run).predictions if e.cell["id"] == "clean")
    for split, count in (("RAF-DB", 1), ("Occlusion-RAF-DB", 0), ("FED-RO", 0)):
        there = type(entry)(system="dan", cell={**entry.cell, "split": split}, frame=entry.frame)
        assert confusion_data([there], matrix, LAYOUT)["system"].nunique() == count


OBJECTS = {"split": "Syn-ParaFace", "occluder": "objects"}
IRREGULAR = {"split": "ParaFace", "occluder": "irregular"}
RESTORED = {"detector": "oracle", "reconstructor": "hybrid"}
LOST: dict[str, tuple[Row, dict[str, str]]] = {
    "detection": (
        {"metric": "patch_auroc", "detector": "vit-svdd", **OBJECTS},
        {"table1": "Measured here: ParaFace"},
    ),
    "reconstruction": (
        {"metric": "psnr", **RESTORED, **IRREGULAR},
        {"table8": "Measured here: ParaFace, Irregular masks"},
    ),
    "recognition after reconstruction of objects": (
        {"metric": "accuracy", **RESTORED, "classifier": "dan", **OBJECTS},
        {"table2": "Measured here: ParaFace, classifier DAN"},
    ),
    "recognition after reconstruction of masks": (
        {"metric": "accuracy", **RESTORED, "classifier": "dan", **IRREGULAR},
        {"table9": "Measured here: ParaFace, classifier DAN"},
    ),
    "recognition": (
        {"metric": "accuracy", "system": "dan", "classifier": "dan", **OBJECTS},
        {f"{name}": "Measured here: ParaFace" for name in ("table3", "accuracy_by_occluder", "recognition")},
    ),
    "natural occlusions": (
        {"metric": "accuracy", "system": "dan", "classifier": "dan", "split": "Occlusion-RAF-DB"},
        {"accuracy_by_occluder": "Measured here: RAF-DB", "tables4to6": "Measured here: Occlusion-RAF-DB"},
    ),
}
TABLES = [name for name, definition in DEFINITIONS.items() if isinstance(definition, TableDefinition)]


@pytest.mark.parametrize("status", ["failed", "blocked"])
@pytest.mark.parametrize("outcome", LOST)
@pytest.mark.parametrize("name", TABLES)
def test_a_lost_outcome_is_in_every_table_of_its_metrics_and_in_no_other(name: str, outcome: str, status: str) -> None:
    """The engine writes one row for an outcome that failed, under one of its metrics."""
    row, places = LOST[outcome]
    made = table(name, row | {"value": float("nan"), "status": status, "note": "out of memory"})
    marked = [part.heading for part in made.sections for line in part.rows if status in {c.status for c in line.cells}]
    assert marked == ([places[name]] if name in places else [])
    assert any(note.text == "out of memory" for note in made.footnotes) == (name in places)


def test_every_column_of_a_failed_outcome_says_so() -> None:
    lost = {"value": float("nan"), "status": "failed", "note": "no luck"}
    found = table("table1", LOST["detection"][0] | lost)
    assert {cell.text for cell in section(found, "Measured here: ParaFace").rows[0].cells} == {"failed"}
    restored = table("table8", LOST["reconstruction"][0] | lost)
    assert {cell.text for cell in section(restored, "Measured here: ParaFace, Irregular masks").rows[0].cells} == {
        "failed"
    }


def test_reference_rows_are_those_of_the_suites_own_classifier() -> None:
    after = {"detector": "oracle", "reconstructor": "hybrid", "classifier": "resnet18", **OBJECTS, "value": 50.0}
    systems = [{**row, "system": name} for name in ("resnet18", "dan") for row in suite_of("ParaFace", 90.0, 40.0)]
    made = table("table2", after, *systems)
    assert texts(made, "Reference, no reconstruction: ResNet-18, ParaFace") == {
        "ParaFace": {"accuracy": "90.0"},
        "Syn-ParaFace": {"accuracy": "40.0"},
    }
    assert not any("DAN" in part.heading for part in made.sections if part.source == "measured")


def test_components_on_natural_occlusions_have_sections_of_their_own() -> None:
    scene = {"split": "Occlusion-ParaFace", "occluder": ""}
    detected = LOST["detection"][0]
    made = table("table1", detected | {"value": 0.9}, detected | scene | {"value": 0.7})
    assert texts(made, "Measured here: ParaFace")["ViT-SVDD"]["auroc"] == "0.900"
    assert texts(made, "Measured here, natural occlusions: Occlusion-ParaFace")["ViT-SVDD"]["auroc"] == "0.700"
    after = {**RESTORED, "classifier": "dan"}
    systems = [{"system": "dan", **scene, "value": 30.0}, *suite_of("ParaFace", 90.0, 40.0)]
    made = table("table2", after | OBJECTS | {"value": 50.0}, after | scene | {"value": 45.0}, *systems)
    assert texts(made, "Measured here: ParaFace, classifier DAN")["Hybrid (self-assembly)"]["accuracy"] == "50.0"
    natural = texts(made, "Measured here, natural occlusions: Occlusion-ParaFace, classifier DAN")
    assert natural == {"Hybrid (self-assembly)": {"accuracy": "45.0"}}
    assert texts(made, "Reference, no reconstruction: DAN, ParaFace") == {
        "ParaFace": {"accuracy": "90.0"},
        "Syn-ParaFace": {"accuracy": "40.0"},
        "Occlusion-ParaFace": {"accuracy": "30.0"},
    }
    quality = {"metric": "psnr", "metric_def": "psnr/whole/rgb", **RESTORED}
    made = table("table8", quality | IRREGULAR | {"value": 25.0}, quality | scene | {"value": 20.0})
    assert texts(made, "Measured here: ParaFace, Irregular masks")["Hybrid (self-assembly)"]["psnr"] == "25.00"
    natural = texts(made, "Measured here, natural occlusions: Occlusion-ParaFace")
    assert natural["Hybrid (self-assembly)"]["psnr"] == "20.00"
    without = table("table1", detected | {"value": 0.9})
    assert not any("natural" in part.heading for part in without.sections), "optional sections are left out"


def test_patches_are_counted_as_patches() -> None:
    made = table("table1", LOST["detection"][0] | {"value": 0.9, "n": 26880})
    assert "Syn-ParaFace (n = 26880 patches)" in made.data
    assert "patches" not in table("table3", *suite_of("ParaFace", 90.0, 60.0)).data
