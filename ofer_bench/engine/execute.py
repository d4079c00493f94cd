"""Local execution of a plan: what is in the store is taken from there, the rest is made and stored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ofer_bench.core.errors import DatasetMissing, OferBenchError, StoreError
from ofer_bench.engine.device import full_precision
from ofer_bench.engine.pool import ComponentPool
from ofer_bench.engine.progress import Progress
from ofer_bench.engine.stages import Plan, Stage, Workspace
from ofer_bench.store.artefacts import Artefact, BeingMade, Store

POLL_S = 0.2
"""How often to look whether another process has finished a stage."""


@dataclass(slots=True)
class Execution:
    """What became of every stage: its artefact, or why there is none."""

    artefacts: dict[str, Artefact] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def failed(self, stage_id: str) -> str | None:
        """Return why a stage has no output, or None."""
        return self.failures.get(stage_id)

    def settled(self, stage_id: str) -> bool:
        """Whether it is known what became of a stage."""
        return stage_id in self.artefacts or stage_id in self.failures


def execute(
    plan: Plan,
    store: Store,
    device: str,
    progress: Progress,
    *,
    missing_data_is_fatal: bool = True,
    workers: int = 0,
    devices: int = 1,
) -> Execution:
    """Make every stage of ``plan``. A failing stage takes only its dependants with it.

    Several processes may execute a plan on the same store at once: each takes the first stage that can be made and
    that no other is making. A store that can't be written is raised, for no later stage could do better, and so is
    data that turns out to be missing; without ``missing_data_is_fatal`` it fails its stage like anything else, which
    is right where other data sets are at hand. Whatever has been stored until then stays. ``workers`` threads read
    data where a reader can use them (0: as many as it likes); ``devices`` processes train together.
    """
    done = Execution()
    for stage in plan.stages.values():
        found = store.find(stage.kind, stage.key)
        if found is not None:
            done.artefacts[stage.id] = found
    progress.begin(len(plan.stages), len(done.artefacts))
    pool = ComponentPool(device, lambda stage_id: done.artefacts[stage_id].path)

    def attempt(stage: Stage) -> bool:
        work = Workspace(
            artefact=lambda name: done.artefacts[name],
            pool=pool,
            device=device,
            advance=progress.advance,
            # By key: what other code or another device has left behind must not be mixed in.
            scratch=store.root / "partial" / f"{stage.key}-finished",
            workers=workers,
            devices=devices,
        )
        return _settle(stage, store, work, progress, done, missing_data_is_fatal)

    pending = [stage for stage in plan.stages.values() if stage.id not in done.artefacts]
    waiting = False
    while pending:
        ready = [stage for stage in pending if all(done.settled(name) for name in stage.inputs)]
        settled = next((stage for stage in ready if attempt(stage)), None)
        if settled is not None:
            pending.remove(settled)
        elif not waiting:
            progress.note(f"waiting for {ready[0].id}, which another process is making")
        waiting = settled is None
        if waiting:
            time.sleep(POLL_S)
    return done


def _settle(
    stage: Stage, store: Store, work: Workspace, progress: Progress, done: Execution, missing_data_is_fatal: bool
) -> bool:
    """Make a stage whose inputs are settled, or note why not; False where another process is making it."""
    lost = next((name for name in stage.inputs if name in done.failures), None)
    if lost is not None:
        done.failures[stage.id] = f"needs {lost}, which failed: {done.failures[lost]}"
        return True
    try:
        _make(stage, store, work, progress, done)
    except BeingMade:
        return False
    except StoreError:
        raise
    except Exception as error:
        if missing_data_is_fatal and isinstance(error, DatasetMissing):
            raise
        # One failing plugin must not lose the results of the others.
        known = isinstance(error, OferBenchError)
        done.failures[stage.id] = str(error) if known else f"{type(error).__name__}: {error}"
        progress.fail(stage.id, done.failures[stage.id])
    return True


def _make(stage: Stage, store: Store, work: Workspace, progress: Progress, done: Execution) -> None:
    """Make a stage, or find it made; BeingMade where another process is about it."""
    started = time.perf_counter()

    def write(folder: Path) -> Mapping[str, Any]:
        progress.stage(stage.id)
        meta = stage.produce(work, folder)
        return {"stage": stage.id, "seconds": round(time.perf_counter() - started, 2), **meta}

    with full_precision():
        artefact = store.produce(stage.kind, stage.key, write, wait=False)
    done.artefacts[stage.id] = artefact
    shutil.rmtree(work.scratch, ignore_errors=True)
    progress.finish(stage.id, artefact.meta["seconds"])
