"""Stages and plans: what has to be made, from what, and under which key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ofer_bench.core.errors import SpecError
from ofer_bench.core.hashing import digest
from ofer_bench.store.artefacts import Artefact

if TYPE_CHECKING:
    from ofer_bench.engine.pool import ComponentPool

SCHEMA = {"split": 4, "train": 3, "relevance": 3, "occlude": 2, "detect": 2, "reconstruct": 2, "predict": 2}
"""Raise a number when the harness changes what a kind of stage writes: its old artefacts are then left aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What a producing function may use besides its inputs.

    ``scratch`` is the stage's own folder (not made yet) that outlives an interrupted attempt and is removed after
    success; ``workers`` are the threads to read data with, 0 for the reader's own choice; ``devices`` the processes
    that train together, one per GPU.
    """

    artefact: Callable[[str], Artefact]
    pool: ComponentPool
    device: str
    advance: Callable[[float, float, str], None]
    scratch: Path
    workers: int = 0
    devices: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One output to be made: ``produce(workspace, folder)`` writes files and returns what to note about them."""

    id: str
    kind: str
    key: str
    inputs: tuple[str, ...]
    produce: Callable[[Workspace, Path], Mapping[str, Any]]


@dataclass(slots=True)
class Plan:
    """Stages in an order in which each comes after its inputs."""

    stages: dict[str, Stage] = field(default_factory=dict)

    def add(
        self,
        stage_id: str,
        kind: str,
        params: Mapping[str, Any],
        inputs: tuple[str, ...],
        produce: Callable[[Workspace, Path], Mapping[str, Any]],
    ) -> str:
        """Add a stage unless it is there; its key digests kind, schema, parameters and the keys of its inputs.

        What stages are called stays out of the key: names depend on what else is planned. SpecError for one
        name on two different stages.
        """
        keys = [self.stages[name].key for name in inputs]
        key = digest({"kind": kind, "schema": SCHEMA[kind], "params": params, "inputs": keys})
        return self._put(Stage(id=stage_id, kind=kind, key=key, inputs=inputs, produce=produce))

    def merge(self, other: Plan) -> None:
        """Add the stages of another plan; those that both have must be the same."""
        for stage in other.stages.values():
            self._put(stage)

    def _put(self, stage: Stage) -> str:
        if self.stages.setdefault(stage.id, stage).key != stage.key:
            raise SpecError(
                "suite", f"two different stages are called {stage.id}", hint="name data sets and families apart"
            )
        return stage.id
