"""Groups of faces by attribute."""

import numpy as np
import pandas as pd

from ofer_bench.engine.slices import slices


def test_groups_of_texts_flags_and_numbers() -> None:
    table = pd.DataFrame(
        {
            "subject": [f"s{i}" for i in range(30)],
            "gender": ["male", "female"] * 15,
            "seen": [True] * 10 + [False] * 20,
            "age": np.linspace(18, 80, 30),
            "domain": ["plain"] * 30,
            "occluder": ["cup"] * 5 + [""] * 20 + ["hand"] * 5,
            "repeat": [0, 1] * 15,
        }
    )
    groups = {(key, value): rows.tolist() for key, value, rows in slices(table)}
    assert {key for key, _ in groups} == {"gender", "seen", "age", "occluder", "repeat"}
    assert groups["gender", "male"] == list(range(0, 30, 2))
    assert groups["seen", "False"] == list(range(10, 30))
    assert {value for key, value in groups if key == "occluder"} == {"cup", "hand"}
    bands = {value: rows for (key, value), rows in groups.items() if key == "age"}
    assert len(bands) == 3
    assert sorted(row for rows in bands.values() for row in rows) == list(range(30))
    assert bands["18 to 37.2"] == list(range(10))
    assert groups["repeat", "1"] == list(range(1, 30, 2))


def test_missing_values_make_no_group() -> None:
    table = pd.DataFrame({"age": [20.0, np.nan] * 20, "gender": ["male", None, "female", "female"] * 10})
    groups = {(key, value): rows.tolist() for key, value, rows in slices(table)}
    assert ("age", "nan") not in groups and ("gender", "None") not in groups
    assert groups["gender", "male"] == list(range(0, 40, 4))


def test_a_table_without_attributes_has_no_groups() -> None:
    assert list(slices(pd.DataFrame(index=range(4)))) == []
