"""From records to tables: places, averages, ties, blocked cells, sections."""

from __future__ import annotations

import pytest

from ofer_bench.core.errors import SpecError
from ofer_bench.report import spec
from ofer_bench.report.cells import FootnoteBook, cell_of
from ofer_bench.report.granularity_notes import granularity_notes
from ofer_bench.report.ranking import tied_with_best
from ofer_bench.report.records import base_dataset, matches
from ofer_bench.report.reported import citation
from ofer_bench.report.spec import ColumnSpec, TableDefinition, load_definitions, load_layout
from ofer_bench.report.table import Cell
from tests.report.tables import DEFINITIONS, LAYOUT, REPORTED, records, section, table

ACCURACY = ColumnSpec(id="accuracy", header="Accuracy", unit="%")


def test_table3_puts_each_value_in_its_place() -> None:
    made = table(
        "table3",
        {"system": "dan", "split": "ParaFace", "value": 90.0, "ci_lo": 88.0, "ci_hi": 92.0},
        {"system": "dan", "split": "Syn-ParaFace", "occluder": "objects", "value": 61.5},
        {"system": "dan", "split": "ParaFace", "occluder": "random-patch", "value": 11.0},
    )
    row = section(made, "Measured here: ParaFace").rows[0]
    assert row.label == "DAN"
    assert [cell.text for cell in row.cells] == ["90.0", "61.5", "-28.5"]
    assert row.cells[0].ci == (88.0, 92.0)


def test_published_rows_have_their_own_unranked_sections() -> None:
    made = table("table3", {"system": "dan", "split": "ParaFace", "value": 99.0})
    kdef = section(made, "As published: KDEF")
    assert kdef.source == "reported"
    assert [(row.label, row.cells[0].value, row.cells[1].value) for row in kdef.rows][-1] == (
        "Latent-OFER",
        88.3,
        86.7,
    )
    order = [part.source for part in made.sections]
    assert order == sorted(order), "measured sections stand before the published ones"
    assert not any(cell.bold for part in made.sections for row in part.rows for cell in row.cells)


def test_a_table_without_records_says_so() -> None:
    made = table("table1")
    assert made.sections[0].rows == () and made.sections[0].empty == "Not measured in this run."
    assert not made.measured
    assert section(made, "As published: Syn-KDEF").rows[2].cells[0].value == 98.3


def test_rows_of_systems_without_a_column_are_no_table() -> None:
    by_thing = {"metric": "accuracy", "split": "Occlusion-ParaFace", "slice_key": "occluder", "slice_value": "cup"}
    one = table("accuracy_by_object", by_thing | {"system": "dan", "value": 50.0})
    assert [column.header for column in one.columns] == ["DAN"] and one.sections[0].rows
    none = table("accuracy_by_object", by_thing | {"system": "mine", "value": 50.0})
    assert not any(part.rows for part in none.sections) and none.sections[0].empty


@pytest.mark.parametrize("name", [name for name, d in DEFINITIONS.items() if isinstance(d, TableDefinition)])
def test_every_published_number_of_a_table_is_printed(name: str) -> None:
    made, definition = table(name), DEFINITIONS[name]
    assert isinstance(definition, TableDefinition)
    cited = {citation(p.table) for p in definition.published}
    wanted = sorted(float(r["value"]) for r in REPORTED if r["citation"] in cited)
    differences = {c.id for c in definition.columns if c.difference}
    shown = sorted(
        cell.value
        for part in made.sections
        for row in part.rows
        for column, cell in zip(made.columns, row.cells, strict=True)
        if cell.value is not None and column.id not in differences
    )
    assert shown == wanted


def test_several_seeds_are_averaged_and_named() -> None:
    book = FootnoteBook()
    rows = [
        {"value": v, "ci_lo": v - 4, "ci_hi": v + 4, "seed": s, "weights_digest": f"dan:{s}fa8c0de11aa"}
        for s, v in enumerate((80.0, 82.0, 87.0))
    ]
    cell = cell_of(records(*rows), ACCURACY, book)
    assert cell.value == pytest.approx(83.0)
    assert cell.ci == pytest.approx((79.0, 87.0))
    assert [note.text for note in book.footnotes()] == ["Mean of 3 measurements (seeds 0, 1, 2)."]
    assert cell.marks == ("a",)


@pytest.mark.parametrize("status", ["blocked", "failed"])
def test_faults_stay_visible_with_their_note(status: str) -> None:
    book = FootnoteBook()
    cell = cell_of(records({"value": float("nan"), "status": status, "note": "no files"}), ACCURACY, book)
    assert (cell.text, cell.status, cell.marks) == (status, status, ("a",))
    assert book.footnotes()[0].text == "no files"
    assert cell_of((), ACCURACY, book).text == "-"


def test_failed_predictions_are_footnoted() -> None:
    book = FootnoteBook()
    cell_of(records({"value": 50.0, "n_failed": 3}), ACCURACY, book)
    assert book.footnotes()[0].text == "3 of 100 predictions failed and count as wrong."
    book = FootnoteBook()
    cell_of(records({"metric": "psnr", "value": 20.0, "n_failed": 3}), ACCURACY, book)
    assert book.footnotes()[0].text == "3 measurements failed beside the 100 that count."


