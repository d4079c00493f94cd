"""Granularity of reported percentages: over n samples an accuracy can only be k / n.

A value that no k explains may still be right: an average over folds, or another test subset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil, floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Granularity:
    """``counts`` are all k for which k / n, as a percentage, rounds to ``reported``; none = not k / n."""

    reported: str
    n: int
    counts: tuple[int, ...]

    @property
    def possible(self) -> bool:
        """Whether some count of correct samples gives the reported value."""
        return bool(self.counts)


def granularity(reported: str, n: int) -> Granularity:
    """Check a percentage as printed (``"68.1"``: its decimals give the rounding) against ``n`` samples.

    Exact arithmetic; a value half-way between two roundings is accepted for both, since papers round
    either way. ValueError for n < 1 or text that is no percentage in [0,100].
    """
    if n < 1:
        raise ValueError(f"n must be positive, not {n}")
    value, half = _parse(reported)
    first, last = ceil((value - half) * n / 100), floor((value + half) * n / 100)
    return Granularity(reported=reported, n=n, counts=tuple(range(max(first, 0), min(last, n) + 1)))


def consistent_sizes(reported: Iterable[str], sizes: Iterable[int]) -> tuple[int, ...]:
    """Return those of ``sizes`` for which every reported percentage is possible."""
    values = tuple(reported)
    return tuple(n for n in sizes if all(granularity(value, n).possible for value in values))


def _parse(reported: str) -> tuple[Fraction, Fraction]:
    """The percentage and half a unit of its last decimal."""
    try:
        number = Decimal(reported)
    except InvalidOperation:
        raise ValueError(f"{reported!r} is no percentage") from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not 0 <= number <= 100:
        raise ValueError(f"{reported!r} is no percentage in [0, 100]")
    return Fraction(number), Fraction(1, 2) * Fraction(10) ** min(exponent, 0)
