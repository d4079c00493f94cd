"""Figure 6: faces through the stages of the pipeline, with the predicted expression below each."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.report.figure_files import BAD, GOOD, INK, Drawing, new_figure
from ofer_bench.report.run_files import Sheet
from ofer_bench.report.spec import ReportLayout, SheetDefinition

if TYPE_CHECKING:
    import pandas as pd

# In units of one image side: the gap right of an image, and the strip below it that holds the label.
_GAP, _STRIP = 0.06, 0.24
_HEAD = 0.42
_WIDTH, _HEAD_CHARACTERS = 9.2, 13


def sheet_data(sheet: Sheet, definition: SheetDefinition) -> pd.DataFrame:
    """List the predictions of the sheet: sample_id, label, column, predicted ("" = none), correct."""
    import pandas as pd

    rows = []
    for r, sample in enumerate(sheet.row[: definition.max_rows]):
        label = int(sheet.label[r])
        for c, column in enumerate(sheet.column):
            predicted = int(sheet.predicted[r, c])
            rows.append(
                {
                    "sample_id": sample,
                    "label": _expression(label),
                    "column": column,
                    "predicted": _expression(predicted),
                    "correct": "" if predicted < 0 else str(predicted == label).lower(),
                }
            )
    return pd.DataFrame(rows, columns=["sample_id", "label", "column", "predicted", "correct"])


def _expression(index: int) -> str:
    return EXPRESSIONS[index] if index >= 0 else ""


def _heading(column: str, layout: ReportLayout) -> str:
    """Name a column; of ``vit-svdd mask`` only the id is translated."""
    if column in layout.names:
        return layout.names[column]
    identifier, space, rest = column.partition(" ")
    return f"{layout.name(identifier)}{space}{rest}"


def draw_sheet(sheet: Sheet, definition: SheetDefinition, layout: ReportLayout) -> Drawing | None:
    """Draw the sheet; a prediction is green with a tick when right and red with a cross when wrong."""
    rows, columns = min(len(sheet.row), definition.max_rows), len(sheet.column)
    if not rows or not columns:
        return None
    data = sheet_data(sheet, definition)
    left = 0.55
    width, height = left + columns * (1 + _GAP), rows * (1 + _STRIP) + _HEAD
    figure = new_figure(_WIDTH, _WIDTH * height / width)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    unit = 72 * _WIDTH / width
    size = min(9.0, 0.13 * unit)
    for c, column in enumerate(sheet.column):
        heading = fill(_heading(column, layout), _HEAD_CHARACTERS)
        ax.text(left + c * (1 + _GAP) + 0.5, -0.06, heading, ha="center", va="bottom", fontsize=size, color=INK)
    for r in range(rows):
        top = r * (1 + _STRIP)
        ax.text(left - 0.1, top + 0.5, _expression(int(sheet.label[r])), ha="center", va="center",
                rotation=90, fontsize=size, color=INK)  # fmt: skip
        for c in range(columns):
            x = left + c * (1 + _GAP)
            ax.imshow(sheet.image[r, c], extent=(x, x + 1, top + 1, top), interpolation="antialiased")
            predicted = int(sheet.predicted[r, c])
            if predicted >= 0:
                right = predicted == int(sheet.label[r])
                ax.text(x + 0.5, top + 1 + 0.1, f"{'✓' if right else '✗'} {EXPRESSIONS[predicted]}",
                        ha="center", va="center", fontsize=size, color=GOOD if right else BAD)  # fmt: skip
    ax.set_xlim(0, width)
    ax.set_ylim(rows * (1 + _STRIP), -_HEAD)
    ax.set_aspect("equal")
    right_count, total = (data["correct"] == "true").sum(), (data["correct"] != "").sum()
    alt = f"{definition.title}: {rows} faces, {columns} columns, {right_count} of {total} predictions right."
    return Drawing(figure=figure, data=data, alt=alt)
