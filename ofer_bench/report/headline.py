"""The numbers at the top of the report and the facts of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ofer_bench.report.cells import FootnoteBook, cell_of
from ofer_bench.report.records import Record, distinct, select
from ofer_bench.report.spec import ColumnSpec, HeadlineSpec, ReportLayout
from ofer_bench.report.table import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One large number: ``who`` reached it on ``split``; ``interval`` is empty when the record has none."""

    label: str
    text: str
    unit: str
    interval: str
    who: str
    split: str


def headlines(records: Sequence[Record], layout: ReportLayout) -> list[Headline]:
    """Return the best measured value of each headline, seeds averaged; those without a value are left out."""
    found = [_headline(records, spec, layout) for spec in layout.headline]
    return [headline for headline in found if headline is not None]


def _headline(records: Sequence[Record], spec: HeadlineSpec, layout: ReportLayout) -> Headline | None:
    """Pick the best of one data set's systems; those that print the same value share the place."""
    usable = select(records, spec.filter)
    column = ColumnSpec(id="value", header=spec.label, format=spec.format)
    cells: dict[tuple[str, str], Cell] = {}
    for split in distinct(usable, "split"):
        for who in distinct(select(usable, {"split": split}), spec.who):
            members = select(usable, {"split": split, spec.who: who})
            cells[split, who] = cell_of(members, column, FootnoteBook())
    valued = {place: cell for place, cell in cells.items() if cell.value is not None}
    if not valued:
        return None
    (split, _), best = max(valued.items(), key=lambda item: _goodness(item[1]))
    names = [layout.name(who) for (where, who), cell in valued.items() if where == split and cell.text == best.text]
    return Headline(
        label=spec.label,
        text=best.text,
        unit=spec.unit,
        interval=best.ci_text.replace(", ", " to "),
        who=", ".join(names),
        split=split,
    )


def _goodness(cell: Cell) -> float:
    value = cell.value or 0.0
    return value if cell.higher_is_better else -value


def run_facts(info: Mapping[str, Any], records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return name and value of what was run, for the summary; unknown facts are left out."""
    suite = " ".join(str(info[key]) for key in ("suite", "suite_version") if info.get(key))
    program, *arguments = info.get("command") or [""]
    facts = [
        ("Suite", suite),
        ("Profile", str(info.get("profile", ""))),
        ("Seeds", str(info.get("seeds", ""))),
        ("Device", str(info.get("device", ""))),
        ("Duration", _durations(info)),
        ("Data", "; ".join(_split_facts(records))),
        ("Command", " ".join([PurePath(program).name, *arguments])),
    ]
    return [(name, value) for name, value in facts if value]


def _split_facts(records: Sequence[Record]) -> list[str]:
    """Describe each evaluated split: samples behind its accuracies, digest, or that it is blocked."""
    lines = []
    for split in filter(None, distinct(records, "split")):
        rows = select(records, {"split": split})
        if all(r["status"] == "blocked" for r in rows):
            lines.append(f"{split} (blocked)")
            continue
        counts = [r["n"] for r in rows if r["metric"] == "accuracy" and math.isfinite(r["n"])]
        digests = [digest[:8] for digest in distinct(rows, "split_digest") if digest]
        facts = [f"n = {max(counts):.0f}"] if counts else []
        facts += [f"digest {', '.join(digests)}"] if digests else []
        lines.append(f"{split} ({', '.join(facts)})" if facts else split)
    return lines


def _durations(info: Mapping[str, Any]) -> str:
    """The run's own time, and that of its stages where most of them came from the store."""
    own, stages = info.get("duration_s"), info.get("stages_s")
    if not isinstance(own, int | float):
        return ""
    if isinstance(stages, int | float) and stages > 2 * own:
        return f"{duration(own)}; its stages took {duration(stages)}"
    return duration(own)


def duration(seconds: float) -> str:
    """Write a duration as a person would: ``4.2 s``, ``12 min 34 s``, ``3 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
