"""How fast something goes and how long it will take, by what it did lately."""

from __future__ import annotations

from collections import deque

WINDOW_S = 30.0


class Pace:
    """Measures one stage that began at ``started`` (seconds of a clock that the caller reads).

    Only the last half minute counts: compiling at the start, or finding half of the work done already, would
    otherwise spoil the forecast to the end.
    """

    def __init__(self, started: float) -> None:
        self.started = started
        self._seen = deque([(started, 0.0)])

    def tell(self, now: float, done: float, total: float, unit: str) -> str:
        """Note ``done`` of ``total`` at ``now``; ``"12.3 faces/s, 45 s left"``, or ``unit`` before anything is done."""
        if done < self._seen[-1][1] or not done:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = (done - before) / max(now - since, 1e-3)
        if not done:
            return unit
        return f"{rate:.3g} {unit}/s, {duration((total - done) / rate)} left" if rate else f"{unit}"


def duration(seconds: float) -> str:
    """Say a time in two figures: ``45 s``, ``12 min``, ``3 h 20 min``.

    >>> [duration(s) for s in (0.4, 45, 720, 12_000)]
    ['0 s', '45 s', '12 min', '3 h 20 min']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
