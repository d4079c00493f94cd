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
    groups = {(key, value): inside for key, value, inside in slices(table)}
    assert {key for key, _ in groups} == {"gender", "seen", "age", "occluder", "repeat"}
    assert groups["gender", "male"].tolist() == [True, False] * 15
    assert groups["seen", "False"].sum() == 20
    assert {value for key, value in groups if key == "occluder"} == {"cup", "hand"}
    bands = {value: inside for (key, value), inside in groups.items() if key == "age"}
    assert len(bands) == 3
    assert sum(bands.values()).tolist() == [1] * 30  # type: ignore[union-attr]
    assert "18 to 37.2" in bands and bands["18 to 37.2"].sum() == 10
    assert groups["repeat", "1"].sum() == 15


def test_a_table_without_attributes_has_no_groups() -> None:
    assert list(slices(pd.DataFrame(index=range(4)))) == []
