"""The process group of several local processes, set up by Lightning Fabric (whose import takes seconds)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed
from lightning_fabric.accelerators import CPUAccelerator, CUDAAccelerator
from lightning_fabric.plugins.environments import ClusterEnvironment
from lightning_fabric.strategies import DDPStrategy

TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others; validation and checkpoints are the leader's, so it has to be generous."""
LOCAL = "127.0.0.1"


class LocalProcesses(ClusterEnvironment):
    """Processes of one machine that exist already: this is ``rank`` of ``size``, the leader listens at ``port``."""

    def __init__(self, rank: int, size: int, port: int) -> None:
        self._rank, self._size, self._port = rank, size, port

    @property
    def creates_processes_externally(self) -> bool:
        """Fabric has to start none."""
        return True

    @property
    def main_address(self) -> str:
        """This machine."""
        return LOCAL

    @property
    def main_port(self) -> int:
        """The leader's port."""
        return self._port

    @staticmethod
    def detect() -> bool:
        """Never chosen by itself."""
        return False

    def world_size(self) -> int:
        """Return the number of processes."""
        return self._size

    def set_world_size(self, size: int) -> None:
        """Keep the size: it is fixed."""

    def global_rank(self) -> int:
        """Return the number of this process, from 0."""
        return self._rank

    def set_global_rank(self, rank: int) -> None:
        """Keep the rank: it is fixed."""

    def local_rank(self) -> int:
        """Return the number of this process on its machine, from 0."""
        return self._rank

    def node_rank(self) -> int:
        """Return the number of the machine: there is one."""
        return 0


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


def join_group(rank: int, size: int, device_type: str, port: int) -> torch.device:
    """Join the group of ``size`` processes (nccl on CUDA, gloo on the CPU) and return this process's device."""
    cuda = device_type == "cuda"
    devices = [torch.device("cuda", n) if cuda else torch.device("cpu") for n in range(size)]
    strategy = DDPStrategy(
        accelerator=CUDAAccelerator() if cuda else CPUAccelerator(),
        parallel_devices=devices,
        cluster_environment=LocalProcesses(rank, size, port),
        timeout=TIMEOUT,
    )
    with _without_traces():
        strategy.setup_environment()
    return devices[rank]


def leave_group() -> None:
    """Leave the group, whether the others are still there or not."""
    if not torch.distributed.is_initialized():
        return
    if torch.distributed.get_backend() == "nccl":
        # Destroying waits for processes that may be gone.
        torch.distributed.distributed_c10d._abort_process_group()
    else:
        torch.distributed.destroy_process_group()


@contextmanager
def _without_traces() -> Iterator[None]:
    """Keep Fabric's banner out of the progress view, and its variables out of this process's later groups."""
    names = ("MASTER_ADDR", "MASTER_PORT")
    before = {name: os.environ.get(name) for name in names}
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
