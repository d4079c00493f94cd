"""The same work on many items in a few threads, its results in the order of the items."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Own = TypeVar("Own")


class PerThread(Generic[Own]):
    """Something that every thread makes for itself, since nobody promises that one bears several threads."""

    def __init__(self, make: Callable[[], Own]) -> None:
        self._make, self._local = make, threading.local()

    def get(self) -> Own:
        """Return this thread's own."""
        if not hasattr(self._local, "own"):
            self._local.own = self._make()
        own: Own = self._local.own
        return own


def thread_count(workers: int) -> int:
    """Return ``workers``, or one for every core where it is 0."""
    return workers or os.cpu_count() or 1


def each(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield ``work`` of all ``items`` in their order, done by ``workers`` threads; one that raises ends it."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
