"""McNemar and Holm against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from ofer_bench.stats.paired import holm, mcnemar


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 200))
def test_mcnemar_equals_statsmodels(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) < 0.8, rng.random(n) < 0.7
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    got = mcnemar(a, b)
    assert got.p_value == pytest.approx(reference_mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert (got.only_a, got.only_b) == (table[0][1], table[1][0])


def test_mcnemar_without_discordant_pairs() -> None:
    same = np.array([True, False, True])
    assert mcnemar(same, same).p_value == 1.0
    with pytest.raises(ValueError, match="not the same samples"):
        mcnemar(same, same[:2])


@pytest.mark.parametrize("size", [1, 2, 12])
def test_holm_equals_statsmodels(size: int) -> None:
    p_values = np.random.default_rng(size).random(size) ** 3
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_holm_equals_its_definition(p_values: list[float]) -> None:
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        # Step down: the largest of (p-values not smaller) x (p-value), over p-values up to this one.
        steps = [q * sum(r >= q for r in p_values) for q in p_values if q <= p]
        assert adjusted == pytest.approx(min(1.0, max(steps)), abs=1e-12)


def test_holm_edges() -> None:
    assert holm([]).size == 0
    with pytest.raises(ValueError, match="in \\[0,1\\]"):
        holm([0.5, 1.2])
