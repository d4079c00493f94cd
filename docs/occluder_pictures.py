"""Makes the pictures of ``docs/occluders.md``: ``python docs/occluder_pictures.py`` (a few minutes).

The Grad-CAM maps are those of a small ResNet-18 that is trained here on the faces of sixty subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from small_classifier import SMALL, small_classifier, small_faces

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import OcclusionRequest, Recipe, derive_rng
from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.part import Part
from ofer_bench.occlusion.cam import patch_relevance
from ofer_occluders import dropout, gradcam, irregular, objects, random_patch, region, translucent
from ofer_occluders.fills import FILLS

IMAGES = Path(__file__).parent / "images"
SIDE, PATCH, TILE, STRIP = 224, 16, 150, 18
SHARES = (0.1, 0.2, 0.3, 0.5, 0.7)
LIU_BINS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
Tile = tuple[str, np.ndarray]


def reference() -> ResNet18:
    """A reference classifier on fewer faces than those of ``quick``."""
    recipe = Recipe(epochs=20, batch_size=32, lr=3e-3, weight_decay=0.05, label_smoothing=0.05)
    return small_classifier(small_faces("train", 60), small_faces("val", 10), recipe)


def relevance_of(face: np.ndarray, label: int) -> np.ndarray:
    """Patch relevance of ``face`` uint8 [H,W,3] on the grid of the pictures."""
    image = torch.from_numpy(face).permute(2, 0, 1)[None].float() / 255
    small = F.interpolate(image, SMALL, mode="bilinear", antialias=True)
    network = reference()
    fine = F.interpolate(small, SIDE, mode="bilinear")
    return patch_relevance(network, network.cam_layer, fine, torch.tensor([label]), PATCH)[0]


def tile(
    occluder: Any, caption: str, face: np.ndarray, ratio: tuple[float, float], relevance: np.ndarray, **params: object
) -> Tile:
    """One occluded face and what to write above it."""
    request = OcclusionRequest(
        ratio=ratio,
        patch_size=PATCH,
        fill=tuple(int(c) for c in face.reshape(-1, 3).mean(axis=0).round()),
        relevance=relevance,
        params=params,
    )
    occlusion = occluder.sample(face, request, derive_rng("docs", caption, *ratio))
    return f"{caption} {occlusion.ratio:.2f}", occluder.apply(face, occlusion)


def sheet(name: str, rows: Sequence[Sequence[Tile]]) -> None:
    """Write the tiles as a JPEG, each under its caption."""
    height, width = len(rows) * (TILE + STRIP), max(map(len, rows)) * TILE
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    for top, row in enumerate(rows):
        for left, (caption, image) in enumerate(row):
            x, y = left * TILE, top * (TILE + STRIP)
            pen.text((x + 2, y + 3), caption, fill="black", font=ImageFont.load_default(11))
            canvas.paste(Image.fromarray(image).resize((TILE - 4, TILE - 4), Image.Resampling.LANCZOS), (x, y + STRIP))
    canvas.save(IMAGES / f"occluders-{name}.jpg", quality=86)


def main() -> None:
    """Make all sheets from one face."""
    happy = list(Expression).index(Expression.HAPPINESS)
    face = build_paraface(Part(people="test", image_size=SIDE, subjects=1))[0].image[happy]
    face = np.ascontiguousarray(face)
    map_ = relevance_of(face, happy)
    fills = [[tile(random_patch.RandomPatch(), fill, face, (s, s), map_, fill=fill) for s in SHARES] for fill in FILLS]
    sheet("random-patch", fills)
    guided = {"gradcam": gradcam.GradCam(), "gradcam-low": gradcam.GradCamLow(), "centre": gradcam.Centre()}
    sheet("gradcam", [[tile(o, name, face, (s, s), map_) for s in SHARES] for name, o in guided.items()])
    pasted = [
        tile(objects.Objects(), f"object {'abc'[i // 5]}:", face, ratio, map_)
        for i, ratio in enumerate(LIU_BINS[1:] * 3)
    ]
    glass = [tile(translucent.Translucent(), f"translucent {i}:", face, LIU_BINS[2], map_) for i in range(5)]
    sheet("objects", [pasted[:5], pasted[5:10], pasted[10:], glass])
    strokes = irregular.Irregular()
    plain = [tile(strokes, "irregular", face, ratio, map_) for ratio in LIU_BINS]
    sheet("irregular", [plain, [tile(strokes, "with border", face, ratio, map_, border=True) for ratio in LIU_BINS]])
    regions = {
        "eyes": region.Eyes(),
        "mouth": region.Mouth(),
        "lower-face": region.LowerFace(),
        "upper-face": region.UpperFace(),
        "left-half": region.LeftHalf(),
        "right-half": region.RightHalf(),
    }
    sheet("region", [[tile(o, name, face, (0.0, 1.0), map_) for name, o in regions.items()]])
    bins = [(s - 0.05, s + 0.05) for s in SHARES]
    sheet("dropout", [[tile(dropout.Dropout(), "dropout", face, ratio, map_) for ratio in bins]])


if __name__ == "__main__":
    main()
