"""One face under every occluder: what a look at the families needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ofer_bench.core.seeding import derive_rng
from ofer_bench.core.types import Card
from ofer_bench.data.decode import decode_image
from ofer_bench.engine.occlude_files import first_line
from ofer_bench.occlusion.apply import occlude_one
from ofer_bench.plugins.discovery import load_class
from ofer_bench.plugins.protocols import RELEVANCE, OcclusionRequest

RATIOS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
"""The six bins of hole-to-image ratios that the inpainting literature reports."""
ANY_RATIO = (0.0, 1.0)
ENOUGH = 3
"""An occluder that reaches fewer of the bins has a size of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """An occluded face uint8 [S,S,3] with its mask bool [S,S], for one range of ratios; or the problem."""

    ratio: tuple[float, float]
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRow:
    """One occluder; ``cells`` are empty where it has nothing to go by, and ``absent`` says what to do."""

    card: Card
    cells: tuple[Cell, ...] = ()
    absent: str = ""


def preview_rows(
    path: Path,
    cards: Sequence[Card],
    *,
    size: int,
    patch_size: int,
    seed: int,
    relevance: Callable[[np.ndarray], np.ndarray] | str,
    advance: Callable[[float, float, str], None],
) -> tuple[np.ndarray, list[PreviewRow]]:
    """Return the face uint8 [size,size,3] and a row per card, each cell as ``occlude`` makes it of this file alone.

    An occluder that knows only a size of its own gets one cell for any ratio. ``relevance`` in words says why there
    is none. ``advance`` is called with (done, total, unit). ImageUnreadable where there is no face to show.
    """
    image = decode_image(path, size)
    red, green, blue = (int(value) for value in image.reshape(-1, 3).mean(axis=0).round())
    scores = None if isinstance(relevance, str) else relevance(image)

    def cell(card: Card, ratio: tuple[float, float]) -> Cell:
        needed = scores if RELEVANCE in card.capability else None
        request = OcclusionRequest(ratio=ratio, patch_size=patch_size, fill=(red, green, blue), relevance=needed)
        rng = derive_rng("occlude", card.id, seed, path.name)
        try:
            occluded, made = occlude_one(load_class(card)(), image, request, rng)
        except Exception as error:
            # A plugin that fails must not take the others' pictures away.
            return Cell(ratio=ratio, problem=first_line(error))
        return Cell(ratio=ratio, image=occluded, mask=made.mask)

    def row(card: Card) -> PreviewRow:
        if RELEVANCE in card.capability and isinstance(relevance, str):
            return PreviewRow(card=card, absent=relevance)
        cells = tuple(cell(card, ratio) for ratio in RATIOS)
        reached = sum(c.image is not None for c in cells)
        if reached >= ENOUGH and not _all_equal(cells):
            return PreviewRow(card=card, cells=cells)
        own = cell(card, ANY_RATIO)
        if own.image is not None:
            return PreviewRow(card=card, cells=(own,))
        if reached:
            return PreviewRow(card=card, cells=cells)
        return PreviewRow(card=card, absent=f"It can't be shown here: {cells[0].problem}")

    rows: list[PreviewRow] = []
    for card in cards:
        rows.append(row(card))
        advance(len(rows), len(cards), "occluders")
    return image, rows


def _all_equal(cells: Sequence[Cell]) -> bool:
    """Whether the ratio makes no difference."""
    masks = [cell.mask for cell in cells]
    return all(mask is not None and masks[0] is not None and np.array_equal(mask, masks[0]) for mask in masks)
