"""The records table: one number per row, tidy, with everything needed to understand it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ofer_bench.core.hashing import digest
from ofer_bench.store.rundir import in_one_step

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1

_TEXT = ""
_NUMBER = float("nan")
COLUMNS: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "run_id": _TEXT,
    "suite": _TEXT,
    "split": _TEXT,
    "split_digest": _TEXT,
    "occluder": _TEXT,
    "ratio_lo": 0.0,
    "ratio_hi": 0.0,
    "system": _TEXT,
    "detector": _TEXT,
    "reconstructor": _TEXT,
    "classifier": _TEXT,
    "profile": _TEXT,
    "seed": 0,
    "selection": _TEXT,
    "weights_digest": _TEXT,
    "weights_origin": _TEXT,
    "device": _TEXT,
    "precision": _TEXT,
    "batch_size": 0,
    "metric": _TEXT,
    "metric_def": _TEXT,
    "slice_key": _TEXT,
    "slice_value": _TEXT,
    "value": _NUMBER,
    "unit": _TEXT,
    "higher_is_better": True,
    "n": 0,
    "n_failed": 0,
    "ci_lo": _NUMBER,
    "ci_hi": _NUMBER,
    "ci_method": _TEXT,
    "status": "ok",
    "source": "measured",
    "citation": _TEXT,
    "note": _TEXT,
}
"""Column names in order, with the value a row has where nothing else is said."""


def records_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build the table from partial rows; an unknown column is an error."""
    import pandas as pd

    complete = []
    for row in rows:
        unknown = set(row) - set(COLUMNS)
        if unknown:
            raise ValueError(f"unknown record columns: {', '.join(sorted(unknown))}")
        complete.append({**COLUMNS, **row})
    frame = pd.DataFrame(complete, columns=list(COLUMNS))
    return frame.astype({name: type(value) for name, value in COLUMNS.items()})


def write_records(frame: pd.DataFrame, folder: Path) -> None:
    """Write ``records.csv`` (numbers in full precision) and ``records.parquet``."""
    with in_one_step(folder / "records.csv") as partial:
        frame.to_csv(partial, index=False, lineterminator="\n")
    with in_one_step(folder / "records.parquet") as partial:
        frame.to_parquet(partial, index=False)


def read_records(folder: Path) -> pd.DataFrame:
    """Read ``records.parquet`` of a run directory."""
    import pandas as pd

    return pd.read_parquet(folder / "records.parquet")


def run_id(config: Mapping[str, Any], started: str) -> str:
    """Identify a run by what it does and when it started."""
    return f"{started}-{digest(config)[:8]}"
