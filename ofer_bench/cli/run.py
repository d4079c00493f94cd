"""``ofer-bench run``: a suite from nothing to a report."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ofer_bench.cli.options import (
    DataOption,
    DeviceOption,
    DevicesOption,
    JobsOption,
    ProfileOption,
    SeedsOption,
    SetOption,
    SplitOption,
    SuiteArgument,
    SystemOption,
    configure,
)

CELL_FAILED = 1


def run(
    suite: SuiteArgument = "core",
    data: DataOption = None,
    split: SplitOption = None,
    system: SystemOption = None,
    profile: ProfileOption = None,
    seeds: SeedsOption = 1,
    device: DeviceOption = None,
    devices: DevicesOption = 1,
    jobs: JobsOption = 1,
    out: Annotated[Path | None, typer.Option("--out", help="Run directory.", show_default="runs/SUITE-PROFILE")] = None,
    overrides: SetOption = None,
) -> None:
    """Run a suite: data, training, occlusion, detection, reconstruction, recognition, report.

    What is in the store is not made again; a stopped run goes on with the same command.
    """
    started = time.perf_counter()
    from rich.console import Console

    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.errors import DatasetMissing
    from ofer_bench.engine.run import default_out, run_suite
    from ofer_bench.report.build import build_report, summary_tables
    from ofer_bench.report.terminal import to_rich
    from ofer_bench.spec.datasets import load_datasets
    from ofer_bench.store.artefacts import Store
    from ofer_bench.store.location import default_store

    config = configure(suite, data, split, system, profile, seeds, device, overrides, devices, jobs)
    target = out or default_out(config)
    with progress_view() as view:
        used = config.device if config.devices == 1 else f"{config.device} x {config.devices}"
        view.note(f"suite {config.suite.name}, profile {config.profile.name}, device {used}, into {target}")
        command = ["ofer-bench", *sys.argv[1:]]
        result = run_suite(config, load_datasets(), Store(default_store()), target, command, view)
        view.note("writing the report")
        index = build_report(target)
    console = Console()
    for table in summary_tables(target):
        console.print(to_rich(table))
    typer.echo(f"report: {index}  ({time.perf_counter() - started:.0f} s)")
    if result.execution.failures:
        typer.secho(f"{len(result.execution.failures)} stages failed; see run.json", fg="red", err=True)
        raise typer.Exit(CELL_FAILED)
    if result.blocked:
        for problem in result.blocked.values():
            typer.secho(problem, fg="yellow", err=True)
        raise typer.Exit(DatasetMissing.exit_code)
