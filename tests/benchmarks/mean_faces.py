"""Where smiles change the light: ``python tests/benchmarks/mean_faces.py PICTURE FOLDER...``.

Each FOLDER (photographs, or rendered faces as ``ofer-bench data export paraface`` writes them at 224 px or more)
becomes one row of PICTURE: its mean face at rest, its mean smile, and how smiles with closed and with parted lips
differ from rest. Faces are warped to one shape by a mesh that was trained on photographs, so that only light and paint
are left to differ; light is the logarithm of linear luminance over the face's median. Needs mediapipe, as
``face_proportions.py``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from face_proportions import found_faces, measures, upright
from PIL import Image
from scipy.ndimage import map_coordinates
from scipy.spatial import Delaunay

SIDE, PUPILS, EYES = 200, 75, 70
"""Side of a mean face in pixels, distance between its pupils, and the height at which they lie."""
PARTED = 0.03
"""Distance between the lips, in distances between the pupils, from which on a mouth counts as open."""
PAPER, CONTRAST, DIFFERENCE = 128, 90, 300
"""Grey of no light and no difference; grey levels for a factor e of light, and of difference."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Log light [N,SIDE,SIDE] of faces in one shape, NaN beside them; which are ``smiles`` [N], and lips ``parted``."""

    light: np.ndarray
    smiles: np.ndarray
    parted: np.ndarray


class Shape:
    """The shape that faces are warped to: a mesh [478,2] in pixels, triangulated."""

    def __init__(self, mesh: np.ndarray) -> None:
        net = Delaunay(mesh)
        row, column = np.mgrid[:SIDE, :SIDE]
        pixels = np.stack([column.ravel(), row.ravel()], axis=1) + 0.5
        inside = net.find_simplex(pixels)
        self._face = inside >= 0
        turn = net.transform[inside]
        first = np.einsum("nij,nj->ni", turn[:, :2], pixels - turn[:, 2])
        self._weights = np.concatenate([first, 1 - first.sum(axis=1, keepdims=True)], axis=1)
        self._corners = net.simplices[inside]

    def light(self, image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        """Log light [SIDE,SIDE] of the face with ``mesh`` [478,2] in pixels of ``image`` uint8 [H,W,3]."""
        place = (mesh[self._corners] * self._weights[..., None]).sum(axis=1)
        linear = (image / 255.0) ** 2.2 @ [0.2126, 0.7152, 0.0722]
        seen = map_coordinates(linear, [place[:, 1] - 0.5, place[:, 0] - 0.5], order=1, mode="nearest")
        log = np.where(self._face, np.log(seen + 0.01), np.nan)
        return (log - np.nanmedian(log)).reshape(SIDE, SIDE)


def warped(folder: Path, shape: Shape | None) -> tuple[Faces, Shape]:
    """Faces at rest and smiles of ``folder`` in ``shape``, or in the mean shape of the folder."""
    found = [face for face in found_faces(folder) if face[0]["label"] in ("neutral", "happiness")]
    shape = shape or Shape(np.mean([upright(mesh) for _, _, mesh in found], axis=0) * PUPILS + [SIDE / 2, EYES])
    faces = Faces(
        light=np.array([shape.light(image, mesh) for _, image, mesh in found]),
        smiles=np.array([row["label"] == "happiness" for row, _, _ in found]),
        parted=np.array([measures(mesh)["lips apart"] > PARTED for _, _, mesh in found]),
    )
    return faces, shape


def pictures(faces: Faces) -> np.ndarray:
    """Mean rest and smile, and what closed and open smiles change, side by side: uint8 [SIDE,4*SIDE]."""
    rest = faces.light[~faces.smiles].mean(axis=0)
    closed, opened = (faces.light[faces.smiles & (faces.parted == parted)].mean(axis=0) for parted in (False, True))
    smile = faces.light[faces.smiles].mean(axis=0)
    grey = [rest * CONTRAST, smile * CONTRAST, (closed - rest) * DIFFERENCE, (opened - rest) * DIFFERENCE]
    return np.clip(np.nan_to_num(np.concatenate(grey, axis=1)) + PAPER, 0, 255).astype(np.uint8)


def main(picture: Path, folders: list[Path]) -> None:
    """Write the picture; the first folder's mean shape is everybody's."""
    rows, shape = [], None
    for folder in folders:
        faces, shape = warped(folder, shape)
        rows.append(pictures(faces))
    Image.fromarray(np.concatenate(rows)).save(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
