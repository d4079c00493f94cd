"""Makes the sheet of restored faces in ``docs/latent-ofer.md``: ``python docs/restored_faces.py [--profile P]…``.

Mouths, then eyes of test faces are hidden whole and restored by the MAE alone and by the hybrid network of each
profile, with the true mask. Prints how many of all test faces the first profile's DAN recognises then, and the mean
PSNR in the hole. What the store has not is trained first.
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
from ofer_bench.engine.system import System
from ofer_bench.latent_ofer.hybrid import HybridReconstructor
from ofer_bench.metrics import psnr_hole

SUBJECTS = (3, 8)
Networks = Mapping[str, HybridReconstructor]
"""By profile."""
HIDDEN = {"mouth": (slice(5, 8), slice(1, 7)), "eyes": (slice(2, 4), slice(1, 7))}
"""Rows and columns of the 8 x 8 grid."""

TILE, STRIP, MARGIN, GREY = 104, 18, 100, 0.5


def shown(faces: FaceSet) -> FaceBatch:
    """One face of every expression, of two subjects."""
    first = np.array(SUBJECTS) * len(EXPRESSIONS)
    return faces.batch(np.add.outer(first, np.arange(len(EXPRESSIONS))).ravel())


def restored(batch: FaceBatch, part: str, patch_size: int, networks: Networks) -> tuple[Tensor, dict[str, Tensor]]:
    """Hide a part of the faces: the hole bool [N,1,S,S], and pictures [N,3,S,S] by what has filled it."""
    image = batch.image
    grid = image.shape[-1] // patch_size
    mask = torch.zeros(len(batch), grid, grid, dtype=torch.bool)
    mask[:, HIDDEN[part][0], HIDDEN[part][1]] = True
    hole = patch_mask_to_pixels(mask, patch_size)
    pictures = {f"{part} hidden": image.masked_fill(hole, GREY)}
    for profile, network in networks.items():
        with torch.no_grad():
            pictures[f"MAE, {profile}"] = torch.where(hole, network.mae.inpaint(image, mask), image)
        pictures[f"hybrid, {profile}"] = network.reconstruct(batch, mask).composited
    return hole, pictures


def recognised(faces: FaceSet, part: str, system: System, networks: Networks) -> dict[str, tuple[float, float]]:
    """Share of ``faces`` that the classifier of ``system`` recognises, and PSNR in the hole, by what has filled it."""
    right: dict[str, list[Tensor]] = {}
    quality: dict[str, list[Tensor]] = {}
    for batch in faces.batches(128, "cpu"):
        assert batch.label is not None
        hole, pictures = restored(batch, part, system.patch_size, networks)
        for name, image in pictures.items():
            found = system.classifier.predict(batch.with_image(image)).logits.argmax(dim=1)
            right.setdefault(name, []).append(found == batch.label)
            quality.setdefault(name, []).append(psnr_hole(image, batch.image, hole))
    return {
        name: (float(torch.cat(right[name]).float().mean()), float(torch.cat(quality[name]).mean())) for name in right
    }


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
    profiles = options.profiles or ["quick"]
    systems = {name: load_system("deoccluded/dan", name, "cpu", suite="supplement-table2") for name in profiles}
    networks = {name: system.reconstructor for name, system in systems.items()}
    faces, judge = load_split("ParaFace", profiles[0], "cpu"), systems[profiles[0]]
    few = shown(faces)
    table = [("unoccluded", few.image)]
    for part in HIDDEN:
        table += restored(few, part, judge.patch_size, networks)[1].items()
        for name, (share, quality) in recognised(faces, part, judge, networks).items():
            print(f"{part:6} {name:16} {share:6.1%} {quality:6.2f} dB")  # noqa: T201
    sheet(table).save(options.out, quality=88)


if __name__ == "__main__":
    main()
