"""Renders the contact sheets of ``docs/paraface.md``: ``python docs/paraface_sheets.py`` (half a minute)."""

from pathlib import Path

import numpy as np
from PIL import Image

from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.part import PROPS, Part
from ofer_bench.data.paraface.sampling import KDEF_VIEWS

SIDE, FOLDER = 112, Path(__file__).parent / "images"


def draw(name: str, faces: np.ndarray, columns: int) -> None:
    """Save ``faces`` [N,S,S,3] row by row."""
    rows = [np.concatenate(list(row), axis=1) for row in faces.reshape(-1, columns, SIDE, SIDE, 3)]
    Image.fromarray(np.concatenate(rows)).save(FOLDER / f"{name}.jpg", quality=90)


def main() -> None:
    """Render and save."""
    draw("paraface", build_paraface(Part(people="test", image_size=SIDE, subjects=12))[0].image, len(Expression))
    shifted = Part(people="fed", image_size=SIDE, subjects=8, domain="shifted", props="unseen")
    draw("paraface-fed", build_paraface(shifted)[0].image, 14)
    occluded, rows = build_paraface(Part(people="test", image_size=SIDE, subjects=20, props="all"))
    first = [[n for n, row in enumerate(rows) if row["occluder"] == kind][:4] for kind in PROPS]
    draw("paraface-occluders", occluded.image[np.array(first).T.ravel()], len(PROPS))
    views = Part(people="test", image_size=SIDE, subjects=3, repeats=len(KDEF_VIEWS), views=True)
    turned = build_paraface(views)[0].image.reshape(3, len(Expression), -1, SIDE, SIDE, 3)
    shown = [Expression.HAPPINESS, Expression.NEUTRAL, Expression.SURPRISE]
    draw("paraface-views", np.stack([turned[n, list(Expression).index(e)] for n, e in enumerate(shown)]), 5)


if __name__ == "__main__":
    main()
