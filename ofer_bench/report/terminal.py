"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ofer_bench.report.table import Cell, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

_LINE = 80


def to_rich(table: Table) -> RichTable:
    """Render for rich: values without intervals, so that seven columns fit a terminal of 80 characters."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    marked = [f"{note.mark}  {note.text}" for note in table.footnotes if note.mark]
    caption = "\n".join(filter(None, [table.data, *marked]))
    label, values, gap = _widths(table)
    shown = RichTable(
        title=Text(table.title, style="bold"),
        caption=Text(caption) if caption else None,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap, 0, 0),
    )
    shown.add_column(Text(table.row_header), overflow="fold", width=label)
    for column, width in zip(table.columns, values, strict=True):
        unit = f"\n[{column.unit}]" if column.unit else ""
        shown.add_column(Text(column.header + unit), justify="right", overflow="fold", width=width)
    for number, section in enumerate(table.sections):
        if number:
            shown.add_section()
        shown.add_row(Text(section.heading, style="italic"))
        for row in section.rows:
            shown.add_row(Text(f"  {row.label}"), *(_text(cell) for cell in row.cells))
        if not section.rows:
            shown.add_row(Text(f"  {section.empty}", style="dim"))
    return shown


def _widths(table: Table) -> tuple[int, list[int], int]:
    """Width of the row labels and of every value column, and extra space between columns if there is room.

    Rich squeezes columns it may choose itself until values break; so none is left to choose.
    """
    rows = [row for section in table.sections for row in section.rows]
    values = []
    for index, column in enumerate(table.columns):
        cells = [_text(row.cells[index]).plain for row in rows]
        values.append(max(map(len, [*column.header.split(), f"[{column.unit}]", *cells])))
    label = 2 + max((len(row.label) for row in rows), default=0)
    heading = max((len(section.heading) for section in table.sections), default=0)
    room = _LINE - sum(values) - len(values)
    gap = 1 if label + len(values) <= room else 0
    return max(8, min(room - gap * len(values), max(label, heading))), values, gap


def _text(cell: Cell) -> Text:
    from rich.text import Text

    style = "bold" if cell.bold else "" if cell.status == "ok" else "dim"
    text = Text(cell.text, style=style)
    if cell.marks:
        text.append(f" {','.join(cell.marks)}", style="dim")
    return text
