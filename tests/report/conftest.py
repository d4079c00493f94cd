"""Builds a run directory as the engine leaves it, from a few invented systems."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.metrics.info import metric_info
from ofer_bench.report.records import RECORD_COLUMNS

SYSTEMS = {
    "resnet18": (0.83, 0.9),
    "dan": (0.85, 0.85),
    "latent-ofer": (0.84, 0.35),
    "mine & <b>": (0.6, 0.5),
}
RATIOS = (0.1, 0.3, 0.5, 0.7)
DETECTORS = {"one-class-svm": 71.0, "patch-svdd": 78.0, "vit-svdd": 91.0}
RECONSTRUCTORS = {"mean-fill": 17.1, "mae": 22.4, "conventional": 23.2, "hybrid": 24.0}
COUNT = 210


def wilson(correct: int, count: int) -> tuple[float, float]:
    """95 % interval in percent."""
    interval = binomtest(correct, count).proportion_ci(method="wilson")
    return 100 * interval.low, 100 * interval.high


def record(**values: Any) -> dict[str, Any]:
    """One records row with the columns that every row has filled in."""
    common = {
        "schema_version": 1,
        "run_id": "demo",
        "suite": "core",
        "split_digest": "3fa8c0de11aa22bb33cc44dd",
        "ratio_lo": 0.0,
        "ratio_hi": 0.0,
        "profile": "quick",
        "seed": 0,
        "unit": "percent",
        "higher_is_better": True,
        "n": COUNT,
        "n_failed": 0,
        "status": "ok",
        "source": "measured",
    }
    row: dict[str, Any] = dict.fromkeys(RECORD_COLUMNS, "")
    return row | {"ci_lo": np.nan, "ci_hi": np.nan} | common | values


def cells() -> list[dict[str, Any]]:
    """Clean, objects, irregular and two curves."""
    found = [{"id": "clean", "split": "ParaFace", "occluder": "", "ratio_lo": 0.0, "ratio_hi": 0.0}]
    for name in ("objects", "irregular"):
        split = "Syn-ParaFace" if name == "objects" else "ParaFace"
        found.append({"id": name, "split": split, "occluder": name, "ratio_lo": 0.2, "ratio_hi": 0.4})
    for occluder in ("random-patch", "gradcam"):
        for ratio in RATIOS:
            found.append(
                {
                    "id": f"{occluder}-{ratio:.2f}",
                    "split": "ParaFace",
                    "occluder": occluder,
                    "ratio_lo": ratio,
                    "ratio_hi": ratio,
                }
            )
    return found


def predictions(rng: np.random.Generator, accuracy: float, failed: int) -> pd.DataFrame:
    """Stored predictions with about the given accuracy; the first ``failed`` samples failed."""
    label = np.arange(COUNT) % len(EXPRESSIONS)
    wrong = (label + rng.integers(1, len(EXPRESSIONS), COUNT)) % len(EXPRESSIONS)
    predicted = np.where(rng.random(COUNT) < accuracy, label, wrong)
    predicted[:failed] = -1
    frame = pd.DataFrame({"sample_id": [f"pf{i:05d}" for i in range(COUNT)], "label": label})
    frame["predicted"] = predicted
    frame["status"] = np.where(predicted < 0, "failed", "ok")
    for index, name in enumerate(EXPRESSIONS):
        frame[f"p_{name}"] = np.where(predicted == index, 0.7, 0.05)
    return frame


def recognition(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Write the predictions of every system and return their records and their list."""
    rng = np.random.default_rng(7)
    rows, entries = [], []
    (path / "predictions").mkdir(parents=True)
    for system, (clean, slope) in SYSTEMS.items():
        for cell in cells():
            harm = 1.25 if cell["occluder"] == "gradcam" else 1.0
            accuracy = clean - harm * slope * 0.75 * (cell["ratio_lo"] + cell["ratio_hi"]) / 2
            frame = predictions(rng, max(accuracy, 0.15), 2 if (system, cell["id"]) == ("dan", "objects") else 0)
            file = f"predictions/{system.split()[0]}__{cell['id']}.parquet"
            frame.to_parquet(path / file)
            entries.append({"file": file, "system": system, "cell": cell["id"]})
            correct = int((frame["label"] == frame["predicted"]).sum())
            low, high = wilson(correct, COUNT)
            place = {key: cell[key] for key in ("split", "occluder", "ratio_lo", "ratio_hi")}
            failed = int((frame["predicted"] < 0).sum())
            interval = {"ci_lo": low, "ci_hi": high, "ci_method": "wilson"}
            for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
                shared = {
                    "metric": metric,
                    "metric_def": metric_info(metric).definition,
                    "value": 100 * correct / COUNT,
                }
                shared |= interval if metric == "accuracy" else {}
                rows.append(record(system=system, n_failed=failed, **place, **shared))
    return rows, entries


