"""Training of the recognition network on clean and de-occluded faces."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ofer_bench.api import (
    FaceBatch,
    FaceSet,
    Prediction,
    Recipe,
    Reconstructor,
    TrainingSink,
    accuracy,
    check_known,
    derive_seed,
    fit_epochs,
    random_affine,
    random_colour,
    to_bytes,
)
from ofer_bench.latent_ofer.masks import draw_patch_masks

DEOCCLUDED_SHARE = 0.5


class Recognizer(Protocol):
    """What the training needs of the recognition network."""

    grid: int

    @property
    def reconstructor(self) -> Reconstructor:
        """The frozen reconstruction network."""
        ...

    def loss(self, image01: Tensor, label: Tensor, label_smoothing: float) -> Tensor:
        """Return the training loss."""
        ...

    def predict(self, batch: FaceBatch) -> Prediction:
        """Return logits."""
        ...


def deoccluded(
    faces: FaceSet,
    reconstructor: Reconstructor,
    grid: int,
    batch_size: int,
    seed: int,
    device: torch.device | str,
) -> FaceSet:
    """Return ``faces`` with a random hole each, restored under its true mask.

    In the system the masks are the detector's: false alarms and missed patches are not trained for.
    """
    generator = torch.Generator(device=device).manual_seed(seed)
    images = []
    for batch in faces.batches(batch_size, device):
        holes = draw_patch_masks(len(batch), grid, generator)
        restored = reconstructor.reconstruct(batch, holes).composited
        images.append(to_bytes(restored))
    return FaceSet(image=np.concatenate(images), label=faces.label, sample_id=faces.sample_id)


def train_recognizer(
    model: Recognizer, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink
) -> None:
    """Train in place; the epoch with the best mean accuracy on clean and de-occluded ``val`` faces is kept.

    The holes are drawn and restored once, before the first epoch.
    """
    assert isinstance(model, torch.nn.Module)
    check_known("latent-recognizer", recipe.extra, ("deoccluded_share",))
    device = next(model.parameters()).device
    share = float(recipe.extra.get("deoccluded_share", DEOCCLUDED_SHARE))

    def restored(faces: FaceSet, part: str) -> FaceSet:
        own_seed = derive_seed("deoccluded", part, seed)
        return deoccluded(faces, model.reconstructor, model.grid, recipe.batch_size, own_seed, device)

    train_restored, val_restored = restored(train, "train"), restored(val, "val")

    def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
        batch = train.batch(index, device)
        assert batch.label is not None
        swap = torch.rand(len(index), 1, 1, 1, generator=generator, device=device) < share
        image = torch.where(swap, train_restored.batch(index, device).image, batch.image)
        image = random_colour(random_affine(image, generator), generator)
        return model.loss(image, batch.label, recipe.label_smoothing)

    def validate() -> float:
        parts = (val, val_restored)
        return sum(accuracy(model.predict, faces, device) for faces in parts) / len(parts)

    fit_epochs(model, recipe, len(train), step, seed, out, validate)
