"""FACS coding of the seven expressions."""

import numpy as np
import pytest

from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.assets import assets_root
from ofer_bench.data.paraface.expressions import (
    ACTION_UNITS,
    MAX_WEIGHT,
    NOISE_ACTIONS,
    PROTOTYPES,
    action_weights,
    draw_actions,
)

# Typed in again from the prototypes' published coding, not read from the module under test.
PUBLISHED = {
    Expression.NEUTRAL: set(),
    Expression.HAPPINESS: {6, 12},
    Expression.SADNESS: {1, 4, 15},
    Expression.SURPRISE: {1, 2, 5, 26},
    Expression.FEAR: {1, 2, 4, 5, 7, 20, 26},
    Expression.DISGUST: {9, 15, 16},
    Expression.ANGER: {4, 5, 7, 23},
}


@pytest.mark.parametrize("expression", list(Expression))
def test_core_units_are_the_published_prototype(expression: Expression) -> None:
    assert set(PROTOTYPES[expression].core) == PUBLISHED[expression]


def test_every_action_is_known_to_the_head() -> None:
    known = {path.stem for path in (assets_root() / "faceunits01/targets/faceunits").glob("*.target")}
    assert len(known) == 52
    used = {action for gains in ACTION_UNITS.values() for action in gains} | set(NOISE_ACTIONS)
    assert used <= known


def test_units_add_up() -> None:
    weights = action_weights({12: 0.5, 10: 0.5, 25: 1.0})
    assert weights["mouthSmileLeft"] == pytest.approx(0.5 * ACTION_UNITS[12]["mouthSmileLeft"])
    both = 0.5 * ACTION_UNITS[10]["mouthUpperUpLeft"] + ACTION_UNITS[25]["mouthUpperUpLeft"]
    assert weights["mouthUpperUpLeft"] == pytest.approx(both)


def test_neutral_moves_less_than_any_emotion() -> None:
    def total(expression: Expression, seed: int) -> float:
        return sum(draw_actions(expression, 0.6, np.random.default_rng(seed)).values())

    neutral = max(total(Expression.NEUTRAL, seed) for seed in range(50))
    emotional = min(total(e, seed) for e in Expression if e is not Expression.NEUTRAL for seed in range(50))
    assert 0.0 < neutral < emotional


def test_weights_are_bounded_asymmetric_and_reproducible() -> None:
    first = draw_actions(Expression.HAPPINESS, 1.0, np.random.default_rng(3))
    assert first == draw_actions(Expression.HAPPINESS, 1.0, np.random.default_rng(3))
    assert all(0.0 <= weight <= MAX_WEIGHT for weight in first.values())
    ratio = first["mouthSmileLeft"] / first["mouthSmileRight"]
    assert ratio != 1.0
    assert ratio == pytest.approx(1.0, abs=0.3)
