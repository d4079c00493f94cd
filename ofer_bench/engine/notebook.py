"""Splits and systems outside a run: for notebooks, single images and scripts."""

from __future__ import annotations

from ofer_bench.core.errors import PluginError, SpecError, UnknownName
from ofer_bench.core.naming import close_names
from ofer_bench.core.types import FaceSet
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.engine.config import RunConfig, load_profile, load_suite, system_spec
from ofer_bench.engine.device import choose_device, choose_profile
from ofer_bench.engine.execute import Execution, execute
from ofer_bench.engine.files import read_faces, read_occluded
from ofer_bench.engine.plan import Planner, compositions
from ofer_bench.engine.pool import ComponentPool, ComponentRecipe
from ofer_bench.engine.progress import Progress, Silent
from ofer_bench.engine.system import System
from ofer_bench.spec.datasets import load_datasets
from ofer_bench.spec.suite import ORACLE
from ofer_bench.store.artefacts import Store
from ofer_bench.store.location import default_store


def load_system(
    system_id: str,
    profile: str | None = None,
    device: str | None = None,
    *,
    data: str = "ParaFace",
    seed: int = 0,
    suite: str = "core",
    overrides: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> System:
    """Return a trained system, e.g. ``load_system("latent-ofer", profile="quick")``.

    ``suite`` (name or ``.yaml`` file) adds the systems and variants it names, and ``overrides`` change the profile as
    ``--set`` does. What is not in the store yet is trained first, which takes minutes. SpecError for a system that
    needs the true mask, or a detector with ``false_alarms`` of a suite, whose threshold only a run takes.
    """
    config = notebook_config(profile, device, data, suite, overrides)
    return system_in_memory(system_id, config, data, seed, progress or Silent())


def system_in_memory(system_id: str, config: RunConfig, data: str, seed: int, progress: Progress) -> System:
    """Return a trained system of ``config``, as :func:`load_system` does."""
    blueprint, parts = _plan_system(config, system_id, data, seed)
    execution = executed(blueprint, config, progress)
    pool = ComponentPool(config.device, lambda stage: execution.artefacts[stage].path)
    return System(
        id=system_id,
        image_size=config.profile.image_size,
        patch_size=config.profile.patch_size,
        device=config.device,
        **{kind: pool.get(stage, recipe) for kind, (stage, recipe) in parts.items()},
    )


def is_trained(
    system_id: str, profile: str | None = None, device: str | None = None, *, data: str = "ParaFace", seed: int = 0
) -> bool:
    """Say whether :func:`load_system` would find everything in the store."""
    blueprint, _ = _plan_system(notebook_config(profile, device, data), system_id, data, seed)
    store = Store(default_store())
    return all(store.find(stage.kind, stage.key) for stage in blueprint.plan.stages.values())


def _plan_system(
    config: RunConfig, system_id: str, data: str, seed: int
) -> tuple[Blueprint, dict[str, tuple[str, ComponentRecipe]]]:
    """Plan what trains a system's parts; returns them by kind, each with its training stage."""
    spec = system_spec(config.suite, system_id, compositions())
    if spec.mask == ORACLE:
        raise SpecError(system_id, "needs the true mask, which single images have not", hint="run its suite instead")
    for name in spec.parts.values():
        if name in config.suite.variants and config.suite.variants[name].false_alarms is not None:
            raise SpecError(
                system_id, f"{name} takes its threshold in a run alone", hint="run its suite, or name another system"
            )
    blueprint = Blueprint()
    planner = Planner(config, data, load_datasets(), seed, blueprint)
    return blueprint, {kind: planner.component(name) for kind, name in spec.parts.items()}


def load_split(name: str, profile: str | None = None, device: str | None = None, *, data: str = "ParaFace") -> FaceSet:
    """Return the test faces of a split by its name, e.g. ``"Syn-ParaFace"``, with masks and clean twins."""
    config = notebook_config(profile, device, data)
    blueprint = Blueprint()
    datasets = load_datasets()
    planner = Planner(config, data, datasets, 0, blueprint)
    families = config.suite.split_families(data, datasets.datasets)
    if name != data and name not in families:
        raise UnknownName("split", name, {data, *families}, close_names(name, {data, *families}))
    cell = planner.clean_cell() if name == data else planner.family(families[name])[0]
    execution = executed(blueprint, config, Silent())
    split = execution.artefacts[cell.split_stage].path
    if cell.occlude_stage is None:
        return read_faces(split)
    return read_occluded(split, execution.artefacts[cell.occlude_stage].path)


def notebook_config(
    profile: str | None, device: str | None, data: str, suite: str = "core", overrides: tuple[str, ...] = ()
) -> RunConfig:
    """Return a suite on one data set, with profile and device chosen as ``run`` chooses them."""
    loaded, used = load_suite(suite), choose_device(device)
    return RunConfig(
        suite=loaded,
        profile=load_profile(choose_profile(used, profile, loaded.profile), overrides),
        datasets=(data,),
        splits=(),
        seeds=1,
        device=used,
    )


def executed(blueprint: Blueprint, config: RunConfig, progress: Progress) -> Execution:
    """Execute a blueprint in the default store; here, unlike in a run, a failed stage raises."""
    execution = execute(blueprint.plan, Store(default_store()), config.device, progress)
    for stage, error in execution.failures.items():
        raise PluginError(f"{stage} failed: {error}")
    return execution
