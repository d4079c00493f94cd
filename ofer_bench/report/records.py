"""Records as the report reads them: plain mappings, selected by the filters of the definitions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ofer_bench.report.spec import Filter
from ofer_bench.store.records import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[Hashable, Any]
"""One row of the records table plus the derived ``dataset`` and ``prefix``."""

NUMERIC_COLUMNS = ("ratio_lo", "ratio_hi", "value", "n", "n_failed", "ci_lo", "ci_hi")
RECORD_COLUMNS = tuple(COLUMNS)
"""Columns of the records table, in order."""

_PREFIXES = ("Syn", "Occlusion", "FED")
# A data set of its own whose name begins like a prefix: there is no data set "RO" behind it.
_WHOLE_NAMES = {"FED-RO": "FED"}
FAULTS: tuple[Literal["blocked"], Literal["failed"]] = ("blocked", "failed")
"""Status of records that say why there is no value, in the order in which a cell names them."""

_FALSE = ("false", "0", "0.0")
_SUFFIXES = (" irregular masks", " grad-occlusion")


def base_dataset(split: str, occluder: str = "") -> tuple[str, str]:
    """Return data set and prefix of a split: ``("RAF-DB", "Syn")`` for ``Syn-RAF-DB``.

    ``Occlusion-X`` and ``FED-X`` as they are belong to X. Occluded once more by an ``occluder`` they are a data
    set of their own: those faces are no others of X.
    """
    for suffix in _SUFFIXES:
        split = split.removesuffix(suffix)
    prefix, dash, rest = split.partition("-")
    if not dash or prefix not in _PREFIXES or (occluder and prefix != "Syn"):
        return split, ""
    return (split, _WHOLE_NAMES[split]) if split in _WHOLE_NAMES else (rest, prefix)


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
    pairs = [base_dataset(*place) for place in zip(frame["split"], frame["occluder"], strict=True)]
    frame["dataset"] = [dataset for dataset, _ in pairs]
    frame["prefix"] = [prefix for _, prefix in pairs]
    return tuple(frame.to_dict("records"))


def _text(value: object) -> str:
    """Empty for missing values; whole floats (an integer column read beside NaN) lose their point."""
    if value is None or value != value or str(value) == "<NA>":
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def matches(record: Record, where: Filter) -> bool:
    """Say whether a record has every value that ``where`` asks for.

    A blocked or failed outcome leaves one record: it stands for every metric that the outcome would have had.
    """
    lost = record.get("status") in FAULTS
    for column, wanted in where.items():
        value, listed = str(record[column]), wanted if isinstance(wanted, list) else [wanted]
        if lost and column == "metric_def":
            continue
        if lost and column == "metric":
            value, listed = metric_family(value), [metric_family(name) for name in listed]
        if value not in listed and not (value and listed == ["*"]):
            return False
    return True


def metric_family(metric: str) -> str:
    """Say which outcome a metric measures: ``detection``, ``reconstruction`` or ``recognition``."""
    if metric.startswith("patch_"):
        return "detection"
    return "reconstruction" if metric in ("psnr", "ssim") else "recognition"


def select(records: Iterable[Record], where: Filter) -> list[Record]:
    """Return the records that match, in their order."""
    return [record for record in records if matches(record, where)]


def distinct(records: Iterable[Record], column: str) -> list[str]:
    """Return the values of a column in order of first appearance."""
    return list(dict.fromkeys(str(record[column]) for record in records))
