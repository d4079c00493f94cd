"""The standard profile at the paper's 224 px in 14x14 patches: every component is built and used once, untrained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ofer_bench.core.seeding import torch_seed
from ofer_bench.core.types import FaceBatch
from ofer_bench.engine.config import load_profile
from ofer_bench.engine.pool import ComponentRecipe
from ofer_bench.engine.system import System
from ofer_bench.plugins.discovery import load_class, registry, required


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """Untrained components of the standard profile by id."""
    built: dict[str, Any] = {}
    profile = load_profile("standard")

    def build(name: str) -> Any:
        if name not in built:
            card = registry().card(name)
            settings = ComponentRecipe(card, profile, {}).settings
            upstream = {needed: build(needed) for needed in required(card, settings.model)}
            with torch_seed(0):
                built[name] = load_class(card)(settings, upstream).eval()
        return built[name]

    for name in ("vit-svdd", "hybrid", "conventional", "csa", "released", "mae", "latent-recognizer", "dan"):
        build(name)
    return built


@pytest.fixture(scope="module")
def batch() -> FaceBatch:
    image = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    return FaceBatch(image=image, sample_id=("a", "b"))


def test_latent_ofer_runs_whole(parts: dict[str, Any], batch: FaceBatch) -> None:
    system = System(
        id="latent-ofer",
        image_size=224,
        patch_size=16,
        device="cpu",
        detector=parts["vit-svdd"],
        reconstructor=parts["hybrid"],
        classifier=parts["latent-recognizer"],
    )
    output = system(batch)
    assert output.detection is not None
    assert output.detection.score.shape == (2, 14, 14)
    assert output.reconstruction is not None
    assert output.reconstruction.composited.shape == (2, 3, 224, 224)
    assert output.prediction.logits.shape == (2, 7)
    assert torch.isfinite(output.prediction.logits).all()


@pytest.mark.parametrize("name", ["mae", "conventional", "csa", "released", "hybrid"])
def test_reconstructors_touch_the_hole_only(name: str, parts: dict[str, Any], batch: FaceBatch) -> None:
    mask = torch.zeros(2, 14, 14, dtype=torch.bool)
    mask[0, 4:8, 3:9] = True
    composited = parts[name].reconstruct(batch, mask).composited
    assert torch.equal(composited[1], batch.image[1])
    hole = mask[0].repeat_interleave(16, 0).repeat_interleave(16, 1)
    assert torch.equal(composited[0][:, ~hole], batch.image[0][:, ~hole])
    assert not torch.equal(composited[0][:, hole], batch.image[0][:, hole])
