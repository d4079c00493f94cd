"""The HTML page: one self-contained file beside its figures and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ofer_bench.report.headline import headlines, run_facts
from ofer_bench.report.run_files import RunFiles
from ofer_bench.report.spec import ReportLayout, read_resource
from ofer_bench.report.table import Table

if TYPE_CHECKING:
    from jinja2 import Environment

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A link to a file beside the page; ``href`` is relative."""

    label: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One table or figure of the page; ``absent`` says why there is nothing to show."""

    id: str
    title: str
    caption: str
    table: Table | None = None
    image: str = ""
    alt: str = ""
    downloads: tuple[Download, ...] = ()
    absent: str = ""

    @property
    def empty(self) -> bool:
        """Whether the run measured nothing of it."""
        return bool(self.absent) or (self.table is not None and not self.table.measured)


def template_environment() -> Environment:
    """Return what renders the templates of ``ofer_reports``: it escapes, and a name without a value is an error."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(lambda name: read_resource(f"templates/{name}")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def render_page(run: RunFiles, items: Sequence[Item], layout: ReportLayout) -> str:
    """Return the HTML of the report; every text from the run is escaped.

    What the run measured nothing of stands folded at the end, with the published numbers of it.
    """
    from markupsafe import Markup

    failures = _failures(run.info.get("failures", ()))
    return (
        template_environment()
        .get_template("index.html.j2")
        .render(
            # The style sheet is ours: escaping would break its quotes.
            style=Markup(read_resource("templates/style.css")),
            name=run.info.get("name") or run.path.name,
            status=str(run.info.get("status", "unknown")),
            facts=run_facts(run.info, run.records),
            headlines=headlines(run.records, layout),
            failures=failures[:_SHOWN],
            more_failures=max(0, len(failures) - _SHOWN),
            missing=run.missing,
            items=[item for item in items if not item.empty],
            empty=[item for item in items if item.empty],
            environment=[(str(key), _flat(value)) for key, value in run.env.items()],
        )
    )


def _failures(entries: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Pair the stages that failed alike with their error; one broken stage stops many others."""
    stages: dict[str, list[str]] = {}
    for entry in entries:
        stages.setdefault(entry["error"], []).append(entry["stage"])
    return [(", ".join(filter(None, names)), error) for error, names in stages.items()]


def _flat(value: Any) -> str:
    """Write a value of ``env.json`` on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(_flat, value)) or "none"
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
