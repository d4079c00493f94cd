"""Several processes that train together: as one would, or with their own noise; and what becomes of failures."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ofer_bench.cli.main import app
from ofer_bench.core.errors import ProcessFailed, SpecError
from ofer_bench.engine import training_log
from ofer_bench.engine.crew import ALONE, Crew, current_crew
from ofer_bench.engine.crew_processes import _Others, crew_of
from ofer_bench.engine.training import shuffled_batches, steps_per_epoch
from tests.engine import crew_tasks

FAILED = "process 2 of the 2 that train together"


def results(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(path) for path in sorted(folder.glob("*.pt"))]


def all_ended() -> bool:
    """Whether nothing of a crew is left."""
    return not multiprocessing.active_children() and current_crew() is ALONE and not torch.distributed.is_initialized()


@pytest.fixture(scope="module")
def at_once() -> Iterator[None]:
    """A checkpoint after every epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_log, "CHECKPOINT_EVERY_S", 0.0)
        patch.setattr(training_log, "CHECKPOINT_COST", math.inf)
        yield


@pytest.fixture(scope="module")
def alone(at_once: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process keeps of all trainings."""
    folder = tmp_path_factory.mktemp("alone")
    crew_tasks.train_all(folder, "cpu")
    return results(folder)[0]


@pytest.fixture(scope="module")
def two(at_once: None, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes keeps of them; the second fails afterwards."""
    folder, threads = tmp_path_factory.mktemp("two"), torch.get_num_threads()
    told = f"{FAILED}: ValueError: no luck\n.*--devices 1"
    task = crew_tasks.train_all_and_fail
    with pytest.raises(ProcessFailed, match=told), crew_of(2, "cpu", partial(task, folder)) as crew:
        assert not crew.joined
        try:
            task(folder, "cpu")
        finally:
            assert crew.joined
    assert all_ended()
    assert torch.get_num_threads() == threads
    return results(folder)


@pytest.mark.parametrize("training", ["plain", "partly used", "adversaries"])
def test_two_processes_train_as_one(training: str, alone: dict[str, Any], two: list[dict[str, Any]]) -> None:
    expected, rows = alone[training]
    for state, their_rows in (process[training] for process in two):
        assert set(state) == set(expected)
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value, atol=2e-6, rtol=1e-5)
        for row, theirs in zip(rows, their_rows, strict=True):
            assert theirs == pytest.approx(row, rel=1e-5)


def test_some_gradients_are_there_in_one_process_only() -> None:
    """The premise of the training ``partly used``."""
    rng = np.random.Generator(np.random.PCG64(3))
    seen = set()
    for index in shuffled_batches(crew_tasks.SIZE, 8, rng, 4):
        halves = (crew_tasks.DATA[part, 0] for part in np.array_split(index, 2))
        seen.add(tuple(bool((half > 1.2).any()) for half in halves))
    assert {(True, False), (False, True)} & seen


def test_weights_and_buffers_are_the_same_everywhere_and_noise_is_not(two: list[dict[str, Any]]) -> None:
    (leader, her_noise), (other, his_noise) = (process["random"] for process in two)
    assert all(torch.equal(value, other[name]) for name, value in leader.items())
    assert not torch.equal(leader["1.running_mean"], crew_tasks.random_network().state_dict()["1.running_mean"])
    # Stopped in all after the fifth of six epochs, by scores that the leader alone has seen.
    assert len(her_noise) == len(his_noise) == 5 * 3
    assert len({*her_noise, *his_noise}) == 2 * 5 * 3


def test_the_leader_draws_as_one_process_would(alone: dict[str, Any], two: list[dict[str, Any]]) -> None:
    assert two[0]["random"][1][0] == alone["random"][1][0]


