"""Bold type: the best value of a column together with everything that ties with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ofer_bench.report.table import Cell, Row


def tied_with_best(cells: Sequence[Cell]) -> list[bool]:
    """Say for each cell of one column whether it is the best or lies inside the best's 95 % interval.

    Cells without a value never win. A column with fewer than two values has no winner, nor has one whose best has
    no interval: nothing would say what ties with it.
    """
    ranked = [cell for cell in cells if cell.status == "ok" and cell.value is not None]
    if len(ranked) < 2:
        return [False] * len(cells)
    sign = 1.0 if ranked[0].higher_is_better else -1.0
    best = max(ranked, key=lambda cell: sign * (cell.value or 0.0))
    if best.ci is None:
        return [False] * len(cells)
    low, high = best.ci
    return [cell in ranked and (cell.text == best.text or low <= (cell.value or 0.0) <= high) for cell in cells]


def embolden(rows: Sequence[Row], ranked: Sequence[bool]) -> tuple[Row, ...]:
    """Return the rows with bold winners; ``ranked`` says for each column whether it has any."""
    if not rows:
        return ()
    columns = list(zip(*(row.cells for row in rows), strict=True))
    bold = [
        tied_with_best(cells) if rank else [False] * len(cells) for cells, rank in zip(columns, ranked, strict=True)
    ]
    return tuple(
        replace(row, cells=tuple(replace(cell, bold=bold[c][r]) for c, cell in enumerate(row.cells)))
        for r, row in enumerate(rows)
    )
