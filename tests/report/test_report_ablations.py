"""Tables of the ablation suites: rows in the paper's order, the paper's numbers below, absent elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ofer_bench.engine.config import load_suite
from ofer_bench.report.build import build_report
from ofer_bench.report.records import RECORD_COLUMNS
from tests.report.tables import DEFINITIONS, LAYOUT, section, table, texts

TABLE10 = {
    "no-recon/full-latent": 15.2,
    "no-recon/extracted-latent": 20.1,
    "no-recon/cnn": 75.4,
    "no-recon/cnn+full-latent": 76.5,
    "no-recon/cnn+extracted-latent": 78.5,
    "recon/full-latent": 64.9,
    "recon/extracted-latent": 66.4,
    "recon/cnn": 82.7,
    "recon/cnn+full-latent": 84.2,
    "recon/cnn+extracted-latent": 86.7,
}
"""As printed in the paper."""


def measured(names: list[str], column: str, **place: Any) -> list[dict[str, Any]]:
    return [{column: name, "value": 40.0 + n, **place} for n, name in enumerate(names)]


def test_table10_has_the_papers_rows_in_the_papers_order() -> None:
    recognition = load_suite("ablation-table10").recognition
    assert recognition is not None and recognition.systems == list(TABLE10)
    made = table(
        "table10",
        *measured(recognition.systems, "system", split="Syn-ParaFace", occluder="objects"),
        *measured(recognition.systems, "system", split="ParaFace"),
    )
    ours, paper = section(made, "Measured here: ParaFace"), section(made, "As published: Syn-KDEF")
    assert [row.label for row in ours.rows] == [row.label for row in paper.rows] == list(map(LAYOUT.name, TABLE10))
    assert [row.cells[0].value for row in paper.rows] == list(TABLE10.values())
    assert [row.cells[0].value for row in ours.rows] == [40.0 + n for n in range(10)]
    assert [row.cells[1].text for row in paper.rows] == ["-"] * 10


def test_the_weights_of_the_semantic_loss_stand_over_the_papers() -> None:
    task = load_suite("ablation-lambda-sc").reconstruction
    assert task is not None
    place = {"split": "ParaFace", "occluder": "gradcam"}
    made = table(
        "supp_table1",
        *measured(task.reconstructors, "reconstructor", detector="oracle", classifier="dan", **place),
        {"system": "dan", "classifier": "dan", "value": 30.0, **place},
    )
    ours = texts(made, "Measured here: ParaFace, classifier DAN")
    paper = texts(made, "As published: RAF-DB grad-occlusion")
    assert list(ours) == list(paper)
    assert [row["accuracy"] for row in paper.values()] == ["78.9", "79.2", "80.1", "77.3"]
    reference = texts(made, "Reference, no reconstruction: DAN, ParaFace")
    assert reference == {"Grad-CAM patches": {"accuracy": "30.0"}}


def test_classifiers_of_the_same_restored_faces_stand_over_the_papers() -> None:
    recognition = load_suite("supplement-table2").recognition
    assert recognition is not None
    place = {"split": "Syn-ParaFace", "occluder": "objects"}
    restored = {"detector": "vit-svdd", "reconstructor": "hybrid", **place}
    made = table(
        "supp_table2",
        {"system": "deoccluded/dan", "classifier": "dan", "value": 60.0, **restored},
        {"system": "deoccluded/latent-ofer", "classifier": "latent-recognizer", "value": 62.0, **restored},
        {"system": "dan", "classifier": "dan", "value": 50.0, **place},
    )
    assert {"deoccluded/resnet18", "deoccluded/dan", "deoccluded/latent-ofer"} < set(recognition.systems)
    ours = texts(made, "Measured here: ParaFace")
    assert {name: row["accuracy"] for name, row in ours.items()} == {"DAN": "60.0", "Latent recogniser": "62.0"}
    reference = texts(made, "Reference, no reconstruction: ParaFace")
    assert {name: row["accuracy"] for name, row in reference.items()} == {"DAN": "50.0"}
    paper = texts(made, "As published: Syn-KDEF")
    assert {name: row["accuracy"] for name, row in paper.items()} == {
        "DACL": "83.4",
        "RUL": "85.2",
        "DAN": "84.6",
        "EAC": "85.6",
        "Latent-OFER": "86.7",
    }


def test_the_table_of_masks_lists_the_systems_of_its_suite() -> None:
    recognition = load_suite("ablation-masks").recognition
    assert recognition is not None
    made = table("ablation_masks", *measured(recognition.systems, "system", split="Syn-ParaFace", occluder="objects"))
    rows = section(made, "Measured here: ParaFace").rows
    assert [row.label for row in rows] == [LAYOUT.name(name) for name in recognition.systems]
    assert len({row.label for row in rows}) == len(recognition.systems)


def test_parts_alone_stand_beside_whole_faces_and_the_unoccluded_part() -> None:
    task = load_suite("ablation-expression").reconstruction
    assert task is not None and task.part_classifier is not None
    rows: list[dict[str, Any]] = []
    for occluder in task.families:
        place = {"split": "ParaFace", "occluder": occluder}
        restored = {"detector": "oracle", **place}
        rows += measured(task.reconstructors, "reconstructor", classifier=task.classifier, **restored)
        alone = {"metric": "restored_expression", "classifier": task.part_classifier}
        rows += [row | alone | {"value": 20.0} for row in measured(task.reconstructors, "reconstructor", **restored)]
        rows += [{**alone, "value": 80.0, **place}]
        rows += [{"system": "dan", "classifier": task.classifier, "value": 30.0, **place}]
    made = table("restored_expression", *rows)
    ours = texts(made, "Measured here: ParaFace")
    assert list(ours) == [LAYOUT.name(name) for name in task.reconstructors]
    assert ours["Mean fill"] == {"mouth_alone": "20.0", "mouth": "40.0", "eyes_alone": "20.0", "eyes": "40.0"}
    reference = texts(made, "Reference: unoccluded parts, and unrestored faces, ParaFace")
    assert reference == {
        "Reader of parts": {"mouth_alone": "80.0", "mouth": "-", "eyes_alone": "80.0", "eyes": "-"},
        "DAN": {"mouth_alone": "-", "mouth": "30.0", "eyes_alone": "-", "eyes": "30.0"},
    }


def test_kinds_of_objects_and_natural_sets_stand_apart_among_the_detectors() -> None:
    suite = load_suite("detectors")
    assert suite.detection is not None
    places = [
        {"split": "ParaFace", "occluder": family.recorded} for family in suite.occlusions.values() if family.occluder
    ]
    places[0]["split"] = "Syn-ParaFace"
    places += [{"split": f"{prefix}-ParaFace", "occluder": ""} for prefix in ("Occlusion", "FED")]
    rows = [
        row
        for place in places
        for row in measured(suite.detection.detectors, "detector", metric="patch_auroc", system="", **place)
    ]
    made = table("table1", *rows)
    headings = [s.heading for s in made.sections if s.heading.startswith("Measured")]
    assert headings == [
        "Measured here: ParaFace",
        "Measured here: ParaFace, Pasted objects of unseen kinds",
        "Measured here: ParaFace, Pasted objects of seen kinds",
        "Measured here: ParaFace, Irregular masks",
        "Measured here, natural occlusions: Occlusion-ParaFace",
        "Measured here, natural occlusions: FED-ParaFace",
    ]
    for heading in headings:
        assert [row.label for row in section(made, heading).rows] == list(map(LAYOUT.name, suite.detection.detectors))


@pytest.mark.parametrize("name", ["table10", "supp_table1", "supp_table2", "ablation_masks", "restored_expression"])
def test_other_suites_measure_nothing_of_an_ablation(name: str) -> None:
    core = load_suite("core")
    assert core.recognition is not None and core.reconstruction is not None
    rows = [
        {"system": s, "split": "Syn-ParaFace", "occluder": occluder, "value": 50.0}
        for s in core.recognition.systems
        for occluder in ("objects", "gradcam")
    ]
    rows += measured(core.reconstruction.reconstructors, "reconstructor", detector="oracle", occluder="gradcam")
    assert not table(name, *rows).measured
    assert "optional" in DEFINITIONS[name].model_fields_set


def test_a_table_stands_in_the_report_of_its_suite(tmp_path: Path) -> None:
    common = {"metric": "accuracy", "status": "ok", "source": "measured", "n": 100, "n_failed": 0, "seed": 0}
    rows = measured(list(TABLE10), "system", split="Syn-ParaFace", occluder="objects")
    pd.DataFrame([common | row for row in rows], columns=list(RECORD_COLUMNS)).to_parquet(tmp_path / "records.parquet")
    html = build_report(tmp_path).read_text()
    assert 'id="table10"' in html and 'id="supp_table1"' not in html
    assert (tmp_path / "report" / "tables" / "table10.csv").exists()
