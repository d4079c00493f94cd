"""The run directory: what a run was, what it predicted and what came out, readable without this project."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ofer_bench.core.errors import StoreError


class RunDirectory:
    """One run under ``runs/NAME``. Everything in it is written atomically and may be read at any time."""

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
        target = self.path / name
        partial = target.with_suffix(".partial")
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(target)

    def link(self, source: Path, name: str) -> str:
        """Give a stored file a place in the run (hard link where possible); returns its relative path."""
        target = self.path / name
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
        return name
