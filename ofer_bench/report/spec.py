"""What a table or figure of the report shows: the models of the YAML files in ``ofer_reports``."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ofer_bench.core.errors import SpecError
from ofer_bench.spec.yaml_io import parse_yaml

Filter = dict[str, str | list[str]]
"""Records column to wanted value: a text, a list of texts, ``""`` for empty, ``"*"`` for not empty."""

RESOURCES = "ofer_reports"
"""The package that holds definitions, published numbers and templates."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnSpec(_Strict):
    """One value column: the records it shows, or the ``difference`` of two columns (second minus first)."""

    id: str
    header: str
    unit: str = ""
    where: Filter = Field(default_factory=dict)
    difference: tuple[str, str] | None = None
    format: str = ".1f"
    rank: bool = True
    published: bool = True
    optional: bool = False


class SectionSpec(_Strict):
    """Rows under one heading; the records column ``row`` names them, ``split_by`` makes sub-sections.

    Without records an ``optional`` section is left out, another says so with its text ``empty``.
    ``values_of`` maps a column to one of the sections above: only values that stand there are kept. So
    ``{system: classifier}`` keeps the systems that the measured rows above have as their classifier.
    """

    heading: str
    row: str
    filter: Filter = Field(default_factory=dict)
    values_of: dict[str, str] = Field(default_factory=dict)
    split_by: list[str] = Field(default_factory=lambda: ["dataset"])
    rank: bool = True
    optional: bool = False
    empty: str = "Not measured in this run."


class PublishedSpec(_Strict):
    """Published numbers that stand below the measured ones; ``table`` is a table id of ``published.csv``."""

    table: str
    heading: str
    row: str
    split_by: list[str] = Field(default_factory=lambda: ["dataset"])


class _Definition(_Strict):
    id: str = Field(pattern="^[a-z0-9_]+$")
    title: str
    caption: str


class TableDefinition(_Definition):
    """A table; ``summary`` puts it on the terminal at the end of a run.

    An ``optional`` one is left out of the report of a run that measured nothing of it. ``sizes`` maps published
    splits to the sample counts they may have, for the granularity check.
    """

    kind: Literal["table"]
    filter: Filter = Field(default_factory=dict)
    footnotes: list[str] = Field(default_factory=list)
    row_header: str
    columns: list[ColumnSpec] = Field(min_length=1)
    sections: list[SectionSpec] = Field(min_length=1)
    published: list[PublishedSpec] = Field(default_factory=list)
    sizes: dict[str, list[int]] = Field(default_factory=dict)
    summary: bool = False
    optional: bool = False


class CurveDefinition(_Definition):
    """A metric against the occluded proportion, one panel per occluder, one line per ``series`` value."""

    kind: Literal["curve"]
    filter: Filter = Field(default_factory=dict)
    panels: list[str] = Field(min_length=1)
    series: str = "system"
    y_label: str
    chance: float | None = None


class ConfusionDefinition(_Definition):
    """Row-normalised confusion matrices of every system on the cells that pass ``filter``."""

    kind: Literal["confusion"]
    filter: Filter = Field(default_factory=dict)


class SheetDefinition(_Definition):
    """A sheet of faces, one row per sample, one column per stage of the pipeline."""

    kind: Literal["sheet"]
    max_rows: int = Field(default=8, ge=1)


Definition = TableDefinition | CurveDefinition | ConfusionDefinition | SheetDefinition

_MODELS: dict[str, type[Definition]] = {
    "table": TableDefinition,
    "curve": CurveDefinition,
    "confusion": ConfusionDefinition,
    "sheet": SheetDefinition,
}


class _Kind(BaseModel):
    """What decides by which model the rest of a definition is read."""

    kind: Literal["table", "curve", "confusion", "sheet"]


class HeadlineSpec(_Strict):
    """A number at the top: the best record that passes ``filter``, named by its ``who`` column."""

    label: str
    filter: Filter
    who: str
    unit: str
    format: str = ".1f"


class ReportLayout(_Strict):
    """Order of the definitions, headline numbers and display names of ids."""

    order: list[str]
    headline: list[HeadlineSpec]
    names: dict[str, str]

    def name(self, identifier: str) -> str:
        """Return the display name of an id; unknown ids stand for themselves."""
        return self.names.get(identifier, identifier)


def read_resource(path: str) -> str:
    """Return a text file of the ``ofer_reports`` package; ``path`` uses forward slashes."""
    return files(RESOURCES).joinpath(*path.split("/")).read_text(encoding="utf-8")


def load_layout() -> ReportLayout:
    """Read ``report.yaml``. Raises ``SpecError`` when it does not fit the model."""
    return parse_yaml(read_resource("report.yaml"), ReportLayout, "report.yaml")


def load_definitions(layout: ReportLayout) -> list[Definition]:
    """Read the definitions named by ``layout.order``, in that order. Raises ``SpecError``."""
    return [_load_definition(name) for name in layout.order]


def _load_definition(name: str) -> Definition:
    path = f"definitions/{name}.yaml"
    text = read_resource(path)
    definition = parse_yaml(text, _MODELS[parse_yaml(text, _Kind, path).kind], path)
    if definition.id != name:
        raise SpecError(path, f"id is {definition.id!r}", hint=f"set id: {name}")
    return definition
