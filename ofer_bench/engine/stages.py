"""Stages and plans: what has to be made, from what, and under which key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ofer_bench.core.hashing import digest
from ofer_bench.store.artefacts import Artefact

if TYPE_CHECKING:
    from ofer_bench.engine.pool import ComponentPool

SCHEMA = {"split": 2, "train": 1, "relevance": 1, "occlude": 1, "detect": 1, "reconstruct": 1, "predict": 1}
"""Raise a number when the harness changes what a kind of stage writes: its old artefacts are then left aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What a producing function may use besides its inputs."""

    artefact: Callable[[str], Artefact]
    pool: ComponentPool
    device: str
    advance: Callable[[float, float, str], None]


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
        """Add a stage unless it is there; its key digests kind, schema, parameters and the keys of its inputs."""
        if stage_id not in self.stages:
            inputs_by_id = {name: self.stages[name].key for name in inputs}
            key = digest({"kind": kind, "schema": SCHEMA[kind], "params": params, "inputs": inputs_by_id})
            self.stages[stage_id] = Stage(id=stage_id, kind=kind, key=key, inputs=inputs, produce=produce)
        return stage_id
