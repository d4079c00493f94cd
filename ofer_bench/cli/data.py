"""``ofer-bench data``: render ParaFace ahead of a run, take it away as image files, see what data there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ofer_bench.cli.data_status import status
from ofer_bench.cli.options import DeviceOption, ProfileOption

if TYPE_CHECKING:
    from ofer_bench.data.export import ExportPart
    from ofer_bench.engine.config import RunConfig
    from ofer_bench.spec.datasets import Datasets, DatasetSpec
    from ofer_bench.store.artefacts import Artefact

PART_FAILED = 1
RENDERED = "paraface"

app = typer.Typer(help="Render ParaFace, export it as image files, see what data there is.", no_args_is_help=True)
app.command("status")(status)


class Part(StrEnum):
    """What a data set may be divided into."""

    train = "train"
    val = "val"
    test = "test"


WhatArgument = Annotated[str, typer.Argument(metavar="paraface", help="What to render: paraface.")]
NameOption = Annotated[str, typer.Option("--name", help="ParaFace, Occlusion-ParaFace, FED-ParaFace or your own.")]
PartOption = Annotated[
    list[Part] | None, typer.Option("--part", help="Only this part; repeatable. Else all that it has.")
]
SizeOption = Annotated[int | None, typer.Option("--size", metavar="PX", help="Side of a face; else the profile's.")]
CountOption = Annotated[
    int | None,
    typer.Option("--count", metavar="SUBJECTS", help="People per part, 7 faces each; else the profile's."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Another seed, other people; else the data set's.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, help="Threads that render; 0: one per core.", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What both verbs are asked for, checked: nothing costly has happened yet."""

    name: str
    spec: DatasetSpec
    datasets: Datasets
    config: RunConfig
    parts: tuple[str, ...]
    workers: int


@app.command("build")
def build(
    what: WhatArgument,
    name: NameOption = "ParaFace",
    part: PartOption = None,
    profile: ProfileOption = None,
    size: SizeOption = None,
    count: CountOption = None,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = None,
) -> None:
    """Render into the store, where a run of the same profile finds it.

    With --size, --count or --seed the faces are kept there beside those of runs. The same command resumes.
    """
    from ofer_bench.store.location import default_store

    wanted = _wanted(what, name, part, profile, device, workers, size=size, count=count, seed=seed)
    made = _render(wanted)
    typer.echo(f"{_title(wanted)}, in {default_store()}")
    for artefact_part, artefact in made.items():
        meta = artefact.meta
        typer.echo(f"  {artefact_part:5} {meta['n']:6} faces  digest {meta['digest']}  split/{artefact.key[:10]}")


@app.command("export")
def export(
    what: WhatArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for PART/EXPRESSION/ID.png and index.csv.")],
    name: NameOption = "ParaFace",
    part: PartOption = None,
    profile: ProfileOption = None,
    size: SizeOption = None,
    count: CountOption = None,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; an export in it is replaced.")
    ] = False,
) -> None:
    """Write PNG images that the reader `folder` reads back, with masks and clean twins where there are occluders.

    What is not in the store is rendered first. The same command resumes.
    """
    from ofer_bench.cli.live import progress_view
    from ofer_bench.data.export import claim_folder, export_parts

    wanted = _wanted(what, name, part, profile, device, workers, size=size, count=count, seed=seed)
    claim_folder(folder, force=force)
    made = _render(wanted)
    parts = [_opened(artefact_part, artefact) for artefact_part, artefact in made.items()]
    with progress_view() as view:
        view.stage(f"export/{name}")
        files = export_parts(folder, parts, _about(wanted, made), view.advance)
    typer.echo(f"{_title(wanted)}: {sum(len(p.faces) for p in parts)} faces, {files} files in {folder}")


