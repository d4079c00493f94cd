"""The preview: one face under every occluder, as one HTML file without outside parts and as one picture."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from ofer_bench.engine.preview import ANY_RATIO, RATIOS, Cell, PreviewRow
from ofer_bench.report.contact_sheet import SheetLine, Tile, draw_contact_sheet
from ofer_bench.report.page import template_environment
from ofer_bench.report.spec import read_resource

if TYPE_CHECKING:
    from PIL.Image import Image

_TILE = 160
_QUALITY = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A cell as the template shows it: data URLs, or in words why there is no picture."""

    asked: str
    image: str = ""
    mask: str = ""
    achieved: str = ""
    problem: str = ""


def render_preview(name: str, face: np.ndarray, rows: Sequence[PreviewRow], facts: Sequence[tuple[str, str]]) -> str:
    """Return the page for ``face`` uint8 [S,S,3] called ``name``; ``facts`` are told below the heading.

    Pictures are embedded as JPEG, for looking at; masks exactly.
    """
    from markupsafe import Markup

    shown = [(row, [_shown(cell) for cell in row.cells]) for row in rows]
    return (
        template_environment()
        .get_template("preview.html.j2")
        .render(
            # The style sheets are ours: escaping would break their quotes.
            style=Markup(read_resource("templates/style.css") + read_resource("templates/preview.css")),
            name=name,
            face=_url(face),
            facts=facts,
            rows=shown,
        )
    )


def draw_preview(name: str, rows: Sequence[PreviewRow]) -> Image:
    """Draw the same as one sheet: a line per occluder, a column per range of ratios."""
    lines = [SheetLine(title=row.card.title, subtitle=row.card.id, tiles=_tiles(row), note=row.absent) for row in rows]
    columns = [_percent(ratio) for ratio in RATIOS]
    return draw_contact_sheet(f"{name} under every occluder", lines, (_TILE, _TILE), columns=columns)


def _tiles(row: PreviewRow) -> list[Tile]:
    return [Tile(image=cell.image, caption=_achieved(cell), text=cell.problem) for cell in row.cells]


def _achieved(cell: Cell) -> str:
    share = "" if cell.mask is None else f"{cell.mask.mean():.1%}"
    # It may stand in any column.
    return f"{share}, own size" if cell.ratio == ANY_RATIO else share


def _shown(cell: Cell) -> _Shown:
    if cell.image is None or cell.mask is None:
        return _Shown(asked=_asked(cell.ratio), problem=cell.problem)
    return _Shown(
        asked=_asked(cell.ratio),
        image=_url(cell.image),
        mask=_url(cell.mask),
        achieved=f"{cell.mask.mean():.1%}",
    )


def _asked(ratio: tuple[float, float]) -> str:
    return "its own size" if ratio == ANY_RATIO else f"asked {_percent(ratio)}"


def _percent(ratio: tuple[float, float]) -> str:
    return f"{ratio[0] * 100:.0f}–{ratio[1] * 100:.0f}%"


def _url(pixels: np.ndarray) -> str:
    from PIL import Image

    buffer = BytesIO()
    if pixels.dtype == np.bool_:
        kind = "png"
        Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    else:
        kind = "jpeg"
        Image.fromarray(pixels).save(buffer, format="JPEG", quality=_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
