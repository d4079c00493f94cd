"""Records as the report reads them: plain mappings, selected by the filters of the definitions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ofer_bench.report.spec import Filter
from ofer_bench.store.records import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[Hashable, Any]
"""One row of the records table plus the derived ``dataset`` and ``prefix``."""

NUMERIC_COLUMNS = ("ratio_lo", "ratio_hi", "value", "n", "n_failed", "ci_lo", "ci_hi")
RECORD_COLUMNS = tuple(COLUMNS)
"""Columns of the records table, in order."""

_PREFIXES = ("Syn", "Occlusion")
_FALSE = ("false", "0", "0.0")
_SUFFIXES = (" irregular masks", " grad-occlusion")


def base_dataset(split: str) -> tuple[str, str]:
    """Return data set and prefix of a split: ``("RAF-DB", "Syn")`` for ``Syn-RAF-DB``."""
    for suffix in _SUFFIXES:
        split = split.removesuffix(suffix)
    for prefix in _PREFIXES:
        if split.startswith(f"{prefix}-"):
            return split.removeprefix(f"{prefix}-"), prefix
    return split, ""


def to_records(frame: pd.DataFrame) -> tuple[Record, ...]:
    """Turn a records table into mappings: texts without NaN, numbers as float.

    ``dataset`` and ``prefix`` of the split are added. Columns that the table lacks are filled
    with empty texts or NaN, so older tables stay readable.
    """
    import pandas as pd

    frame = frame.reindex(columns=list(RECORD_COLUMNS))
    for column in NUMERIC_COLUMNS:
        frame[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
    texts = [c for c in RECORD_COLUMNS if c not in (*NUMERIC_COLUMNS, "higher_is_better")]
    for column in texts:
        frame[column] = [_text(value) for value in frame[column]]
    frame["higher_is_better"] = [str(value).lower() not in _FALSE for value in frame["higher_is_better"]]
    pairs = [base_dataset(split) for split in frame["split"]]
    frame["dataset"] = [dataset for dataset, _ in pairs]
    frame["prefix"] = [prefix for _, prefix in pairs]
    return tuple(frame.to_dict("records"))


def _text(value: object) -> str:
    """Empty for missing values; whole floats (an integer column read beside NaN) lose their point."""
    if value is None or value != value or str(value) == "<NA>":
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def matches(record: Record, where: Filter) -> bool:
    """Say whether a record has every value that ``where`` asks for."""
    for column, wanted in where.items():
        value = str(record[column])
        if isinstance(wanted, list):
            if value not in wanted:
                return False
        elif wanted == "*":
            if not value:
                return False
        elif value != wanted:
            return False
    return True


def select(records: Iterable[Record], where: Filter) -> list[Record]:
    """Return the records that match, in their order."""
    return [record for record in records if matches(record, where)]


def distinct(records: Iterable[Record], column: str) -> list[str]:
    """Return the values of a column in order of first appearance."""
    return list(dict.fromkeys(str(record[column]) for record in records))