def test_ties_lie_inside_the_interval_of_the_best() -> None:
    cells = [Cell(text=f"{v}", value=v, ci=(v - 3, v + 3)) for v in (70.0, 72.9, 75.0, 71.9)]
    blocked = Cell(text="blocked", status="blocked")
    assert tied_with_best([*cells, blocked]) == [False, True, True, False, False]
    bare = [Cell(text="1.0", value=1.0), Cell(text="1.1", value=1.1)]
    assert tied_with_best(bare) == [False, False], "without an interval nothing says what ties"
    assert tied_with_best([cells[0], blocked]) == [False, False], "one value alone wins nothing"
    lower = [Cell(text=t, value=float(t), ci=(2, 2.5), higher_is_better=False) for t in ("3", "2", "4")]
    assert tied_with_best(lower) == [False, True, False]


def test_reconstruction_metrics_keep_their_definitions_apart() -> None:
    shared = {"detector": "oracle", "reconstructor": "hybrid", "split": "ParaFace", "occluder": "irregular"}
    made = table(
        "table8",
        shared | {"metric": "psnr", "metric_def": "psnr/whole/rgb", "value": 25.0},
        shared | {"metric": "psnr", "metric_def": "psnr/hole/rgb", "value": 14.0},
        shared | {"metric": "ssim", "metric_def": "ssim/gauss1.5-11/hole", "value": 0.4},
    )
    row = section(made, "Measured here: ParaFace, Irregular masks").rows[0]
    assert [cell.text for cell in row.cells] == ["25.00", "14.00", "-", "0.400"]
    published = section(made, "As published: RAF-DB irregular masks").rows[0]
    assert [cell.text for cell in published.cells] == ["26.36", "-", "0.868", "-"]


def test_granularity_notes_name_only_what_does_not_fit() -> None:
    """Independent reference: every k / n rounded by brute force."""
    definition = DEFINITIONS["tables4to6"]
    assert isinstance(definition, TableDefinition)
    fed_ro = [r for r in REPORTED if r["split"] == "FED-RO"]
    possible = {round(100 * k / 400 + d, 1) for k in range(401) for d in (-1e-9, 1e-9)}
    odd = [r["value"] for r in fed_ro if r["value"] not in possible]
    assert odd == [68.1]
    notes = granularity_notes(fed_ro, definition.sizes, LAYOUT)
    assert len(notes) == 1 and "68.1 (OADN) is not k/n for n = 400" in notes[0]
    affect = [r for r in REPORTED if r["split"] == "Occlusion-AffectNet"]
    assert "no single n of 592 or 682 or 683" in granularity_notes(affect, definition.sizes, LAYOUT)[0]
    assert granularity_notes(fed_ro, {}, LAYOUT) == []


@pytest.mark.parametrize(
    ("split", "occluder", "expected"),
    [
        ("ParaFace", "", ("ParaFace", "")),
        ("Syn-RAF-DB", "objects", ("RAF-DB", "Syn")),
        ("RAF-DB irregular masks", "irregular", ("RAF-DB", "")),
        ("Occlusion-AffectNet", "", ("AffectNet", "Occlusion")),
        ("Occlusion-AffectNet", "irregular", ("Occlusion-AffectNet", "")),
        ("Syn-Occlusion-AffectNet", "objects", ("Occlusion-AffectNet", "Syn")),
        ("FED-ParaFace", "", ("ParaFace", "FED")),
        ("FED-RO", "", ("FED-RO", "FED")),
        ("FED-RO", "irregular", ("FED-RO", "")),
    ],
)
def test_base_dataset(split: str, occluder: str, expected: tuple[str, str]) -> None:
    assert base_dataset(split, occluder) == expected


def test_filters() -> None:
    record = {"system": "dan", "occluder": ""}
    assert matches(record, {"system": "*", "occluder": ""})
    assert matches(record, {"system": ["dan", "rul"]})
    assert not matches(record, {"occluder": "*"})
    assert not matches(record, {"system": "rul"})


def test_a_definition_that_does_not_fit_is_a_spec_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "read_resource", lambda path: "order: [a]\nheadline: []\nnames: {}\nextra: 1\n")
    with pytest.raises(SpecError, match=r"report\.yaml:4: extra: "):
        load_layout()
    monkeypatch.setattr(spec, "read_resource", lambda path: "order: [a\nheadline: ]]\n")
    with pytest.raises(SpecError, match=r"report\.yaml:2: "):
        load_layout()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kind: tabel", r"a\.yaml:4: kind: "),
        ("kind: sheet\nfilter: {metric: accuracy}", r"a\.yaml:5: filter: "),
        ("kind: confusion\nfootnotes: [never printed]", r"a\.yaml:5: footnotes: "),
    ],
)
def test_a_mistake_in_a_definition_has_its_line(line: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "read_resource", lambda path: f"id: a\ntitle: A\ncaption: c\n{line}\n")
    with pytest.raises(SpecError, match=message):
        load_definitions(LAYOUT.model_copy(update={"order": ["a"]}))


def test_no_shipped_table_sets_the_white_box_beside_others() -> None:
    for name, definition in DEFINITIONS.items():
        asked = str(definition.model_dump())
        assert "gradcam-self" not in asked or "'gradcam'" not in asked, name
