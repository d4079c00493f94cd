"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ofer_bench.report.table import Cell, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text


_LABEL = 26
"""Most characters that a row label may claim before numbers are squeezed."""


def to_rich(table: Table) -> RichTable:
    """Render for rich: values without intervals, so that seven columns fit a terminal of 80 characters."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    marked = [note for note in table.footnotes if note.mark]
    caption = "\n".join(filter(None, [table.data, *(f"{note.mark}  {note.text}" for note in marked)]))
    shown = RichTable(
        title=Text(table.title, style="bold"),
        caption=Text(caption) if caption else None,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    labels = [row.label for section in table.sections for row in section.rows]
    shown.add_column(
        Text(table.row_header), overflow="fold", min_width=min(_LABEL, 2 + max(map(len, labels)))
    )
    for column in table.columns:
        unit = f"\n[{column.unit}]" if column.unit else ""
        shown.add_column(Text(column.header + unit), justify="right", overflow="fold")
    for number, section in enumerate(table.sections):
        if number:
            shown.add_section()
        shown.add_row(Text(section.heading, style="italic"))
        for row in section.rows:
            shown.add_row(Text(f"  {row.label}"), *(_cell(cell) for cell in row.cells))
        if not section.rows:
            shown.add_row(Text(f"  {section.empty}", style="dim"))
    return shown


def _cell(cell: Cell) -> Text:
    from rich.text import Text

    style = "bold" if cell.bold else "" if cell.status == "ok" else "dim"
    text = Text(cell.text, style=style)
    if cell.marks:
        text.append(f" {','.join(cell.marks)}", style="dim")
    return text
