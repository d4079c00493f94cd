"""The manifest of occluded images: whoever holds the faces makes the same images from it, bit for bit.

A row per source image, as Parquet or CSV (by suffix, equal columns). ``docs/manifest.md`` describes the columns.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ofer_bench.core.errors import SpecError
from ofer_bench.core.hashing import DIGEST_LENGTH, canonical_json

if TYPE_CHECKING:
    from pyarrow import Schema

SCHEMA_VERSION: Literal[1] = 1
SUFFIXES = (".parquet", ".csv")


def pixel_digest(pixels: np.ndarray) -> str:
    """Digest type, shape and values of an array (24 hexadecimal characters); how it was stored plays no part."""
    head = f"{pixels.dtype.name}{list(pixels.shape)}".encode()
    # Pillow's own bool arrays hold 255 for True; equal masks must have equal bytes.
    values = np.packbits(pixels) if pixels.dtype == np.bool_ else np.ascontiguousarray(pixels)
    return hashlib.sha256(head + values.tobytes()).hexdigest()[:DIGEST_LENGTH]


def _inside(text: str) -> str:
    """A manifest may come from anybody: no name in it may lead out of a folder."""
    pure = PurePath(text)
    if not pure.parts or pure.anchor or PurePosixPath(text).anchor or ".." in text.replace("\\", "/").split("/"):
        raise ValueError("is no path below a folder")
    return text


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _no_value(value: Any) -> Any:
    return None if value == "" else value


_Name = Annotated[str, AfterValidator(_inside)]
_Digest = Annotated[str, Field(pattern=rf"^([0-9a-f]{{{DIGEST_LENGTH}}})?$")]
_Share = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_no_value)]


class ManifestRow(BaseModel):
    """One source image and its occlusion; a failed one has ``error`` and leaves the rest empty.

    ``params`` are the occluder's replayable parameters, ``mask`` a 1-bit PNG in base64 (white = occluded), digests
    those of :func:`pixel_digest` and, for ``file_digest``, of the file's bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Annotated[Literal[1], BeforeValidator(int)] = SCHEMA_VERSION
    sample_id: _Name
    file: _Name
    status: Literal["ok", "failed"] = "ok"
    error: str = ""
    occluder: Annotated[str, Field(min_length=1)]
    occluder_version: str
    params: Annotated[dict[str, Any], BeforeValidator(_from_json)] = Field(default_factory=dict)
    seed: int
    size: Annotated[int, Field(ge=1, le=4096)]
    patch_size: Annotated[int, Field(ge=1)]
    ratio_lo: Annotated[float, Field(ge=0, le=1)]
    ratio_hi: Annotated[float, Field(ge=0, le=1)]
    ratio: _Share = None
    patch_ratio_tau_0_1: _Share = None
    patch_ratio_tau_0_5: _Share = None
    file_digest: _Digest = ""
    source_digest: _Digest = ""
    mask_digest: _Digest = ""
    image_digest: _Digest = ""
    mask: str = ""
    decoder: str
    tool_version: str

    @model_validator(mode="after")
    def _whole(self) -> ManifestRow:
        if self.status == "ok":
            for name in ("ratio", "file_digest", "source_digest", "mask_digest", "image_digest", "mask"):
                if getattr(self, name) in (None, ""):
                    raise ValueError(f"{name} is empty")
        return self


COLUMNS = tuple(ManifestRow.model_fields)
_INTEGERS = ("schema_version", "seed", "size", "patch_size")
_NUMBERS = ("ratio_lo", "ratio_hi", "ratio", "patch_ratio_tau_0_1", "patch_ratio_tau_0_5")


def write_manifest(rows: Iterable[ManifestRow], path: Path) -> None:
    """Write ``rows``, sorted by sample id, as ``.parquet`` or ``.csv``; equal rows give equal tables."""
    entries = [_entry(row) for row in sorted(rows, key=lambda row: row.sample_id)]
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(entries)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(entries, schema=_schema()), path, compression="zstd")


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read a ``.parquet`` or ``.csv`` manifest; columns that are not ours are left aside.

    SpecError, with file, row and column, for a file that can't be read or a value that can't be; and for two rows
    of one sample or with results of one name.
    """
    columns, entries = _read(path)
    lost = [name for name in COLUMNS if name not in columns]
    if lost:
        raise SpecError(path, f"is no manifest: it lacks the columns {', '.join(lost)}", hint="see docs/manifest.md")
    rows = [_row(path, number, entry) for number, entry in enumerate(entries, start=1)]
    for column in ("sample_id", "file"):
        _check_single(path, column, [getattr(row, column) for row in rows])
    if not rows:
        raise SpecError(path, "is an empty manifest")
    return rows


def _entry(row: ManifestRow) -> dict[str, Any]:
    return {**row.model_dump(), "params": canonical_json(row.params)}


def _schema() -> Schema:
    import pyarrow as pa

    types = {**dict.fromkeys(_INTEGERS, pa.int64()), **dict.fromkeys(_NUMBERS, pa.float64())}
    return pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])


def _read(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    if path.suffix not in SUFFIXES:
        raise SpecError(path, "is no manifest", hint=f"give a file that ends in {' or '.join(SUFFIXES)}")
    try:
        if path.suffix == ".csv":
            # The masks of large pictures go beyond the 128 KiB that a field has by default.
            csv.field_size_limit(1 << 27)
            with path.open(newline="", encoding="utf-8") as file:
                table = csv.DictReader(file)
                return list(table.fieldnames or ()), list(table)
        import pyarrow.parquet as pq

        frame = pq.read_table(path)
        return frame.column_names, frame.to_pylist()
    except OSError as error:
        raise SpecError(path, f"can't be read: {error.strerror or error}") from None
    except (ValueError, csv.Error) as error:
        raise SpecError(path, f"is no table that can be read: {error}") from None


def _row(path: Path, number: int, entry: Mapping[str, Any]) -> ManifestRow:
    try:
        return ManifestRow.model_validate({name: entry[name] for name in COLUMNS})
    except ValidationError as error:
        first = error.errors()[0]
        column = f", column {first['loc'][0]}" if first["loc"] else ""
        problem = first["msg"].removeprefix("Value error, ")
        raise SpecError(path, f"row {number}{column}: {problem}", hint="see docs/manifest.md") from None


def _check_single(path: Path, column: str, names: list[str]) -> None:
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        # Some file systems take two names for one that differ only in case.
        key = name.casefold() if column == "file" else name
        if key in seen:
            raise SpecError(path, f"row {number}, column {column}: {name!r} is that of row {seen[key]} too")
        seen[key] = number
