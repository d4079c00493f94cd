"""Producers of the model stages: training, detection, reconstruction and prediction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ofer_bench.core.errors import SpecError
from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.core.pixels import to_bytes
from ofer_bench.core.types import FaceBatch, FaceSet, Reconstruction
from ofer_bench.engine.checks import check_detection, check_prediction, check_reconstruction
from ofer_bench.engine.files import read_faces, read_found, read_occluded, read_unreadable, write_found
from ofer_bench.engine.fitting import Training, fit
from ofer_bench.engine.foreign import origins
from ofer_bench.engine.pool import ComponentRecipe, save_component
from ofer_bench.engine.produce_data import Producer
from ofer_bench.engine.restoring import Hole
from ofer_bench.engine.stages import Workspace
from ofer_bench.engine.training_log import TrainingLog
from ofer_bench.metrics import psnr, psnr_hole, ssim, ssim_hole
from ofer_bench.metrics.info import (
    PSNR_COMPOSITED,
    PSNR_HOLE,
    PSNR_WHOLE,
    SSIM_COMPOSITED,
    SSIM_HOLE,
    SSIM_WHOLE,
)
from ofer_bench.occlusion.patches import patch_coverage
from ofer_bench.spec.profile import Recipe

GREY = 0.5
"""What hides the face where a part is shown alone; networks that know parts have learned from this one."""


def train_producer(component: ComponentRecipe, recipe: Recipe | None, seed: int, train: str, val: str) -> Producer:
    """Train a component, as :func:`fit` does, and store it."""
    training = Training(component=component, recipe=recipe, seed=seed, train=train, val=val)

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        log = TrainingLog(work)
        fitted = fit(training, work, log)
        model, weights = fitted.model, fitted.weights
        upstream = [work.artefact(stage).meta for stage, _ in component.upstream.values()]
        foreign = origins(component.card.id, weights, upstream)
        (folder / "log.json").write_text(json.dumps(log.rows, indent=1), encoding="utf-8")
        return {
            "component": component.card.id,
            "weights_digest": save_component(model, folder),
            "parameters": sum(p.numel() for p in model.parameters()) if isinstance(model, nn.Module) else 0,
            "selection": "foreign weights as they are" if fitted.as_given else log.selection,
            "precision": recipe.precision if recipe else "",
            "resumed": log.resumed,
            **({"devices": fitted.devices} if fitted.devices > 1 else {}),
            **({"weights": weights} if weights else {}),
            **({"foreign": foreign} if foreign else {}),
        }

    return produce


class Cell:
    """The faces of one cell: a split as it is, or with an occlusion."""

    def __init__(self, split: str, occluded: str | None) -> None:
        self.split, self.occluded = split, occluded

    @property
    def stages(self) -> tuple[str, ...]:
        """Ids of the stages it comes from."""
        return (self.split,) if self.occluded is None else (self.split, self.occluded)

    def open(self, work: Workspace) -> FaceSet:
        """Open the faces."""
        split = work.artefact(self.split).path
        if self.occluded is None:
            return read_faces(split)
        return read_occluded(split, work.artefact(self.occluded).path)


def _batches(faces: FaceSet, batch_size: int, work: Workspace) -> Iterator[FaceBatch]:
    done = 0
    for batch in faces.batches(batch_size, work.device):
        yield batch
        done += len(batch)
        work.advance(done, len(faces), "images")


def _true_mask(batch: FaceBatch) -> Tensor:
    if batch.occluded is not None:
        return batch.occluded
    return torch.zeros_like(batch.image[:, :1], dtype=torch.bool)


def detect_producer(cell: Cell, stage: str, detector: ComponentRecipe, batch_size: int) -> Producer:
    """Score the patches of a cell; the true coverage of every patch is kept beside the scores."""

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        model = work.pool.get(stage, detector)
        score, mask, pixels, coverage, threshold = [], [], [], [], 0.0
        for batch in _batches(cell.open(work), batch_size, work):
            found = model.detect(FaceBatch(image=batch.image, sample_id=batch.sample_id))
            check_detection(detector.card.id, found, batch, detector.settings.grid)
            score.append(found.score.float().cpu().numpy())
            mask.append(found.mask_patch.cpu().numpy())
            if found.mask_px is not None:
                pixels.append(found.mask_px[:, 0].cpu().numpy())
            coverage.append(patch_coverage(_true_mask(batch), detector.settings.patch_size).cpu().numpy())
            threshold = found.threshold
        np.save(folder / "score.npy", np.concatenate(score))
        write_found(folder, np.concatenate(mask), np.concatenate(pixels) if pixels else None)
        np.save(folder / "coverage.npy", np.concatenate(coverage))
        return {"threshold": float(threshold)}

    return produce


def threshold_producer(scored: str, validation: str, false_alarms: float) -> Producer:
    """Take the scores of the detect stage ``scored`` at another threshold.

    Patches are occluded whose score exceeds the (1 - ``false_alarms``) quantile of the scores that the detect stage
    ``validation`` gave unoccluded faces: a rule for any detector, whatever the scale and sign of its scores.
    """

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        faces = work.artefact(scored).path
        threshold = float(np.quantile(np.load(work.artefact(validation).path / "score.npy"), 1.0 - false_alarms))
        score = np.load(faces / "score.npy")
        np.save(folder / "score.npy", score)
        write_found(folder, score > threshold, None)
        np.save(folder / "coverage.npy", np.load(faces / "coverage.npy"))
        return {"threshold": threshold}

    return produce


def reconstruct_producer(
    cell: Cell, stage: str, reconstructor: ComponentRecipe, batch_size: int, *, detected: str | None, tau: float
) -> Producer:
    """Restore a cell under the detected masks, or under the true ones (patches that are :func:`occluded`
    at ``tau``).

    Under the true masks only the truly occluded pixels are taken from the restored image, and quality is measured;
    SpecError for faces that have none.
    """

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        faces = cell.open(work)
        if detected is None and faces.occluded is None:
            raise _no_true_masks(cell)
        model = work.pool.get(stage, reconstructor)
        size = reconstructor.settings.patch_size
        masks = _Masks(work.artefact(detected).path) if detected else None
        raw, composited, quality = [], [], []
        start = 0
        for batch in _batches(faces, batch_size, work):
            truth = _true_mask(batch)
            if masks is None:
                hole = Hole.of_pixels(truth, size, tau)
            else:
                hole = masks.hole(slice(start, start + len(batch)), size, work.device)
            start += len(batch)
            restored = model.reconstruct(FaceBatch(image=batch.image, sample_id=batch.sample_id), hole.patches)
            check_reconstruction(reconstructor.card.id, restored, batch)
            restored = hole.composite(restored, batch.image)
            table = {"hole_ratio": hole.patches.float().mean(dim=(1, 2))}
            if masks is None:
                table |= _quality(batch, restored, truth)
            raw.append(to_bytes(restored.image))
            composited.append(to_bytes(restored.composited))
            columns = {name: value.double().cpu().numpy() for name, value in table.items()}
            quality.append(pd.DataFrame({"sample_id": batch.sample_id, **columns}))
        np.save(folder / "raw.npy", np.concatenate(raw))
        np.save(folder / "composited.npy", np.concatenate(composited))
        pd.concat(quality, ignore_index=True).to_parquet(folder / "quality.parquet", index=False)
        return {}

    return produce


def _no_true_masks(cell: Cell) -> SpecError:
    return SpecError(
        cell.split,
        "these faces have no true masks to reconstruct under",
        hint="ask for detected masks there: leave the family out of this suite's reconstruction and oracle systems",
    )


class _Masks:
    """The masks of a detect stage."""

    def __init__(self, folder: Path) -> None:
        self.patch, self.px = read_found(folder)

    def hole(self, rows: slice, patch_size: int, device: str) -> Hole:
        patch = torch.from_numpy(self.patch[rows]).to(device)
        px = None if self.px is None else torch.from_numpy(self.px[rows])[:, None].to(device)
        return Hole.of_detection(patch, px, patch_size)


def _quality(batch: FaceBatch, restored: Reconstruction, occluded: Tensor) -> dict[str, Tensor]:
    """PSNR and SSIM of every sample against its clean twin, over the whole image and over the occluded pixels."""
    image, composited = restored.image, restored.composited
    clean = batch.clean if batch.clean is not None else batch.image
    return {
        PSNR_WHOLE: psnr(image, clean),
        PSNR_COMPOSITED: psnr(composited, clean),
        PSNR_HOLE: psnr_hole(image, clean, occluded),
        SSIM_WHOLE: ssim(image, clean),
        SSIM_COMPOSITED: ssim(composited, clean),
        SSIM_HOLE: ssim_hole(image, clean, occluded),
    }


def predict_producer(
    cell: Cell,
    stage: str,
    classifier: ComponentRecipe,
    batch_size: int,
    *,
    restored: str | None,
    part_alone: bool = False,
) -> Producer:
    """Recognise a cell as it is, or after reconstruction; unreadable samples get a row that counts as wrong.

    With ``part_alone`` all is grey but the truly occluded pixels, restored ones or, without reconstruction, those of
    the unoccluded faces; SpecError for faces that have no true masks.
    """

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        model = work.pool.get(stage, classifier)
        faces = cell.open(work)
        mask_ratio = np.zeros(len(faces)) if faces.occluded is None else faces.occluded.mean(axis=(1, 2))
        if part_alone and faces.occluded is None:
            raise _no_true_masks(cell)
        unrestored = faces.clean if part_alone and faces.clean is not None else faces.image
        shown, hole_ratio = replace(faces, image=unrestored, clean=None), np.zeros(len(faces))
        if restored is not None:
            folder_in = work.artefact(restored).path
            shown = replace(shown, image=np.load(folder_in / "composited.npy", mmap_mode="r"))
            hole_ratio = pd.read_parquet(folder_in / "quality.parquet")["hole_ratio"].to_numpy()
        rows = []
        for batch in _batches(shown, batch_size, work):
            image = batch.image.masked_fill(~_true_mask(batch), GREY) if part_alone else batch.image
            prediction = model.predict(FaceBatch(image=image, sample_id=batch.sample_id))
            check_prediction(classifier.card.id, prediction, batch)
            rows.append(prediction.logits.double().softmax(dim=1).cpu().numpy())
        table = _prediction_table(faces, np.concatenate(rows), mask_ratio, hole_ratio)
        lost = read_unreadable(work.artefact(cell.split).path)
        if len(lost):
            table = pd.concat([table, _failed_rows(lost)], ignore_index=True)
        table.to_parquet(folder / "predictions.parquet", index=False)
        return {}

    return produce


def _prediction_table(
    faces: FaceSet, probability: np.ndarray, mask_ratio: np.ndarray, hole_ratio: np.ndarray
) -> pd.DataFrame:
    finite = np.isfinite(probability).all(axis=1)
    return pd.DataFrame(
        {
            "sample_id": faces.sample_id,
            "label": faces.label,
            "predicted": np.where(finite, probability.argmax(axis=1), -1),
            "status": np.where(finite, "ok", "failed"),
            **{f"p_{name}": probability[:, i] for i, name in enumerate(EXPRESSIONS)},
            "mask_ratio": mask_ratio,
            "detected_ratio": hole_ratio,
        }
    )


def _failed_rows(lost: pd.DataFrame) -> pd.DataFrame:
    empty = {f"p_{name}": np.nan for name in EXPRESSIONS}
    return lost[["sample_id", "label"]].assign(
        predicted=-1, status="failed", **empty, mask_ratio=np.nan, detected_ratio=np.nan
    )
