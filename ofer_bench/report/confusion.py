"""Row-normalised confusion matrices from stored predictions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.report.figure_files import INK, Drawing, panel_grid
from ofer_bench.report.records import base_dataset, matches
from ofer_bench.report.run_files import Predictions
from ofer_bench.report.spec import ConfusionDefinition, ReportLayout

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FAILED = "failed"
"""Name of the extra column that counts failed predictions; they stay in the row's total."""

_COLUMNS = 2
_PANEL, _MARGINS = (4.6, 4.4), (0.95, 0.15, 0.9, 0.35)


def confusion_data(
    predictions: Sequence[Predictions], definition: ConfusionDefinition, layout: ReportLayout
) -> pd.DataFrame:
    """Count predictions: system, split, cell, label, predicted, count, share.

    Several runs of a system on a cell (seeds) are counted together. ``share`` in [0,1] is of all samples
    with that label. Every pair of classes has a row; samples of unknown label are left out, failed ones
    count under ``failed``.
    """
    import pandas as pd

    rows = []
    for entry in predictions:
        dataset, prefix = base_dataset(str(entry.cell.get("split", "")), str(entry.cell.get("occluder", "")))
        place: dict[Hashable, Any] = {"occluder": "", "dataset": dataset, "prefix": prefix}
        place.update(entry.cell)
        if not matches(place, definition.filter):
            continue
        known = entry.frame[entry.frame["label"] >= 0]
        counts = pd.crosstab(known["label"], known["predicted"]).reindex(
            index=range(len(EXPRESSIONS)), columns=[*range(len(EXPRESSIONS)), -1], fill_value=0
        )
        where = layout.name(entry.system), str(entry.cell["split"]), str(entry.cell["id"])
        for label, row in zip(EXPRESSIONS, counts.to_numpy(), strict=True):
            pairs = zip([*EXPRESSIONS, FAILED], row, strict=True)
            rows += [(*where, label, predicted, int(count)) for predicted, count in pairs]
    keys = ["system", "split", "cell", "label", "predicted"]
    frame = pd.DataFrame(rows, columns=[*keys, "count"])
    frame = frame.groupby(keys, sort=False)["count"].sum().reset_index()
    totals = frame.groupby(keys[:-1], sort=False)["count"].transform("sum")
    frame["share"] = frame["count"] / totals.where(totals > 0)
    return frame


def draw_confusion(
    predictions: Sequence[Predictions], definition: ConfusionDefinition, layout: ReportLayout
) -> Drawing | None:
    """Draw one matrix per system and cell, in percent of the true class; None without predictions."""
    data = confusion_data(predictions, definition, layout)
    if data.empty:
        return None
    failed = data.loc[data["predicted"] == FAILED, "count"].sum() > 0
    shown = [*EXPRESSIONS, FAILED] if failed else list(EXPRESSIONS)
    panels = list(data.groupby(["system", "cell"], sort=False))
    columns = min(_COLUMNS, len(panels))
    figure, axes = panel_grid(len(panels), columns, _PANEL, _MARGINS)
    for ax, (_, panel) in zip(axes, panels, strict=True):
        _draw_matrix(ax, panel, shown)
        first = panel.iloc[0]
        title = f"{first['system']}, {first['split']}"
        ax.set_title(title, fontsize=10.5, loc="left", color=INK)
    return Drawing(figure=figure, data=data, alt=f"{definition.title}: {len(panels)} matrices.")


def _draw_matrix(ax: Axes, panel: pd.DataFrame, shown: Sequence[str]) -> None:
    from seaborn import heatmap

    shares = panel.pivot(index="label", columns="predicted", values="share")
    matrix = 100 * shares.loc[list(EXPRESSIONS), list(shown)]
    # Seaborn's own tick labels are measured for overlap, which costs more than the rest of the figure.
    heatmap(
        matrix,
        ax=ax,
        vmin=0,
        vmax=100,
        cmap="Blues",
        annot=matrix.map(lambda share: f"{share:.0f}" if share >= 0.5 else ""),
        fmt="",
        annot_kws={"fontsize": 8.5},
        cbar=False,
        square=True,
        linewidths=0.6,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    ax.set_xticks([i + 0.5 for i in range(len(shown))], shown, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks([i + 0.5 for i in range(len(EXPRESSIONS))], EXPRESSIONS)
    ax.tick_params(labelsize=8.5, length=0)
    ax.set_xlabel("predicted", fontsize=9)
    ax.set_ylabel("true", fontsize=9)
