"""How much of the accuracy that occlusion costs a reconstruction wins back, from stored predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ofer_bench.core.seeding import derive_rng
from ofer_bench.engine.blueprint import Blueprint, Outcome
from ofer_bench.engine.execute import Execution
from ofer_bench.engine.files import read_attributes
from ofer_bench.metrics.robustness import recovery
from ofer_bench.stats.intervals import Interval

RESAMPLES, LEVEL = 2_000, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Recovery of ``n`` faces and its interval; NaN, no interval and the reason as ``note`` where it means nothing."""

    value: float
    n: int
    interval: Interval | None = None
    note: str = ""


def recovered(right: np.ndarray, cluster: Sequence[object], rng: np.random.Generator) -> Recovered:
    """Estimate recovery from ``right`` bool [3,N]: each face recognised unoccluded, occluded, restored.

    Percentile bootstrap over clusters. Recovery needs nothing but their sums, so that a resample is a product with how
    often each is drawn: a run has a dozen of these, and resampling rows takes a third of a second each.
    """
    n = right.shape[1]
    names, index = np.unique(np.asarray(cluster), return_inverse=True)
    sums = np.stack([np.bincount(index, weights=row, minlength=len(names)) for row in right])
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    clean, occluded, restored = sums @ drawn.T
    lost = clean - occluded
    if not np.quantile(lost, (1 - LEVEL) / 2) > 0:
        note = "What occlusion costs lies within sampling error: a share of it is no figure."
        return Recovered(value=np.nan, n=n, note=note)
    won_back = (restored - occluded)[lost > 0] / lost[lost > 0]
    low, high = np.quantile(won_back, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    method = f"bootstrap-cluster-percentile/{RESAMPLES}"
    interval = Interval(low=float(low), high=float(high), level=LEVEL, method=method)
    return Recovered(value=recovery(*right.mean(axis=1).tolist()), n=n, interval=interval)


class Recoveries:
    """Knows what each classifier says of faces that nothing restored, for comparison with restored ones."""

    def __init__(self, blueprint: Blueprint, execution: Execution) -> None:
        self._execution = execution
        self._bare = [
            o
            for o in blueprint.outcomes
            if o.kind == "recognition" and not o.reconstructor and o.stage in execution.artefacts
        ]

    def of(self, outcome: Outcome) -> Recovered | None:
        """Return the recovery of a cell's restored faces.

        None where nothing was occluded or restored, and where the run has no answer of the same classifier and seed to
        the same faces, occluded and unoccluded. Whole subjects are resampled where the faces' attributes name them.
        """
        if outcome.kind != "recognition" or not outcome.reconstructor or outcome.cell.clean:
            return None
        same = [o for o in self._bare if (o.classifier, o.seed) == (outcome.classifier, outcome.seed)]
        restored = self._right(outcome)
        occluded = [self._right(o) for o in same if o.cell.id == outcome.cell.id]
        # A natural set may hold the faces of the set beside it, under the same ids.
        clean = [right for o in same if o.cell.clean and (right := self._right(o)).index.equals(restored.index)]
        if not occluded or not clean:
            return None
        parts = ("recovery", outcome.cell.id, outcome.reconstructor, outcome.classifier, outcome.seed)
        answers = np.stack([clean[0], occluded[0], restored])
        return recovered(answers, self._clusters(outcome, restored), derive_rng(*parts))

    def _right(self, outcome: Outcome) -> pd.Series:
        """Say which faces are recognised: bool by sample id."""
        folder = self._execution.artefacts[outcome.stage].path
        table = pd.read_parquet(folder / "predictions.parquet").set_index("sample_id")
        return table["label"] == table["predicted"]

    def _clusters(self, outcome: Outcome, faces: pd.Series) -> list[str]:
        """Subject of every face; one that is not told stands for itself, as do faces that could not be read."""
        names = [str(name) for name in faces.index]
        split = self._execution.artefacts.get(outcome.cell.split_stage)
        subjects = read_attributes(split.path).get("subject") if split else None
        return names if subjects is None else [*subjects.astype(str), *names[len(subjects) :]]
