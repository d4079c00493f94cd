"""The files of a run directory, read into memory; what is absent is named, never fatal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ofer_bench.core.errors import StoreError
from ofer_bench.report.records import Record, to_records

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SHEET = Path("samples/qualitative.npz")
_HINT = "run the same `ofer-bench run` command again; it resumes and rewrites the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Stored predictions of one system on one cell; ``frame`` has sample_id, label, predicted, status."""

    system: str
    cell: Mapping[str, Any]
    frame: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Qualitative samples: ``image`` uint8 [R,C,H,W,3], names of columns and rows, classes (-1 = none)."""

    image: np.ndarray
    column: tuple[str, ...]
    row: tuple[str, ...]
    label: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """Everything a report shows. ``missing`` holds a sentence per absent file."""

    path: Path
    info: Mapping[str, Any]
    env: Mapping[str, Any]
    records: tuple[Record, ...]
    predictions: tuple[Predictions, ...]
    missing: tuple[str, ...]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Cell(_Open):
    id: str
    split: str


class _Entry(_Open):
    file: str
    system: str
    cell: str


class _Failure(_Open):
    stage: str
    error: str


class _Info(_Open):
    """What the report asks of ``run.json``; a run that has only started lacks the lists."""

    command: list[str] = Field(default_factory=list)
    cells: list[_Cell] = Field(default_factory=list)
    predictions: list[_Entry] = Field(default_factory=list)
    failures: list[_Failure] = Field(default_factory=list)


_COLUMNS = ("sample_id", "label", "predicted", "status")


def load_run(path: Path, *, with_predictions: bool = True) -> RunFiles:
    """Read a run directory.

    Raises ``StoreError`` when ``path`` is no directory or one of its files is damaged; absent files are
    listed in ``missing``.
    """
    if not path.is_dir():
        raise StoreError(f"no run directory at {path}", hint="give the folder that `ofer-bench run` printed")
    missing: list[str] = []
    info, env = _json(path / "run.json", missing), _json(path / "env.json", missing)
    _check_info(path / "run.json", info)
    records = _records(path, missing)
    predictions = _predictions(path, info, missing) if with_predictions else ()
    return RunFiles(path=path, info=info, env=env, records=records, predictions=predictions, missing=tuple(missing))


def _json(path: Path, missing: list[str]) -> dict[str, Any]:
    if not path.is_file():
        missing.append(f"{path.name} is not there.")
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StoreError(f"{path} is damaged: {error}", hint=_HINT) from error
    if not isinstance(value, dict):
        raise StoreError(f"{path} holds no JSON object", hint=_HINT)
    return value


def _check_info(path: Path, info: Mapping[str, Any]) -> None:
    try:
        _Info.model_validate(info)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StoreError(f"{path} is damaged: {place}: {first['msg']}", hint=_HINT) from None


def _records(path: Path, missing: list[str]) -> tuple[Record, ...]:
    import pandas as pd

    if (path / "records.parquet").is_file():
        return to_records(_parquet(path / "records.parquet"))
    if (path / "records.csv").is_file():
        try:
            return to_records(pd.read_csv(path / "records.csv", dtype=str, keep_default_na=False))
        # pandas' own errors of an empty or broken table, and text that is not UTF-8, are ValueErrors.
        except (ValueError, OSError) as error:
            raise StoreError(f"{path / 'records.csv'} is damaged: {error}", hint=_HINT) from error
    missing.append("records.parquet and records.csv are not there: nothing was scored yet.")
    return ()


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(path)
    except (ArrowException, OSError) as error:
        raise StoreError(f"{path} is damaged: {error}", hint=_HINT) from error


def _predictions(path: Path, info: Mapping[str, Any], missing: list[str]) -> tuple[Predictions, ...]:
    cells = {str(cell["id"]): cell for cell in info.get("cells", ())}
    found = []
    for entry in info.get("predictions", ()):
        file, cell = path / entry["file"], cells.get(entry["cell"])
        if not file.is_file() or cell is None:
            missing.append(f"{entry['file']} ({entry['system']} on {entry['cell']}) is not there.")
            continue
        frame = _parquet(file)
        lost = [column for column in _COLUMNS if column not in frame]
        if lost:
            raise StoreError(f"{file} is damaged: it has no column {', '.join(lost)}", hint=_HINT)
        found.append(Predictions(system=entry["system"], cell=cell, frame=frame))
    return tuple(found)


def load_sheet(path: Path) -> Sheet | None:
    """Read ``samples/qualitative.npz`` of a run directory; None when absent, ``StoreError`` when damaged."""
    import zipfile

    import numpy as np

    file = path / SHEET
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            return Sheet(
                image=stored["image"],
                column=tuple(map(str, stored["column"])),
                row=tuple(map(str, stored["row"])),
                label=stored["label"],
                predicted=stored["predicted"],
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StoreError(f"{file} is damaged: {error}", hint=_HINT) from error
