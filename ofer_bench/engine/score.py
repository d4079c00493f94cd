"""From stored outputs to records. No model is needed for any number here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.engine.blocked import HEADLINE, blocked_rows
from ofer_bench.engine.blueprint import Blueprint, Outcome
from ofer_bench.engine.config import RunConfig
from ofer_bench.engine.execute import Execution
from ofer_bench.engine.files import read_attributes
from ofer_bench.engine.foreign import weights_origin
from ofer_bench.engine.plan import PRECISION
from ofer_bench.engine.recovered import Recovered, Recoveries
from ofer_bench.engine.slices import Group, slices
from ofer_bench.metrics.detection import detection_metrics
from ofer_bench.metrics.info import MetricInfo, detection_info, metric_info
from ofer_bench.metrics.recognition import recognition_metrics
from ofer_bench.occlusion.patches import occluded
from ofer_bench.spec.profile import FULL_PRECISION
from ofer_bench.stats.intervals import mean_interval, wilson_interval

Row = dict[str, Any]

PERCENT = frozenset(
    {
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "patch_accuracy",
        "patch_precision",
        "patch_recall",
        "patch_f1",
        "patch_prevalence",
        "restored_expression",
    }
)


def score(config: RunConfig, blueprint: Blueprint, execution: Execution, run_id: str) -> list[Row]:
    """Return the records rows of a run, failed cells included."""
    rows: list[Row] = []
    groups: dict[Path, list[Group]] = {}
    recoveries = Recoveries(blueprint, execution)
    for outcome in blueprint.outcomes:
        identity = _identity(config, outcome, execution, run_id)
        problem = execution.failed(outcome.stage)
        if problem is not None:
            rows.append({**identity, "metric": HEADLINE[outcome.kind], "status": "failed", "note": problem})
            continue
        folder = execution.artefacts[outcome.stage].path
        split = execution.artefacts.get(outcome.cell.split_stage)
        lost = split.meta["n_unreadable"] if split else 0
        rows += [{**identity, **values} for values in _SCORERS[outcome.kind](folder, config, lost)]
        recovered = recoveries.of(outcome)
        if recovered is not None:
            rows.append({**identity, **_recovery(recovered, lost)})
        if outcome.system and split and outcome.cell.occlude_stage is None:
            if split.path not in groups:
                groups[split.path] = list(slices(read_attributes(split.path)))
            rows += [{**identity, **values} for values in _sliced(folder, groups[split.path])]
    for data, why in blueprint.blocked.items():
        rows += [{"run_id": run_id, "note": why, **row} for row in blocked_rows(config, data)]
    for (data, family), why in blueprint.blocked_families.items():
        rows += [{"run_id": run_id, "note": why, **row} for row in blocked_rows(config, data, family)]
    return rows


def _identity(config: RunConfig, outcome: Outcome, execution: Execution, run_id: str) -> Row:
    cell = outcome.cell
    trained = {
        component: execution.artefacts[stage].meta
        for component, stage in outcome.components.items()
        if stage in execution.artefacts
    }
    split = execution.artefacts.get(cell.split_stage)
    return {
        "run_id": run_id,
        "suite": f"{config.suite.name}-{config.suite.version}",
        "split": cell.split,
        "split_digest": split.meta["digest"] if split else "",
        "occluder": cell.occluder,
        "ratio_lo": cell.ratio[0],
        "ratio_hi": cell.ratio[1],
        "system": outcome.system,
        "detector": outcome.detector,
        "reconstructor": outcome.reconstructor,
        "classifier": outcome.classifier,
        "profile": config.profile.name,
        "seed": outcome.seed,
        "selection": _selection({component: meta["selection"] for component, meta in trained.items()}),
        "weights_digest": " ".join(f"{name}:{meta['weights_digest'][:12]}" for name, meta in trained.items()),
        "weights_origin": weights_origin(trained),
        "device": config.device_type,
        "precision": _precision({component: meta["precision"] for component, meta in trained.items()}),
        "batch_size": config.profile.eval_batch_size,
    }


def _selection(selections: Mapping[str, str]) -> str:
    """One phrase where all components agree, else one per component."""
    distinct = list(dict.fromkeys(selections.values()))
    return distinct[0] if len(distinct) == 1 else "; ".join(f"{name}: {text}" for name, text in selections.items())


def _precision(trained: Mapping[str, str]) -> str:
    """The precision of what is measured, and that of trainings in another one."""
    mixed = [
        f"{component} trained in {name}" for component, name in trained.items() if name not in ("", FULL_PRECISION)
    ]
    return "; ".join([PRECISION, *mixed])


def _values(info: MetricInfo, value: float, definition: str | None = None) -> Row:
    """Columns that describe one number; shares are recorded in percent, as the papers print them."""
    percent = info.name in PERCENT
    return {
        "metric": info.name,
        "metric_def": definition or info.definition,
        "value": value * (100.0 if percent else 1.0),
        "unit": "percent" if percent else info.unit,
        "higher_is_better": info.higher_is_better is not False,
    }


def _detection(folder: Path, config: RunConfig, lost: int) -> Iterator[Row]:
    """Patches of faces that could not be read count as failed; no score can be right or wrong there."""
    task = config.suite.detection
    assert task is not None
    truth = occluded(np.load(folder / "coverage.npy"), task.tau)
    score, found = np.load(folder / "score.npy"), np.load(folder / "mask_patch.npy")
    values = detection_metrics(score, found, truth)
    for info in detection_info(task.tau):
        yield {**_values(info, values[info.name]), "n": int(truth.size), "n_failed": lost * int(truth[0].size)}


def _reconstruction(folder: Path, config: RunConfig, lost: int) -> Iterator[Row]:
    """Mean over the faces that have a finite value; the note says which others there were."""
    table = pd.read_parquet(folder / "quality.parquet")
    for definition in table.columns.drop(["sample_id", "hole_ratio"]):
        measured = table[definition].to_numpy()
        values = measured[np.isfinite(measured)]
        interval = mean_interval(values)
        yield {
            **_values(metric_info(definition), float(values.mean()) if len(values) else float("nan")),
            "n": len(values),
            "n_failed": lost,
            "note": _left_out(holeless=int(np.isnan(measured).sum()), exact=int(np.isposinf(measured).sum())),
            "ci_lo": interval.low,
            "ci_hi": interval.high,
            "ci_method": interval.method,
        }


def _left_out(*, holeless: int, exact: int) -> str:
    reasons = {"without a hole": holeless, "restored exactly, with infinite PSNR": exact}
    parts = [f"{count} {reason}" for reason, count in reasons.items() if count]
    return f"Faces left out of the mean: {'; '.join(parts)}." if parts else ""


def _recognition(folder: Path, config: RunConfig, lost: int) -> Iterator[Row]:
    table = pd.read_parquet(folder / "predictions.parquet")
    label, predicted = table["label"].to_numpy(), table["predicted"].to_numpy()
    common = {"n": len(table), "n_failed": int((predicted < 0).sum())}
    for name, value in recognition_metrics(label, predicted, len(EXPRESSIONS)).items():
        if name == "accuracy":
            yield _share(name, label == predicted, predicted)
        else:
            yield {**_values(metric_info(name), value), **common}


def _part(folder: Path, config: RunConfig, lost: int) -> Iterator[Row]:
    """Faces without a hole show nothing and do not count."""
    table = pd.read_parquet(folder / "predictions.parquet").query("mask_ratio != 0")
    predicted = table["predicted"].to_numpy()
    if len(table):
        yield _share("restored_expression", table["label"].to_numpy() == predicted, predicted)
    else:
        nothing = _values(metric_info("restored_expression"), float("nan"))
        yield {**nothing, "n": 0, "n_failed": 0, "note": "No face has a hole."}


def _share(metric: str, right: np.ndarray, predicted: np.ndarray) -> Row:
    """Share of faces that are ``right`` (bool [N]), failed predictions (negative) included, with its interval."""
    hits, n = int(right.sum()), len(right)
    interval = wilson_interval(hits, n)
    return {
        **_values(metric_info(metric), hits / n),
        "n": n,
        "n_failed": int((predicted < 0).sum()),
        "ci_lo": 100.0 * interval.low,
        "ci_hi": 100.0 * interval.high,
        "ci_method": interval.method,
    }


def _recovery(recovered: Recovered, lost: int) -> Row:
    row = {**_values(metric_info("recovery"), recovered.value), "n": recovered.n, "n_failed": lost}
    if recovered.interval is None:
        return {**row, "note": recovered.note}
    interval = recovered.interval
    return {**row, "ci_lo": interval.low, "ci_hi": interval.high, "ci_method": interval.method}


def _sliced(folder: Path, groups: Sequence[Group]) -> Iterator[Row]:
    """Accuracy of every group of faces by attribute; faces that could not be read come last and are in no group."""
    table = pd.read_parquet(folder / "predictions.parquet")
    predicted = table["predicted"].to_numpy()
    right = table["label"].to_numpy() == predicted
    for name, value, inside in groups:
        yield {**_share("accuracy", right[inside], predicted[inside]), "slice_key": name, "slice_value": value}


_SCORERS = {"detection": _detection, "reconstruction": _reconstruction, "recognition": _recognition, "part": _part}


def failures_of(execution: Execution) -> Sequence[Mapping[str, str]]:
    """List the failed stages for ``run.json``."""
    return [{"stage": stage, "error": error} for stage, error in execution.failures.items()]
