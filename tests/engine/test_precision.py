"""Mixed precision in the shared loop."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn

from ofer_bench.core.errors import SpecError
from ofer_bench.engine.augment import random_affine
from ofer_bench.engine.precision import choose_precision
from ofer_bench.engine.score import _precision
from ofer_bench.engine.training import fit_epochs, optimiser
from ofer_bench.spec.profile import Recipe
from tests.recorder import Recorder


def _train(precision: str) -> tuple[nn.Linear, list[torch.dtype]]:
    torch.manual_seed(0)
    module, seen = nn.Linear(4, 1), []
    data = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))

    def loss_of(index: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        out = module(data[index])
        seen.append(out.dtype)
        return (out - data[index].sum(dim=1, keepdim=True)).square().mean()

    def validate() -> float:
        seen.append(module(data).dtype)
        return 1.0

    fit_epochs(
        module, Recipe(epochs=2, batch_size=8, lr=0.01, precision=precision), 16, loss_of, 0, Recorder(), validate
    )
    return module, seen


def test_losses_are_mixed_and_everything_else_is_float32() -> None:
    module, seen = _train("bf16-mixed")
    low, full = torch.bfloat16, torch.float32
    assert seen == [low, low, full, low, low, full]
    assert {p.dtype for p in module.parameters()} == {full}
    exact, _ = _train("32-true")
    assert not torch.equal(module.weight, exact.weight)
    torch.testing.assert_close(module.weight, exact.weight, atol=2e-2, rtol=0)


def test_full_precision_is_a_plain_loop() -> None:
    module, seen = _train("32-true")
    assert set(seen) == {torch.float32}
    torch.manual_seed(0)
    plain = nn.Linear(4, 1)
    data = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    optimizer = optimiser(plain.parameters(), Recipe(epochs=2, batch_size=8, lr=0.01))
    rng = np.random.Generator(np.random.PCG64(0))
    for group in optimizer.param_groups:
        group["lr"] = 0.005
    order = rng.permutation(16)
    for index, rate in ((order[:8], 0.005), (order[8:], 0.01)):
        optimizer.zero_grad()
        (plain(data[index]) - data[index].sum(dim=1, keepdim=True)).square().mean().backward()
        for group in optimizer.param_groups:
            group["lr"] = rate
        nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
    assert torch.equal(module.weight, plain.weight)


def test_scaled_halves_need_a_gpu() -> None:
    with pytest.raises(SpecError, match=r"'16-mixed' needs a CUDA device\n.*bf16-mixed"):
        choose_precision("16-mixed", torch.device("cpu"))


def test_faces_are_moved_in_full_precision() -> None:
    image = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = random_affine(image, torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(random_affine(image, torch.Generator().manual_seed(1)), expected)


def test_records_tell_what_was_trained_in_another_precision() -> None:
    assert _precision({"a": "32-true", "b": ""}) == "fp32"
    assert _precision({"a": "32-true", "b": "bf16-mixed"}) == "fp32; b trained in bf16-mixed"


def test_float32_needs_no_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric.plugins.precision", None)
    choose_precision("32-true", torch.device("cpu"))
    with pytest.raises(ImportError):
        choose_precision("bf16-mixed", torch.device("cpu"))