def test_trainings_that_go_wrong_do_so_everywhere(two: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    diverged, undescended = two[0]["complaints"]
    assert two[1]["complaints"] == two[0]["complaints"]
    assert "TrainingDiverged" in diverged and "no finite loss" in diverged
    assert "PluginError: Linear is trained without Step.descend" in undescended and "--devices 1" in undescended
    assert all("TrainingDiverged" in said for said in alone["complaints"])


def test_an_interrupted_crew_ends_as_if_it_had_not_been(two: list[dict[str, Any]]) -> None:
    for process in two:
        (expected, noise), (state, rest) = process["random"], process["resumed"]
        assert all(torch.equal(value, state[name]) for name, value in expected.items())
        assert rest == noise[2 * 3 :]


@pytest.mark.parametrize(
    ("how", "problem"), [("before", "ValueError: no luck"), ("killed", "ended with code 9")], ids=["before", "killed"]
)
def test_a_failing_process_is_reported_at_once(how: str, problem: str) -> None:
    began = time.monotonic()
    with pytest.raises(ProcessFailed, match=f"{FAILED}: {problem}"), crew_of(2, "cpu", partial(crew_tasks.fail, how)):
        crew_tasks.fail(how, "cpu")
    assert time.monotonic() - began < 300  # The group itself would wait for half an hour.
    assert all_ended()


class Dying:
    """A process whose sentinel has fallen, and which counts as alive until it is waited for."""

    def __init__(self, sentinel: int) -> None:
        self.sentinel, self.exitcode = sentinel, None

    def is_alive(self) -> bool:
        return self.exitcode is None

    def join(self, timeout: float) -> None:
        self.exitcode = -9


def test_a_process_that_is_just_dying_has_failed() -> None:
    mine, theirs = multiprocessing.Pipe()
    fallen, other_end = multiprocessing.Pipe(duplex=False)
    other_end.close()
    others = object.__new__(_Others)
    others._size, others._pipes, others._ready, others._failures = 2, [mine], set(), {}
    others._processes = [Dying(fallen.fileno())]
    failure = others.failure(10.0)
    assert failure is not None and f"{FAILED}: ended with code -9" in str(failure)
    theirs.close()


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_the_leaders_own_error_is_told_as_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)), crew_of(2, "cpu", partial(crew_tasks.fail, "never")):
        raise error
    assert all_ended()


LEADER = """
import time
from ofer_bench.engine.crew_processes import _Others, crew_of
from tests.engine.crew_tasks import say_pid
with crew_of(2, "cpu", say_pid):
    time.sleep(60)
"""


def test_no_process_outlives_a_killed_leader() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    leader = subprocess.Popen([sys.executable, "-c", LEADER], stdout=subprocess.PIPE, text=True, env=environment)
    assert leader.stdout is not None
    other = int(leader.stdout.readline())
    assert _lives(other)
    leader.send_signal(signal.SIGKILL)
    leader.wait(10)
    deadline = time.monotonic() + 10
    while _lives(other) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(other)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("size", "batch_size", "processes", "told"),
    [(100, 5, 3, "batches of 5 are too few for 3.*\n.*--devices 2"), (3, 8, 2, "3 training faces.*\n.*--devices 1")],
)
def test_batches_too_small_to_share_are_refused(size: int, batch_size: int, processes: int, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Crew(0, processes).check_batches(size, batch_size)


def test_a_last_batch_too_small_to_share_is_left_out() -> None:
    for size, lengths in ((11, [4, 4]), (12, [4, 4, 4]), (4, [4])):
        batches = list(shuffled_batches(size, 4, np.random.default_rng(0), Crew(0, 2).least_batch))
        assert [len(batch) for batch in batches] == lengths
        assert steps_per_epoch(size, 4, 4) == len(lengths)
    parts = [Crew(rank, 3).part(np.arange(8)) for rank in range(3)]
    assert np.array_equal(np.concatenate(parts), np.arange(8))
    assert [len(part) for part in parts] == [3, 3, 2]


def test_train_on_two_devices(
    face_folder: Path, tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = tmp_path / "d.yaml"
    datasets.write_text(f"datasets:\n  Mine: {{reader: folder, root: {face_folder}, licence: CC0, alignment: none}}\n")
    monkeypatch.setenv("OFER_BENCH_DATASETS", str(datasets))
    options = ["--data", "Mine", "--profile", "smoke", "--device", "cpu"]
    command = ["train", "vit-svdd", "one-class-svm", *options]
    assert CliRunner().invoke(app, ["train", "face-mae", *options]).exit_code == 0
    result = CliRunner().invoke(app, [*command, "--devices", "2"])
    assert result.exit_code == 0, result.output
    found = [json.loads(path.read_text())["meta"] for path in store_dir.glob("artefacts/train/*/artefact.json")]
    # The autoencoder was there, and scikit-learn's fit has no loop to share.
    devices = {meta["component"]: meta.get("devices") for meta in found}
    assert devices == {"face-mae": None, "vit-svdd": 2, "one-class-svm": None}
    # Keys do not tell how many have trained.
    assert "start " not in CliRunner().invoke(app, command).output
