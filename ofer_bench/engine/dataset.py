"""The parts of one data set for themselves: to have them ready, to take them away, to see what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ofer_bench.core.errors import SpecError
from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.engine.config import RunConfig
from ofer_bench.engine.plan import Planner
from ofer_bench.plugins.discovery import load_class, registry
from ofer_bench.spec.datasets import Datasets, DatasetSpec
from ofer_bench.spec.profile import Profile

PARTS = ("train", "val", "test")
_SIZES = (16, 1024)


def own_parts(name: str, spec: DatasetSpec, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the wanted parts in order, or all that the data set has. SpecError for one of another data set."""
    has = PARTS if spec.train_on is None else ("test",)
    for part in wanted:
        if part not in has:
            raise SpecError(
                "--part",
                f"{name} has no part {part!r}: it is trained on {spec.train_on}",
                hint=f"use --name {spec.train_on}, or --part test",
            )
    return tuple(part for part in has if part in wanted or not wanted)


def with_sizes(config: RunConfig, size: int | None, subjects: int | None) -> RunConfig:
    """Return ``config`` for faces of ``size`` px and this number of subjects in every part; None keeps the profile's.

    SpecError for a value that makes no sense.
    """
    if subjects is not None and subjects < 1:
        raise SpecError("--count", f"{subjects} subjects are none to render", hint="give 1 or more")
    if size is not None and not _SIZES[0] <= size <= _SIZES[1]:
        raise SpecError("--size", f"faces of {size} px make no sense", hint=f"give {_SIZES[0]} to {_SIZES[1]}")
    values = config.profile.model_dump()
    if size is not None:
        # Nothing is cut into patches here; the patches of the profile need not fit.
        values.update(image_size=size, patch_size=size)
    if subjects is not None:
        people = {f"{part}_subjects": subjects for part in PARTS}
        values["paraface"].update(people, fed_images=subjects * len(EXPRESSIONS))
    return replace(config, profile=Profile.model_validate(values))


def with_seed(datasets: Datasets, name: str, seed: int | None) -> Datasets:
    """Return ``datasets`` with another seed for the one called ``name``; None keeps its own."""
    if seed is None:
        return datasets
    spec = datasets.named(name)
    changed = spec.model_copy(update={"params": {**spec.params, "seed": seed}})
    return Datasets(datasets={**datasets.datasets, name: changed})


def plan_parts(
    config: RunConfig, name: str, datasets: Datasets, parts: Sequence[str]
) -> tuple[Blueprint, Mapping[str, str]]:
    """Plan the parts of a data set exactly as a run does; returns the stage of each as well."""
    blueprint = Blueprint()
    planner = Planner(config, name, datasets, 0, blueprint)
    return blueprint, {part: planner.split(part) for part in parts}


def count_faces(config: RunConfig, name: str, datasets: Datasets, part: str) -> int | None:
    """Number of samples of a part by its reader, without reading it; None where the reader does not tell."""
    spec = datasets.named(name)
    reader = load_class(registry().card(spec.reader, kind="dataset"))(name, spec, config.profile)
    count = getattr(reader, "count", None)
    return None if count is None else int(count(part))
