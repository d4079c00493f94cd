"""Figure 1: a metric against the occluded proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ofer_bench.report.figure_files import FAINT, INK, PALETTE, Drawing, panel_grid
from ofer_bench.report.records import Record, select
from ofer_bench.report.spec import CurveDefinition, ReportLayout

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MARKERS = "osD^vPX*"
_LINES = ("-", "--", ":")
_PANEL = (4.9, 3.5)
# Width of a character of a line's name, in inches; height of such a name as a share of the axis.
_CHARACTER, _LABEL_SHARE = 0.068, 0.055


def curve_data(records: Sequence[Record], definition: CurveDefinition, layout: ReportLayout) -> pd.DataFrame:
    """Collect the points of the curve: panel, dataset, series, proportion, value, ci_lo, ci_hi, n.

    ``proportion`` in [0,1] is the middle of a cell's ratio range. Unoccluded faces (no occluder) start every
    panel at 0. Points that several records share (seeds) are averaged, as are the ends of their intervals.
    """
    import pandas as pd

    usable = [
        record
        for record in select(records, definition.filter)
        if record["status"] == "ok" and math.isfinite(record["value"])
    ]
    rows = [
        {
            "panel": layout.name(panel),
            "dataset": record["dataset"],
            "series": layout.name(str(record[definition.series])),
            "proportion": _proportion(record),
            **{key: record[key] for key in ("value", "ci_lo", "ci_hi", "n")},
        }
        for panel in definition.panels
        for record in usable
        if record["occluder"] in ("", panel)
    ]
    keys = ["panel", "dataset", "series", "proportion"]
    frame = pd.DataFrame(rows, columns=[*keys, "value", "ci_lo", "ci_hi", "n"])
    occluded = frame.loc[frame["proportion"] > 0, ["panel", "dataset"]].drop_duplicates()
    frame = frame.merge(occluded, on=["panel", "dataset"])
    return frame.groupby(keys, sort=False, as_index=False).mean()


def _proportion(record: Record) -> float:
    if not record["occluder"]:
        return 0.0
    return round((float(record["ratio_lo"]) + float(record["ratio_hi"])) / 2, 6)


def draw_curve(records: Sequence[Record], definition: CurveDefinition, layout: ReportLayout) -> Drawing | None:
    """Draw one panel per occluder and data set with a 95 % band around each line; None without data."""
    data = curve_data(records, definition, layout)
    if data.empty:
        return None
    panels = list(data[["panel", "dataset"]].drop_duplicates().itertuples(index=False, name=None))
    series = list(dict.fromkeys(data["series"]))
    longest = max(map(len, series))
    margins = (0.62, 0.25 + _CHARACTER * longest, 0.52, 0.34)
    figure, axes = panel_grid(len(panels), min(len(panels), 2), _PANEL, margins)
    low, high = _limits(data, definition.chance)
    for number, (ax, (panel, dataset)) in enumerate(zip(axes, panels, strict=True)):
        points = data[(data["panel"] == panel) & (data["dataset"] == dataset)]
        _draw_panel(ax, points, series, definition.chance)
        ax.set_title(f"{panel}, {dataset}", loc="left", fontsize=10.5, color=INK)
        ax.set_xlabel("Occluded proportion of the face image [%]", fontsize=9)
        if number % 2 == 0:
            ax.set_ylabel(definition.y_label, fontsize=9)
        ax.set_ylim(low, high)
        _label_ends(ax, points, series, high - low)
    alt = f"{definition.title}: {len(series)} systems, {len(panels)} panels."
    return Drawing(figure=figure, data=data, alt=alt)


def _draw_panel(ax: Axes, points: pd.DataFrame, series: Sequence[str], chance: float | None) -> None:
    for number, name in enumerate(series):
        line = points[points["series"] == name].sort_values("proportion")
        if line.empty:
            continue
        colour = PALETTE[number % len(PALETTE)]
        x = 100 * line["proportion"]
        ax.fill_between(x, line["ci_lo"], line["ci_hi"], color=colour, alpha=0.13, linewidth=0)
        style, marker = _LINES[number // len(PALETTE) % len(_LINES)], _MARKERS[number % len(_MARKERS)]
        ax.plot(x, line["value"], style, color=colour, marker=marker, markersize=4.5, linewidth=1.7)
    if chance is not None:
        ax.axhline(chance, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        ax.annotate("chance", (0.01, chance), xycoords=("axes fraction", "data"), xytext=(0, 2.5),
                    textcoords="offset points", fontsize=7.5, color=FAINT)  # fmt: skip
    ax.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(FAINT)
    ax.tick_params(labelsize=8.5, color=FAINT, labelleft=True)


def _limits(data: pd.DataFrame, chance: float | None) -> tuple[float, float]:
    values = [*data["value"], *data["ci_lo"].dropna(), *data["ci_hi"].dropna()]
    values += [] if chance is None else [chance]
    margin = 0.05 * (max(values) - min(values)) + 0.5
    return max(0.0, min(values) - margin), min(100.5, max(values) + margin)


def _label_ends(ax: Axes, points: pd.DataFrame, series: Sequence[str], span: float) -> None:
    """Write each line's name at its right end, pushed apart where ends are close."""
    ends = []
    for number, name in enumerate(series):
        line = points[points["series"] == name].sort_values("proportion")
        if not line.empty:
            last = line.iloc[-1]
            colour = PALETTE[number % len(PALETTE)]
            ends.append((float(last["value"]), 100 * float(last["proportion"]), name, colour))
    ends.sort()
    heights = spread([end[0] for end in ends], _LABEL_SHARE * span)
    right = max((end[1] for end in ends), default=0.0)
    for (_, _, name, colour), height in zip(ends, heights, strict=True):
        ax.annotate(name, (right, height), xytext=(7, 0), textcoords="offset points", va="center",
                    fontsize=8.5, color=colour, annotation_clip=False)  # fmt: skip


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights apart until neighbours are at least ``gap`` apart, keeping each group's mean."""
    groups: list[tuple[float, int]] = []
    for height in heights:
        groups.append((height, 1))
        while len(groups) > 1:
            (low, below), (high, above) = groups[-2:]
            if high - gap * (above - 1) / 2 - (low + gap * (below - 1) / 2) >= gap:
                break
            groups[-2:] = [((low * below + high * above) / (below + above), below + above)]
    return [mean + gap * (i - (count - 1) / 2) for mean, count in groups for i in range(count)]
