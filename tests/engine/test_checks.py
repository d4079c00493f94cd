"""Plugins that break their contract: their stage fails, and says how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ofer_bench.core.errors import PluginError, SpecError
from ofer_bench.core.types import (
    Card,
    Detection,
    FaceBatch,
    FaceSet,
    Prediction,
    Reconstruction,
    SplitData,
    UnreadableSample,
)
from ofer_bench.engine import pool
from ofer_bench.engine.checks import check_detection, check_prediction, check_reconstruction, check_split
from ofer_bench.engine.config import load_profile
from ofer_bench.engine.pool import ComponentPool, ComponentRecipe
from ofer_bench.engine.produce_models import train_producer
from ofer_bench.engine.score import _reconstruction
from ofer_bench.engine.stages import Workspace
from ofer_bench.plugins.protocols import ComponentSettings, TrainingSink
from ofer_bench.spec.profile import Recipe
from ofer_bench.store.artefacts import Artefact
from ofer_bench.store.records import read_records
from tests.engine.conftest import ToyRun

BATCH = FaceBatch(image=torch.rand(2, 3, 8, 8), sample_id=("a", "b"))
NAN = float("nan")


def detection(**changes: Any) -> Detection:
    good = Detection(score=torch.rand(2, 4, 4), threshold=0.5, mask_patch=torch.zeros(2, 4, 4, dtype=torch.bool))
    return replace(good, **changes)


@pytest.mark.parametrize(
    ("check", "output", "message"),
    [
        (check_detection, detection(score=torch.full((2, 4, 4), NAN)), "score holds values that are not finite"),
        (check_detection, detection(score=torch.rand(2, 16)), r"score is \(2, 16\)"),
        (check_detection, detection(mask_patch=torch.zeros(2, 4, 4)), "mask_patch is torch.float32"),
        (check_detection, detection(mask_patch=torch.zeros(1, 4, 4, dtype=torch.bool)), r"mask_patch is \(1, 4, 4\)"),
        (check_detection, detection(threshold=NAN), "threshold is nan"),
        (check_reconstruction, Reconstruction(image=BATCH.image * NAN, composited=BATCH.image), "image holds"),
        (check_reconstruction, Reconstruction(image=BATCH.image, composited=BATCH.image[:1]), "composited is"),
        (check_prediction, Prediction(logits=torch.zeros(2, 8), sample_id=("a", "b")), r"logits are \(2, 8\)"),
        (check_prediction, Prediction(logits=torch.zeros(2, 7), sample_id=("b", "a")), "sample_id differs"),
    ],
)
def test_broken_outputs_are_named(check: Callable[..., None], output: Any, message: str) -> None:
    arguments = (BATCH, 4) if check is check_detection else (BATCH,)
    with pytest.raises(PluginError, match=message):
        check("it", output, *arguments)


def test_good_outputs_pass() -> None:
    check_detection("it", detection(), BATCH, 4)
    check_reconstruction("it", Reconstruction(image=BATCH.image, composited=BATCH.image), BATCH)
    # A row of NaN is a failed prediction, which has a row of its own and counts as wrong.
    check_prediction("it", Prediction(logits=torch.full((2, 7), NAN), sample_id=("a", "b")), BATCH)


@pytest.mark.parametrize("label", [-1, 7])
def test_labels_outside_the_classes_are_refused(faces: FaceSet, label: int) -> None:
    wrong = replace(faces, label=np.where(np.arange(len(faces)) == 3, label, faces.label))
    with pytest.raises(PluginError, match=f"'toy-003' has label {label}"):
        check_split("it", SplitData(faces=wrong, attributes=[]))
    lost = UnreadableSample(sample_id="lost", label=label, error="cut")
    with pytest.raises(PluginError, match=f"'lost' has label {label}"):
        check_split("it", SplitData(faces=faces, attributes=[], unreadable=[lost]))


def test_a_broken_output_fails_its_stage_and_keeps_the_other_records(
    toy: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ofer_bench.latent_ofer.svdd import ViTSVDD

    detect = ViTSVDD.detect

    def diverged(self: ViTSVDD, batch: FaceBatch) -> Detection:
        found = detect(self, batch)
        return replace(found, score=found.score * NAN)

    monkeypatch.setattr(ViTSVDD, "detect", diverged)
    stage = "detect/vit-svdd/objects-0.10-0.40/seed0"
    hidden = toy.first.artefacts[stage].path
    hidden.rename(tmp_path / "hidden")
    try:
        _, recorder = toy.again(tmp_path / "run")
    finally:
        (tmp_path / "hidden").rename(hidden)
    assert list(recorder.failed) == [stage]
    table = read_records(tmp_path / "run")
    assert table[table.status == "failed"].note.str.contains("not finite").all()
    assert (table[table.detector == "one-class-svm"].status == "ok").all()


class Learner(nn.Module):
    """Learns nothing, and logs what it is told."""

    logged: Mapping[str, Any] = {}

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Any]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        out.log(0, **self.logged)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyRun) -> Callable[..., Mapping[str, Any]]:
    """Train ``Learner`` on the toy faces into ``tmp_path``."""
    monkeypatch.setattr(pool, "load_class", lambda card: Learner)
    card = Card(id="new", kind="classifier", version="1", title="New", load="x:Y")
    component = ComponentRecipe(card, load_profile("smoke"), {})

    def artefact(name: str) -> Artefact:
        return toy.first.artefacts[f"split/Toy/{name}"]

    def run(recipe: Recipe | None, **logged: Any) -> Mapping[str, Any]:
        monkeypatch.setattr(Learner, "logged", logged)
        work = Workspace(
            artefact=artefact,
            pool=ComponentPool("cpu", lambda name: Path()),
            device="cpu",
            advance=lambda done, total, unit: None,
            scratch=tmp_path / "scratch",
        )
        return train_producer(component, recipe, 0, "train", "val")(work, tmp_path)

    return run


RECIPE = Recipe(epochs=1, batch_size=4, lr=1e-3)


def test_any_scalar_may_be_logged(train: Callable[..., Mapping[str, Any]], tmp_path: Path) -> None:
    train(RECIPE, loss=np.float32(0.5), accuracy=torch.tensor(0.25), n=3)
    assert json.loads((tmp_path / "log.json").read_text()) == [{"step": 0, "loss": 0.5, "accuracy": 0.25, "n": 3.0}]


def test_what_is_noted_of_a_training(train: Callable[..., Mapping[str, Any]]) -> None:
    meta = train(RECIPE, loss=1.0)
    assert meta["parameters"] == 2 * 3 + 3 + 3 + 3
    assert meta["selection"] == "end of training"
    assert train(RECIPE, loss=1.0, score=0.5)["selection"] == "best validation epoch"


def test_a_component_without_a_recipe_is_not_trained(train: Callable[..., Mapping[str, Any]]) -> None:
    with pytest.raises(SpecError, match=r"--set 'components\.new\.recipe="):
        train(None)


def test_unreadable_faces_and_infinite_values_are_counted(toy: ToyRun, tmp_path: Path) -> None:
    stage = "reconstruct/oracle+mae/objects-0.10-0.40/seed0"
    table = pd.read_parquet(toy.first.artefacts[stage].path / "quality.parquet")
    table.loc[0, "psnr/whole/rgb"] = np.inf
    table.loc[1:2, "psnr/hole/rgb"] = np.nan
    table.to_parquet(tmp_path / "quality.parquet", index=False)
    rows = {row["metric_def"]: row for row in _reconstruction(tmp_path, toy.config, 1)}
    whole, hole = rows["psnr/whole/rgb"], rows["psnr/hole/rgb"]
    assert (whole["n"], whole["n_failed"]) == (13, 1)
    assert whole["note"] == "Faces left out of the mean: 1 restored exactly, with infinite PSNR."
    assert (hole["n"], hole["n_failed"]) == (12, 1)
    assert hole["note"] == "Faces left out of the mean: 2 without a hole."
    assert rows["ssim/gauss1.5-11/whole"]["note"] == ""
