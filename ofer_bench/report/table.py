"""The table model that every renderer reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "blocked", "failed", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A value column; ``unit`` is printed beside the header."""

    id: str
    header: str
    unit: str = ""

    @property
    def heading(self) -> str:
        """Header with its unit, as printed."""
        return f"{self.header} [{self.unit}]" if self.unit else self.header


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value: ``text`` as printed, ``value`` and 95 % ``ci`` in the column's unit, ``marks`` its notes."""

    text: str
    value: float | None = None
    ci: tuple[float, float] | None = None
    ci_text: str = ""
    bold: bool = False
    status: Status = "ok"
    higher_is_better: bool = True
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One named line of a section, a cell per column."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Rows of one origin under a heading; ``empty`` is printed in place of rows when there are none."""

    heading: str
    source: Literal["measured", "reported"]
    rows: tuple[Row, ...]
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footnote:
    """A note below the table; ``mark`` is empty for notes on the whole table."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A finished table, independent of the output format. ``data`` says which data the numbers come from."""

    id: str
    title: str
    caption: str
    row_header: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    data: str = ""
    footnotes: tuple[Footnote, ...] = ()

    @property
    def measured(self) -> bool:
        """True when the run gave at least one row, blocked or not."""
        return any(section.rows for section in self.sections if section.source == "measured")
