"""Processes that make stages beside the one of the run."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from ofer_bench.engine.helpers import helped_by
from ofer_bench.store.records import read_records
from tests.engine.conftest import ToyRun
from tests.engine.helper_tasks import refuse, tell


def test_helpers_work_inside_the_block_alone_and_share_the_threads(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with helped_by(1, partial(tell, tmp_path)):
            assert torch.get_num_threads() == 2
            deadline = time.monotonic() + 120
            while not (told := list(tmp_path.glob("*.told"))) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert [path.read_text() for path in told] == ["2"]
            assert int(told[0].stem) != os.getpid()
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert [p for p in multiprocessing.active_children() if p.name.startswith("helper")] == []


def test_a_helper_that_fails_takes_nothing_with_it(capfd: pytest.CaptureFixture[str]) -> None:
    with helped_by(1, refuse):
        helper = next(p for p in multiprocessing.active_children() if p.name == "helper-1")
        helper.join(120)
        assert helper.exitcode == 1
    assert "Traceback" not in capfd.readouterr().err


def test_a_run_with_a_helper_makes_and_measures_the_same(toy: ToyRun, tmp_path: Path) -> None:
    config = replace(toy.config, jobs=2)
    execution, _ = toy.again(tmp_path / "run", store=tmp_path / "store", config=config)
    assert execution.failures == {}
    assert set(execution.artefacts) == set(toy.first.artefacts)
    keys = ["split", "occluder", "ratio_lo", "system", "metric_def", "slice_key", "slice_value", "seed"]
    ours, theirs = (
        read_records(path)[keys].sort_values(keys, ignore_index=True) for path in (tmp_path / "run", toy.out)
    )
    pd.testing.assert_frame_equal(ours, theirs)
