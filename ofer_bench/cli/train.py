"""``ofer-bench train``: train components into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ofer_bench.cli.options import (
    DeviceOption,
    DevicesOption,
    ProfileOption,
    SeedsOption,
    SetOption,
    TrainedOnOption,
    VariantsOption,
    configure,
)

if TYPE_CHECKING:
    from ofer_bench.engine.config import RunConfig

STAGE_FAILED = 1


def train(
    component: Annotated[
        list[str], typer.Argument(metavar="ID…", help="Component or system ids, e.g. hybrid or latent-ofer.")
    ],
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            help="Only this stage, e.g. mae, detector, reconstruction, recognizer, or a component id; "
            "what it stands on must be in the store.",
        ),
    ] = None,
    data: TrainedOnOption = "ParaFace",
    suite: VariantsOption = "core",
    profile: ProfileOption = None,
    seeds: SeedsOption = 1,
    device: DeviceOption = None,
    devices: DevicesOption = 1,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also copy the weights here, as ID-seedN.safetensors.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Train components and what they stand on; what is in the store already is left as it is.

    An interrupted training goes on with the same command.
    """
    import shutil

    from ofer_bench.cli.images import make_folder
    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.naming import file_name
    from ofer_bench.engine.blueprint import Blueprint
    from ofer_bench.engine.execute import execute
    from ofer_bench.engine.foreign import load_summary
    from ofer_bench.engine.plan import Planner
    from ofer_bench.engine.pool import WEIGHTS
    from ofer_bench.engine.training_stages import require_upstream
    from ofer_bench.spec.datasets import load_datasets
    from ofer_bench.store.artefacts import Store
    from ofer_bench.store.location import default_store

    config = configure(suite, [data], None, None, profile, seeds, device, overrides, devices)
    names = _chosen(component, stage, config)
    blueprint = Blueprint()
    wanted: dict[str, str] = {}
    for seed in range(seeds):
        planner = Planner(config, data, load_datasets(), seed, blueprint)
        wanted.update({f"{name}-seed{seed}": planner.component(name)[0] for name in names})
    if out is not None:
        make_folder(out, "choose another folder with --out")
    store = Store(default_store())
    if stage is not None:
        require_upstream(blueprint, wanted.values(), store)
    with progress_view() as view:
        execution = execute(blueprint.plan, store, config.device, view, devices=config.devices)
    for label, stage_id in wanted.items():
        if stage_id not in execution.artefacts:
            continue
        artefact = execution.artefacts[stage_id]
        typer.echo(f"{label}  {artefact.meta['parameters'] / 1e6:.2f} M parameters  {artefact.meta['weights_digest']}")
        if out is not None:
            shutil.copyfile(artefact.path / WEIGHTS, out / f"{file_name(label)}.safetensors")
    for artefact in execution.artefacts.values():
        if "weights" in artefact.meta:
            typer.echo(load_summary(artefact.meta["component"], artefact.meta["weights"]))
    if execution.failures:
        raise typer.Exit(STAGE_FAILED)


def _chosen(ids: list[str], stage: str | None, config: RunConfig) -> list[str]:
    """Components that ``ids`` name, every one once: themselves, the parts of a system, or its ``stage`` alone."""
    from ofer_bench.engine.training_stages import component_of, parts_of

    if stage is not None:
        return list(dict.fromkeys(component_of(name, stage, config.suite, config.profile) for name in ids))
    return list(dict.fromkeys(part for name in ids for part in parts_of(name, config.suite).values() or [name]))
