"""Training on labels of faces of which a random part is seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_bench.api import FaceBatch, FaceSet, Prediction, Recipe, TrainingSink, accuracy, check_known, fit_epochs
from ofer_bench.latent_ofer.masks import jittered

PartLogits = Callable[[Tensor, torch.Generator], Tensor]
"""Draws what is seen of faces [B,3,H,W] in [0,1], and returns logits [B,K]."""


def fit_on_parts(
    module: nn.Module, logits: PartLogits, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink
) -> None:
    """Train ``module`` in place with cross-entropy on clean faces; keep the epoch of best accuracy on ``val``.

    What is seen of a validation face is the same in every epoch.
    """
    check_known(type(module).__name__, recipe.extra, ())
    device = next(module.parameters()).device

    def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
        batch = train.batch(index, device)
        assert batch.label is not None
        seen = logits(jittered(batch.image, generator), generator)
        return F.cross_entropy(seen, batch.label, label_smoothing=recipe.label_smoothing)

    def validate() -> float:
        generator = torch.Generator(device=device).manual_seed(seed)

        def predict(batch: FaceBatch) -> Prediction:
            return Prediction(logits=logits(batch.image, generator), sample_id=batch.sample_id)

        return accuracy(predict, val, device, recipe.batch_size)

    fit_epochs(module, recipe, len(train), step, seed, out, validate)
