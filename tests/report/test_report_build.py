"""The whole report: links resolve, values reach the page, partial runs say what is missing."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from ofer_bench.core.errors import StoreError
from ofer_bench.report.build import build_report, summary_tables
from ofer_bench.report.headline import duration, headlines
from ofer_bench.report.records import RECORD_COLUMNS, to_records
from ofer_bench.report.spec import TableDefinition, load_definitions, load_layout


class Page(HTMLParser):
    """Collects tags, link targets and ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            if key in ("href", "src") and value:
                self.links.append(value)
            if key == "id" and value:
                self.ids.add(value)


def test_the_page_is_self_contained_and_its_links_resolve(built_run: Path) -> None:
    page = Page((built_run / "report" / "index.html").read_text())
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert (built_run / "report" / link).is_file()
    assert not page.tags & {"script", "link"}
    assert len([link for link in page.links if link.endswith(".png")]) >= 4


def test_values_reach_csv_and_page(built_run: Path) -> None:
    stored = pd.read_parquet(built_run / "records.parquet")
    wanted = stored[
        (stored["system"] == "latent-ofer") & (stored["occluder"] == "objects") & (stored["metric"] == "accuracy")
    ].iloc[0]
    with (built_run / "report" / "tables" / "table3.csv").open() as handle:
        rows = {(row["section"], row["System"]): row for row in csv.DictReader(handle)}
    row = rows["Measured here: ParaFace", "Latent-OFER"]
    assert float(row["Occluded [%]"]) == pytest.approx(wanted["value"])
    assert float(row["Occluded [%] ci_lo"]) == pytest.approx(wanted["ci_lo"])
    assert rows["As published: RAF-DB", "Latent-OFER"]["Occluded [%]"] == "80.1"
    assert rows["Measured here: RAF-DB", "Latent-OFER"]["Clean [%] status"] == "blocked"
    html = (built_run / "report" / "index.html").read_text()
    assert f"<strong>{wanted['value']:.1f}</strong>" in html
    assert "<dt>Seeds</dt><dd>1</dd>" in html
    for fact in ("core 1", "12 min 34 s", "ofer-bench run core --profile quick", "digest 3fa8c0de", "3.12.4"):
        assert fact in html


def test_two_marks_of_a_cell_stand_beside_each_other(make_run: Callable[[], Path]) -> None:
    path = make_run()
    frame = pd.read_parquet(path / "records.parquet")
    frame.loc[(frame["system"] == "dan") & (frame["occluder"] == "objects"), "note"] = "a note on the cell"
    frame.to_parquet(path / "records.parquet")
    build_report(path)
    assert "<sup>a,b</sup>" in (path / "report" / "index.html").read_text()
    assert "<sup>a,b</sup>" in (path / "report" / "tables" / "table3.md").read_text()


def test_nothing_without_an_interval_is_declared_the_winner(built_run: Path) -> None:
    for name in ("recognition", "table1"):
        measured = (built_run / "report" / "tables" / f"{name}.md").read_text()
        assert "Measured here" in measured and not re.search(r"\*\*\d", measured)
    html = (built_run / "report" / "index.html").read_text()
    tile = html[html.index("Occluded patches found (AUROC)") :].partition("</div>")[0]
    assert "without an interval" in tile


def test_names_are_escaped_everywhere(built_run: Path) -> None:
    html = (built_run / "report" / "index.html").read_text()
    assert "mine &amp; &lt;b&gt;" in html and "mine & <b>" not in html
    tables = built_run / "report" / "tables"
    assert r"mine \& \textless{}b\textgreater{}" in (tables / "table3.tex").read_text()
    assert r"mine & \<b>" in (tables / "table3.md").read_text()


def test_published_sections_are_marked_in_the_page(built_run: Path) -> None:
    html = (built_run / "report" / "index.html").read_text()
    bodies = re.findall(r'<tbody class="(\w+)">(.*?)</tbody>', html, re.DOTALL)
    assert {kind for kind, _ in bodies} == {"measured", "reported"}
    for kind, body in bodies:
        assert ("As published" in body) == (kind == "reported")
        assert kind == "measured" or "<strong>" not in body


def test_every_definition_is_in_the_page_and_every_table_has_its_files(built_run: Path) -> None:
    layout = load_layout()
    html = (built_run / "report" / "index.html").read_text()
    for definition in load_definitions(layout):
        # Tables of other suites are left out.
        there = not (isinstance(definition, TableDefinition) and definition.optional)
        assert (f'<section class="item" id="{definition.id}">' in html) == there
        if isinstance(definition, TableDefinition):
            for suffix in ("csv", "md", "tex"):
                assert (built_run / "report" / "tables" / f"{definition.id}.{suffix}").exists() == there


def test_an_empty_run_gives_a_report_that_says_so(tmp_path: Path) -> None:
    html = build_report(tmp_path).read_text()
    assert "nothing was scored yet" in html and "run.json is not there" in html
    assert "Not measured in this run." in html and "qualitative.npz is not there" in html
    assert "As published: AffectNet" in html
    assert '<details class="rest" id="not-measured" open>' in html
    assert summary_tables(tmp_path) == []


