"""What the engine tells while it works. The command line decides how it looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the course of a run."""

    def begin(self, stages: int, cached: int) -> None:
        """``stages`` lie ahead, of which ``cached`` are in the store already."""
        ...

    def stage(self, label: str) -> None:
        """A stage starts."""
        ...

    def advance(self, done: float, total: float, unit: str) -> None:
        """The current stage has ``done`` of ``total`` units."""
        ...

    def finish(self, label: str, seconds: float) -> None:
        """A stage is stored."""
        ...

    def fail(self, label: str, error: str) -> None:
        """A stage failed; what depends on it is skipped."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...


class Silent:
    """Says nothing."""

    def begin(self, stages: int, cached: int) -> None:
        """Say nothing."""

    def stage(self, label: str) -> None:
        """Say nothing."""

    def advance(self, done: float, total: float, unit: str) -> None:
        """Say nothing."""

    def finish(self, label: str, seconds: float) -> None:
        """Say nothing."""

    def fail(self, label: str, error: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
