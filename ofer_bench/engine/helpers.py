"""Processes that make stages of a plan beside the process of the run."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ofer_bench.core.errors import OferBenchError
from ofer_bench.engine.crew_processes import end_processes, end_with_parent


@contextmanager
def helped_by(count: int, task: Callable[[], object]) -> Iterator[None]:
    """Have ``count`` processes run ``task`` (picklable) inside the block, and end them at its end.

    All share the threads that torch uses in this one. The store keeps two processes from making the same, and one that
    ends early has let go of its stage, so that the others make it: nobody waits for a helper, or listens to it.
    """
    threads = torch.get_num_threads()
    each = max(1, threads // (count + 1))
    context = multiprocessing.get_context("spawn")
    helpers = [context.Process(target=_help, args=(task, each), name=f"helper-{n + 1}") for n in range(count)]
    try:
        for helper in helpers:
            helper.start()
        if helpers:
            torch.set_num_threads(each)
        yield
    finally:
        torch.set_num_threads(threads)
        end_processes([helper for helper in helpers if helper.pid is not None])


def _help(task: Callable[[], object], threads: int) -> None:
    # The leader is told of Ctrl-C as well, and ends its helpers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        task()
    except OferBenchError:
        # The leader meets it as well, and tells.
        sys.exit(1)
