"""One run from configuration to run directory."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ofer_bench import __version__
from ofer_bench.core.hashing import digest
from ofer_bench.core.naming import file_name
from ofer_bench.engine.blueprint import Blueprint
from ofer_bench.engine.config import PROFILES, SUITES, RunConfig, load_profile, load_suite
from ofer_bench.engine.device import GPU_PROFILES
from ofer_bench.engine.execute import Execution, execute
from ofer_bench.engine.helpers import helped_by
from ofer_bench.engine.progress import Progress, Silent
from ofer_bench.engine.samples import write_samples
from ofer_bench.engine.score import failures_of, score
from ofer_bench.engine.tasks import plan_run
from ofer_bench.spec.datasets import Datasets
from ofer_bench.spec.yaml_io import packaged_names
from ofer_bench.store.artefacts import Store
from ofer_bench.store.records import records_frame, run_id, write_records
from ofer_bench.store.rundir import RunDirectory

REPORTED_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "scikit-image", "anny")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What became of every stage, and which data sets were not there."""

    execution: Execution
    blocked: Mapping[str, str]


def run_suite(
    config: RunConfig, datasets: Datasets, store: Store, out: Path, command: list[str], progress: Progress
) -> RunResult:
    """Plan, execute, score and write the run directory ``out`` (without the report)."""
    started = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    blueprint = plan_run(config, datasets)
    identity = run_id(config.describe(), started)
    directory = RunDirectory(out)
    # What an earlier run left here must not be taken for this one's, should this one end halfway or be smaller.
    directory.clear("records.*", "predictions/*.parquet", "samples/*.npz")
    summary: dict[str, Any] = {
        "status": "started",
        "run_id": identity,
        "name": out.name,
        "suite": config.suite.name,
        "suite_version": config.suite.version,
        "profile": config.profile.name,
        "seeds": config.seeds,
        "device": config.device_type,
        "jobs": config.jobs,
        "command": command,
        "config": config.describe(),
    }
    directory.write_json("run.json", summary)
    directory.write_json("env.json", environment())
    clock = time.perf_counter()
    single = len(config.datasets) == 1
    with helped_by(config.jobs - 1, partial(_help, config, datasets, store.root)):
        execution = execute(
            blueprint.plan, store, config.device, progress, missing_data_is_fatal=single, devices=config.devices
        )
    write_records(records_frame(score(config, blueprint, execution, identity)), out)
    write_samples(config, blueprint, execution, out / "samples" / "qualitative.npz")
    summary.update(
        status="failed" if execution.failures else "done",
        duration_s=round(time.perf_counter() - clock, 1),
        stages_s=round(sum(artefact.meta["seconds"] for artefact in execution.artefacts.values()), 1),
        cells=_cells(blueprint),
        predictions=_link_predictions(blueprint, execution, directory),
        failures=failures_of(execution),
        blocked=blueprint.blocked,
        stages={stage.id: stage.key for stage in blueprint.plan.stages.values()},
    )
    directory.write_json("run.json", summary)
    return RunResult(execution=execution, blocked=blueprint.blocked)


def _help(config: RunConfig, datasets: Datasets, root: Path) -> None:
    """Make what stages of the run are left, beside its own process, and keep quiet."""
    execute(plan_run(config, datasets).plan, Store(root), config.device, Silent(), missing_data_is_fatal=False)


def environment() -> dict[str, Any]:
    """Versions and hardware, for ``env.json`` and ``doctor``."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "ofer-bench": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "cuda": torch.version.cuda if gpus else None,
        "packages": {name: version(name) for name in REPORTED_PACKAGES},
    }


def _cells(blueprint: Blueprint) -> list[Mapping[str, Any]]:
    return [
        {
            "id": cell.id,
            "split": cell.split,
            "occluder": cell.occluder,
            "ratio_lo": cell.ratio[0],
            "ratio_hi": cell.ratio[1],
        }
        for cell in blueprint.cells.values()
    ]


def _link_predictions(blueprint: Blueprint, execution: Execution, directory: RunDirectory) -> list[Mapping[str, Any]]:
    linked: list[Mapping[str, Any]] = []
    for outcome in blueprint.outcomes:
        if outcome.kind != "recognition" or outcome.stage not in execution.artefacts:
            continue
        parts = [outcome.detector, outcome.reconstructor, outcome.classifier]
        system = outcome.system or "+".join(part for part in parts if part)
        seed = f"__seed{outcome.seed}" if outcome.seed else ""
        name = f"predictions/{file_name(f'{system}__{outcome.cell.id}{seed}')}.parquet"
        directory.link(execution.artefacts[outcome.stage].path / "predictions.parquet", name)
        linked.append({"file": name, "system": system, "cell": outcome.cell.id, "seed": outcome.seed})
    return linked


def default_out(config: RunConfig) -> Path:
    """``runs/SUITE-PROFILE``, with a digest when the run is not the plain one; the same command finds it again."""
    suffix = "" if _is_plain(config) else f"-{digest(config.describe())[:6]}"
    return Path("runs") / f"{config.suite.name}-{config.profile.name}{suffix}"


def _is_plain(config: RunConfig) -> bool:
    """Whether this is a shipped suite in full, with a shipped profile on the device it is meant for."""
    suite, profile = config.suite.name, config.profile.name
    if suite not in packaged_names(SUITES) or profile not in packaged_names(PROFILES):
        return False
    shipped = load_suite(suite)
    plain = RunConfig(
        suite=shipped,
        profile=load_profile(profile),
        datasets=("ParaFace",),
        splits=(),
        seeds=1,
        device="cuda" if profile in GPU_PROFILES else "cpu",
    )
    return config.describe() == plain.describe()
