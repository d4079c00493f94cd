"""Tables as files: Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from ofer_bench.report.table import Cell, Section, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def escape_latex(text: str) -> str:
    """Escape the characters that LaTeX reads as commands."""
    return "".join(_LATEX.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    """Escape what would break a Markdown table or start markup."""
    for character in "\\|*_`<[":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def to_markdown(table: Table) -> str:
    """Render as a Markdown table; section headings are rows of their own, intervals follow the values."""
    header = [table.row_header, *(column.heading for column in table.columns)]
    lines = [f"### {escape_markdown(table.title)}", "", escape_markdown(table.caption), ""]
    lines.append(_line([escape_markdown(text) for text in header]))
    lines.append(_line(["---", *("---:" for _ in table.columns)]))
    blanks = [""] * len(table.columns)
    for section in table.sections:
        rows = [_line([escape_markdown(row.label), *map(_markdown_cell, row.cells)]) for row in section.rows]
        lines.append(_line([f"***{escape_markdown(section.heading)}***", *blanks]))
        lines += rows or [_line([escape_markdown(section.empty), *blanks])]
    lines.append("")
    lines += [escape_markdown(table.data), ""] if table.data else []
    for note in table.footnotes:
        mark = f"<sup>{note.mark}</sup> " if note.mark else ""
        lines += [f"{mark}{escape_markdown(note.text)}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _line(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.bold else cell.text
    interval = f" ({cell.ci_text})" if cell.ci_text else ""
    return text + interval + (f"<sup>{','.join(cell.marks)}</sup>" if cell.marks else "")


def to_csv(table: Table) -> str:
    """Render as CSV at full precision: one line per row, per column the value, its interval and its status.

    Numbers are in the unit that the header names; a cell without a value is empty and its status says why.
    """
    header = ["section", "source", table.row_header]
    for column in table.columns:
        name = column.heading
        header += [name, f"{name} ci_lo", f"{name} ci_hi", f"{name} status"]
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for section in table.sections:
        for row in section.rows:
            fields: list[str] = [section.heading, section.source, row.label]
            for cell in row.cells:
                low, high = cell.ci or (None, None)
                fields += [_number(cell.value), _number(low), _number(high), cell.status]
            writer.writerow(fields)
    return buffer.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else repr(round(value, 12))


def to_latex(table: Table) -> str:
    """Render as a LaTeX table for the ``booktabs`` package, footnotes below the tabular."""
    count = len(table.columns)
    header = [table.row_header, *(column.heading for column in table.columns)]
    caption = escape_latex(f"{table.title}. {table.caption}")
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{table.id.replace('_', '-')}}}",
        rf"\begin{{tabular}}{{l{'r' * count}}}",
        r"\toprule",
        " & ".join(escape_latex(text) for text in header) + r" \\",
    ]
    for section in table.sections:
        lines += [r"\midrule", *_latex_section(section, count + 1)]
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = [table.data] if table.data else []
    lines += [rf"\par\footnotesize {escape_latex(note)}" for note in notes]
    for note in table.footnotes:
        mark = rf"\textsuperscript{{{note.mark}}}" if note.mark else ""
        lines.append(rf"\par\footnotesize {mark}{escape_latex(note.text)}")
    return "\n".join([*lines, r"\end{table}", ""])


def _latex_section(section: Section, width: int) -> list[str]:
    lines = [rf"\multicolumn{{{width}}}{{l}}{{\emph{{{escape_latex(section.heading)}}}}} \\"]
    if not section.rows:
        return [*lines, rf"\multicolumn{{{width}}}{{l}}{{{escape_latex(section.empty)}}} \\"]
    rows = ([escape_latex(row.label), *map(_latex_cell, row.cells)] for row in section.rows)
    return lines + [" & ".join(fields) + r" \\" for fields in rows]


def _latex_cell(cell: Cell) -> str:
    # A hyphen is no minus sign in text mode.
    text = cell.text.replace("-", "$-$") if cell.value is not None else escape_latex(cell.text)
    text = rf"\textbf{{{text}}}" if cell.bold else text
    return text + (rf"\textsuperscript{{{','.join(cell.marks)}}}" if cell.marks else "")
