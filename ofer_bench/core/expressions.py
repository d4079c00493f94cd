"""The expressions of the benchmark, in one canonical order.

Data sets map *names* into this order; integer codes are never shared between data sets.
"""

from __future__ import annotations

from enum import Enum

from ofer_bench.core.errors import UnknownName
from ofer_bench.core.naming import close_names


class Expression(Enum):
    """The seven expressions of the paper; the value is the canonical name."""

    NEUTRAL = "neutral"
    HAPPINESS = "happiness"
    SADNESS = "sadness"
    SURPRISE = "surprise"
    FEAR = "fear"
    DISGUST = "disgust"
    ANGER = "anger"

    @property
    def index(self) -> int:
        """Position in the canonical order, the class index of every logit vector."""
        return EXPRESSIONS.index(self.value)

    @classmethod
    def from_name(cls, name: str) -> Expression:
        """Look up an expression by canonical name or a known spelling of a data set, in any case."""
        key = name.strip().lower()
        key = _ALIASES.get(key, key)
        try:
            return cls(key)
        except ValueError:
            known = sorted({*EXPRESSIONS, *_ALIASES})
            raise UnknownName("expression", name, known, close_names(key, known)) from None


EXPRESSIONS: tuple[str, ...] = tuple(e.value for e in Expression)
"""Canonical names in canonical order."""

_ALIASES = {
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "surprised": "surprise",
    "afraid": "fear",
    "fearful": "fear",
    "disgusted": "disgust",
    # FED-RO's folder is spelt like this.
    "neural": "neutral",
}
