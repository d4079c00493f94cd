"""Robustness and calibration against hand computations and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from ofer_bench.metrics.calibration import brier, ece, nll
from ofer_bench.metrics.robustness import auc_occ, flip_rate, harm_help, r50, recovery, rel_auc_occ

RATIO = np.array([0.0, 0.1, 0.3, 0.7])
ACCURACY = np.array([0.9, 0.8, 0.5, 0.2])


def test_area_under_the_curve() -> None:
    area = (0.1 * 0.85 + 0.2 * 0.65 + 0.4 * 0.35) / 0.7
    assert auc_occ(RATIO, ACCURACY) == pytest.approx(area)
    assert rel_auc_occ(RATIO, ACCURACY) == pytest.approx(area / 0.9)
    assert auc_occ(RATIO, np.full(4, 0.6)) == pytest.approx(0.6)
    assert math.isnan(rel_auc_occ(RATIO, np.zeros(4)))


def test_r50_interpolates() -> None:
    # Half of 0.9 - 0.1 is lost at 0.5, which is a grid point; half of 0.9 - 0.3 at 0.6, a third short of it.
    assert r50(RATIO, ACCURACY, 0.1) == pytest.approx(0.3)
    assert r50(RATIO, ACCURACY, 0.3) == pytest.approx(0.1 + 0.2 * 2 / 3)
    assert r50(RATIO, np.array([0.9, 0.8, 0.8, 0.7]), 1 / 7) is None
    assert r50(RATIO, np.array([0.1, 0.1, 0.1, 0.1]), 1 / 7) is None
    assert r50(RATIO, np.array([0.9, 0.3, 0.8, 0.7]), 0.1) == pytest.approx(0.1 * 0.4 / 0.6)


def test_curves_are_checked() -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        auc_occ(RATIO[::-1], ACCURACY)
    with pytest.raises(ValueError, match="ratio 0"):
        rel_auc_occ(RATIO[1:], ACCURACY[1:])


def test_flips_and_recovery() -> None:
    assert flip_rate(np.array([0, 1, 2, 3]), np.array([0, 2, 2, -1])) == 0.5
    flips = harm_help(np.array([1, 1, 1, 0, 0], dtype=bool), np.array([1, 0, 0, 1, 0], dtype=bool))
    assert (flips.harm, flips.help) == (0.4, 0.2)
    # Supplement, DACL on Syn-RAF-DB: reconstruction harms.
    assert recovery(0.87, 0.760, 0.724) == pytest.approx(-0.036 / 0.11)
    assert recovery(0.9, 0.5, 0.9) == pytest.approx(1) and math.isnan(recovery(0.5, 0.5, 0.6))


def test_calibration_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.full(7, 0.4), size=500)
    label = np.array([rng.choice(7, p=p) for p in prob])
    expected = 0.0
    for lower in np.arange(15) / 15:
        inside = (prob.max(1) > lower) & (prob.max(1) <= lower + 1 / 15)
        if inside.any():
            gap = abs((prob.argmax(1) == label)[inside].mean() - prob.max(1)[inside].mean())
            expected += inside.mean() * gap
    assert ece(prob, label) == pytest.approx(expected, abs=1e-12)
    assert nll(prob, label) == pytest.approx(log_loss(label, prob, labels=range(7)), abs=1e-9)
    total = sum(((p - (np.arange(7) == y)) ** 2).sum() for p, y in zip(prob, label, strict=True))
    assert brier(prob, label) == pytest.approx(total / 500)


def test_calibration_extremes_and_errors() -> None:
    sure = np.eye(3)[[0, 1, 2]]
    assert ece(sure, np.array([0, 1, 2])) == 0 and brier(sure, np.array([1, 2, 0])) == 2
    assert ece(sure, np.array([1, 2, 0])) == 1 and math.isfinite(nll(sure, np.array([1, 2, 0])))
    with pytest.raises(ValueError, match="sum to 1"):
        ece(sure * 0.5, np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="labels must lie"):
        nll(sure, np.array([0, 1, 3]))
