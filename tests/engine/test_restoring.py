"""Which patches a reconstructor is given and which pixels are taken from it, in memory and in a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ofer_bench.core.types import Detection, FaceBatch, Prediction, Reconstruction
from ofer_bench.engine.restoring import Hole, found_pixels
from ofer_bench.engine.system import System
from tests.engine.conftest import ToyRun
from tests.engine.test_variants import recognising, varied

SIZE, PATCH = 48, 8


def spot(count: int) -> Tensor:
    """A cell of 3 x 5 px on each face that touches four patches, most of none of them."""
    mask = torch.zeros(count, 1, SIZE, SIZE, dtype=torch.bool)
    mask[:, :, 7:10, 14:19] = True
    return mask


def touched(count: int) -> Tensor:
    mask = torch.zeros(count, SIZE // PATCH, SIZE // PATCH, dtype=torch.bool)
    mask[:, 0:2, 1:3] = True
    return mask


def test_every_touched_patch_is_restored_and_named_pixels_are_taken() -> None:
    patches = torch.zeros(2, 6, 6, dtype=torch.bool)
    hole = Hole.of_detection(patches, spot(2), PATCH)
    assert torch.equal(hole.patches, touched(2))
    image, painted = torch.zeros(2, 3, SIZE, SIZE), torch.ones(2, 3, SIZE, SIZE)
    taken = hole.composite(Reconstruction(image=painted, composited=painted * 0.5), image)
    assert torch.equal(taken.image, painted)
    assert torch.equal(taken.composited, spot(2).expand(-1, 3, -1, -1).float())


def test_without_pixels_the_patches_and_the_plugins_composite_count() -> None:
    patches = touched(2)
    hole = Hole.of_detection(patches, None, PATCH)
    given = Reconstruction(image=torch.ones(2, 3, SIZE, SIZE), composited=torch.full((2, 3, SIZE, SIZE), 0.5))
    assert hole.patches is patches and hole.composite(given, given.image) is given
    found = Detection(score=patches.float(), threshold=0.5, mask_patch=patches)
    shown = found_pixels(found, PATCH)
    assert int(shown.sum()) == 2 * 4 * PATCH**2 and bool(shown[:, :, : 2 * PATCH, PATCH : 3 * PATCH].all())
    assert torch.equal(found_pixels(replace(found, mask_px=spot(2)), PATCH), spot(2))


def test_a_run_and_a_system_in_memory_replace_what_the_detector_names(
    toy: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ofer_baselines.mean_fill import MeanFill
    from ofer_bench.latent_ofer.svdd import ViTSVDD

    def detect(self: ViTSVDD, batch: FaceBatch) -> Detection:
        nothing = torch.zeros(len(batch), 6, 6)
        return Detection(score=nothing, threshold=0.5, mask_patch=nothing > 0, mask_px=spot(len(batch)))

    def reconstruct(self: MeanFill, batch: FaceBatch, mask_patch: Tensor) -> Reconstruction:
        assert torch.equal(mask_patch, touched(len(batch)))
        return Reconstruction(image=batch.image * 0, composited=batch.image)

    monkeypatch.setattr(ViTSVDD, "detect", detect)
    monkeypatch.setattr(MeanFill, "reconstruct", reconstruct)
    # A detector of its own: what is stored under it is found by no other test.
    variants = {"finder": {"of": "vit-svdd", "model": {"latent": "contextual"}}}
    systems = {"fine": {"detector": "finder", "reconstructor": "mean-fill", "classifier": "resnet18"}}
    config = varied(toy.config, recognising("fine", families=("irregular",)), variants=variants, systems=systems)
    execution, recorder = toy.again(tmp_path / "run", config=config)
    assert not recorder.failed
    cell = "irregular-0.10-0.40"
    occluded = np.load(execution.artefacts[f"occlude/Toy/{cell}"].path / "image.npy")
    stored = execution.artefacts[f"reconstruct/finder+mean-fill/{cell}/seed0"].path
    expected = occluded.copy()
    expected[:, 7:10, 14:19] = 0
    np.testing.assert_array_equal(np.load(stored / "composited.npy"), expected)

    class Judge:
        def predict(self, batch: FaceBatch) -> Prediction:
            self.seen = batch.image
            return Prediction(logits=torch.zeros(len(batch), 7), sample_id=batch.sample_id)

    judge = Judge()
    system = System(
        id="fine",
        image_size=SIZE,
        patch_size=PATCH,
        device="cpu",
        detector=ViTSVDD.__new__(ViTSVDD),
        reconstructor=MeanFill.__new__(MeanFill),
        classifier=judge,
    )
    image = torch.from_numpy(occluded).permute(0, 3, 1, 2).float() / 255
    system(FaceBatch(image=image, sample_id=("x",) * len(image)))
    assert torch.equal(judge.seen, image.masked_fill(spot(len(image)), 0.0))
