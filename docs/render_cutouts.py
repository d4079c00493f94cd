"""Renders the library of the occluder ``objects``: ``python docs/render_cutouts.py`` (about ten minutes).

Seeds are fixed: the same versions of the renderer's packages give the same pictures. The files are shipped, since a
manifest must give the same bytes on every machine. All geometry is ours or CC0 (MakeHuman's head and hand).
"""

from __future__ import annotations

import hashlib
import json
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ofer_bench.core.seeding import derive_rng
from ofer_bench.data.paraface.appearance import draw_appearance
from ofer_bench.data.paraface.cutouts import Cutout, Limits, Stand, landmarks
from ofer_bench.data.paraface.geometry import Geometry
from ofer_bench.data.paraface.model import SHAPE_CONTROLS, HeadModel, load_head_model
from ofer_bench.data.paraface.part import UNSEEN_PROPS
from ofer_bench.data.paraface.props import build_prop
from ofer_bench.data.paraface.props.hand import HAND_POSES

LIBRARY = Path(__file__).parents[1] / "occluders/ofer_occluders/library"
COUNTS = {
    "hand": 36,
    "cup": 10,
    "phone": 8,
    "book": 8,
    "cap": 8,
    "glasses": 8,
    "apple": 5,
    "banana": 5,
    "ice-cream": 6,
    "sunglasses": 9,
    "surgical-mask": 9,
    "cloth-mask": 9,
    "scarf": 8,
    "microphone": 8,
    "bottle": 8,
}
WORN = ("cap", "glasses", "sunglasses", "surgical-mask", "cloth-mask", "scarf")
SIDES = {"hand": 272, "held": 232, "worn": 184}
"""Longest side in pixels. Arms take up much of a picture, and must reach beyond the face's."""
LIMITS: dict[str, Limits] = {
    "hand": (-0.6, -0.5, 1.6, 1.6),
    "held": (-0.45, -0.4, 1.45, 1.5),
    "worn": (-0.12, -0.5, 1.12, 1.2),
}


def main() -> None:
    """Render every cut-out and write the index."""
    LIBRARY.mkdir(exist_ok=True)
    for old in LIBRARY.glob("*.png"):
        old.unlink()
    head = load_head_model()
    face = head.identity(
        age=30, masculinity=0.5, weight=0.5, ancestry=(0.2, 0.2, 0.6), shape=[0.0] * len(SHAPE_CONTROLS)
    )
    entries: list[dict[str, Any]] = []
    for group, side in SIDES.items():
        stand = Stand(head, face, side=side)
        for kind, many in COUNTS.items():
            if group != ("hand" if kind == "hand" else "worn" if kind in WORN else "held"):
                continue
            for number in range(many):
                prop = _prop(kind, number, head, face)
                made = stand.render(prop, worn=group == "worn", limits=LIMITS[group])
                name = f"{kind}-{number + 1:02d}"
                entry = {"name": name, "kind": kind, "seen": kind not in UNSEEN_PROPS, "worn": group == "worn"}
                entry["box"] = [round(edge, 4) for edge in made.box]
                middle, end = landmarks(prop, made.box)
                entry["middle"] = [round(float(c), 4) for c in middle]
                entry["arm_end"] = None if end is None else [round(float(c), 4) for c in end]
                entry["share"] = round(_share(made), 5)
                entry["sha256"] = _write(LIBRARY / f"{name}.png", Image.fromarray(made.rgba))
                partly = bool(made.skin.any()) and kind != "hand"
                entry["skin"] = "all" if kind == "hand" else "none"
                if partly:
                    entry["skin"] = _write(LIBRARY / f"{name}.skin.png", Image.fromarray(made.skin))
                entries.append(entry)
                print(name, made.rgba.shape, entry["box"])  # noqa: T201
    entries.sort(key=lambda entry: str(entry["name"]))
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    (LIBRARY / "index.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _prop(kind: str, number: int, head: HeadModel, face: np.ndarray) -> Geometry:
    """Draw the prop: hands take turns in their poses, and a book that needs two hands is drawn again."""
    for attempt in count():
        rng = derive_rng("cut-out", kind, number, attempt)
        ancestry = np.eye(3)[int(rng.integers(3))]
        skin = draw_appearance(rng, male=bool(number % 2), age=30.0, ancestry=ancestry).skin
        prop, record = build_prop(kind, head, face, rng, skin=skin)
        if record.get("hands") != 2 and (kind != "hand" or record["pose"] == HAND_POSES[number % len(HAND_POSES)]):
            return prop
    raise AssertionError


def _share(made: Cutout) -> float:
    """Share of the aligned picture that is covered, half or more."""
    rows, columns = np.nonzero(made.rgba[..., 3] >= 128)
    left, top, right, _ = made.box
    step = (right - left) / made.rgba.shape[1]
    x, y = left + (columns + 0.5) * step, top + (rows + 0.5) * step
    return float(((x >= 0) & (x < 1) & (y >= 0) & (y < 1)).sum()) * step**2


def _write(path: Path, image: Image.Image) -> str:
    """Write a PNG and return the SHA-256 of its bytes."""
    image.save(path, optimize=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
