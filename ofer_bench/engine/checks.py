"""What the harness demands of a plugin's output, checked where it is made: the stage fails, and no other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ofer_bench.core.errors import PluginError
from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.core.types import Detection, FaceBatch, Prediction, Reconstruction, SplitData


def check_split(reader: str, data: SplitData) -> None:
    """Every sample, read or not, must have one of the classes as its label."""
    for sample, label in [
        *zip(data.faces.sample_id, data.faces.label.tolist(), strict=True),
        *((lost.sample_id, lost.label) for lost in data.unreadable),
    ]:
        if label not in range(len(EXPRESSIONS)):
            raise PluginError(
                f"{reader}: sample {sample!r} has label {label}", hint=f"labels are 0 to {len(EXPRESSIONS) - 1}"
            )


def check_detection(detector: str, found: Detection, batch: FaceBatch, grid: int) -> None:
    """Finite scores and a bool mask, both [B,G,G]; if any, a bool mask of pixels [B,1,H,W]."""
    shape = (len(batch), grid, grid)
    _check_tensor(detector, "score", found.score, shape)
    _check_mask(detector, "mask_patch", found.mask_patch, shape)
    if found.mask_px is not None:
        _check_mask(detector, "mask_px", found.mask_px, (len(batch), 1, *batch.image.shape[2:]))
    if not np.isfinite(float(found.threshold)):
        raise PluginError(f"{detector}: the threshold is {found.threshold}", hint="return a number")


def check_reconstruction(reconstructor: str, restored: Reconstruction, batch: FaceBatch) -> None:
    """Finite images of the shape that was given."""
    _check_tensor(reconstructor, "image", restored.image, tuple(batch.image.shape))
    _check_tensor(reconstructor, "composited", restored.composited, tuple(batch.image.shape))


def check_prediction(classifier: str, prediction: Prediction, batch: FaceBatch) -> None:
    """One row of logits per face, in order. Rows that aren't numbers are no error here: they count as wrong answers."""
    shape = (len(batch), len(EXPRESSIONS))
    if tuple(prediction.logits.shape) != shape:
        raise PluginError(f"{classifier}: logits are {tuple(prediction.logits.shape)}", hint=f"return {shape}")
    if tuple(prediction.sample_id) != batch.sample_id:
        raise PluginError(f"{classifier}: sample_id differs from the batch's", hint="return batch.sample_id")


def _check_mask(plugin: str, name: str, mask: Tensor, shape: tuple[int, ...]) -> None:
    _check_tensor(plugin, name, mask, shape)
    if mask.dtype != torch.bool:
        raise PluginError(f"{plugin}: {name} is {mask.dtype}", hint="return bool, True = occluded")


def _check_tensor(plugin: str, name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(value.shape) != shape:
        raise PluginError(f"{plugin}: {name} is {tuple(value.shape)}", hint=f"return {shape}")
    if not bool(torch.isfinite(value).all()):
        raise PluginError(f"{plugin}: {name} holds values that are not finite", hint="look for a diverged training")
