"""What the engine gives to the readers of data sets: a scratch folder of the stage's own, and threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ofer_bench.core.types import Card, SplitData
from ofer_bench.engine.execute import execute
from ofer_bench.engine.produce_data import split_producer
from ofer_bench.engine.progress import Silent
from ofer_bench.engine.stages import Plan
from ofer_bench.store.artefacts import Store
from tests.conftest import toy_faces

CARD = Card(id="toy", kind="dataset", version="1", title="Toy")
Advance = Callable[[float, float, str], None]


def data() -> SplitData:
    return SplitData(faces=toy_faces(7), attributes=[{} for _ in range(7)])


class Plain:
    """A reader that knows neither option."""

    def read(self, part: str, device: str, advance: Advance) -> SplitData:
        return data()


class Slow:
    """Leaves a file in its scratch folder, and stops the first time."""

    def __init__(self) -> None:
        self.calls: list[tuple[Path, int, bool]] = []

    def read(
        self, part: str, device: str, advance: Advance, scratch: Path | None = None, workers: int = 0
    ) -> SplitData:
        assert scratch is not None
        left = scratch / "finished"
        self.calls.append((scratch, workers, left.exists()))
        scratch.mkdir(exist_ok=True)
        left.touch()
        if len(self.calls) == 1:
            raise KeyboardInterrupt
        return data()


def plan(reader: Any, version: int = 1) -> Plan:
    made = Plan()
    made.add("split/Toy/test", "split", {"version": version}, (), split_producer(CARD, reader, "test"))
    return made


def test_a_reader_without_options_is_read(tmp_path: Path) -> None:
    done = execute(plan(Plain()), Store(tmp_path), "cpu", Silent(), workers=3)
    assert done.failures == {}


def test_scratch_outlives_an_interruption_and_goes_after_success(tmp_path: Path) -> None:
    reader, store = Slow(), Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(plan(reader), store, "cpu", Silent(), workers=3)
    assert reader.calls[0][0].is_dir()
    execute(plan(reader), store, "cpu", Silent(), workers=3)
    (scratch, workers, found), (again, _, found_again) = reader.calls
    assert (scratch.parent, workers) == (tmp_path / "partial", 3)
    assert again == scratch
    assert (found, found_again) == (False, True)
    assert list((tmp_path / "partial").iterdir()) == []


def test_what_another_request_left_is_not_found(tmp_path: Path) -> None:
    reader, store = Slow(), Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(plan(reader, version=1), store, "cpu", Silent())
    execute(plan(reader, version=2), store, "cpu", Silent())
    assert reader.calls[1][2] is False
