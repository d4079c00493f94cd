"""Profiles: the sizes and training recipes of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FULL_PRECISION = "32-true"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipe(_Strict):
    """How a component is trained.

    ``patience`` ends the training after that many epochs without a better validation score; the learning rate is
    planned for all ``epochs``, so it should be generous. ``precision`` is that of losses and gradients alone: weights,
    validation and everything measured are in float32. ``extra`` holds what only that component understands.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    patience: int | None = Field(default=None, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    extra: dict[str, Any] = Field(default_factory=dict)


class ComponentProfile(_Strict):
    """Model parameters and recipe of one component.

    ``weights`` names a file to start from, made elsewhere (docs/weights.md); ``~`` and environment variables are
    expanded, and a relative path begins at the working directory. Without ``recipe`` it is used as it is.
    """

    model: dict[str, Any] = Field(default_factory=dict)
    recipe: Recipe | None = None
    weights: str | None = Field(default=None, min_length=1)

    @property
    def weights_path(self) -> Path | None:
        """The expanded ``weights``."""
        return Path(os.path.expandvars(self.weights)).expanduser() if self.weights else None


class ParaFaceSize(_Strict):
    """Number of subjects per split, each of which shows every expression ``repeats`` times; images of FED-ParaFace."""

    train_subjects: int = Field(ge=1)
    val_subjects: int = Field(ge=1)
    test_subjects: int = Field(ge=1)
    repeats: int = Field(default=1, ge=1)
    fed_images: int = Field(default=400, ge=1)


class Profile(_Strict):
    """Everything that scales with the hardware."""

    name: str
    image_size: int = Field(ge=16, le=1024)
    patch_size: int = Field(ge=4)
    eval_batch_size: int = Field(default=128, ge=1)
    paraface: ParaFaceSize
    components: dict[str, ComponentProfile] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _divisible(self) -> Profile:
        if self.image_size % self.patch_size:
            raise ValueError("image_size must be a multiple of patch_size")
        return self
