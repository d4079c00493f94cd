"""The contact sheet of occluded images: each beside the face it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ofer_bench.data.decode import decode_image
from ofer_bench.occlusion.manifest import ManifestRow
from ofer_bench.report.contact_sheet import SheetLine, Tile, draw_contact_sheet
from ofer_bench.store.rundir import in_one_step

PAIRS = 24
_ACROSS, _LARGEST, _SEAM = 3, 224, 4


def write_occlusion_sheet(samples: Sequence[tuple[ManifestRow, Path, Path]], path: Path) -> None:
    """Draw up to :data:`PAIRS` of ``samples`` (row, clean file, occluded file), spread evenly, and write a PNG."""
    chosen = np.linspace(0, len(samples) - 1, min(len(samples), PAIRS)).round().astype(int)
    tiles = [_pair(*samples[i]) for i in chosen]
    lines = [SheetLine(tiles=tiles[i : i + _ACROSS]) for i in range(0, len(tiles), _ACROSS)]
    side = min(samples[0][0].size, _LARGEST)
    occluders = ", ".join(sorted({f"{row.occluder} {row.occluder_version}" for row, _, _ in samples}))
    number = f"{len(tiles)} of {len(samples)} images" if len(tiles) < len(samples) else f"{len(samples)} images"
    heading = f"{occluders}: {number}, each beside the face it was made of"
    sheet = draw_contact_sheet(heading, lines, (2 * side + _SEAM, side))
    with in_one_step(path) as partial:
        sheet.save(partial)


def _pair(row: ManifestRow, clean: Path, occluded: Path) -> Tile:
    from PIL import Image

    seam = np.full((row.size, _SEAM * row.size // min(row.size, _LARGEST), 3), 255, dtype=np.uint8)
    with Image.open(occluded) as image:
        pair = np.hstack([decode_image(clean, row.size), seam, np.asarray(image)])
    return Tile(image=pair, caption=f"{row.sample_id}   {row.ratio:.1%}")
