"""From a definition and the records to a finished table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

from ofer_bench.report.cells import MISSING_TEXT, FootnoteBook, cell_of, difference
from ofer_bench.report.granularity_notes import granularity_notes
from ofer_bench.report.ranking import embolden
from ofer_bench.report.records import Record, distinct, metric_family, select
from ofer_bench.report.reported import citation
from ofer_bench.report.spec import ColumnSpec, Filter, PublishedSpec, ReportLayout, SectionSpec, TableDefinition
from ofer_bench.report.table import Cell, Column, Footnote, Row, Section, Table

_BOLD_NOTE = (
    "Bold: the best value measured here under that heading, and every value inside its 95 % interval. Columns "
    "without intervals and published numbers take no part in the ranking."
)
_MISSING_NOTE = f"{MISSING_TEXT}: no value in this run, or none published."


def tabulate(
    definition: TableDefinition, measured: Sequence[Record], reported: Sequence[Record], layout: ReportLayout
) -> Table:
    """Make the table of a definition from measured and reported records.

    Measured rows stand in their own sections and alone are ranked; reported rows follow under their own
    headings. A section without records stays, with a line that says so.
    """
    book = FootnoteBook()
    ours = select(measured, definition.filter)
    columns = [column for column in definition.columns if _shown(column, ours)]
    if not columns:
        # Rows of other systems than the table is about.
        ours, columns = [], list(definition.columns)
    used: list[Record] = []
    sections: list[Section] = []
    for spec in definition.sections:
        above: Filter = {column: distinct(used, source) for column, source in spec.values_of.items()}
        records = select(ours, spec.filter | above)
        used += records
        sections += _sections(records, spec, columns, book, layout, "measured")
        if not records and not spec.optional:
            heading = spec.heading.partition(":")[0]
            sections.append(Section(heading=heading, source="measured", rows=(), empty=spec.empty))
    cited: list[Record] = []
    for published in definition.published:
        records = select(reported, {"citation": citation(published.table)})
        cited += records
        sections += _sections(records, published, columns, book, layout, "reported")
    return Table(
        id=definition.id,
        title=definition.title,
        caption=" ".join(definition.caption.split()),
        row_header=definition.row_header,
        columns=tuple(Column(id=c.id, header=c.header, unit=c.unit) for c in columns),
        sections=tuple(sections),
        data=_describe(used, cited),
        footnotes=_footnotes(definition, sections, granularity_notes(cited, definition.sizes, layout), book),
    )


def _shown(column: ColumnSpec, records: Sequence[Record]) -> bool:
    return not column.optional or bool(select(records, column.where))


def _sections(
    records: Sequence[Record],
    spec: SectionSpec | PublishedSpec,
    columns: Sequence[ColumnSpec],
    book: FootnoteBook,
    layout: ReportLayout,
    source: Literal["measured", "reported"],
) -> list[Section]:
    """Split the records into sections and lay out the rows of each."""
    sections = []
    for values in product(*(distinct(records, column) for column in spec.split_by)):
        place: dict[str, str | list[str]] = dict(zip(spec.split_by, values, strict=True))
        members = select(records, place)
        if not members:
            continue
        names = {column: layout.name(str(value)) for column, value in place.items()}
        rows = [_row(members, spec.row, key, columns, book, layout) for key in distinct(members, spec.row)]
        ranked = [isinstance(spec, SectionSpec) and spec.rank and column.rank for column in columns]
        heading = spec.heading.format(**names)
        sections.append(Section(heading=heading, source=source, rows=embolden(rows, ranked)))
    return sections


def _row(
    records: Sequence[Record],
    row_column: str,
    key: str,
    columns: Sequence[ColumnSpec],
    book: FootnoteBook,
    layout: ReportLayout,
) -> Row:
    members = select(records, {row_column: key})
    cells: dict[str, Cell] = {}
    for column in columns:
        if column.difference is None:
            cells[column.id] = cell_of(_members(members, column), column, book)
    for column in columns:
        if column.difference is not None:
            start, end = column.difference
            cells[column.id] = difference(cells[start], cells[end], column)
    return Row(label=layout.name(key), cells=tuple(cells[column.id] for column in columns))


def _members(records: Sequence[Record], column: ColumnSpec) -> list[Record]:
    """Select a column's records; the paper names no metric definition, so published ones match without it."""
    where = column.where
    if records and records[0]["source"] == "reported":
        if not column.published:
            return []
        where = {key: wanted for key, wanted in where.items() if key != "metric_def"}
    return select(records, where)


def _describe(measured: Sequence[Record], reported: Sequence[Record]) -> str:
    """Say which data the numbers come from, with the sample counts behind them."""
    parts = []
    splits = []
    usable = [record for record in measured if record["status"] == "ok"]
    for split in distinct(usable, "split"):
        counted = [r for r in select(usable, {"split": split}) if r["n"] > 0]
        counts = {int(r["n"]) for r in counted}
        span = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else "".join(map(str, counts))
        unit = " patches" if any(metric_family(r["metric"]) == "detection" for r in counted) else ""
        splits.append(f"{split} (n = {span}{unit})" if span else split)
    if splits:
        parts.append(f"Measured on {', '.join(splits)}.")
    blocked = [split for split in distinct(measured, "split") if not select(usable, {"split": split})]
    if blocked:
        parts.append(f"Without a value: {', '.join(blocked)}.")
    if reported:
        sets = [split for split in distinct(reported, "split") if split]
        parts.append(f"Published numbers: {', '.join(sets)}, measured by their authors on their own data.")
    return " ".join(parts)


def _footnotes(
    definition: TableDefinition, sections: Sequence[Section], granularity: Sequence[str], book: FootnoteBook
) -> tuple[Footnote, ...]:
    cells = [cell for section in sections for row in section.rows for cell in row.cells]
    general = [" ".join(text.split()) for text in definition.footnotes] + list(granularity)
    if any(cell.bold for cell in cells):
        general.insert(0, _BOLD_NOTE)
    if any(cell.status == "missing" for cell in cells):
        general.append(_MISSING_NOTE)
    return (*(Footnote(text=text) for text in general), *book.footnotes())
