"""What the part reader is shown, and that it learns to read parts."""

from __future__ import annotations

import torch

from ofer_baselines.part_reader import HOLES, PartReader
from ofer_bench.api import ComponentSettings, Recipe
from tests.conftest import toy_faces
from tests.recorder import Recorder


def reader() -> PartReader:
    torch.manual_seed(0)
    model = {"width": 16, "stem": "small"}
    return PartReader(ComponentSettings(image_size=32, patch_size=8, num_classes=7, model=model))


def test_a_third_each_whole_with_a_hole_and_the_hole_alone() -> None:
    image = torch.rand(900, 3, 32, 32) * 0.4
    shown = reader().parts(image, torch.Generator().manual_seed(0))
    grey = (shown == 0.5).all(dim=1)
    assert torch.equal(shown.masked_fill(grey[:, None], 0.0), image.masked_fill(grey[:, None], 0.0))
    patches = grey.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3).float().mean(dim=3)
    assert set(patches.unique().tolist()) == {0.0, 1.0}
    share = patches.mean(dim=(1, 2))
    low, high = HOLES
    assert abs(float((share == 0).float().mean()) - 1 / 3) < 0.06
    # Holes are 10 to 70 percent of the face, what is shown of a hole alone as much: rounded to sixteenths.
    assert abs(float((share > high + 1 / 32).float().mean()) - 1 / 9) < 0.06
    assert float(share[share > 0].min()) >= low - 1 / 16 and float(share.max()) <= 1 - low + 1 / 16


def test_it_learns_and_keeps_the_best_epoch() -> None:
    network, log = reader(), Recorder()
    network.fit(toy_faces(112), toy_faces(28, seed=1), Recipe(epochs=8, batch_size=16, lr=2e-3), 3, log)
    assert log.rows[-1]["loss"] < log.rows[0]["loss"]
    network.eval()
    generator, right = torch.Generator().manual_seed(3), 0
    for part in toy_faces(28, seed=1).batches(16):
        right += int((network.logits(network.parts(part.image, generator)).argmax(dim=1) == part.label).sum())
    assert right / 28 == max(row["score"] for row in log.rows)
    whole = toy_faces(28, seed=1).batch(range(28))
    assert float((network.predict(whole).logits.argmax(dim=1) == whole.label).float().mean()) > 0.4
