"""How rendered faces and photographs differ: ``python tests/benchmarks/face_proportions.py RENDERED PHOTOS``.

Both are folders with a table (``index.csv`` or ``labels.csv``) of ``file`` and ``label``; RENDERED is what
``ofer-bench data export paraface`` writes at 224 px or more. A face mesh that was trained on photographs measures both,
so this needs mediapipe, in an environment of its own: it asks for an older NumPy than the suite. Lengths are in
distances between the pupils, at rest and as the change from there to a smile. Light is linear luminance over the face's
median: where lamps, hollows and paint put it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mediapipe
import numpy as np
import pandas as pd
from PIL import Image

SIDE, BORDER = 512, 128
RIGHT_PUPIL, LEFT_PUPIL = 468, 473
TURNED = {"yaw": 12.0, "pitch": 8.0}
"""Faces turned further than this, in degrees, are left out where the table tells: photographs are frontal."""


def upright(points: np.ndarray) -> np.ndarray:
    """Turn and scale a mesh [478,2]: the pupils lie level, 1 apart, and 0 is between them."""
    right, left = points[RIGHT_PUPIL], points[LEFT_PUPIL]
    distance = float(np.linalg.norm(left - right))
    cos, sin = (left - right) / distance
    turned: np.ndarray = (points - (left + right) / 2) @ np.array([[cos, -sin], [sin, cos]]) / distance
    return turned


def measures(points: np.ndarray) -> Mapping[str, float]:
    """Lengths of a mesh [478,2] in pixels; heights count from the line between the pupils, downwards."""
    face = upright(points)

    def low(*numbers: int) -> float:
        return float(np.mean([face[n, 1] for n in numbers]))

    def wide(a: int, b: int) -> float:
        return float(np.linalg.norm(face[a] - face[b]))

    lips = low(13, 14)
    return {
        "brow, inner end": -low(55, 285),
        "brow, middle": -low(52, 282),
        "brow, outer end": -low(46, 276),
        "between the brows": wide(55, 285),
        "upper lid": -low(159, 386),
        "lower lid": low(145, 374),
        "eye, width": (wide(33, 133) + wide(263, 362)) / 2,
        "nose, below pupils": low(2),
        "nose, width": wide(98, 327),
        "mouth, below pupils": lips,
        "mouth, width": wide(61, 291),
        "corners above the middle": lips - low(61, 291),
        "lips apart": low(14) - low(13),
        "upper lip": low(13) - low(0),
        "lower lip": low(17) - low(14),
        "chin, below pupils": low(152),
    }


LIT: Mapping[str, tuple[int, ...]] = {
    "light, forehead": (151,),
    "light, between the brows": (9,),
    "light, below the brow": (223, 443),
    "light, upper lid": (27, 257),
    "light, below the eye": (119, 348),
    "light, ridge of the nose": (197, 195),
    "light, sides of the nose": (196, 419, 174, 399),
    "light, cheek": (50, 280),
    "light, corners of the mouth": (61, 291),
    "light, lower lip": (17,),
    "light, chin": (199,),
}
"""Points of the mesh where the light is read."""


def light(image: np.ndarray, points: np.ndarray) -> Mapping[str, float]:
    """Light around points of a mesh [478,2] in pixels of ``image`` uint8 [H,W,3]; the face's median is 1."""
    linear = (image / 255.0) ** 2.2 @ [0.2126, 0.7152, 0.0722]
    radius = max(1, round(0.03 * float(np.linalg.norm(points[RIGHT_PUPIL] - points[LEFT_PUPIL]))))
    column, row = np.clip(points.round().astype(int), radius, len(image) - radius - 1).T
    steps = range(-radius, radius + 1)
    around = np.mean([linear[row + down, column + right] for down in steps for right in steps], axis=0)
    return {name: float(around[list(numbers)].mean() / np.median(around)) for name, numbers in LIT.items()}


def found_faces(folder: Path) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray]]:
    """Yield every face of ``folder`` that the mesh finds: its row, image uint8 [H,H,3] and mesh [478,2] in pixels."""
    table = pd.read_csv(next(folder / name for name in ("index.csv", "labels.csv") if (folder / name).exists()))
    for angle, most in TURNED.items():
        if angle in table:
            table = table[table[angle].abs() < most]
    count = 0
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, min_detection_confidence=0.2
    ) as mesh:
        for row in table.to_dict("records"):
            picture = Image.open(folder / row["file"]).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            # Crops end at the face, and the mesh looks for a head.
            image = np.pad(np.asarray(picture), ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), mode="edge")
            found = mesh.process(image).multi_face_landmarks
            if found:
                count += 1
                yield row, image, np.array([[p.x, p.y] for p in found[0].landmark]) * image.shape[0]
    print(f"{folder}: {count} of {len(table)} faces found")


def measured(folder: Path) -> pd.DataFrame:
    """One row of measures per face that the mesh finds."""
    faces = found_faces(folder)
    return pd.DataFrame([{"label": row["label"], **measures(p), **light(image, p)} for row, image, p in faces])


def main(rendered: Path, photographs: Path) -> None:
    """Print the table."""
    made, real = measured(rendered), measured(photographs)
    rows = {}
    for name in made.columns.drop("label"):
        row = {}
        for what, faces in (("photographs", real), ("rendered", made)):
            rest, smile = (faces.loc[faces["label"] == label, name] for label in ("neutral", "happiness"))
            row |= {what: rest.mean(), f"{what}, sd": rest.std(), f"{what}, smile": smile.mean() - rest.mean()}
        row["off by sd"] = (row["rendered"] - row["photographs"]) / row["photographs, sd"]
        rows[name] = row
    print(pd.DataFrame(rows).T.round(3).to_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
