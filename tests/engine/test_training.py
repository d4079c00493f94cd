from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ofer_bench.engine.augment import random_affine, random_colour, random_erasing
from ofer_bench.engine.training import fit_epochs, learning_rate, optimiser, shuffled_batches, steps_per_epoch
from ofer_bench.spec.profile import Recipe
from tests.recorder import Recorder


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 10, 4, 1.0) for step in range(11)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == pytest.approx(1.0)
    assert rates[7] == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))
    assert rates[10] == pytest.approx(0.0)


def test_weight_decay_spares_biases_and_norms() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    groups = optimiser(module.parameters(), Recipe(epochs=1, batch_size=1, lr=1.0, weight_decay=0.1)).param_groups
    assert [len(g["params"]) for g in groups] == [1, 3]
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]


@pytest.mark.parametrize(
    ("size", "batch", "expected"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 4]), (1, 4, [1]), (8, 4, [4, 4]), (8, 1, [1] * 8), (1, 1, [1])],
)
def test_batches_cover_an_epoch(size: int, batch: int, expected: list[int]) -> None:
    batches = list(shuffled_batches(size, batch, np.random.default_rng(0)))
    assert [len(b) for b in batches] == expected
    assert len(set(np.concatenate(batches))) == sum(expected)
    assert steps_per_epoch(size, batch) == len(expected)


def _fit(seed: int, scores: list[float] | None = None) -> tuple[nn.Linear, Recorder, list[torch.Tensor]]:
    torch.manual_seed(0)
    module, sink = nn.Linear(2, 1), Recorder()
    data = torch.randn(32, 2, generator=torch.Generator().manual_seed(1))
    target = data @ torch.tensor([[2.0], [-1.0]]) + 0.5
    states: list[torch.Tensor] = []

    def validate() -> float:
        states.append(module.weight.detach().clone())
        assert scores is not None
        return scores[len(states) - 1]

    def step(index: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        return (module(data[index]) - target[index]).square().mean()

    recipe = Recipe(epochs=30 if scores is None else len(scores), batch_size=8, lr=0.1, weight_decay=0.0)
    fit_epochs(module, recipe, 32, step, seed, sink, validate if scores else None)
    return module, sink, states


def test_the_loop_learns_a_line_and_reports() -> None:
    module, sink, _ = _fit(0)
    torch.testing.assert_close(module.weight.detach(), torch.tensor([[2.0, -1.0]]), atol=0.05, rtol=0)
    assert len(sink.rows) == 30
    assert sink.rows[-1]["loss"] < 0.01 * sink.rows[0]["loss"]
    assert sink.last[0] == sink.last[1]


def test_the_best_validation_epoch_is_restored() -> None:
    module, _, states = _fit(0, scores=[0.1, 0.9, 0.3, 0.2])
    assert torch.equal(module.weight.detach(), states[1])
    assert not torch.equal(states[1], states[3])


def test_same_seed_same_weights() -> None:
    assert torch.equal(_fit(3)[0].weight, _fit(3)[0].weight)
    assert not torch.equal(_fit(3)[0].weight, _fit(4)[0].weight)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_affine_without_strength_only_flips() -> None:
    image = torch.rand(16, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    out = random_affine(image, generator(), degrees=0, scale=0, shift=0)
    flipped = 0
    for before, after in zip(image, out, strict=True):
        same = torch.allclose(before, after, atol=1e-5)
        mirrored = torch.allclose(before.flip(-1), after, atol=1e-5)
        assert same or mirrored
        flipped += mirrored
    assert 0 < flipped < 16


def test_colour_keeps_the_range_and_strength_zero_the_image() -> None:
    image = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(random_colour(image, generator(), strength=0.0), image)
    changed = random_colour(image, generator(), strength=0.5)
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.allclose(changed, image)


def test_erasing_fills_one_rectangle_within_the_area() -> None:
    image = torch.zeros(64, 3, 40, 40)
    out = random_erasing(image, generator(), probability=1.0, area=(0.1, 0.2))
    share = (out.abs().sum(1) > 0).float().mean(dim=(1, 2))
    assert share.min() > 0.04
    assert share.max() < 0.25
    assert torch.equal(random_erasing(image, generator(), probability=0.0), image)
