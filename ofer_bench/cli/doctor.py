"""``ofer-bench doctor``: is everything here that a run needs?"""

from __future__ import annotations

import os
from pathlib import Path

import typer

PROBLEM = 1


def doctor() -> None:
    """Check versions, device, plugins, store and data, and say how to mend what is wrong."""
    from rich.console import Console
    from rich.table import Table

    from ofer_bench.engine.device import choose_device, choose_profile
    from ofer_bench.engine.run import environment

    environment_rows = environment()
    device = choose_device(None)
    rows: list[tuple[bool, str, str]] = [
        (True, "ofer-bench", environment_rows["ofer-bench"]),
        (True, "python", environment_rows["python"]),
        *((True, name, text) for name, text in environment_rows["packages"].items()),
        (True, "device", f"{device} ({', '.join(environment_rows['gpus']) or environment_rows['cpu']})"),
        (True, "default profile", choose_profile(device, None, None)),
        *_plugin_rows(),
        _store_row(),
        *_data_rows(),
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for good, name, text in rows:
        table.add_row("[green]ok[/green]" if good else "[red]!![/red]", name, text)
    Console().print(table)
    if not all(good for good, _, _ in rows):
        raise typer.Exit(PROBLEM)


def _plugin_rows() -> list[tuple[bool, str, str]]:
    from ofer_bench.core.errors import PluginError
    from ofer_bench.plugins.discovery import load_class, registry

    found = registry()
    rows = [(False, f"plugin {name}", problem) for name, problem in found.broken.items()]
    for entry in found.entries.values():
        if entry.card.load is None:
            continue
        try:
            load_class(entry.card)
        except PluginError as error:
            rows.append((False, f"plugin {entry.card.id}", str(error)))
    return [(True, "plugins", f"{len(found.entries)} found"), *rows]


def _store_row() -> tuple[bool, str, str]:
    from ofer_bench.core.errors import StoreError
    from ofer_bench.store.artefacts import Store
    from ofer_bench.store.location import default_store

    root = default_store()
    try:
        Store(root)
    except StoreError as error:
        return False, "store", str(error)
    writable = os.access(root, os.W_OK)
    return writable, "store", f"{_home(root)} ({_free_gb(root):.0f} GB free)"


def _free_gb(path: Path) -> float:
    import shutil

    return shutil.disk_usage(path).free / 1e9


def _home(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


def _data_rows() -> list[tuple[bool, str, str]]:
    from ofer_bench.spec.datasets import load_datasets

    rows = []
    for name, spec in load_datasets().datasets.items():
        if spec.path is None:
            rows.append((True, f"data {name}", spec.source or spec.reader))
        else:
            there = spec.path.is_dir()
            rows.append((True, f"data {name}", f"{spec.path}" if there else f"blocked: {spec.path} is not there"))
    return rows
