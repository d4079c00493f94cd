"""Makes tables of the shipped definitions from a few invented records."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ofer_bench.report.records import RECORD_COLUMNS, Record, to_records
from ofer_bench.report.reported import reported_records
from ofer_bench.report.spec import TableDefinition, load_definitions, load_layout
from ofer_bench.report.table import Section, Table
from ofer_bench.report.tabulate import tabulate

LAYOUT = load_layout()
DEFINITIONS = {definition.id: definition for definition in load_definitions(LAYOUT)}
REPORTED = to_records(reported_records())


def records(*rows: dict[str, Any]) -> tuple[Record, ...]:
    """Records of accuracy on 100 faces, changed and completed by ``rows``."""
    common = {"metric": "accuracy", "status": "ok", "source": "measured", "n": 100, "n_failed": 0, "seed": 0}
    return to_records(pd.DataFrame([common | row for row in rows], columns=list(RECORD_COLUMNS)))


def table(name: str, *rows: dict[str, Any]) -> Table:
    """The table of a shipped definition from such records."""
    definition = DEFINITIONS[name]
    assert isinstance(definition, TableDefinition)
    return tabulate(definition, records(*rows), REPORTED, LAYOUT)


def section(made: Table, heading: str) -> Section:
    """The section under a heading."""
    return next(part for part in made.sections if part.heading == heading)


def texts(made: Table, heading: str) -> dict[str, dict[str, str]]:
    """What is printed in a section: row label to column id to text."""
    columns = [column.id for column in made.columns]
    return {
        row.label: dict(zip(columns, (cell.text for cell in row.cells), strict=True))
        for row in section(made, heading).rows
    }
