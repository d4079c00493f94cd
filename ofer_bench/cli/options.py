"""Options that several verbs share, and how they become a run configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ofer_bench.engine.config import RunConfig

SuiteArgument = Annotated[str, typer.Argument(help="Suite name, or a suite .yaml file.")]
DataOption = Annotated[
    list[str] | None, typer.Option("--data", help="Data set of datasets.yaml; repeatable.", show_default="ParaFace")
]
TrainedOnOption = Annotated[str, typer.Option("--data", help="Data set to train on.")]
VariantsOption = Annotated[
    str, typer.Option("--suite", help="Suite (name or .yaml file) whose systems and variants may be named too.")
]
SplitOption = Annotated[
    list[str] | None, typer.Option("--split", help="Only this split, e.g. Syn-ParaFace; repeatable.")
]
SystemOption = Annotated[
    list[str] | None, typer.Option("--system", help="Only this system, e.g. latent-ofer; repeatable.")
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="quick, hours, standard, paper or a .yaml file.", show_default="by the hardware"),
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="Number of training seeds.")]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="cpu or cuda.", show_default="cuda where there is one")
]
DevicesOption = Annotated[
    int,
    typer.Option("--devices", min=1, help="Train on so many GPUs, one process each; on a CPU they share the cores."),
]
JobsOption = Annotated[
    int,
    typer.Option("--jobs", min=1, help="Make so many stages at a time, in processes that share the cores."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a profile value, e.g. components.dan.recipe.epochs=3; repeatable."),
]


def configure(
    suite: str,
    data: list[str] | None,
    split: list[str] | None,
    system: list[str] | None,
    profile: str | None,
    seeds: int,
    device: str | None,
    overrides: list[str] | None,
    devices: int = 1,
    jobs: int = 1,
) -> RunConfig:
    """Resolve command-line values to a run configuration."""
    from ofer_bench.core.errors import SpecError, UnknownName
    from ofer_bench.core.naming import close_names
    from ofer_bench.engine.config import RunConfig, load_profile, load_suite, restrict
    from ofer_bench.engine.device import check_devices, choose_device, choose_profile
    from ofer_bench.plugins.discovery import registry
    from ofer_bench.spec.datasets import load_datasets

    if devices > 1 and jobs > 1:
        raise SpecError("--jobs", "processes that train together can't make other stages", hint="leave out --devices")
    # A name given twice stands for one.
    data, split, system = (list(dict.fromkeys(names or ())) for names in (data, split, system))
    chosen = load_suite(suite)
    for name in system:
        if name not in chosen.systems:
            registry().card(chosen.component_of(name), kind=("system", "classifier"))
    datasets = tuple(data or ["ParaFace"])
    sets = load_datasets().datasets
    known = [n for d in datasets for n in (d, *chosen.split_families(d, sets))]
    for name in split:
        if name not in known:
            raise UnknownName("split", name, set(known), close_names(name, known))
    used = choose_device(device)
    return RunConfig(
        suite=restrict(chosen, tuple(system)),
        profile=load_profile(choose_profile(used, profile, chosen.profile), tuple(overrides or ())),
        datasets=datasets,
        splits=tuple(split),
        seeds=seeds,
        device=used,
        devices=check_devices(used, devices),
        jobs=jobs,
    )
