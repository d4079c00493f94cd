"""One training: the component as it starts, and its fit, by this process or by several together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ofer_bench.core.errors import SpecError
from ofer_bench.core.seeding import torch_seed
from ofer_bench.engine.crew_processes import crew_of
from ofer_bench.engine.device import full_precision
from ofer_bench.engine.files import read_faces
from ofer_bench.engine.foreign import load_weights
from ofer_bench.engine.pool import ComponentPool, ComponentRecipe
from ofer_bench.engine.stages import Workspace
from ofer_bench.engine.training_log import FollowingLog, TrainingLog
from ofer_bench.plugins.protocols import Trainable
from ofer_bench.spec.profile import Recipe
from ofer_bench.store.artefacts import Artefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained, how, and on which split stages; other processes get a copy of it."""

    component: ComponentRecipe
    recipe: Recipe | None
    seed: int
    train: str
    val: str

    @property
    def stages(self) -> Iterator[str]:
        """Ids of all stages that it needs, those behind its upstream components included."""
        return iter((self.train, self.val, *_upstream_stages(self.component)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A component after its training; ``weights`` notes foreign ones, ``devices`` counts the processes."""

    model: Any
    weights: Mapping[str, Any]
    as_given: bool
    devices: int


def fit(training: Training, work: Workspace, log: TrainingLog) -> Fitted:
    """Train a component, from foreign weights where there are any.

    One without ``fit`` keeps its initial state, one with foreign weights and no recipe these. Where ``fit`` uses the
    harness's training loop, ``work.devices`` processes train together. SpecError without a needed recipe.
    """
    recipe = training.recipe
    model = work.pool.build(training.component, training.seed)
    weights = load_weights(model, training.component, recipe)
    as_given = bool(weights) and not weights["trained"]
    devices = 1
    if isinstance(model, Trainable) and not as_given:
        if recipe is None:
            raise _no_recipe(training.component.card.id)
        artefacts = {stage: work.artefact(stage) for stage in training.stages} if work.devices > 1 else {}
        along = partial(_fit_along, training, artefacts, work.scratch)
        train, val = (read_faces(work.artefact(part).path) for part in (training.train, training.val))
        with crew_of(work.devices, work.device, along) as crew, torch_seed(training.seed):
            model.fit(train, val, recipe, training.seed, log)
        # A fit with a loop of its own is done by the leader alone.
        devices = crew.size if crew.joined else 1
    return Fitted(model=model, weights=weights, as_given=as_given, devices=devices)


def _fit_along(training: Training, artefacts: Mapping[str, Artefact], scratch: Path, device: str) -> None:
    """Do in another process what the leader does, and keep nothing."""
    work = Workspace(
        artefact=lambda stage: artefacts[stage],
        pool=ComponentPool(device, lambda stage: artefacts[stage].path),
        device=device,
        advance=lambda done, total, unit: None,
        scratch=scratch,
    )
    with full_precision():
        fit(training, work, FollowingLog(work))


def _upstream_stages(component: ComponentRecipe) -> Iterator[str]:
    for stage, other in component.upstream.values():
        yield stage
        yield from _upstream_stages(other)


def _no_recipe(component: str) -> SpecError:
    example = "{epochs: 10, batch_size: 64, lr: 1e-3}"
    return SpecError(
        "profile",
        f"{component!r} has to be trained, and the profile has no recipe for it",
        hint=f"add components.{component}.recipe to the profile, or --set 'components.{component}.recipe={example}'",
    )