def components() -> list[dict[str, Any]]:
    """Detection, reconstruction and recognition after reconstruction."""
    place = {"split": "Syn-ParaFace", "occluder": "objects", "ratio_lo": 0.2, "ratio_hi": 0.4}
    rows = []
    for detector, level in DETECTORS.items():
        values = {"patch_accuracy": level, "patch_precision": level - 3.0, "patch_recall": level - 1.0}
        values |= {"patch_f1": level - 2.0, "patch_prevalence": 24.6}
        values |= dict.fromkeys(("patch_auroc", "patch_ap"), level / 100 + 0.02)
        for metric, value in values.items():
            shared = {"detector": detector, "metric_def": metric_info(metric).definition, "n": 13440}
            unit = "1" if value < 1 else "percent"
            rows.append(record(metric=metric, value=value, unit=unit, **place, **shared))
    for occluder in ("objects", "irregular"):
        place = {"split": "Syn-ParaFace" if occluder == "objects" else "ParaFace", "occluder": occluder}
        for reconstructor, level in RECONSTRUCTORS.items():
            shared = {"detector": "oracle", "reconstructor": reconstructor, "ratio_lo": 0.2, "ratio_hi": 0.4}
            for metric, unit, value in (("psnr", "dB", level), ("ssim", "1", level / 30)):
                stem = "psnr/{}/rgb" if metric == "psnr" else "ssim/gauss1.5-11/{}"
                for region in ("whole", "hole"):
                    off = 0.75 if region == "hole" else 1.0
                    definition = stem.format(region)
                    rows.append(
                        record(
                            metric=metric,
                            metric_def=definition,
                            unit=unit,
                            value=off * value,
                            **place,
                            **shared,
                        )
                    )
            correct = int(COUNT * (0.4 + (level - 17) / 25))
            low, high = wilson(correct, COUNT)
            after = {"classifier": "dan", "metric": "accuracy", "value": 100 * correct / COUNT}
            after["metric_def"] = metric_info("accuracy").definition
            rows.append(record(ci_lo=low, ci_hi=high, **after, **place, **shared))
    return rows


def blocked() -> list[dict[str, Any]]:
    """Rows of a data set whose files are not there."""
    note = "data set RAF-DB not found: see `ofer-bench data status raf-db`"
    shared = {
        "metric": "accuracy",
        "value": np.nan,
        "n": 0,
        "status": "blocked",
        "note": note,
        "split_digest": "",
    }
    return [record(system=system, split="RAF-DB", **shared) for system in ("resnet18", "latent-ofer")]


def qualitative(path: Path) -> None:
    """Write a small sheet of gradients."""
    rng = np.random.default_rng(3)
    columns = ["clean", "occluded", "vit-svdd score", "vit-svdd mask", "mean-fill", "mae", "conventional", "hybrid"]
    rows = 4
    image = np.linspace(60, 220, 48, dtype=np.uint8)[None, None, :, None, None]
    image = np.broadcast_to(image, (rows, len(columns), 48, 48, 3)).copy()
    image[:, 1:3, 10:30, 12:34] = (40, 90, 160)
    label = np.arange(rows)
    predicted = np.where(rng.random((rows, len(columns))) < 0.6, label[:, None], (label[:, None] + 2) % 7)
    predicted[:, 2:4] = -1
    (path / "samples").mkdir()
    names = [f"pf{i:05d}" for i in range(rows)]
    np.savez_compressed(
        path / "samples" / "qualitative.npz",
        image=image,
        column=columns,
        row=names,
        label=label,
        predicted=predicted,
    )


def write_run(path: Path) -> Path:
    """Write a complete run directory."""
    rows, entries = recognition(path)
    # A trial of single components: stored, but no system of its own.
    trial = {"file": "predictions/oracle-mae-dan__objects.parquet", "system": "oracle+mae+dan"}
    predictions(np.random.default_rng(1), 0.5, 0).to_parquet(path / trial["file"])
    entries.append(trial | {"cell": "objects"})
    frame = pd.DataFrame([*rows, *components(), *blocked()], columns=list(RECORD_COLUMNS))
    frame.to_parquet(path / "records.parquet")
    frame.to_csv(path / "records.csv", index=False)
    info = {
        "status": "done",
        "name": "demo",
        "suite": "core",
        "suite_version": "1",
        "profile": "quick",
        "seeds": 1,
        "command": ["ofer-bench", "run", "core", "--profile", "quick"],
        "duration_s": 754.2,
        "device": "cpu",
        "cells": cells(),
        "predictions": entries,
        "failures": [],
    }
    (path / "run.json").write_text(json.dumps(info))
    env = {"python": "3.12.4", "torch": "2.6.0", "cpu": "2 cores", "packages": {"timm": "1.0.15"}}
    (path / "env.json").write_text(json.dumps(env))
    qualitative(path)
    return path


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[[], Path]:
    """A function that writes a run directory into the test's own folder."""
    return lambda: write_run(tmp_path / "demo")


@pytest.fixture(scope="session")
def built_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run whose report was built once; tests only read it."""
    from ofer_bench.report.build import build_report

    path = write_run(tmp_path_factory.mktemp("runs") / "demo")
    build_report(path)
    return path
