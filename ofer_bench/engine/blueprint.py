"""What a run consists of: its plan of stages, its cells, and what is to be scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ofer_bench.engine.pool import ComponentRecipe
from ofer_bench.engine.stages import Plan

CLEAN = "clean"
"""The family of a data set's own test faces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellInfo:
    """One cell of the benchmark: a split, occluded in one way and to one extent, or not at all."""

    id: str
    split: str
    occluder: str
    ratio: tuple[float, float]
    family: str
    split_stage: str
    occlude_stage: str | None

    @property
    def clean(self) -> bool:
        """Whether these are the data set's own test faces, as they are."""
        return self.family == CLEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A stage whose output is scored, and the identity of its row: detector, reconstructor, classifier, system.

    ``components`` maps the trained components behind it to the stages that train them.
    """

    kind: str
    stage: str
    cell: CellInfo
    seed: int
    components: Mapping[str, str]
    system: str = ""
    detector: str = ""
    reconstructor: str = ""
    classifier: str = ""


@dataclass(slots=True)
class Blueprint:
    """A plan with its cells and outcomes.

    ``blocked`` maps data sets that are not there to what to do about it, ``blocked_families`` does so for the
    families of a data set that are another, missing one's faces.
    """

    plan: Plan = field(default_factory=Plan)
    cells: dict[str, CellInfo] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    recipes: dict[str, ComponentRecipe] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    blocked_families: dict[tuple[str, str], str] = field(default_factory=dict)

    def merge(self, other: Blueprint) -> None:
        """Take over what another data set needs; stages that both need are made once."""
        self.plan.merge(other.plan)
        self.cells.update(other.cells)
        self.outcomes += other.outcomes
        self.recipes.update(other.recipes)
        self.blocked_families.update(other.blocked_families)
