"""Granularity: facts of the paper's tables, and brute force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofer_bench.stats.granularity import consistent_sizes, granularity


def test_fed_ro_rows() -> None:
    assert not granularity("68.1", 400).possible
    assert granularity("71.8", 400).counts == (287,)


def test_occlusion_raf_db_rows() -> None:
    for n in (734, 735):
        assert not granularity("82.5", n).possible
    assert all(granularity(value, 735).possible for value in ("55.4", "82.7", "84.2"))


def test_occlusion_affectnet_fits_no_single_size() -> None:
    values = ("43.4", "58.5", "64.0", "66.1", "66.5")
    assert consistent_sizes(values, (592, 682, 683)) == ()
    assert [granularity(v, 592).possible for v in values] == [True, False, True, False, False]
    assert [granularity(v, 682).possible for v in values] == [True, True, False, True, False]
    assert granularity("64.0", 683).possible and granularity("66.5", 683).possible


@given(n=st.integers(1, 3000), data=st.data(), decimals=st.integers(0, 2))
def test_every_true_share_is_possible(n: int, data: st.DataObject, decimals: int) -> None:
    count = data.draw(st.integers(0, n))
    assert count in granularity(f"{100 * count / n:.{decimals}f}", n).counts


@given(n=st.integers(1, 300), tenths=st.integers(0, 1000))
def test_counts_equal_brute_force(n: int, tenths: int) -> None:
    # |100 k / n - tenths / 10| <= 0.05, in integers.
    expected = tuple(k for k in range(n + 1) if abs(2000 * k - 2 * tenths * n) <= n)
    assert granularity(f"{tenths / 10:.1f}", n).counts == expected


@pytest.mark.parametrize("text", ["abc", "101.0", "-1", "NaN", "inf"])
def test_bad_text_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no percentage"):
        granularity(text, 10)
    with pytest.raises(ValueError, match="positive"):
        granularity("50", 0)
