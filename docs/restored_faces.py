"""Makes the sheet of restored faces in ``docs/latent-ofer.md``: ``python docs/restored_faces.py [--profile P]…``.

Mouths, then eyes of test faces are hidden whole and restored by the MAE alone and by the hybrid network of each
profile, with the true mask. What the store has not is trained first.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ofer_bench.api import EXPRESSIONS, FaceBatch, FaceSet, load_split, load_system, patch_mask_to_pixels, to_bytes
from ofer_bench.latent_ofer.hybrid import HybridReconstructor

SUBJECTS = (3, 8)
HIDDEN = {"mouth": (slice(5, 8), slice(1, 7)), "eyes": (slice(2, 4), slice(1, 7))}
"""Rows and columns of the 8 x 8 grid."""

TILE, STRIP, MARGIN, GREY = 104, 18, 100, 0.5


def shown(faces: FaceSet) -> FaceBatch:
    """One face of every expression, of two subjects."""
    first = np.array(SUBJECTS) * len(EXPRESSIONS)
    return faces.batch(np.add.outer(first, np.arange(len(EXPRESSIONS))).ravel())


def rows(batch: FaceBatch, patch_size: int, networks: Mapping[str, HybridReconstructor]) -> list[tuple[str, Tensor]]:
    """Titles and pictures [N,3,S,S] from top to bottom; ``networks`` by profile."""
    image = batch.image
    grid = image.shape[-1] // patch_size
    table = [("unoccluded", image)]
    for name, (down, across) in HIDDEN.items():
        mask = torch.zeros(len(batch), grid, grid, dtype=torch.bool)
        mask[:, down, across] = True
        hole = patch_mask_to_pixels(mask, patch_size)
        table.append((f"{name} hidden", image.masked_fill(hole, GREY)))
        for profile, network in networks.items():
            with torch.no_grad():
                coarse = torch.where(hole, network.mae.inpaint(image, mask), image)
            table += [(f"MAE, {profile}", coarse), (f"hybrid, {profile}", network.reconstruct(batch, mask).composited)]
    return table


def sheet(table: list[tuple[str, Tensor]]) -> Image.Image:
    """Draw the rows under the names of the expressions."""
    count = len(table[0][1])
    picture = Image.new("RGB", (MARGIN + count * TILE, STRIP + len(table) * TILE), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for column in range(count):
        name = EXPRESSIONS[column % len(EXPRESSIONS)]
        draw.text((MARGIN + column * TILE + TILE / 2, STRIP / 2), name, "black", font, anchor="mm")
    for row, (title, images) in enumerate(table):
        top = STRIP + row * TILE
        draw.text((MARGIN - 6, top + TILE / 2), title, "black", font, anchor="rm")
        for column, image in enumerate(to_bytes(images)):
            tile = Image.fromarray(image)
            picture.paste(tile.resize((TILE - 2, TILE - 2), Image.Resampling.BICUBIC), (MARGIN + column * TILE, top))
    return picture


def main() -> None:
    """Train what is missing, restore, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", dest="profiles", action="append", help="of 64 px; repeatable (default: quick)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images" / "restored.jpg")
    options = parser.parse_args()
    systems = {name: load_system("latent-ofer", name, "cpu") for name in options.profiles or ["quick"]}
    first = next(iter(systems))
    faces = shown(load_split("ParaFace", first, "cpu"))
    networks = {name: system.reconstructor for name, system in systems.items()}
    sheet(rows(faces, systems[first].patch_size, networks)).save(options.out, quality=88)


if __name__ == "__main__":
    main()
