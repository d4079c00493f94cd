"""Makes the sheet of restored faces in ``docs/latent-ofer.md``: ``python docs/restored_faces.py [--profile P]…``.

Mouths, then eyes of test faces are hidden whole and restored by the MAE alone and by the hybrid network of each
profile, with the true mask. Prints how many of all test faces the first profile's DAN recognises then, how many a
ResNet-18 that has learned from unoccluded mouths (eyes) alone tells from the restored ones alone, and the mean PSNR in
the hole. What the store has not is trained first; that ResNet-18 is trained here, a few minutes for each part.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont
from small_classifier import small_classifier, small_faces
from torch import Tensor

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import (
    EXPRESSIONS,
    FaceBatch,
    FaceSet,
    Recipe,
    load_split,
    load_system,
    patch_mask_to_pixels,
    to_bytes,
)
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


def part_reader(part: str, patch_size: int, train: FaceSet, val: FaceSet) -> ResNet18:
    """A classifier that knows faces by this part alone: one that was restored with another expression misleads it."""

    def alone(faces: FaceSet) -> FaceSet:
        rows, columns = (slice(side.start * patch_size, side.stop * patch_size) for side in HIDDEN[part])
        image = np.full_like(faces.image, round(GREY * 255))
        image[:, rows, columns] = faces.image[:, rows, columns]
        return replace(faces, image=image)

    recipe = Recipe(epochs=10, batch_size=16, lr=2e-3, weight_decay=0.05, label_smoothing=0.05)
    return small_classifier(alone(train), alone(val), recipe)


def recognised(faces: FaceSet, part: str, system: System, reader: ResNet18, networks: Networks) -> pd.DataFrame:
    """By what has filled the part: shares of ``faces`` recognised, and PSNR in the hole in dB.

    They are recognised by the classifier of ``system``, and by ``reader`` from the part alone.
    """
    rows = []
    for batch in faces.batches(128, "cpu"):
        assert batch.label is not None
        hole, pictures = restored(batch, part, system.patch_size, networks)
        for name, image in {"unoccluded": batch.image, **pictures}.items():
            found = system.classifier.predict(batch.with_image(image)).logits.argmax(dim=1)
            with torch.no_grad():
                alone = reader.logits(torch.where(hole, image, GREY)).argmax(dim=1)
            rows.append(
                pd.DataFrame(
                    {
                        "filled by": name,
                        "face": (found == batch.label).float(),
                        "part alone": (alone == batch.label).float(),
                        "PSNR": psnr_hole(image, batch.image, hole),
                    }
                )
            )
    return pd.concat(rows).groupby("filled by", sort=False).mean()


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
    train, val = small_faces("train", 700), small_faces("val", 40)
    for part in HIDDEN:
        reader = part_reader(part, judge.patch_size, train, val)
        table += restored(few, part, judge.patch_size, networks)[1].items()
        print(part, recognised(faces, part, judge, reader, networks).round(3).to_string(), sep="\n")  # noqa: T201
    sheet(table).save(options.out, quality=88)


if __name__ == "__main__":
    main()
