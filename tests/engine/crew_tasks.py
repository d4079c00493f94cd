"""Trainings for several processes: what a new process imports has to be light, and importable by name."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.core.errors import OferBenchError
from ofer_bench.core.seeding import torch_seed
from ofer_bench.engine.crew import current_crew
from ofer_bench.engine.pool import ComponentPool
from ofer_bench.engine.stages import Workspace
from ofer_bench.engine.training import Step, fit_epochs, optimiser, run_epochs
from ofer_bench.engine.training_log import FollowingLog, TrainingLog
from ofer_bench.spec.profile import Recipe
from tests.recorder import Recorder

SIZE = 21
"""In batches of 8 the last has 5: two processes get 3 and 2."""
DATA = torch.randn(SIZE, 3, generator=torch.Generator().manual_seed(1))
RECIPE = Recipe(epochs=3, batch_size=8, lr=0.05)
SCORES = [0.1, 0.5, 0.3, 0.2, 0.4, 0.1]


Task = Callable[[Path, str], None]


class PartlyUsed(nn.Module):
    """``idle`` is never used, ``odd`` only by samples whose first value is large: mostly by one process, or none."""

    def __init__(self) -> None:
        super().__init__()
        with torch_seed(0):
            self.base, self.odd, self.idle = nn.Linear(3, 1), nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        out, rare = self.base(x), x[:, 0] > 1.2
        return out + torch.where(rare[:, None], self.odd(x), 0.0) if rare.any() else out


def plain() -> tuple[Mapping[str, Tensor], list[dict[str, float]]]:
    """Train with neither batch norm nor augmentation; the first batches are clipped."""
    with torch_seed(0):
        module, sink = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)), Recorder()

    def loss_of(index: np.ndarray, generator: torch.Generator) -> Tensor:
        return 9 * (module(DATA[index]) - DATA[index].sum(dim=1, keepdim=True)).square().mean()

    fit_epochs(module, RECIPE, SIZE, loss_of, 3, sink)
    return module.state_dict(), sink.rows


def partly_used() -> tuple[Mapping[str, Tensor], list[dict[str, float]]]:
    """Train where some gradients are there in one process alone, or in none."""
    module, sink = PartlyUsed(), Recorder()

    def loss_of(index: np.ndarray, generator: torch.Generator) -> Tensor:
        return (module(DATA[index]) - DATA[index].sum(dim=1, keepdim=True)).square().mean()

    fit_epochs(module, RECIPE, SIZE, loss_of, 3, sink)
    assert all(p.grad is None for p in module.idle.parameters())
    return module.state_dict(), sink.rows


def adversaries() -> tuple[Mapping[str, Tensor], list[dict[str, float]]]:
    """Train two networks with an optimiser each, one against the other."""
    with torch_seed(0):
        maker, critic, sink = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)), Recorder()
    for_maker, for_critic = optimiser(maker.parameters(), RECIPE), optimiser(critic.parameters(), RECIPE)

    def update(index: np.ndarray, generator: torch.Generator, step: Step) -> dict[str, Tensor]:
        made = maker(DATA[index])
        critic.requires_grad_(False)
        loss = -critic(made).mean()
        step.descend(for_maker, loss)
        critic.requires_grad_(True)
        critic_loss = (critic(made.detach()) - critic(DATA[index] + 1)).square().mean()
        step.descend(for_critic, critic_loss)
        return {"loss": loss.detach(), "critic_loss": critic_loss.detach()}

    beside = {"critic": critic, "for_maker": for_maker, "for_critic": for_critic}
    run_epochs(maker, RECIPE, SIZE, update, 3, sink, beside=beside)
    critics = {f"critic.{name}": value for name, value in critic.state_dict().items()}
    return {**maker.state_dict(), **critics}, sink.rows


def random_network() -> nn.Sequential:
    """Draws from every generator and has buffers."""
    with torch_seed(0):
        return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))


def random(sink: Recorder | TrainingLog, stop_in: int | None = None) -> tuple[Mapping[str, Tensor], list[float]]:
    """Train with batch norm, dropout, noise and scores that only the leader knows, for six epochs at most.

    It is interrupted in the middle of the epoch ``stop_in``. Returns the weights, and a noise of each batch.
    """
    module, noises = random_network(), list[float]()

    def loss_of(index: np.ndarray, generator: torch.Generator) -> Tensor:
        if stop_in is not None and len(noises) == 3 * stop_in + 1:
            raise KeyboardInterrupt
        noise = torch.randn(len(index), 1, generator=generator)
        noises.append(float(noise[0]))
        return (module(DATA[index]) - DATA[index].sum(dim=1, keepdim=True) - 0.1 * noise).square().mean()

    def validate() -> float:
        assert current_crew().leads
        return SCORES[len(sink.rows)]

    recipe = Recipe(epochs=6, batch_size=8, lr=0.05, patience=3)
    with torch_seed(7):
        fit_epochs(module, recipe, SIZE, loss_of, 3, sink, validate)
    return module.state_dict(), noises


def resumed(scratch: Path) -> tuple[Mapping[str, Tensor], list[float]]:
    """Do the random training with the logs of the harness, interrupted once."""
    log = TrainingLog if current_crew().leads else FollowingLog
    try:
        random(log(workspace(scratch)), 2)
    except KeyboardInterrupt:
        return random(log(workspace(scratch)))
    raise AssertionError("not interrupted")


def complaints() -> list[str]:
    """Return what a training says that comes to no number, and one that changes weights behind the harness's back."""
    module, said = nn.Linear(3, 1), []
    for update in (
        lambda index, step: step.descend(optimiser(module.parameters(), RECIPE), module(DATA[index]).mean() * math.nan),
        lambda index, step: None,
    ):
        try:
            run_epochs(
                module,
                RECIPE,
                SIZE,
                lambda index, generator, step, update=update: update(index, step) or {"loss": torch.tensor(math.nan)},
                0,
                Recorder(),
                beside={},
            )
        except OferBenchError as error:
            said.append(f"{type(error).__name__}: {error}")
    return said


