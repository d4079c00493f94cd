"""Intervals against statsmodels, closed forms and simulation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import f1_score
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from ofer_bench.stats.intervals import (
    bootstrap_interval,
    cluster_bootstrap_interval,
    mean_interval,
    wilson_interval,
)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (286, 400), (619, 735)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_equals_statsmodels(successes: int, n: int, level: float) -> None:
    got = wilson_interval(successes, n, level)
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-12) and got.method == "wilson"


def test_wilson_half_width_of_fed_ro() -> None:
    got = wilson_interval(round(0.718 * 400), 400)
    assert (got.high - got.low) / 2 == pytest.approx(0.044, abs=0.001)
    with pytest.raises(ValueError, match="no share"):
        wilson_interval(5, 4)


def test_mean_interval_equals_statsmodels() -> None:
    values = np.random.default_rng(0).normal(26, 3, 50)
    got = mean_interval(values)
    assert (got.low, got.high) == pytest.approx(DescrStatsW(values).tconfint_mean(), abs=1e-9)
    assert np.isnan(mean_interval(np.array([np.inf, 1.0])).low) and np.isnan(mean_interval(values[:1]).high)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_of_a_mean_is_near_the_closed_form(method: str) -> None:
    values = np.random.default_rng(1).normal(0, 1, 200)
    got = bootstrap_interval([values], np.mean, np.random.default_rng(2), resamples=2000, method=method)
    exact = mean_interval(values)
    assert (got.low, got.high) == pytest.approx((exact.low, exact.high), abs=0.03)
    assert got.method == f"bootstrap-{method}/2000"
    again = bootstrap_interval([values], np.mean, np.random.default_rng(2), resamples=2000, method=method)
    assert again == got


def test_bootstrap_resamples_rows_together() -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(0, 5, 80)
    got = bootstrap_interval(
        [a, a + 1 + 0.1 * rng.normal(size=80)], lambda x, y: float(np.mean(y - x)), rng, resamples=500
    )
    assert 0.95 < got.low < 1 < got.high < 1.05
    label = rng.integers(0, 3, 60)
    f1 = bootstrap_interval(
        [label, np.where(rng.random(60) < 0.7, label, 0)],
        lambda y, p: float(f1_score(y, p, average="macro")),
        rng,
        resamples=100,
    )
    assert 0.3 < f1.low < f1.high < 1


def test_a_degenerate_bca_falls_back_and_says_so() -> None:
    got = bootstrap_interval([np.ones(20)], np.mean, np.random.default_rng(0), resamples=200)
    assert (got.low, got.high) == (1.0, 1.0) and got.method == "bootstrap-percentile/200"
    with pytest.raises(ValueError, match="equally long"):
        bootstrap_interval([np.ones(3), np.ones(4)], np.mean, np.random.default_rng(0))


def test_cluster_bootstrap_sees_the_people() -> None:
    rng = np.random.default_rng(4)
    person = np.repeat([f"p{i}" for i in range(60)], 7)
    values = np.repeat(rng.normal(0, 1, 60), 7) + 0.1 * rng.normal(size=420)
    got = cluster_bootstrap_interval(person, lambda rows: float(values[rows].mean()), rng, resamples=2000)
    means = values.reshape(60, 7).mean(axis=1)
    exact = mean_interval(means)
    assert (got.low, got.high) == pytest.approx((exact.low, exact.high), abs=0.04)
    naive = mean_interval(values)
    assert got.high - got.low > 2 * (naive.high - naive.low)
    with pytest.raises(ValueError, match="two clusters"):
        cluster_bootstrap_interval(["a"] * 5, lambda rows: 0.0, rng)


def test_stats_import_no_torch() -> None:
    code = (
        "import sys\nfrom ofer_bench.stats import granularity, intervals, paired\n"
        "assert not {'torch', 'scipy', 'statsmodels'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
