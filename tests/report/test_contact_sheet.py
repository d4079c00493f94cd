"""Contact sheets: pictures stay as they are, captions keep to their place."""

from __future__ import annotations

import numpy as np

from ofer_bench.report.contact_sheet import SheetLine, Tile, draw_contact_sheet


def _find(sheet: np.ndarray, picture: np.ndarray) -> list[tuple[int, int]]:
    height, width = picture.shape[:2]
    corners = np.argwhere((sheet == picture[0, 0]).all(axis=2))
    return [(y, x) for y, x in corners if np.array_equal(sheet[y : y + height, x : x + width], picture)]


def test_pictures_are_shown_pixel_by_pixel_and_large_ones_scaled_down() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 250, (40, 60, 3), dtype=np.uint8)
    large = np.full((80, 120, 3), (10, 200, 30), dtype=np.uint8)
    lines = [SheetLine(tiles=[Tile(image=small, caption="a"), Tile(image=large)]), SheetLine(tiles=[Tile(image=small)])]
    sheet = np.asarray(draw_contact_sheet("heading", lines, (60, 40)))
    found = _find(sheet, small)
    assert len(found) == 2
    assert (sheet == (10, 200, 30)).all(axis=2).sum() == 60 * 40


def test_long_captions_keep_to_their_tile() -> None:
    black = np.zeros((50, 50, 3), dtype=np.uint8)
    lines = [SheetLine(tiles=[Tile(image=black, caption="x" * 300), Tile(image=black), Tile(image=black)])]
    sheet = np.asarray(draw_contact_sheet("y" * 500, lines, (50, 50))).astype(int)
    dark = (sheet.sum(axis=2) < 600).any(axis=0)
    left = np.flatnonzero(dark)
    strip = sheet[-50:]
    ink = np.flatnonzero((strip.sum(axis=2) < 600).any(axis=0))
    first = np.argwhere((sheet == 0).all(axis=2))[:, 1].min()
    assert ink.min() >= first - 1 and ink.max() <= first + 51
    assert left.max() < sheet.shape[1] - 20


def test_a_line_without_pictures_has_its_note_and_is_lower() -> None:
    black = np.zeros((200, 200, 3), dtype=np.uint8)
    full = SheetLine(tiles=[Tile(image=black)] * 2, title="A title that takes two lines", subtitle="id")
    note = SheetLine(title="Other", subtitle="id", note="Nothing to be seen here, and this is why.")
    both = draw_contact_sheet("h", [full, note], (200, 200))
    alone = draw_contact_sheet("h", [full], (200, 200))
    assert both.width == alone.width
    assert 50 < both.height - alone.height < 200
    assert (np.asarray(both)[alone.height :, 250:] < 200).any()
