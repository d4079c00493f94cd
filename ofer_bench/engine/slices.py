"""Groups of faces by their attributes, so that records tell for whom a number holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

_MOST_VALUES = 24
_BANDS = 3


Group = tuple[str, str, np.ndarray]
"""Attribute, value, and int64 [n] rows of the faces that share it."""


def slices(attributes: pd.DataFrame) -> Iterator[Group]:
    """Yield every group of the faces in ``attributes``, one row per face.

    A numeric attribute with many values is cut into three bands of about equal size, named by their ends. An
    attribute with one value or with more than 24 (such as the subject) makes no groups; nor does a missing value.
    """
    for name in attributes.columns:
        values = attributes[name]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            values = _bands(values)
        known = values.notna().to_numpy()
        text = values.astype(str).to_numpy(dtype=object)
        found = sorted(set(text[known]) - {""})
        if 1 < len(found) <= _MOST_VALUES:
            for value in found:
                yield str(name), value, np.flatnonzero(known & (text == value))


def _bands(values: pd.Series) -> pd.Series:
    """Names of the bands that numbers fall into, or the numbers themselves where they are few."""
    if values.nunique() <= _MOST_VALUES // 2:
        return values
    cut = pd.qcut(values, _BANDS, duplicates="drop")
    ends = values.groupby(cut, observed=True).agg(["min", "max"])
    names = {band: f"{row['min']:.3g} to {row['max']:.3g}" for band, row in ends.iterrows()}
    return cut.map(names).astype(object)
