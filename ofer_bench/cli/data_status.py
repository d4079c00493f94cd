"""``ofer-bench data status``: what data there is, and what to do about what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from ofer_bench.cli.options import DeviceOption, ProfileOption

if TYPE_CHECKING:
    from ofer_bench.engine.config import RunConfig
    from ofer_bench.spec.datasets import Datasets, DatasetSpec
    from ofer_bench.store.artefacts import Store

_COLOURS = {"present": "green", "not built": "yellow", "missing": "red", "broken": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """One line of the table; ``todo`` is empty where nothing has to be done."""

    part: str
    state: str
    faces: int | None = None
    where: str = ""
    todo: str = ""


def status(profile: ProfileOption = None, device: DeviceOption = None) -> None:
    """Show the data sets of datasets.yaml: which parts are there, how many faces, where, and what to do."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ofer_bench.engine.notebook import notebook_config
    from ofer_bench.spec.datasets import load_datasets
    from ofer_bench.store.artefacts import Store
    from ofer_bench.store.location import default_store

    datasets, store = load_datasets(), Store(default_store())
    table = Table(box=None, pad_edge=False)
    for column in ("data set", "part", "faces", "state", "where"):
        table.add_column(column, overflow="fold", justify="right" if column == "faces" else "left")
    todo: dict[str, list[str]] = {}
    options = f" --profile {profile}" if profile else ""
    chosen = notebook_config(profile, device, "ParaFace")
    for name in datasets.datasets:
        label, before = name, ""
        for row in _parts(name, datasets, chosen, store):
            faces = "" if row.faces is None else str(row.faces)
            state = Text(row.state, style=_COLOURS[row.state])
            # The parts of a folder lie in one place, which may take several lines.
            table.add_row(Text(label), row.part, faces, state, Text("" if row.where == before else row.where))
            label, before = "", row.where
            line = row.todo + options if row.state == "not built" else row.todo
            if line and line not in todo.setdefault(name, []):
                todo[name].append(line)
    console = Console(highlight=False)
    console.print(table)
    typer.echo(f"\nprofile {chosen.profile.name}, device {chosen.device}, store {store.root}")
    lines = [(name, line) for name, found in todo.items() for line in found]
    if lines:
        typer.echo("\nto do (a run builds by itself what is not built)")
    for name, line in lines:
        console.print(Text.assemble((f"  {name}: ", "bold"), line.replace("\n", "\n  ")), soft_wrap=True)


def _parts(name: str, datasets: Datasets, config: RunConfig, store: Store) -> list[PartState]:
    from ofer_bench.core.errors import DatasetMissing, OferBenchError
    from ofer_bench.engine.dataset import own_parts

    spec = datasets.named(name)
    rows = []
    for part in own_parts(name, spec):
        try:
            rows.append(_part(name, part, spec, datasets, config, store))
        except DatasetMissing as error:
            rows.append(PartState(part=part, state="missing", where=str(spec.path or ""), todo=error.hint or ""))
        except OferBenchError as error:
            rows.append(PartState(part=part, state="broken", todo=str(error)))
    return rows


def _part(name: str, part: str, spec: DatasetSpec, datasets: Datasets, config: RunConfig, store: Store) -> PartState:
    """Look for one part as a run would; raises what its reader raises."""
    from ofer_bench.engine.dataset import count_faces, plan_parts

    if spec.train_on is not None:
        datasets.named(spec.train_on)
    blueprint, stages = plan_parts(config, name, datasets, [part])
    stage = blueprint.plan.stages[stages[part]]
    found = store.find(stage.kind, stage.key)
    faces = count_faces(config, name, datasets, part) if found is None else int(found.meta["n"])
    if spec.path is not None:
        return PartState(part=part, state="present", faces=faces, where=str(spec.path))
    if found is not None:
        return PartState(part=part, state="present", faces=faces, where=f"split/{stage.key[:10]}")
    option = "" if name == "ParaFace" else f" --name {name}"
    command = f"ofer-bench data build {spec.reader}{option}"
    return PartState(part=part, state="not built", faces=faces, todo=command)
