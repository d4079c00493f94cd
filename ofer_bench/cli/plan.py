"""``ofer-bench plan``: what a run would do, and what of it is there already."""

from __future__ import annotations

import typer

from ofer_bench.cli.options import (
    DataOption,
    DeviceOption,
    ProfileOption,
    SeedsOption,
    SetOption,
    SplitOption,
    SuiteArgument,
    SystemOption,
    configure,
)


def plan(
    suite: SuiteArgument = "core",
    data: DataOption = None,
    split: SplitOption = None,
    system: SystemOption = None,
    profile: ProfileOption = None,
    seeds: SeedsOption = 1,
    device: DeviceOption = None,
    overrides: SetOption = None,
) -> None:
    """Show the stages of a run and which of them are in the store, without running anything."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ofer_bench.core.errors import DatasetMissing
    from ofer_bench.engine.tasks import plan_run
    from ofer_bench.spec.datasets import load_datasets
    from ofer_bench.store.artefacts import Store
    from ofer_bench.store.location import default_store

    config = configure(suite, data, split, system, profile, seeds, device, overrides)
    blueprint = plan_run(config, load_datasets())
    store = Store(default_store())
    table = Table(box=None, pad_edge=False)
    table.add_column("stage", overflow="fold")
    table.add_column("state")
    table.add_column("key", style="dim", no_wrap=True)
    cached = 0
    for stage in blueprint.plan.stages.values():
        there = store.find(stage.kind, stage.key) is not None
        cached += there
        table.add_row(Text(stage.id), "[green]cached[/green]" if there else "to do", stage.key[:10])
    console = Console()
    console.print(table)
    total = len(blueprint.plan.stages)
    typer.echo(f"{total} stages, {cached} cached, {total - cached} to do; {len(blueprint.cells)} cells")
    for problem in blueprint.blocked.values():
        typer.secho(problem, fg="yellow", err=True)
    if blueprint.blocked:
        raise typer.Exit(DatasetMissing.exit_code)
