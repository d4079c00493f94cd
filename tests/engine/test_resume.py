"""Trainings that are interrupted and go on, and trainings that end early."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ofer_bench.core.errors import SpecError, TrainingDiverged
from ofer_bench.core.seeding import torch_seed
from ofer_bench.engine import training_log
from ofer_bench.engine.pool import ComponentPool
from ofer_bench.engine.stages import Workspace
from ofer_bench.engine.training import fit_epochs
from ofer_bench.engine.training_log import TrainingLog
from ofer_bench.spec.profile import Recipe
from tests.recorder import Recorder

EPOCHS = 6
SCORES = [0.1, 0.5, 0.3, 0.2, 0.4, 0.1]


def workspace(scratch: Path) -> Workspace:
    return Workspace(
        artefact=lambda name: pytest.fail("no artefact"),
        pool=ComponentPool("cpu", lambda stage: scratch),
        device="cpu",
        advance=lambda done, total, unit: None,
        scratch=scratch,
    )


def network() -> nn.Sequential:
    """Draws from every generator and has a state besides its parameters: dropout, batch norm."""
    with torch_seed(0):
        return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))


def train(
    sink: Recorder | TrainingLog, stop: Callable[[int], None] = lambda epoch: None, *, scored: bool = True
) -> nn.Module:
    """Train for six epochs; ``stop`` is asked in the middle of each."""
    module = network()
    data = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    seen = [0]

    def loss_of(index: np.ndarray, generator: torch.Generator) -> torch.Tensor:
        # The epoch is told by the log: a training that goes on begins in the middle of them.
        if seen[0] % 5 == 3:
            stop(len(sink.rows))
        seen[0] += 1
        noise = torch.randn(len(index), 1, generator=generator)
        return (module(data[index]) - data[index].sum(dim=1, keepdim=True) - 0.1 * noise).square().mean()

    def validate() -> float:
        return SCORES[len(sink.rows)]

    with torch_seed(7):
        fit_epochs(
            module,
            Recipe(epochs=EPOCHS, batch_size=4, lr=0.05),
            20,
            loss_of,
            3,
            sink,
            validate if scored else None,
        )
    return module


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every epoch."""
    monkeypatch.setattr(training_log, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(training_log, "CHECKPOINT_COST", math.inf)


def interrupt(at: int) -> Callable[[int], None]:
    def stop(epoch: int) -> None:
        if epoch == at:
            raise KeyboardInterrupt

    return stop


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("scored", [True, False])
def test_an_interrupted_training_ends_as_if_it_had_not_been(scored: bool, tmp_path: Path) -> None:
    whole = Recorder()
    expected = train(whole, scored=scored)
    for at in (2, 4):
        with pytest.raises(KeyboardInterrupt):
            train(TrainingLog(workspace(tmp_path)), interrupt(at), scored=scored)
    log, epochs = TrainingLog(workspace(tmp_path)), []
    assert same(train(log, epochs.append, scored=scored), expected)
    assert epochs == [4, 5]
    assert log.rows == whole.rows
    assert log.resumed


@pytest.mark.usefixtures("at_once")
def test_a_training_that_had_ended_is_not_trained_again(tmp_path: Path) -> None:
    expected = train(TrainingLog(workspace(tmp_path)))
    # A kill in the middle of writing leaves this beside the checkpoint before.
    (tmp_path / ".partial-loop1.ckpt").write_bytes(b"half")
    assert same(train(TrainingLog(workspace(tmp_path)), lambda epoch: pytest.fail("trained")), expected)


@pytest.mark.usefixtures("at_once")
def test_loops_of_one_fit_keep_apart(tmp_path: Path) -> None:
    def two(log: TrainingLog, stop: Callable[[int], None] = lambda epoch: None) -> tuple[nn.Module, nn.Module]:
        return train(log, scored=False), train(log, stop, scored=False)

    expected = two(TrainingLog(workspace(tmp_path / "other")))
    with pytest.raises(KeyboardInterrupt):
        two(TrainingLog(workspace(tmp_path / "mine")), interrupt(EPOCHS + 2))
    log = TrainingLog(workspace(tmp_path / "mine"))
    assert all(same(a, b) for a, b in zip(two(log), expected, strict=True))
    assert [row["step"] for row in log.rows] == [*range(EPOCHS), *range(EPOCHS)]


@pytest.mark.usefixtures("at_once")
def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path: Path) -> None:
    expected = train(TrainingLog(workspace(tmp_path)))
    (file,) = tmp_path.iterdir()
    for damaged in (file.read_bytes()[:-200], b"", b"nonsense"):
        file.write_bytes(damaged)
        log = TrainingLog(workspace(tmp_path))
        assert same(train(log), expected)
        assert not log.resumed


