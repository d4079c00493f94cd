"""The one module that plugins import. Names are loaded on first use, so importing it costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ofer_bench.core.errors import (
        DatasetMissing,
        ImageUnreadable,
        OccluderError,
        OferBenchError,
        PluginError,
        SpecError,
        TrainingDiverged,
        WeightsError,
    )
    from ofer_bench.core.expressions import EXPRESSIONS, Expression
    from ofer_bench.core.hashing import digest
    from ofer_bench.core.pixels import IMAGENET_MEAN, IMAGENET_STD, to_bytes
    from ofer_bench.core.seeding import derive_rng, derive_seed, torch_seed
    from ofer_bench.core.types import (
        Card,
        Detection,
        FaceBatch,
        FaceSet,
        Occlusion,
        Prediction,
        Reconstruction,
    )
    from ofer_bench.engine.augment import random_affine, random_colour, random_erasing
    from ofer_bench.engine.notebook import load_split, load_system
    from ofer_bench.engine.training import Step, accuracy, fit_epochs, optimiser, run_epochs
    from ofer_bench.occlusion.patches import patch_mask_to_pixels, pixel_mask_to_patches
    from ofer_bench.plugins.options import check_known
    from ofer_bench.plugins.protocols import (
        CheckpointSink,
        Classifier,
        Component,
        ComponentSettings,
        Detector,
        LoadReport,
        Occluder,
        OcclusionRequest,
        Reconstructor,
        Trainable,
        TrainingSink,
        WeightsLoader,
    )
    from ofer_bench.plugins.weights import ForeignState, match_weights, read_weights
    from ofer_bench.spec.profile import Recipe

_HOME = {
    "core.errors": (
        "DatasetMissing",
        "ImageUnreadable",
        "OccluderError",
        "OferBenchError",
        "PluginError",
        "SpecError",
        "TrainingDiverged",
        "WeightsError",
    ),
    "core.expressions": ("EXPRESSIONS", "Expression"),
    "core.hashing": ("digest",),
    "core.pixels": ("IMAGENET_MEAN", "IMAGENET_STD", "to_bytes"),
    "core.seeding": ("derive_rng", "derive_seed", "torch_seed"),
    "core.types": (
        "Card",
        "Detection",
        "FaceBatch",
        "FaceSet",
        "Occlusion",
        "Prediction",
        "Reconstruction",
    ),
    "engine.augment": ("random_affine", "random_colour", "random_erasing"),
    "engine.notebook": ("load_split", "load_system"),
    "engine.training": ("Step", "accuracy", "fit_epochs", "optimiser", "run_epochs"),
    "occlusion.patches": ("patch_mask_to_pixels", "pixel_mask_to_patches"),
    "plugins.options": ("check_known",),
    "plugins.protocols": (
        "CheckpointSink",
        "Classifier",
        "Component",
        "ComponentSettings",
        "Detector",
        "LoadReport",
        "Occluder",
        "OcclusionRequest",
        "Reconstructor",
        "Trainable",
        "TrainingSink",
        "WeightsLoader",
    ),
    "plugins.weights": ("ForeignState", "match_weights", "read_weights"),
    "spec.profile": ("Recipe",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ofer_bench.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)
