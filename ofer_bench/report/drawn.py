"""Figures that are there already: drawn again only when something behind them has changed."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from ofer_bench.core.hashing import digest, file_digest
from ofer_bench.report.run_files import SHEET, RunFiles
from ofer_bench.report.spec import Definition, ReportLayout

SUFFIXES = ("png", "pdf", "csv")
_PACKAGES = ("matplotlib", "seaborn", "numpy", "pandas")
# A run has a new id every time, which no figure shows.
_NOT_SHOWN = "run_id"


def digest_inputs(run: RunFiles, layout: ReportLayout) -> str:
    """Digest all that the figures of a run may show, and what draws them; about 50 ms, where drawing takes seconds."""
    sheet = run.path / SHEET
    return digest(
        {
            "records": [
                repr([(name, value) for name, value in row.items() if name != _NOT_SHOWN]) for row in run.records
            ],
            "predictions": [[p.system, repr(sorted(p.cell.items())), p.frame.to_csv()] for p in run.predictions],
            "sheet": file_digest(sheet) if sheet.is_file() else "",
            "layout": layout.model_dump(mode="json"),
            "code": [file_digest(path) for path in sorted(Path(__file__).parent.glob("*.py"))],
            "packages": [version(name) for name in _PACKAGES],
        }
    )


def figure_key(definition: Definition, inputs: str) -> str:
    """Digest one figure's definition and the ``inputs`` of :func:`digest_inputs`."""
    return digest([definition.model_dump(mode="json"), inputs])


def drawn_before(folder: Path, name: str, key: str) -> str | None:
    """Return the description of the figure ``name`` in ``folder`` if it was drawn for ``key`` and is whole."""
    if not all((folder / f"{name}.{suffix}").is_file() for suffix in SUFFIXES):
        return None
    try:
        stamp = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return str(stamp["alt"]) if stamp["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        # Without a stamp that can be read nobody knows what the figure shows.
        return None


def remember_drawn(folder: Path, name: str, key: str, alt: str) -> None:
    """Note beside a figure what it was drawn for."""
    (folder / f"{name}.json").write_text(json.dumps({"key": key, "alt": alt}), encoding="utf-8")


def forget_drawn(folder: Path, name: str) -> None:
    """Remove a figure: an older one must not outlive the data it was drawn from."""
    for suffix in (*SUFFIXES, "json"):
        (folder / f"{name}.{suffix}").unlink(missing_ok=True)
