"""``ofer-bench doctor``: is everything here that a run needs?"""

from __future__ import annotations

import os
from pathlib import Path

import typer

from ofer_bench import __version__

PROBLEM = 1
Row = tuple[bool, str, str]
"""Whether it is well, what it is, and what to say of it."""


def doctor() -> None:
    """Check versions, device, plugins, store and data, and say how to mend what is wrong."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [*_version_rows(), *_device_rows(), *_plugin_rows(), _store_row(), *_data_rows()]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for good, name, text in rows:
        table.add_row(Text("ok", style="green") if good else Text("!!", style="red"), Text(name), Text(text))
    Console().print(table)
    if not all(good for good, _, _ in rows):
        raise typer.Exit(PROBLEM)


def _version_rows() -> list[Row]:
    """The program, python, and every package that the program requires."""
    import platform
    import re
    from importlib.metadata import requires

    wanted = [text for text in requires("ofer-bench") or () if "extra ==" not in text]
    names = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in wanted]
    return [
        (True, "ofer-bench", __version__),
        (True, "python", platform.python_version()),
        *(_package_row(name) for name in names),
    ]


def _package_row(name: str) -> Row:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return True, name, version(name)
    except PackageNotFoundError:
        return False, name, f"not installed: pip install {name}"


def _device_rows() -> list[Row]:
    import platform

    from ofer_bench.engine.device import choose_device, choose_profile

    try:
        import torch
    except ImportError as error:
        return [(False, "device", f"torch can't be imported: {error}")]
    device = choose_device(None)
    named = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    return [
        (True, "device", f"{device} ({named})"),
        _rendering_row(device),
        (True, "default profile", choose_profile(device, None, None)),
    ]


def _rendering_row(device: str) -> Row:
    """What ParaFace is rendered on."""
    try:
        from ofer_bench.data.paraface.renderer import rendering_device
    except ImportError as error:
        return False, "rendering", f"can't be imported: {error}"
    chosen = rendering_device(device)
    return True, "rendering", chosen if chosen == device else f"{chosen}: warp can't use this GPU or its driver"


def _plugin_rows() -> list[Row]:
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


def _store_row() -> Row:
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


def _data_rows() -> list[Row]:
    from ofer_bench.cli.datasets import dataset_problem
    from ofer_bench.core.errors import OferBenchError
    from ofer_bench.spec.datasets import load_datasets

    try:
        datasets = load_datasets()
    except OferBenchError as error:
        return [(False, "data sets", str(error))]
    rows = []
    for name, spec in datasets.datasets.items():
        problem = dataset_problem(name, datasets)
        rows.append((problem is None, f"data {name}", problem or str(spec.path or spec.source or spec.reader)))
    return rows
