"""What the tests have helpers do; in a module of its own, for other processes import it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from ofer_bench.core.errors import SpecError


def tell(folder: Path) -> None:
    """Say who is at work with how many threads, and go on for ever."""
    half = folder / f"{os.getpid()}.half"
    half.write_text(str(torch.get_num_threads()))
    half.rename(half.with_suffix(".told"))
    time.sleep(600)


def refuse() -> None:
    """Fail as the leader will, too."""
    raise SpecError("plan", "no good")
