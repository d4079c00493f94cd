"""``ofer-bench train``: train components into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ofer_bench.cli.options import DeviceOption, ProfileOption, SeedsOption, SetOption, configure

STAGE_FAILED = 1


def train(
    component: Annotated[
        list[str], typer.Argument(metavar="ID…", help="Component or system ids, e.g. hybrid or latent-ofer.")
    ],
    data: Annotated[str, typer.Option("--data", help="Data set to train on.")] = "ParaFace",
    profile: ProfileOption = None,
    seeds: SeedsOption = 1,
    device: DeviceOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also copy the weights here, as ID-seedN.safetensors.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Train components and what they stand on; what is in the store already is left as it is."""
    import shutil

    from ofer_bench.cli.images import make_folder
    from ofer_bench.cli.live import progress_view
    from ofer_bench.engine.blueprint import Blueprint
    from ofer_bench.engine.execute import execute
    from ofer_bench.engine.foreign import load_summary
    from ofer_bench.engine.plan import Planner, compositions
    from ofer_bench.engine.pool import WEIGHTS
    from ofer_bench.spec.datasets import load_datasets
    from ofer_bench.store.artefacts import Store
    from ofer_bench.store.location import default_store

    config = configure("core", [data], None, None, profile, seeds, device, overrides)
    systems = compositions()
    names = list(dict.fromkeys(n for c in component for n in (systems[c].values() if c in systems else [c])))
    blueprint = Blueprint()
    wanted: dict[str, str] = {}
    for seed in range(seeds):
        planner = Planner(config, data, load_datasets(), seed, blueprint)
        wanted.update({f"{name}-seed{seed}": planner.component(name)[0] for name in names})
    if out is not None:
        make_folder(out, "choose another folder with --out")
    with progress_view() as view:
        execution = execute(blueprint.plan, Store(default_store()), config.device, view)
    for label, stage in wanted.items():
        if stage not in execution.artefacts:
            continue
        artefact = execution.artefacts[stage]
        typer.echo(f"{label}  {artefact.meta['parameters'] / 1e6:.2f} M parameters  {artefact.meta['weights_digest']}")
        if out is not None:
            shutil.copyfile(artefact.path / WEIGHTS, out / f"{label}.safetensors")
    for artefact in execution.artefacts.values():
        if "weights" in artefact.meta:
            typer.echo(load_summary(artefact.meta["component"], artefact.meta["weights"]))
    if execution.failures:
        raise typer.Exit(STAGE_FAILED)
