"""The qualitative sheet's data: some faces, occluded, detected, restored and recognised (paper, Figure 6)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ofer_bench.engine.blueprint import Blueprint, CellInfo, Outcome
from ofer_bench.engine.config import RunConfig
from ofer_bench.engine.execute import Execution
from ofer_bench.engine.files import read_faces, read_found
from ofer_bench.store.rundir import in_one_step


def write_samples(config: RunConfig, blueprint: Blueprint, execution: Execution, target: Path) -> None:
    """Write ``qualitative.npz`` for the first reconstruction family of the suite; nothing if its stages failed."""
    task = config.suite.reconstruction
    cell = next((c for c in blueprint.cells.values() if task and c.family == task.families[0]), None)
    outcomes = [o for o in blueprint.outcomes if cell and o.cell.id == cell.id and o.seed == 0]
    if cell is None or not _available(cell, execution):
        return
    clean = read_faces(execution.artefacts[cell.split_stage].path)
    rows = _rows(clean.label, config.suite.qualitative)
    assert cell.occlude_stage is not None and task is not None
    occluded = np.load(execution.artefacts[cell.occlude_stage].path / "image.npy", mmap_mode="r")
    unoccluded = next(
        (c.id for c in blueprint.cells.values() if c.split_stage == cell.split_stage and c.occlude_stage is None), ""
    )
    columns: list[tuple[str, np.ndarray, np.ndarray | None]] = [
        ("clean", clean.image[rows], _predictions(blueprint, execution, unoccluded, task.classifier, rows)),
        ("occluded", occluded[rows], _predictions(blueprint, execution, cell.id, task.classifier, rows)),
    ]
    columns += _detections(outcomes, execution, rows, clean.image_size)
    columns += _reconstructions(outcomes, execution, rows)
    none = np.full(len(rows), -1)
    with in_one_step(target) as partial:
        np.savez_compressed(
            partial,
            image=np.stack([image for _, image, _ in columns], axis=1),
            column=np.array([name for name, _, _ in columns]),
            row=np.array([clean.sample_id[r] for r in rows]),
            label=clean.label[rows],
            predicted=np.stack([none if p is None else p for _, _, p in columns], axis=1),
        )


def _available(cell: CellInfo, execution: Execution) -> bool:
    return cell.split_stage in execution.artefacts and cell.occlude_stage in execution.artefacts


def _rows(label: np.ndarray, count: int) -> np.ndarray:
    """One face per expression in turn, spread over the subjects."""
    chosen = [int(np.flatnonzero(label == k)[k % int((label == k).sum())]) for k in np.unique(label)]
    return np.array(chosen[:count], dtype=np.int64)


def _predictions(
    blueprint: Blueprint, execution: Execution, cell: str, system: str, rows: np.ndarray
) -> np.ndarray | None:
    for outcome in blueprint.outcomes:
        if outcome.kind == "recognition" and outcome.cell.id == cell and outcome.system == system:
            return _predicted(execution, outcome, rows)
    return None


def _predicted(execution: Execution, outcome: Outcome, rows: np.ndarray) -> np.ndarray | None:
    if outcome.stage not in execution.artefacts:
        return None
    table = pd.read_parquet(execution.artefacts[outcome.stage].path / "predictions.parquet", columns=["predicted"])
    return table["predicted"].to_numpy()[rows]


def _detections(
    outcomes: list[Outcome], execution: Execution, rows: np.ndarray, size: int
) -> list[tuple[str, np.ndarray, np.ndarray | None]]:
    columns: list[tuple[str, np.ndarray, np.ndarray | None]] = []
    for outcome in outcomes:
        if outcome.kind == "detection" and outcome.stage in execution.artefacts:
            folder = execution.artefacts[outcome.stage].path
            score, (patches, pixels) = np.load(folder / "score.npy"), read_found(folder)
            mask = (patches if pixels is None else pixels)[rows]
            # Ranks within the cell: distances have long tails, and every detector has a scale of its own.
            grey = np.searchsorted(np.sort(score, axis=None), score[rows]) / score.size
            columns.append((f"{outcome.detector} score", _grid_image(grey, size), None))
            columns.append((f"{outcome.detector} mask", _grid_image(mask.astype(float), size), None))
    return columns


def _grid_image(grid: np.ndarray, size: int) -> np.ndarray:
    """Blow [N,G,G] in [0,1] up to grey pictures uint8 [N,size,size,3]."""
    factor = size // grid.shape[1]
    grey = (grid * 255).round().astype(np.uint8).repeat(factor, axis=1).repeat(factor, axis=2)
    return np.repeat(grey[..., None], 3, axis=3)


def _reconstructions(
    outcomes: list[Outcome], execution: Execution, rows: np.ndarray
) -> list[tuple[str, np.ndarray, np.ndarray | None]]:
    columns: list[tuple[str, np.ndarray, np.ndarray | None]] = []
    for outcome in outcomes:
        if outcome.kind == "reconstruction" and outcome.stage in execution.artefacts:
            image = np.load(execution.artefacts[outcome.stage].path / "composited.npy", mmap_mode="r")[rows]
            after = [
                o
                for o in outcomes
                if o.kind == "recognition"
                and not o.system
                and (o.detector, o.reconstructor) == (outcome.detector, outcome.reconstructor)
            ]
            columns.append((outcome.reconstructor, image, _predicted(execution, after[0], rows) if after else None))
    return columns
