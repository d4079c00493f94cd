"""The published numbers as records."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from ofer_bench.report.records import RECORD_COLUMNS
from ofer_bench.report.reported import citation, reported_records


def published() -> list[dict[str, str]]:
    with files("ofer_reports").joinpath("published.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_every_published_value_is_a_record_with_its_citation() -> None:
    frame, rows = reported_records(), published()
    assert list(frame.columns) == list(RECORD_COLUMNS)
    assert len(frame) == len(rows)
    assert frame["value"].tolist() == [float(row["value"]) for row in rows]
    assert frame["citation"].tolist() == [citation(row["table"]) for row in rows]
    assert frame["split"].tolist() == [row["dataset"] for row in rows]
    assert set(frame["source"]) == {"reported"}
    assert frame["n"].isna().all()


@pytest.mark.parametrize(
    ("table", "column", "name", "metric", "split", "value"),
    [
        ("table1", "detector", "vit-svdd", "patch_precision", "Syn-KDEF", 94.1),
        ("table2", "reconstructor", "hybrid", "accuracy", "Syn-RAF-DB", 77.3),
        ("table3", "system", "dan", "accuracy", "Syn-KDEF", 70.8),
        ("table7", "system", "ran", "parameters", "", 300.0),
        ("table8", "reconstructor", "conventional", "psnr", "RAF-DB irregular masks", 26.36),
        ("table9", "reconstructor", "csa", "accuracy", "RAF-DB irregular masks", 71.6),
        ("table10", "system", "no-recon/cnn+full-latent", "accuracy", "Syn-KDEF", 76.5),
        ("supp-table1", "reconstructor", "lambda_sc=0.1", "accuracy", "RAF-DB grad-occlusion", 79.2),
        ("supp-table2", "classifier", "eac", "accuracy", "Syn-KDEF", 85.6),
    ],
)
def test_rows_land_on_the_right_component(
    table: str, column: str, name: str, metric: str, split: str, value: float
) -> None:
    frame = reported_records()
    hit = frame[
        (frame["citation"] == citation(table))
        & (frame[column] == name)
        & (frame["metric"] == metric)
        & (frame["split"] == split)
    ]
    assert hit["value"].tolist() == [value]


def test_occluders_and_directions_follow_the_data_set() -> None:
    frame = reported_records().set_index("split")
    assert set(frame.loc["Syn-KDEF", "occluder"]) == {"objects"}
    assert set(frame.loc["RAF-DB irregular masks", "occluder"]) == {"irregular"}
    assert set(frame.loc["RAF-DB grad-occlusion", "occluder"]) == {"gradcam"}
    assert set(frame.loc["FED-RO", "occluder"]) == {""}
    flops = reported_records().query("metric == 'flops'")
    assert not flops["higher_is_better"].any()
    assert citation("supp-table1").endswith("Supplement Table 1")
