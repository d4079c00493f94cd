"""The training sink of the tests."""

from __future__ import annotations


class Recorder:
    """Remembers what a training tells it: ``rows`` as logged, with their step, and the ``last`` progress."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.last = (0, 0)

    def progress(self, done: int, total: int, unit: str = "images") -> None:
        assert 0 <= done <= total
        self.last = (done, total)

    def log(self, step: int, **values: float) -> None:
        self.rows.append({"step": step, **values})
