"""The panel of one predicted image: input, patch scores, mask, reconstruction, attention, probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ofer_bench.core.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is shown.

    Images uint8 [H,W,3]; ``hole`` bool [H,W], True = restored; grids [G,G]; ``probability`` [K] in
    canonical order; None = not there.
    """

    title: str
    image: np.ndarray
    probability: np.ndarray
    score: np.ndarray | None = None
    hole: np.ndarray | None = None
    reconstruction: np.ndarray | None = None
    attention: np.ndarray | None = None


def write_panel(panel: Panel, path: Path) -> None:
    """Draw ``panel`` to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.5, 2.9), dpi=110, layout="constrained")
    axes = figure.subplots(1, 6, width_ratios=[1, 1, 1, 1, 1, 1.25])
    shown = panel.image if panel.reconstruction is None else panel.reconstruction
    _picture(axes[0], panel.image, "input")
    _overlay(axes[1], panel.image, panel.score, "patch scores", "magma")
    _masked(axes[2], panel)
    _picture(axes[3], shown, "reconstruction" if panel.reconstruction is not None else "no reconstruction")
    _overlay(axes[4], shown, panel.attention, "attention", "viridis")
    _bars(axes[5], panel.probability)
    figure.suptitle(panel.title, fontsize=11, x=0.01, ha="left")
    figure.savefig(path, metadata={"Software": None})


def _picture(ax: Axes, image: np.ndarray, title: str) -> None:
    ax.imshow(image, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.set_axis_off()


def _overlay(ax: Axes, image: np.ndarray, grid: np.ndarray | None, title: str, cmap: str) -> None:
    _picture(ax, image, title if grid is not None else f"no {title}")
    if grid is not None:
        height, width = image.shape[:2]
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        ax.imshow(grid, cmap=cmap, alpha=0.6, extent=extent, interpolation="nearest")


def _masked(ax: Axes, panel: Panel) -> None:
    if panel.hole is None:
        _picture(ax, panel.image, "no mask")
        return
    grey = np.full_like(panel.image, 128)
    _picture(ax, np.where(panel.hole[..., None], grey, panel.image), f"mask ({panel.hole.mean():.0%})")


def _bars(ax: Axes, probability: np.ndarray) -> None:
    best = int(np.argmax(probability))
    colours = ["#3b6fb6" if i == best else "#b8c4d6" for i in range(len(probability))]
    ax.barh(EXPRESSIONS, probability, color=colours)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.12)
    ax.set_xticks([])
    for spine in ("top", "right", "bottom"):
        ax.spines[spine].set_visible(False)
    for i, value in enumerate(probability):
        ax.text(value + 0.02, i, f"{value:.0%}", va="center", fontsize=9)
    ax.tick_params(axis="y", length=0, labelsize=10)
