"""Renders the contact sheets of ``docs/paraface.md``: ``python docs/paraface_sheets.py`` (about three minutes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.model import load_head_model
from ofer_bench.data.paraface.part import PROPS, Part
from ofer_bench.data.paraface.sampling import draw_shot, draw_subject
from ofer_bench.data.paraface.skin_map import SkinMap, sheet_size
from ofer_bench.data.paraface.studio import Prop, Studio
from ofer_bench.data.paraface.wrinkles import fold_sheets

IMAGES = Path(__file__).parent / "images"
SIZE = 112


def expressions() -> None:
    """Twelve test subjects, the seven expressions in a row."""
    faces, _ = build_paraface(Part(people="test", image_size=SIZE, subjects=12))
    _save("paraface.jpg", faces.image, columns=7)


def occluders() -> None:
    """Every kind of thing four times, on faces of the test subjects."""
    head = load_head_model()
    skin = SkinMap(head, sheet_size(SIZE))
    studio = Studio(head, skin, fold_sheets(skin), batch_size=7, image_size=SIZE)
    images = []
    for number in range(len(PROPS) * 4 // 7 + 1):
        subject = draw_subject("test", number + 1, 0)
        shots = [draw_shot(subject, e, 0, 0) for e in Expression]
        props = [Prop(kind=PROPS[(number * 7 + i) // 4 % len(PROPS)], seed=number * 7 + i) for i in range(7)]
        images += list(studio.photograph(subject, shots, props).image)
    columns = np.array(images[: 4 * len(PROPS)]).reshape(len(PROPS), 4, SIZE, SIZE, 3).transpose(1, 0, 2, 3, 4)
    _save("paraface-occluders.jpg", columns.reshape(-1, SIZE, SIZE, 3), columns=len(PROPS))


def shifted() -> None:
    """The first faces of FED-ParaFace."""
    part = Part(people="fed", image_size=SIZE, subjects=8, domain="shifted", props="unseen")
    _save("paraface-fed.jpg", build_paraface(part)[0].image, columns=14)


def views() -> None:
    """Five views of two subjects."""
    part = Part(people="test", image_size=SIZE, subjects=2, repeats=5, views=True)
    faces, _ = build_paraface(part)
    rows = [i for i, name in enumerate(faces.sample_id) if f"-{Expression.HAPPINESS.value}-" in name]
    more, _ = build_paraface(replace(part, subjects=1))
    pick = [i for i, name in enumerate(more.sample_id) if f"-{Expression.SURPRISE.value}-" in name]
    _save("paraface-views.jpg", np.concatenate([faces.image[rows], more.image[pick]]), columns=5)


def _save(name: str, images: Sequence[np.ndarray] | np.ndarray, columns: int) -> None:
    tiles = np.asarray(images)
    rows = [np.concatenate(list(tiles[i : i + columns]), axis=1) for i in range(0, len(tiles), columns)]
    Image.fromarray(np.concatenate(rows)).save(IMAGES / name, quality=88)
    print(name, len(tiles), "faces")  # noqa: T201


if __name__ == "__main__":
    for sheet in (expressions, occluders, shifted, views):
        sheet()
