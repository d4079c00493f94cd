"""Seeds derived by hashing: independent of order, workers, batch size and operating system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ofer_bench.core.hashing import digest

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor


def derive_seed(*parts: Any) -> int:
    """Hash JSON-like parts to a seed in [0, 2**63)."""
    return int(digest(list(parts))[:16], 16) >> 1


def derive_rng(*parts: Any) -> np.random.Generator:
    """Return a NumPy generator seeded by :func:`derive_seed`."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive_seed(*parts)))


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Run a block under a fixed torch seed (all devices) and restore the caller's state after it.

    Weight initialisation and dropout draw from torch's global generators; this module is the only place
    where the project touches them.
    """
    import torch

    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def reseed_torch(seed: int) -> None:
    """Seed the global generators of all devices; call it inside :func:`torch_seed`, which undoes it."""
    import torch

    torch.manual_seed(seed)


def torch_state(device: torch.device) -> list[Tensor]:
    """Return the state of the global generators that work on ``device`` draws from: the CPU's, and a GPU's own."""
    import torch

    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def restore_torch_state(state: list[Tensor], device: torch.device) -> None:
    """Go on where :func:`torch_state` was asked; call it inside :func:`torch_seed`, which undoes it."""
    import torch

    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
