"""What a training stage reports to: progress, the log beside the weights, and checkpoints to go on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ofer_bench.engine.stages import Workspace
from ofer_bench.store.rundir import in_one_step

CHECKPOINT_EVERY_S = 20.0
"""Shortest time between two checkpoints: what a killed training may lose, besides the epoch it was in."""
CHECKPOINT_COST = 0.05
"""Longest share of its time that a training spends on writing checkpoints, where the disk is slow."""


class TrainingLog:
    """A :class:`CheckpointSink` that keeps the log and, in the stage's scratch folder, one checkpoint per loop."""

    def __init__(self, work: Workspace) -> None:
        self.rows: list[dict[str, float]] = []
        self.resumed = False
        self._work = work
        self._loops, self._due = 0, 0.0

    def progress(self, done: int, total: int, unit: str = "images") -> None:
        """Pass on how much of the training is done."""
        self._work.advance(done, total, unit)

    def log(self, step: int, **values: float) -> None:
        """Keep the values of one step."""
        # NumPy and torch scalars are welcome; JSON knows neither, and a training must not be lost over its log.
        self.rows.append({"step": step, **{name: float(value) for name, value in values.items()}})

    def restored(self) -> Mapping[str, Any] | None:
        """Return the state that the next loop of an interrupted training has kept, and take up its log."""
        self._loops += 1
        self._due = time.monotonic() + CHECKPOINT_EVERY_S
        try:
            found = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, UnpicklingError):
            # A file that a power cut has damaged is as good as none, and none is what a first attempt finds.
            return None
        self.rows, self.resumed = found["rows"], True
        return found["state"]

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Write a checkpoint if it is time; until it is whole, the one before stays."""
        began = time.monotonic()
        if began < self._due:
            return
        self._path.parent.mkdir(exist_ok=True)
        with in_one_step(self._path) as partial:
            torch.save({"rows": self.rows, "state": state()}, partial)
        ended = time.monotonic()
        self._due = ended + max(CHECKPOINT_EVERY_S, (ended - began) / CHECKPOINT_COST)

    @property
    def _path(self) -> Path:
        # A fit that runs several loops must not take the state of one for that of another.
        return self._work.scratch / f"loop{self._loops}.ckpt"

    @property
    def selection(self) -> str:
        """Which state of the component was kept; only a training that selects has a ``score`` to log."""
        return "best validation epoch" if any("score" in row for row in self.rows) else "end of training"


class FollowingLog(TrainingLog):
    """The log of a process that trains along: it goes on from the leader's checkpoints and writes none."""

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Leave it to the leader."""