def test_what_was_not_measured_stands_folded_at_the_end(make_run: Callable[[], Path]) -> None:
    path = make_run()
    for file in (path / "predictions").glob("*.parquet"):
        file.unlink()
    html = build_report(path).read_text()
    shown, folded = html.split('<details class="rest" id="not-measured">')
    assert 'id="table3"' in shown and 'id="confusion_clean"' not in shown
    assert 'id="confusion_clean"' in folded.partition("</details>")[0]
    assert re.findall(r'<a href="#\w+-measured" class="empty">Not measured \((\d+)\)</a>', shown) == [
        str(folded.count('<section class="item"') - 1)
    ]


def test_a_partial_run_names_what_is_missing(make_run: Callable[[], Path]) -> None:
    path = make_run()
    info = json.loads((path / "run.json").read_text())
    failure = {"stage": "predict", "error": "out of memory <dan>"}
    (path / "run.json").write_text(json.dumps(info | {"status": "failed", "failures": [failure]}))
    for file in (path / "predictions").glob("*.parquet"):
        file.unlink()
    (path / "samples" / "qualitative.npz").write_bytes(b"PK broken")
    (path / "env.json").unlink()
    (path / "records.parquet").unlink()
    html = build_report(path).read_text()
    assert "out of memory &lt;dan&gt;" in html
    assert "predictions/dan__clean.parquet (dan on clean) is not there." in html
    assert "qualitative.npz is damaged" in html
    assert "This run has no stored predictions for it." in html
    assert not (path / "report" / "figures" / "confusion_clean.png").exists()
    assert (path / "report" / "figures" / "figure1.png").exists(), "records.csv stands in for the parquet file"


def test_records_from_csv_and_parquet_agree(make_run: Callable[[], Path]) -> None:
    path = make_run()
    first = summary_tables(path)
    (path / "records.parquet").unlink()
    second = summary_tables(path)
    texts = [[[c.text for c in r.cells] for s in t.sections for r in s.rows] for t in first]
    assert texts == [[[c.text for c in r.cells] for s in t.sections for r in s.rows] for t in second]
    assert [table.id for table in first] == ["table3", "accuracy_by_occluder", "table1", "table2", "table9"]
    assert all(s.source == "measured" for table in first for s in table.sections)


def test_damage_and_absence_are_typed_errors(make_run: Callable[[], Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run directory"):
        build_report(tmp_path / "nowhere")
    path = make_run()
    (path / "records.parquet").write_bytes(b"not parquet")
    with pytest.raises(StoreError, match="damaged"):
        summary_tables(path)


def test_predictions_without_a_column_are_a_typed_error(make_run: Callable[[], Path]) -> None:
    file = make_run() / "predictions" / "dan__clean.parquet"
    pd.read_parquet(file).drop(columns="label").to_parquet(file)
    with pytest.raises(StoreError, match=r"dan__clean\.parquet is damaged: it has no column label"):
        build_report(file.parents[1])


@pytest.mark.parametrize("text", [b"", b"a,b\n1\n1,2,3\n", b"a\n\xff\n"])
def test_damaged_records_are_a_typed_error(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "records.csv").write_bytes(text)
    with pytest.raises(StoreError, match=r"records\.csv is damaged"):
        build_report(tmp_path)


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ({"failures": ["out of memory"]}, "failures.0"),
        ({"cells": [{"split": "ParaFace"}]}, "cells.0.id"),
        ({"predictions": [{"file": "x.parquet"}]}, "predictions.0.system"),
        ({"command": "ofer-bench run"}, "command"),
    ],
)
def test_a_run_json_of_another_shape_is_a_typed_error(damage: dict[str, object], place: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(damage))
    with pytest.raises(StoreError, match=rf"run\.json is damaged: {place}"):
        build_report(tmp_path)


def test_a_report_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="can't be written"):
        build_report(tmp_path)


def test_the_summary_needs_neither_torch_nor_matplotlib(built_run: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ofer_bench.report.build import summary_tables; "
        f"summary_tables(Path({str(built_run)!r})); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'matplotlib', 'seaborn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_headlines_average_seeds_and_name_every_winner() -> None:
    shared = {"metric": "accuracy", "split": "ParaFace", "status": "ok", "source": "measured"}
    rows = [
        shared | {"system": "dan", "value": 60.0, "seed": 0},
        shared | {"system": "dan", "value": 90.0, "seed": 1},
        shared | {"system": "rul", "value": 80.0, "seed": 0},
        shared | {"system": "eac", "value": 80.0, "seed": 0},
    ]
    found = headlines(to_records(pd.DataFrame(rows, columns=list(RECORD_COLUMNS))), load_layout())
    assert [(tile.text, tile.who, tile.split) for tile in found] == [("80.0", "RUL, EAC", "ParaFace")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.21, "4.2 s"), (754.2, "12 min 34 s"), (11100, "3 h 5 min"), (59.99, "60.0 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
