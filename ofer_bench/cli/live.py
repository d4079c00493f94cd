"""How a run looks while it works: a live view in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from ofer_bench.cli.pace import Pace

PLAIN_INTERVAL_S = 15.0


class LiveView:
    """Rich progress: one bar for the run, one for the current stage, with items per second and time left."""

    def __init__(self, console: Console) -> None:
        self._console, self._pace = console, Pace(0.0)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}", style="cyan"),
            TimeElapsedColumn(),
            console=console,
            expand=True,
        )
        self._run = self._bars.add_task("run", total=None, rate="")
        self._stage = self._bars.add_task("", total=None, rate="", visible=False)
        self._started = 0.0

    def __enter__(self) -> LiveView:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def begin(self, stages: int, cached: int) -> None:
        """Show the size of the plan."""
        self._bars.update(self._run, total=stages, completed=cached, rate=f"{cached} cached")

    def stage(self, label: str) -> None:
        """Start the second bar."""
        self._started = time.perf_counter()
        self._bars.reset(self._stage, total=None, description=short(label, self._console.width), rate="", visible=True)

    def advance(self, done: float, total: float, unit: str) -> None:
        """Move the second bar."""
        if self._pace.started != self._started:
            self._pace = Pace(self._started)
        rate = self._pace.tell(time.perf_counter(), done, total, unit)
        self._bars.update(self._stage, total=total, completed=min(done, total), rate=rate)

    def finish(self, label: str, seconds: float) -> None:
        """Print a line for what is done."""
        self._bars.advance(self._run)
        self._bars.update(self._stage, visible=False)
        if seconds >= 1.0:
            self._console.print(Text.assemble(("  done ", "green"), label, (f"  {seconds:.1f} s", "dim")))

    def fail(self, label: str, error: str) -> None:
        """Print what went wrong."""
        self._bars.update(self._stage, visible=False)
        self._console.print(Text.assemble(("failed ", "bold red"), f"{label}: {error}"))

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text, style="dim"))


class PlainLines:
    """One line per stage, and one now and then while it works; for logs and pipes."""

    def __init__(self) -> None:
        self._pace = Pace(0.0)
        self._last = 0.0
        self._label = ""

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def begin(self, stages: int, cached: int) -> None:
        """Print the size of the plan."""
        self._say(f"{stages} stages, {cached} cached")

    def stage(self, label: str) -> None:
        """Print the stage's name."""
        self._label, self._last = label, time.perf_counter()
        self._pace = Pace(self._last)
        self._say(f"start {label}")

    def advance(self, done: float, total: float, unit: str) -> None:
        """Print progress every few seconds."""
        now = time.perf_counter()
        pace = self._pace.tell(now, done, total, unit)
        if now - self._last >= PLAIN_INTERVAL_S:
            self._last = now
            share = f"{done:.0f} of {total:.0f} {unit}, " if done else ""
            self._say(f"      {self._label}: {share}{pace}")

    def finish(self, label: str, seconds: float) -> None:
        """Print the time it took."""
        self._say(f"done  {label} ({seconds:.1f} s)")

    def fail(self, label: str, error: str) -> None:
        """Print what went wrong."""
        self._say(f"FAILED {label}: {error}")

    def note(self, text: str) -> None:
        """Print a line."""
        self._say(text)

    def _say(self, text: str) -> None:
        print(text, flush=True)  # noqa: T201 - the plain view is a log on standard output


@contextmanager
def progress_view() -> Iterator[LiveView | PlainLines]:
    """Yield the view that fits standard output."""
    console = Console()
    view = LiveView(console) if console.is_terminal else PlainLines()
    with view:
        yield view


def short(label: str, width: int) -> str:
    """Cut a stage label to about a third of the terminal."""
    room = max(16, width // 3)
    return label if len(label) <= room else label[: room - 1] + "…"
