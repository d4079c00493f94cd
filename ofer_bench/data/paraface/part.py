"""What a part of ParaFace is, apart from everything that renders it; importing it costs nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ofer_bench.core.expressions import Expression
from ofer_bench.core.hashing import digest

DRAWS = "5"
"""Part of every seed: while it stays, the same people are drawn, and the same pictures where no coding changes."""

PARAFACE_VERSION = DRAWS
"""Version of everything that shapes the pixels."""

DOMAINS: tuple[str, ...] = ("plain", "shifted")
"""``plain``: photographs of many kinds; ``shifted``: other cameras and harsher light, for the cross-data-set test."""

SEEN_PROPS: tuple[str, ...] = ("hand", "cup", "phone", "book", "cap", "glasses", "hair-strands")
"""Kinds that may occlude training faces."""

UNSEEN_PROPS: tuple[str, ...] = ("sunglasses", "surgical-mask", "cloth-mask", "scarf", "microphone", "bottle")
"""Kinds kept for test faces."""

PROPS: tuple[str, ...] = SEEN_PROPS + UNSEEN_PROPS

FOOD: tuple[str, ...] = ("apple", "banana", "ice-cream")
"""Kinds that no part of ParaFace shows: for cut-outs, where they count as seen."""

PROP_SETS: dict[str, tuple[str, ...]] = {"none": (), "all": PROPS, "unseen": UNSEEN_PROPS}
"""What may stand before the faces of a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is to be built: ``subjects`` x 7 expressions x ``repeats``, of these the first ``limit`` (0: all).

    ``people`` names the subjects (``train-0001`` ...), so parts of different people share none. ``domain`` is one
    of ``DOMAINS``, ``props`` one of ``PROP_SETS``; ``views`` shows the five views of KDEF instead of small
    turns; ``margin`` widens the crop on every side by this share.
    """

    people: str
    image_size: int
    subjects: int
    repeats: int = 1
    seed: int = 0
    limit: int = 0
    domain: str = "plain"
    props: str = "none"
    views: bool = False
    margin: float = 0.0

    @property
    def count(self) -> int:
        """Number of images."""
        whole = self.subjects * len(Expression) * self.repeats
        return min(whole, self.limit) if self.limit else whole

    @property
    def digest(self) -> str:
        """Identity of the part: version and everything that decides its pixels but the number of subjects."""
        values = {k: v for k, v in asdict(self).items() if k not in ("subjects", "limit")}
        return digest({"version": PARAFACE_VERSION, **values})

    @property
    def folder(self) -> str:
        """Name of the folder that keeps its finished subjects while it is built."""
        return f"{self.people}-{self.image_size}-{self.digest[:12]}"
