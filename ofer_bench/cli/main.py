"""The ``ofer-bench`` command: verbs, and how errors become exit codes."""

from __future__ import annotations

import sys

import typer

from ofer_bench import __version__
from ofer_bench.cli import data, doctor, list_, occlude, plan, predict, report, run, train
from ofer_bench.core.errors import OferBenchError

INTERRUPTED = 130

app = typer.Typer(
    name="ofer-bench",
    help="Benchmark for occluded facial expression recognition.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("list")(list_.list_)
app.command("occlude")(occlude.occlude)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("report")(report.report)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        app()
    except OferBenchError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            typer.secho("interrupted; the same command goes on from here", fg="yellow", err=True)
        raise
