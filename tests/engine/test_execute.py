"""Execution of small plans whose stages fail in every way."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ofer_bench.core.errors import DatasetMissing, StoreError
from ofer_bench.engine.execute import execute
from ofer_bench.engine.progress import Silent
from ofer_bench.engine.stages import Plan, Workspace
from ofer_bench.store.artefacts import Store

Producer = Callable[[Workspace, Path], Mapping[str, Any]]


def raising(error: Exception) -> Producer:
    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        raise error

    return produce


def good(work: Workspace, folder: Path) -> Mapping[str, Any]:
    return {}


def plan_with(error: Exception) -> Plan:
    plan = Plan()
    plan.add("bad", "split", {"n": 1}, (), raising(error))
    plan.add("needs bad", "detect", {"n": 2}, ("bad",), good)
    plan.add("good", "split", {"n": 3}, (), good)
    return plan


MISSING = DatasetMissing("X", root="/no/such", hint="get it")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no luck"), FileNotFoundError(errno.ENOENT, "weights"), TimeoutError("no answer"), MISSING],
    ids=lambda e: type(e).__name__,
)
def test_a_failing_stage_takes_only_its_dependants(error: Exception, tmp_path: Path) -> None:
    done = execute(plan_with(error), Store(tmp_path), "cpu", Silent(), missing_data_is_fatal=False)
    assert set(done.failures) == {"bad", "needs bad"}
    assert set(done.artefacts) == {"good"}
    assert str(error) in done.failures["bad"]
    assert done.failures["needs bad"].startswith("needs bad, which failed: ")


def test_missing_data_ends_a_run_that_has_no_other(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissing):
        execute(plan_with(MISSING), Store(tmp_path), "cpu", Silent())


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StoreError, match="free disk space"):
        execute(plan_with(full), Store(tmp_path), "cpu", Silent(), missing_data_is_fatal=False)


def test_two_at_once_share_the_stages(tmp_path: Path) -> None:
    made: list[str] = []
    second_made = threading.Event()

    def first(work: Workspace, folder: Path) -> Mapping[str, Any]:
        # Only another executor can make the second while this one is at the first.
        assert second_made.wait(30)
        made.append("first")
        return {}

    def second(work: Workspace, folder: Path) -> Mapping[str, Any]:
        made.append("second")
        second_made.set()
        return {}

    plan = Plan()
    plan.add("first", "split", {"n": 1}, (), first)
    plan.add("second", "split", {"n": 2}, (), second)
    plan.add("third", "detect", {"n": 3}, ("first", "second"), good)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(execute, plan, Store(tmp_path), "cpu", Silent()) for _ in range(2)]
        both = [run.result(60) for run in runs]
    assert made == ["second", "first"]
    for done in both:
        assert set(done.artefacts) == {"first", "second", "third"}
        assert done.failures == {}
