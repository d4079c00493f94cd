"""``ofer-bench list``: what there is."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

# Metrics of the package that no run records (yet) are not listed.
_OTHER_RECORDED = {"patch_auroc", "patch_ap", "patch_fpr95", "psnr", "recovery", "ssim"}


class Listing(StrEnum):
    """What can be listed."""

    systems = "systems"
    splits = "splits"
    occluders = "occluders"
    metrics = "metrics"
    suites = "suites"
    reports = "reports"


def list_(
    what: Annotated[Listing, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List systems, splits, occluders, metrics, suites or reports."""
    rows = _ROWS[what]()
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    columns = [name for name in (rows[0] if rows else ()) if name not in _JSON_ONLY]
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row[name])) for name in columns))
    Console().print(table)
    _warn_of_broken()


def _warn_of_broken() -> None:
    from ofer_bench.plugins.discovery import registry

    for name, problem in registry().broken.items():
        typer.secho(f"broken plugin {name}: {problem}", fg="yellow", err=True)


def _plugins(*kinds: str) -> list[dict[str, Any]]:
    from ofer_bench.plugins.discovery import registry

    return [
        {
            "id": e.card.id,
            "kind": e.card.kind,
            "title": e.card.title,
            "fidelity": e.card.fidelity,
            "from": e.origin,
            "notes": e.card.notes,
        }
        for e in registry().of_kind(*kinds)
    ]


def _systems() -> list[dict[str, Any]]:
    return [r for kind in ("system", "classifier", "detector", "reconstructor", "backbone") for r in _plugins(kind)]


def _splits() -> list[dict[str, Any]]:
    from ofer_bench.cli.datasets import dataset_problem
    from ofer_bench.engine.config import SUITES, load_suite
    from ofer_bench.spec.datasets import load_datasets
    from ofer_bench.spec.yaml_io import packaged_names

    rows = []
    suites = [load_suite(name) for name in packaged_names(SUITES)]
    datasets = load_datasets()
    for name, spec in datasets.datasets.items():
        present = dataset_problem(name, datasets) is None
        derived = {split for suite in suites for split in suite.split_families(name)}
        for split in sorted({name, *derived}, key=lambda s: (s != name, s)):
            rows.append({"split": split, "reader": spec.reader, "licence": spec.licence, "present": present})
    return rows


def _metrics() -> list[dict[str, Any]]:
    from ofer_bench.engine.score import PERCENT
    from ofer_bench.metrics.info import METRICS

    recorded = [m for m in METRICS if m.name in PERCENT | _OTHER_RECORDED]
    return [
        {
            "metric": m.name,
            "definition": m.definition,
            "unit": "percent" if m.name in PERCENT else m.unit,
            "title": m.title,
        }
        for m in recorded
    ]


def _suites() -> list[dict[str, Any]]:
    from ofer_bench.engine.config import SUITES, load_suite
    from ofer_bench.spec.yaml_io import packaged_names

    suites = [load_suite(name) for name in packaged_names(SUITES)]
    return [{"suite": s.name, "version": s.version, "title": s.title} for s in suites]


def _reports() -> list[dict[str, Any]]:
    from ofer_bench.report.spec import load_definitions, load_layout

    return [{"id": s.id, "kind": s.kind, "title": s.title} for s in load_definitions(load_layout())]


_JSON_ONLY = ("notes",)
_ROWS = {
    Listing.systems: _systems,
    Listing.splits: _splits,
    Listing.occluders: lambda: _plugins("occluder"),
    Listing.metrics: _metrics,
    Listing.suites: _suites,
    Listing.reports: _reports,
}