def train_all(folder: Path, device: str) -> None:
    """Do all trainings above, one after the other, and keep what came of them."""
    done = {"plain": plain(), "partly used": partly_used(), "adversaries": adversaries(), "random": random(Recorder())}
    keep(folder, {**done, "resumed": resumed(folder / "scratch"), "complaints": complaints()})


def train_all_and_fail(folder: Path, device: str) -> None:
    """Do all that, then :func:`fail` in the middle of a training."""
    train_all(folder, device)
    fail("raises", device)


def workspace(scratch: Path) -> Workspace:
    return Workspace(
        artefact=lambda name: exit(f"no artefact {name}"),
        pool=ComponentPool("cpu", lambda stage: scratch),
        device="cpu",
        advance=lambda done, total, unit: None,
        scratch=scratch,
    )


def fail(how: str, device: str) -> None:
    """Fail in another process, in the middle of a training or before it; the leader goes on."""
    module, batches = nn.Linear(3, 1), [0]
    if how == "before" and not current_crew().leads:
        raise ValueError("no luck")

    def loss_of(index: np.ndarray, generator: torch.Generator) -> Tensor:
        batches[0] += 1
        if batches[0] == 2 and not current_crew().leads:
            if how == "killed":
                os._exit(9)
            raise ValueError("no luck")
        return module(DATA[index]).mean()

    fit_epochs(module, RECIPE, SIZE, loss_of, 0, Recorder())


def say_pid(device: str) -> None:
    """Be busy outside of any training loop."""
    print(os.getpid(), flush=True)
    time.sleep(60)


def keep(folder: Path, results: object) -> None:
    """Write what this process has come to; the leader waits for the others, which end when it does."""
    rank, size = current_crew().rank, current_crew().size
    folder.mkdir(exist_ok=True)
    torch.save(results, folder / f"{rank}.partial")
    (folder / f"{rank}.partial").rename(folder / f"{rank}.pt")
    deadline = time.monotonic() + 60
    while rank == 0 and len(list(folder.glob("*.pt"))) < size and time.monotonic() < deadline:
        time.sleep(0.02)