def test_short_trainings_write_no_checkpoint(tmp_path: Path) -> None:
    train(TrainingLog(workspace(tmp_path / "scratch")))
    assert not (tmp_path / "scratch").exists()


def test_slow_writing_makes_checkpoints_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, kept = [0.0], []

    def state() -> dict[str, int]:
        clock[0] += 3.0
        kept.append(clock[0])
        return {}

    monkeypatch.setattr(training_log.time, "monotonic", lambda: clock[0])
    log = TrainingLog(workspace(tmp_path))
    log.restored()
    for _ in range(150):
        clock[0] += 1.0
        log.keep(state)
    # Twenty seconds after the start, then after twenty times the three seconds that writing takes.
    assert kept == [23.0, 86.0, 149.0]


def _scored(scores: list[float], patience: int | None, epochs: int = 8) -> tuple[nn.Module, Recorder, list[float]]:
    """Train a weight that falls in every epoch, to be told by it which epoch was kept."""
    module, sink, weights = nn.Linear(1, 1, bias=False), Recorder(), []
    nn.init.ones_(module.weight)

    def validate() -> float:
        weights.append(module.weight.item())
        return scores[len(weights) - 1]

    recipe = Recipe(epochs=epochs, batch_size=4, lr=0.1, warmup_epochs=0, patience=patience)
    fit_epochs(module, recipe, 4, lambda index, generator: module.weight.sum(), 0, sink, validate)
    return module, sink, weights


@pytest.mark.parametrize(
    ("patience", "scores", "trained", "best"),
    [
        (None, [3, 2, 2, 2, 2, 2, 2, 2], 8, 0),
        (2, [1, 3, 2, 3, 9, 9, 9, 9], 4, 1),
        (1, [1, 2, 3, 4, 5, 6, 7, 8], 8, 7),
        (3, [1, 2, math.nan, math.nan, 3, 1, 2, 2], 8, 4),
        (7, [3, 2, 2, 2, 2, 2, 2, 2], 8, 0),
    ],
)
def test_patience_counts_epochs_without_a_better_score(
    patience: int | None, scores: list[float], trained: int, best: int
) -> None:
    module, sink, weights = _scored(scores, patience)
    assert len(weights) == len(sink.rows) == trained
    assert module.weight.item() == weights[best]
    assert [row["step"] for row in sink.rows if "stopped_early" in row] == ([trained - 1] if trained < 8 else [])


def test_a_training_without_any_score_ends_early_too() -> None:
    with pytest.raises(TrainingDiverged, match="no finite score"):
        _scored([math.nan] * 3, 3)


def test_the_rate_is_planned_for_all_epochs() -> None:
    stopped = _scored([3, 2, 2], 2)[2]
    assert stopped == _scored([3, 2, 2, 2, 2, 2, 2, 2], None)[2][:3]


@pytest.mark.usefixtures("at_once")
def test_patience_outlives_an_interruption(tmp_path: Path) -> None:
    def fit(log: TrainingLog, scores: list[float]) -> None:
        left = iter(scores)
        recipe = Recipe(epochs=9, batch_size=4, lr=0.1, patience=3)
        module = nn.Linear(1, 1)

        def validate() -> float:
            score = next(left)
            if score < 0:
                raise KeyboardInterrupt
            return score

        fit_epochs(module, recipe, 4, lambda index, generator: module.weight.sum(), 0, log, validate)

    with pytest.raises(KeyboardInterrupt):
        fit(TrainingLog(workspace(tmp_path)), [2, 1, -1])
    log = TrainingLog(workspace(tmp_path))
    fit(log, [1, 1])
    assert [row["score"] for row in log.rows] == [2, 1, 1, 1]
    assert log.rows[-1]["stopped_early"] == 1


def test_patience_without_a_score_is_refused() -> None:
    module = nn.Linear(1, 1)
    recipe = Recipe(epochs=2, batch_size=4, lr=0.1, patience=1)
    with pytest.raises(SpecError, match=r"Linear has no validation score.*\n.*leave patience out"):
        fit_epochs(module, recipe, 4, lambda index, generator: module.weight.sum(), 0, Recorder())
