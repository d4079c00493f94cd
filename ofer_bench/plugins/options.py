"""Free settings of plugins: what nobody reads is refused, for it would be believed to have an effect."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ofer_bench.core.errors import SpecError
from ofer_bench.core.naming import close_names


def check_known(component: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise SpecError where ``component`` is given a setting that it does not know.

    ``given`` are the keys of ``ComponentSettings.model`` or of ``Recipe.extra``, ``known`` those that the
    component reads.

    >>> check_known("dan", {"heads": 4}, ("heads",))
    >>> check_known("dan", {"head": 4}, ("heads",))
    Traceback (most recent call last):
        ...
    ofer_bench.core.errors.SpecError: dan: unknown setting 'head'
      fix: did you mean 'heads'? known: heads
    """
    unknown = sorted(set(given) - set(known))
    if not unknown:
        return
    close = close_names(unknown[0], known)
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    raise SpecError(
        component,
        f"unknown setting {', '.join(map(repr, unknown))}",
        hint=f"{meant}known: {', '.join(known) or '(none)'}",
    )
