"""Seeds derived by hashing: independent of order, workers, batch size and operating system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ofer_bench.core.hashing import digest

if TYPE_CHECKING:
    import numpy as np


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

    Weight initialisation and dropout draw from torch's global generators; this is the only place
    where the project touches them.
    """
    import torch

    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
