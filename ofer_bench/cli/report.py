"""``ofer-bench report``: build the report of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, e.g. runs/core-quick.")],
) -> None:
    """Build tables, figures and the HTML page of a run from its records and predictions."""
    from rich.console import Console

    from ofer_bench.core.errors import SpecError
    from ofer_bench.report.build import build_report, summary_tables
    from ofer_bench.report.terminal import to_rich

    if not (run_dir / "run.json").is_file():
        raise SpecError(run_dir, "is no run directory (it has no run.json)", hint="give the folder that `run` wrote")
    index = build_report(run_dir)
    console = Console()
    for table in summary_tables(run_dir):
        console.print(to_rich(table))
    typer.echo(f"report: {index}")
