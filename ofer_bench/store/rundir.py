"""The run directory: what a run was, what it predicted and what came out, readable without this project."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ofer_bench.core.errors import StoreError


class RunDirectory:
    """One run under ``runs/NAME``. Every file appears in it whole and may be read at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            for name in ("predictions", "samples"):
                (path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the run directory {path} can't be written: {error.strerror}", hint="choose another one with --out"
            ) from None

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write ``name`` in one step."""
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        with in_one_step(self.path / name) as partial:
            partial.write_text(text, encoding="utf-8")

    def link(self, source: Path, name: str) -> str:
        """Give a stored file a place in the run (hard link where possible); returns its relative path."""
        with in_one_step(self.path / name) as partial:
            try:
                os.link(source, partial)
            except OSError:
                shutil.copyfile(source, partial)
        return name

    def clear(self, *patterns: str) -> None:
        """Remove the files that match; anything else in the folder is the user's and stays."""
        for pattern in patterns:
            for path in self.path.glob(pattern):
                path.unlink()


@contextmanager
def in_one_step(target: Path) -> Iterator[Path]:
    """Give a file of the same suffix to write; once written, it takes the place of ``target``."""
    partial = target.with_name(f".partial-{target.name}")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        if target.exists() and partial.samefile(target):
            # Renaming a hard link onto its like does nothing, and would leave it behind.
            return
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
