"""Groups of faces by their attributes, so that records tell for whom a number holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

_MOST_VALUES = 24
_BANDS = 3


def slices(attributes: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield attribute, value and bool [N] of every group of the faces in ``attributes``, one row per face.

    A numeric attribute with many values is cut into three bands of about equal size, named by their ends. An
    attribute with one value or with more than 24 (such as the subject) makes no groups; nor does a missing value.
    """
    for name in attributes.columns:
        values = attributes[name]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            values = _bands(values)
        groups = values.dropna().astype(str)
        groups = groups[groups != ""]
        if 1 < groups.nunique() <= _MOST_VALUES:
            for value in sorted(groups.unique()):
                yield str(name), str(value), (values.astype(str) == value).to_numpy()


def _bands(values: pd.Series) -> pd.Series:
    """Names of the bands that numbers fall into, or the numbers themselves where they are few."""
    if values.nunique() <= _MOST_VALUES // 2:
        return values
    cut = pd.qcut(values, _BANDS, duplicates="drop")
    ends = values.groupby(cut, observed=True).agg(["min", "max"])
    names = {band: f"{row['min']:.3g} to {row['max']:.3g}" for band, row in ends.iterrows()}
    return cut.map(names).astype(object)
