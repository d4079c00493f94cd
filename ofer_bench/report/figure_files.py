"""Writing figures: PNG and PDF with the CSV behind them, the same bytes for the same input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4B8A", "#000000")
"""Okabe and Ito's colours, told apart with any colour vision; without yellow, which is faint on white."""

INK = "#222222"
FAINT = "#8A8A8A"
GOOD = "#00795A"
BAD = "#C24100"
DPI = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure and the ``data`` it shows, one value per row; ``alt`` describes it in a sentence."""

    figure: Figure
    data: pd.DataFrame
    alt: str


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of the given size in inches that belongs to no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def panel_grid(
    count: int, columns: int, panel: tuple[float, float], margins: tuple[float, float, float, float]
) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``count`` panels in rows of ``columns``.

    ``panel`` is the width and height of one panel, ``margins`` the space it keeps free at its left, right,
    bottom and top, all in inches. Margins are fixed because an automatic layout draws every figure twice.
    """
    width, height = panel
    left, right, bottom, top = margins
    lines = -(-count // columns)
    figure = new_figure(width * columns, height * lines)
    axes = []
    for number in range(count):
        line, column = divmod(number, columns)
        x, y = column * width + left, (lines - 1 - line) * height + bottom
        size = (width - left - right) / (width * columns), (height - bottom - top) / (height * lines)
        axes.append(figure.add_axes((x / (width * columns), y / (height * lines), *size)))
    return figure, axes


def save_drawing(drawing: Drawing, folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Write ``name``.png, .pdf and .csv into ``folder``, without time stamps, and return their paths."""
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    png, pdf, csv = (folder / f"{name}.{suffix}" for suffix in ("png", "pdf", "csv"))
    # Type 42 keeps the text of the PDF selectable.
    with rc_context({"pdf.fonttype": 42}):
        drawing.figure.savefig(png, metadata={"Software": None})
        drawing.figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    drawing.data.to_csv(csv, index=False, lineterminator="\n")
    return png, pdf, csv
