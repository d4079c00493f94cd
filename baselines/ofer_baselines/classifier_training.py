"""Training shared by the classifiers: augmented clean faces, selection on validation accuracy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.api import (
    FaceBatch,
    FaceSet,
    Prediction,
    Recipe,
    TrainingSink,
    accuracy,
    check_known,
    fit_epochs,
    random_affine,
    random_colour,
    random_erasing,
)


def fit_classifier(
    module: nn.Module,
    train: FaceSet,
    val: FaceSet,
    recipe: Recipe,
    seed: int,
    out: TrainingSink,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Train ``module`` in place; ``loss`` maps augmented images [B,3,H,W] in [0,1] and labels [B] to a scalar.

    ``recipe.extra['erasing']`` is the share of faces with a random rectangle of 2 to 25 % erased (default 0).
    """
    check_known(type(module).__name__, recipe.extra, ("erasing",))
    device = next(module.parameters()).device
    erasing = float(recipe.extra.get("erasing", 0.0))

    def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
        batch = train.batch(index, device)
        assert batch.label is not None
        image = random_colour(random_affine(batch.image, generator), generator)
        if erasing > 0:
            image = random_erasing(image, generator, probability=erasing)
        return loss(image, batch.label)

    predict: Callable[[FaceBatch], Prediction] = module.predict  # type: ignore[assignment]
    fit_epochs(module, recipe, len(train), step, seed, out, validate=lambda: accuracy(predict, val, device))
