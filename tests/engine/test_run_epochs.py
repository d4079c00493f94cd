"""The loop under every training: several optimisers, and trainings that diverge."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ofer_bench.core.errors import TrainingDiverged
from ofer_bench.engine.precision import FullPrecision
from ofer_bench.engine.training import Step, fit_epochs, learning_rate, run_epochs
from ofer_bench.spec.profile import Recipe
from tests.recorder import Recorder


def test_the_rate_reaches_every_group_and_gradients_are_clipped() -> None:
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD([{"params": [module.weight]}, {"params": [module.bias]}], lr=9.0)
    before = [p.detach().clone() for p in module.parameters()]
    loss = 100 * sum((p.sum() for p in module.parameters()), torch.zeros(()))
    Step(rate=0.5, precision=FullPrecision()).descend(optimizer, loss)
    step = torch.cat([(a - b).flatten() for a, b in zip(before, module.parameters(), strict=True)])
    torch.testing.assert_close(step, torch.full((6,), 0.5 / math.sqrt(6)), atol=1e-5, rtol=0)


def test_an_update_gets_the_rate_of_its_step_and_its_values_are_averaged() -> None:
    module, sink, rates = nn.Linear(1, 1), Recorder(), []

    def update(index: np.ndarray, generator: torch.Generator, step: Step) -> dict[str, Tensor]:
        rates.append(step.rate)
        return {"loss": torch.tensor(float(len(rates))), "other": torch.tensor(-float(len(rates)))}

    run_epochs(module, Recipe(epochs=2, batch_size=4, lr=0.1, warmup_epochs=0.5), 8, update, 0, sink, beside={})
    assert rates == [learning_rate(step, 4, 1, 0.1) for step in range(4)]
    assert sink.rows == [{"step": 0, "loss": 1.5, "other": -1.5}, {"step": 1, "loss": 3.5, "other": -3.5}]


def _fit(losses: list[float], scores: list[float] | None) -> nn.Linear:
    """Train for one step per epoch, with the losses and scores given."""
    module, factors, marks = nn.Linear(1, 1, bias=False), iter(losses), iter(scores or [])
    nn.init.ones_(module.weight)

    def step(index: np.ndarray, generator: torch.Generator) -> Tensor:
        return module.weight.sum() * next(factors)

    recipe = Recipe(epochs=len(losses), batch_size=4, lr=0.1, warmup_epochs=0)
    fit_epochs(module, recipe, 4, step, 0, Recorder(), (lambda: next(marks)) if scores else None)
    return module


def test_a_score_that_is_no_number_wins_no_epoch() -> None:
    assert torch.isfinite(_fit([1.0, 1.0, math.nan], [math.nan, 0.2, math.nan]).weight).all()
    assert torch.isfinite(_fit([1.0, math.nan], [0.1, math.inf]).weight).all()


@pytest.mark.parametrize("scores", [[math.nan, math.nan], [-math.inf, math.inf]])
def test_no_finite_score_is_an_error(scores: list[float]) -> None:
    with pytest.raises(TrainingDiverged, match=r"Linear: no finite score\n.*learning rate"):
        _fit([1.0, 1.0], scores)


def test_without_scores_the_last_loss_must_be_finite() -> None:
    _fit([1.0, 1.0], None)
    with pytest.raises(TrainingDiverged, match="Linear: no finite loss"):
        _fit([1.0, math.nan], None)