def _wanted(
    what: str,
    name: str,
    part: list[Part] | None,
    profile: str | None,
    device: str | None,
    workers: int,
    *,
    size: int | None,
    count: int | None,
    seed: int | None,
) -> Wanted:
    from ofer_bench.core.errors import SpecError
    from ofer_bench.engine.dataset import own_parts, with_seed, with_sizes
    from ofer_bench.engine.notebook import notebook_config
    from ofer_bench.spec.datasets import load_datasets

    datasets = load_datasets()
    rendered = [known for known, spec in datasets.datasets.items() if spec.reader == RENDERED]
    if what.lower() != RENDERED:
        use = f"ofer-bench data build {RENDERED}" + (f" --name {what}" if what in rendered else "")
        raise SpecError("data", f"{what!r} can't be rendered", hint=f"use {use}")
    spec = datasets.named(name)
    if name not in rendered:
        raise SpecError("--name", f"{name} is read from files, not rendered", hint=f"use one of {', '.join(rendered)}")
    parts = own_parts(name, spec, [p.value for p in part or ()])
    datasets = with_seed(datasets, name, seed)
    return Wanted(
        name=name,
        spec=datasets.named(name),
        datasets=datasets,
        config=with_sizes(notebook_config(profile, device, name), size, count),
        parts=parts,
        workers=workers,
    )


def _render(wanted: Wanted) -> Mapping[str, Artefact]:
    """Make what the store has not; a part that fails ends the command."""
    from ofer_bench.cli.live import progress_view
    from ofer_bench.engine.dataset import plan_parts
    from ofer_bench.engine.execute import execute
    from ofer_bench.store.artefacts import Store
    from ofer_bench.store.location import default_store

    blueprint, stages = plan_parts(wanted.config, wanted.name, wanted.datasets, wanted.parts)
    with progress_view() as view:
        done = execute(blueprint.plan, Store(default_store()), wanted.config.device, view, workers=wanted.workers)
    if done.failures:
        raise typer.Exit(PART_FAILED)
    return {part: done.artefacts[stage] for part, stage in stages.items()}


def _opened(part: str, artefact: Artefact) -> ExportPart:
    from ofer_bench.data.export import ExportPart
    from ofer_bench.engine.files import read_attributes, read_faces

    table = read_attributes(artefact.path)
    attributes = [dict(zip(table.columns, row, strict=True)) for row in table.itertuples(index=False)]
    return ExportPart(name=part, faces=read_faces(artefact.path), attributes=attributes)


def _title(wanted: Wanted) -> str:
    from ofer_bench.plugins.discovery import registry

    version = registry().card(RENDERED, kind="dataset").version
    size, seed = wanted.config.profile.image_size, wanted.spec.params.get("seed", 0)
    return f"{wanted.name} (version {version}, seed {seed}) at {size} px"


def _about(wanted: Wanted, made: Mapping[str, Artefact]) -> str:
    """The text of README.txt: all that it takes to make the same files again and to tell that they are the same."""
    from ofer_bench import __version__
    from ofer_bench.core.expressions import EXPRESSIONS

    digests = [f"  {part:5} {artefact.meta['n']:6} faces  {artefact.meta['digest']}" for part, artefact in made.items()]
    params = ", ".join(f"{key}: {value}" for key, value in wanted.spec.params.items())
    lines = [
        _title(wanted),
        "",
        f"Licence   {wanted.spec.licence}",
        f"Options   {params or 'none'}",
        f"Made by   ofer-bench {__version__} on {wanted.config.device_type}",
        f"Classes   {', '.join(EXPRESSIONS)}",
        "",
        "Digest of ids, labels and pixels of each part:",
        *digests,
        "",
        "PART/EXPRESSION/ID.png        faces, 8-bit sRGB",
        "masks/PART/ID.png             1 bit a pixel, white = occluded; only of faces with an occluder",
        "clean/PART/EXPRESSION/ID.png  the same faces without occluders; only of parts with occluders",
        "index.csv                     one row per face: file, part, label, attributes, mask, clean twin",
    ]
    return "\n".join(lines) + "\n"
