"""Contact sheets: small pictures in rows, with a line below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

INK, SOFT, LINE = "#1b1f24", "#5b6570", "#e1e5ea"
_MARGIN, _GAP, _STRIP, _HEAD, _TEXT, _NOTE = 24, 14, 30, 66, 15, 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A picture uint8 [H,W,3] and the line below it; without a picture, ``text`` stands in its place."""

    image: np.ndarray | None
    caption: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLine:
    """Tiles side by side, with a title and a second, softer line to their left; ``note`` stands where no tiles are."""

    tiles: Sequence[Tile] = ()
    title: str = ""
    subtitle: str = ""
    note: str = ""


def draw_contact_sheet(
    heading: str, lines: Sequence[SheetLine], tile: tuple[int, int], *, columns: Sequence[str] = ()
) -> Image:
    """Draw ``lines`` on white; every picture gets the place ``tile`` (width, height) px and is scaled down to fit.

    ``columns`` head the tiles. The sheet is as wide as its longest line.
    """
    from PIL import Image, ImageDraw

    width, height = tile
    label = 190 if any(line.title for line in lines) else 0
    across = max(1, len(columns), *(len(line.tiles) for line in lines)) * (width + _GAP) - _GAP
    top = _HEAD + (_STRIP if columns else 0)
    heights = [height + _STRIP if line.tiles else _NOTE for line in lines]
    size = (2 * _MARGIN + label + across, top + sum(heights) + _GAP * (len(lines) - 1) + _MARGIN)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, 20), _fit(heading, sheet.width - 2 * _MARGIN, 20), fill=INK, font=_font(20))
    for c, name in enumerate(columns):
        centre = _MARGIN + label + c * (width + _GAP) + width / 2
        pen.text((centre, top - 12), name, fill=SOFT, font=_font(_TEXT), anchor="ms")
    y = top
    for line, tall in zip(lines, heights, strict=True):
        middle = y + (height if line.tiles else tall) / 2
        if label:
            pen.line((_MARGIN, y - _GAP // 2, sheet.width - _MARGIN, y - _GAP // 2), fill=LINE)
            _write_label(sheet, line, middle, label - 12)
        for c, each in enumerate(line.tiles):
            _draw_tile(sheet, each, (_MARGIN + label + c * (width + _GAP), y), tile)
        if line.note:
            note = "\n".join(wrap(line.note, across // 9))
            place = (_MARGIN + label, middle)
            pen.multiline_text(place, note, fill=SOFT, font=_font(_TEXT), anchor="lm", spacing=7)
        y += tall + _GAP
    return sheet


def _write_label(sheet: Image, line: SheetLine, middle: float, room: int) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(sheet)
    title = "\n".join(_fit(part, room, 17) for part in wrap(line.title, 20))
    pen.multiline_text((_MARGIN, middle), title, fill=INK, font=_font(17), anchor="ld", spacing=5)
    pen.text((_MARGIN, middle + 10), _fit(line.subtitle, room, 13), fill=SOFT, font=_font(13), anchor="la")


def _draw_tile(sheet: Image, tile: Tile, corner: tuple[int, int], size: tuple[int, int]) -> None:
    from PIL import Image, ImageDraw

    pen = ImageDraw.Draw(sheet)
    (x, y), (width, height) = corner, size
    if tile.image is None:
        pen.rectangle((x, y, x + width - 1, y + height - 1), outline=LINE)
        lines = wrap(tile.text, max(12, width // 7))[: height // 18 - 1]
        pen.multiline_text((x + width / 2, y + height / 2), "\n".join(lines), fill=SOFT, font=_font(12),
                           anchor="mm", align="center", spacing=5)  # fmt: skip
    else:
        picture = Image.fromarray(tile.image)
        if picture.width > width or picture.height > height:
            picture.thumbnail(size, Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
    caption = _fit(tile.caption, width, _TEXT)
    pen.text((x + width / 2, y + height + 20), caption, fill=SOFT, font=_font(_TEXT), anchor="ms")


def _fit(text: str, width: float, size: int) -> str:
    """Shorten ``text`` in its middle until it fits, for names differ at their ends."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    keep = len(text)
    while keep > 2 and font.getlength(short := f"{text[: (keep + 1) // 2]}…{text[-(keep // 2) :]}") > width:
        keep -= 1
    return short


def _font(size: int) -> FreeTypeFont:
    from pathlib import Path

    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
