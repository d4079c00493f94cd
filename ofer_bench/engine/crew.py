"""The processes that train one component together: each has its part of every batch, all have the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn

from ofer_bench.core.errors import PluginError, SpecError
from ofer_bench.core.seeding import derive_seed

LEAST_PART = 2
"""Fewest samples that a process trains on at once: batch norm needs two."""


class Crew:
    """Process ``rank`` of ``size`` processes; of one process nothing here changes anything.

    ``muster`` waits for the others, joins the process group and returns the device on which to talk to them; ``pause``
    sleeps a moment while they are awaited, and raises where one is gone.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        muster: Callable[[], torch.device] | None = None,
        pause: Callable[[], None] | None = None,
    ) -> None:
        self.rank, self.size = rank, size
        self._muster, self._pause = muster, pause
        self._device: torch.device | None = None
        self._averaged = False

    @property
    def leads(self) -> bool:
        """Whether this process is the one that validates, logs and stores."""
        return self.rank == 0

    @property
    def joined(self) -> bool:
        """Whether a training loop has brought the processes together."""
        return self._device is not None

    @property
    def least_batch(self) -> int:
        """Fewest samples of a batch that all can share."""
        return LEAST_PART * self.size

    def check_batches(self, size: int, batch_size: int) -> None:
        """Raise SpecError where ``size`` samples in batches of ``batch_size`` are too few to share."""
        if self.size == 1 or min(size, batch_size) >= self.least_batch:
            return
        few = f"batches of {batch_size}" if batch_size < self.least_batch else f"{size} training faces"
        raise SpecError(
            "--devices",
            f"{few} are too few for {self.size} processes, each of which needs {LEAST_PART} at least",
            hint=f"use --devices {max(1, min(size, batch_size) // LEAST_PART)}, or a larger batch_size in the recipe",
        )

    def join(self, modules: Iterable[nn.Module]) -> None:
        """Come together, and take the weights of ``modules`` from the leader."""
        if self._muster is None:
            return
        if self._device is None:
            self._device = self._muster()
        self._averaged = False
        self._take([tensor for module in modules for tensor in (*module.parameters(), *module.buffers())])

    def level(self, modules: Iterable[nn.Module]) -> None:
        """Take the buffers of ``modules`` from the leader; batch norm has seen other faces in every process."""
        if self.size > 1:
            self._take([tensor for module in modules for tensor in module.buffers()])

    def part(self, index: np.ndarray) -> np.ndarray:
        """Return this process's part of a batch; the parts differ in length by one at most."""
        return index if self.size == 1 else np.array_split(index, self.size)[self.rank]

    def seed(self, seed: int, epoch: int) -> int | None:
        """Return the seed of what this process draws in an epoch; None for the leader, which draws as one alone."""
        return None if self.leads else derive_seed("crew", seed, epoch, self.rank)

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter], share: float) -> None:
        """Make each gradient the sum over processes, weighted by the ``share`` of the batch that each has seen.

        One without a gradient in any process keeps none.
        """
        if self.size == 1:
            return
        self._averaged = True
        for group in _by_dtype([p for p in parameters if p.requires_grad]):
            flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in group])
            # The same call tells who has a gradient at all.
            has = flat.new_tensor([p.grad is not None for p in group])
            flat = torch.cat([flat.mul_(share), has])
            self._wait(torch.distributed.all_reduce(flat, async_op=True))
            complete = all(p.grad is not None for p in group)
            somewhere = [True] * len(group) if complete else (flat[-len(group) :] > 0).tolist()
            for p, mean, there in zip(group, _pieces(flat, group), somewhere, strict=True):
                if p.grad is not None:
                    p.grad.copy_(mean)
                elif there:
                    p.grad = torch.empty_like(p).copy_(mean)

    def check_averaged(self, what: str) -> None:
        """Raise PluginError where weights must have been changed past :meth:`average_gradients`."""
        if self.size > 1 and not self._averaged:
            raise PluginError(
                f"{what} is trained without Step.descend, so {self.size} processes would train one network each",
                hint="use --devices 1",
            )

    def summed(self, values: Sequence[float]) -> list[float]:
        """Return the sums over all processes."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self._device)
        self._wait(torch.distributed.all_reduce(total, async_op=True))
        return total.tolist()

    def told(self, value: float) -> float:
        """Return the leader's ``value``; that of the others is ignored."""
        if self.size == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64, device=self._device)
        self._wait(torch.distributed.broadcast(said, 0, async_op=True))
        return float(said)

    @torch.no_grad()
    def _take(self, tensors: list[Tensor]) -> None:
        for group in _by_dtype(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in group])
            if not flat.numel():
                continue
            self._wait(torch.distributed.broadcast(flat, 0, async_op=True))
            for tensor, told in zip(group, _pieces(flat, group), strict=True):
                tensor.copy_(told)

    def _wait(self, work: torch.distributed.Work | None) -> None:
        assert work is not None and self._pause is not None
        # Blocked inside the call, a process would neither see that another has died nor hear Ctrl-C.
        while not work.is_completed():
            self._pause()
        work.wait()


def _by_dtype(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return list(groups.values())


def _pieces(flat: Tensor, like: Sequence[Tensor]) -> Iterator[Tensor]:
    """Cut from the front of ``flat`` a tensor of the shape of each of ``like``."""
    start = 0
    for tensor in like:
        yield flat[start : start + tensor.numel()].view(tensor.shape)
        start += tensor.numel()


ALONE = Crew()
_crew: ContextVar[Crew] = ContextVar("crew", default=ALONE)


def current_crew() -> Crew:
    """Return the crew that this training belongs to; one process alone unless :func:`in_crew` says otherwise."""
    return _crew.get()


@contextmanager
def in_crew(crew: Crew) -> Iterator[Crew]:
    """Train as one of ``crew`` inside the block."""
    token = _crew.set(crew)
    try:
        yield crew
    finally:
        _crew.reset(token)
