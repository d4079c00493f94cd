"""A ResNet-18 in the manner of the profile ``quick``, trained by the scripts of this folder on faces of their own."""

from __future__ import annotations

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import ComponentSettings, FaceSet, Recipe, torch_seed
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.part import Part

SMALL, PATCH = 64, 8


class Silent:
    """A training sink that drops what it is told."""

    def progress(self, done: int, total: int, unit: str = "images") -> None:
        """Drop the progress."""

    def log(self, step: int, **values: float) -> None:
        """Drop the log."""


def small_faces(people: str, subjects: int) -> FaceSet:
    """Faces of ParaFace to train it on."""
    return build_paraface(Part(people=people, image_size=SMALL, subjects=subjects))[0]


def small_classifier(train: FaceSet, val: FaceSet, recipe: Recipe) -> ResNet18:
    """Train it, and keep the epoch that is best on ``val``."""
    settings = ComponentSettings(
        image_size=SMALL, patch_size=PATCH, num_classes=7, model={"width": 16, "stem": "small"}
    )
    with torch_seed(0):
        network = ResNet18(settings)
        network.fit(train, val, recipe, 0, Silent())
    return network.eval()
