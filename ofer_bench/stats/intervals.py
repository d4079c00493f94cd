"""Intervals: Wilson for shares, Student for means, bootstrap for the rest, clusters for repeated faces."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval; ``method`` is what was really computed, also after a fallback."""

    low: float
    high: float
    level: float
    method: str


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Score interval (Wilson 1927) of ``successes`` of ``n``; ValueError unless 0 <= successes <= n and n > 0."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is no share")
    share, z = successes / n, NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends rounding leaves the bound a hair beside 0 or 1.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(low=low, high=high, level=level, method="wilson")


def mean_interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of ``values`` float [N]; NaN for one value or infinite ones."""
    from scipy.stats import t

    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return Interval(low=np.nan, high=np.nan, level=level, method="t")
    mean, half = (
        float(np.mean(values)),
        float(t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)),
    )
    return Interval(low=mean - half, high=mean + half, level=level, method="t")


def bootstrap_interval(
    samples: Sequence[np.ndarray],
    statistic: Callable[..., float],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    method: str = "bca",
) -> Interval:
    """Bootstrap over samples: ``statistic(*samples)`` of arrays [N,...] resampled together, row by row.

    ``method`` is ``bca`` or ``percentile``; BCa falls back to the percentile interval where it is degenerate
    (a statistic that hardly varies). ValueError for arrays of unequal length or fewer than two rows.
    """
    from scipy.stats import DegenerateDataWarning
    from scipy.stats import bootstrap as scipy_bootstrap

    n = len(samples[0])
    if n < 2 or any(len(sample) != n for sample in samples):
        raise ValueError(f"need equally long samples of at least two rows, got {[len(s) for s in samples]}")
    if method not in ("bca", "percentile"):
        raise ValueError(f"unknown bootstrap method {method!r}; use 'bca' or 'percentile'")

    def of_rows(rows: np.ndarray) -> float:
        return statistic(*(sample[rows] for sample in samples))

    def run(name: str) -> tuple[float, float]:
        with warnings.catch_warnings():
            # Degeneracy is seen in the result, as NaN, and told through ``Interval.method``.
            warnings.simplefilter("ignore", DegenerateDataWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            bounds = scipy_bootstrap(
                (np.arange(n),), of_rows, n_resamples=resamples, confidence_level=level, method=name,
                vectorized=False, random_state=rng,
            ).confidence_interval  # fmt: skip
        return float(bounds.low), float(bounds.high)

    low, high = run("BCa" if method == "bca" else "percentile")
    if method == "bca" and not (np.isfinite(low) and np.isfinite(high)):
        method = "percentile"
        low, high = run(method)
    return Interval(low=low, high=high, level=level, method=f"bootstrap-{method}/{resamples}")


def cluster_bootstrap_interval(
    cluster: Sequence[object],
    statistic: Callable[[np.ndarray], float],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """Percentile bootstrap that resamples whole clusters, such as all images of one person.

    ``cluster`` names the cluster of each of N samples; ``statistic`` maps row indices int [M] to a number.
    ValueError for fewer than two clusters.
    """
    _, index = np.unique(np.asarray(cluster), return_inverse=True)
    members = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
    if len(members) < 2:
        raise ValueError("a cluster bootstrap needs at least two clusters")
    values = [
        statistic(np.concatenate([members[c] for c in rng.integers(len(members), size=len(members))]))
        for _ in range(resamples)
    ]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level, method=f"bootstrap-cluster-percentile/{resamples}")
