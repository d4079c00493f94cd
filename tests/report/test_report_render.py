"""Renderers: the same cells in csv, md, tex and on the terminal; nothing escapes its format."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from ofer_bench.report.render import escape_latex, escape_markdown, to_csv, to_latex, to_markdown
from ofer_bench.report.table import Cell, Column, Footnote, Row, Section, Table
from ofer_bench.report.terminal import to_rich

NASTY = r"50% of a_b & <b>|x| #1 \cmd {y} ~^$"


@pytest.fixture
def table() -> Table:
    best = Cell(text="81.3", value=81.25, ci=(79.0, 83.5), ci_text="79.0, 83.5", bold=True, marks=("a",))
    return Table(
        id="demo_table",
        title="Demo",
        caption="All of it & more.",
        row_header="System",
        columns=(Column(id="clean", header="Clean", unit="%"), Column(id="auroc", header="AUROC")),
        sections=(
            Section(
                heading="Measured here",
                source="measured",
                rows=(
                    Row(label=NASTY, cells=(best, Cell(text="0.900", value=0.9))),
                    Row(
                        label="other",
                        cells=(Cell(text="blocked", status="blocked", marks=("b",)), Cell(text="-")),
                    ),
                ),
            ),
            Section(heading="As published", source="reported", rows=(), empty="None printed."),
        ),
        data="Measured on X (n = 5).",
        footnotes=(Footnote(text="General."), Footnote(text="Failed 1 of 5.", mark="a")),
    )


def test_csv_keeps_full_precision_interval_status_and_origin(table: Table) -> None:
    rows = list(csv.DictReader(StringIO(to_csv(table))))
    assert rows[0]["System"] == NASTY
    assert (rows[0]["Clean [%]"], rows[0]["Clean [%] ci_lo"], rows[0]["Clean [%] ci_hi"]) == (
        "81.25",
        "79.0",
        "83.5",
    )
    assert rows[0]["AUROC"] == "0.9"
    assert (rows[1]["Clean [%]"], rows[1]["Clean [%] status"]) == ("", "blocked")
    assert {row["source"] for row in rows} == {"measured"}


def test_markdown_has_one_cell_per_column(table: Table) -> None:
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    assert all(line.replace(r"\|", "").count("|") == 4 for line in lines)
    assert "**81.3** (79.0, 83.5)<sup>a</sup>" in lines[3]
    assert r"\<b>" in lines[3] and r"a\_b" in lines[3]
    assert lines[2].startswith("| ***Measured here***") and lines[5].startswith("| ***As published***")
    assert "blocked<sup>b</sup>" in lines[4] and "None printed." in lines[6]
    assert "<sup>a</sup> Failed 1 of 5." in to_markdown(table)


def test_latex_is_escaped_and_uses_booktabs(table: Table) -> None:
    text = to_latex(table)
    assert r"\toprule" in text and r"\bottomrule" in text and text.count(r"\midrule") == 2
    assert r"50\% of a\_b \& \textless{}b\textgreater{}|x| \#1 \textbackslash{}cmd \{y\}" in text
    assert r"\textbf{81.3}\textsuperscript{a} & 0.900 \\" in text
    assert r"\multicolumn{3}{l}{\emph{As published}} \\" in text
    assert r"\label{tab:demo-table}" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_latex_has_real_minus_signs(table: Table) -> None:
    cells = (Cell(text="-2.5", value=-2.5), Cell(text="-", status="missing"))
    section = Section(heading="Changes", source="measured", rows=(Row(label="x-y", cells=cells),))
    assert r"x-y & $-$2.5 & - \\" in to_latex(replace(table, sections=(section,)))


def test_escapes_leave_plain_text_alone() -> None:
    assert escape_latex("Latent-OFER 86.7") == escape_markdown("Latent-OFER 86.7") == "Latent-OFER 86.7"


@pytest.mark.parametrize("count", [2, 7])
def test_the_terminal_holds_it_in_eighty_columns(table: Table, count: int) -> None:
    columns = tuple(Column(id=str(i), header="Precision", unit="%") for i in range(count))
    rows = tuple(Row(label=f"system {i}", cells=(Cell(text="98.7"),) * count) for i in range(2))
    wide = Table(
        id="wide",
        title="Wide",
        caption="",
        row_header="System",
        columns=columns,
        sections=(Section(heading="Measured here: ParaFace", source="measured", rows=rows),),
        footnotes=table.footnotes,
    )
    console = Console(width=80, file=StringIO(), record=True, color_system=None)
    console.print(to_rich(wide))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    found = [line for line in lines if "system 1" in line]
    assert len(found) == 1 and found[0].count("98.7") == count


def test_the_terminal_prints_markup_literally(table: Table) -> None:
    console = Console(width=120, file=StringIO(), record=True, color_system=None)
    console.print(to_rich(table))
    text = console.export_text()
    assert "<b>" in text and "[%]" in text and "81.3 a" in text and "None printed." in text
