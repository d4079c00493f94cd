"""Faces as files for other programs, in the layout that the folder reader reads back.

``PART/EXPRESSION/ID.png`` are the faces; ``masks/PART/ID.png`` (one bit, white = occluded) and
``clean/PART/EXPRESSION/ID.png`` stand beside them where faces have occluders; ``index.csv`` has a row per face.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ofer_bench.core.errors import SpecError, writing
from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.core.types import FaceSet

INDEX, ABOUT = "index.csv", "README.txt"
HEADING = "Exported by ofer-bench: "
_UNFINISHED = ".unfinished-export"
_CLAIMED, _WRITING = "nothing is written yet\n", f"{INDEX} lists what is written here\n"
_FIRST, _LAST = ("file", "part", "label", "sample_id"), ("mask", "clean")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPart:
    """One part to be written: its name, its faces, and one mapping of attributes per face."""

    name: str
    faces: FaceSet
    attributes: Sequence[Mapping[str, Any]]


def claim_folder(root: Path, *, force: bool = False) -> None:
    """Make ``root`` the place of an export, before anything costly is done for it.

    SpecError when it holds anything else than an unfinished export and ``force`` is not given; StoreError when it
    can't be written.
    """
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        marker = root / _UNFINISHED
        if marker.exists():
            return
        if any(root.iterdir()) and not force:
            raise SpecError(
                root, "is not empty", hint="choose another folder; --force replaces an export and leaves other files"
            )
        marker.write_text(_CLAIMED, encoding="utf-8")


def export_parts(
    root: Path, parts: Sequence[ExportPart], about: str, advance: Callable[[float, float, str], None]
) -> int:
    """Write ``parts`` and the text ``about`` into a claimed folder; returns the number of files.

    What a former export left there is removed first, other files stay. ``README.txt`` comes last, so a folder that
    has one is whole. StoreError when the folder can't be written.
    """
    rows = [row for part in parts for row in _rows(part)]
    with writing(root):
        _clear(root)
        _write_index(root / INDEX, rows)
        (root / _UNFINISHED).write_text(_WRITING, encoding="utf-8")
        pictures = [picture for part in parts for picture in _pictures(part)]
        for done, (name, picture) in enumerate(pictures, start=1):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture()).save(path)
            advance(done, len(pictures), "files")
        (root / ABOUT).write_text(HEADING + about, encoding="utf-8")
        (root / _UNFINISHED).unlink()
    return len(pictures) + 2


def _names(part: ExportPart, row: int) -> dict[str, str]:
    """Paths of one sample; empty where it has no occluder."""
    faces = part.faces
    sample, label = faces.sample_id[row], EXPRESSIONS[int(faces.label[row])]
    face = f"{part.name}/{label}/{sample}.png"
    occluded = faces.occluded is not None and bool(faces.occluded[row].any())
    return {
        "file": face,
        "part": part.name,
        "label": label,
        "sample_id": sample,
        "mask": f"masks/{part.name}/{sample}.png" if occluded else "",
        "clean": f"clean/{face}" if faces.clean is not None else "",
    }


def _rows(part: ExportPart) -> list[dict[str, Any]]:
    return [{**dict(attributes), **_names(part, i)} for i, attributes in enumerate(part.attributes)]


def _pictures(part: ExportPart) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Name and pixels of every file of a part; the pixels are fetched when they are written."""
    faces = part.faces
    for i in range(len(faces)):
        names = _names(part, i)
        arrays = {"file": faces.image, "mask": faces.occluded, "clean": faces.clean}
        for kind, array in arrays.items():
            if names[kind] and array is not None:
                yield names[kind], _fetch(array, i)


def _fetch(array: np.ndarray, row: int) -> Callable[[], np.ndarray]:
    return lambda: np.ascontiguousarray(array[row])


def _write_index(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    inner = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in (*_FIRST, *_LAST)]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*_FIRST, *inner, *_LAST], restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _clear(root: Path) -> None:
    """Remove what a former export of ours wrote, by its own index, and the folders that this leaves empty."""
    about, marker = root / ABOUT, root / _UNFINISHED
    ours = about.is_file() and about.read_text(encoding="utf-8", errors="replace").startswith(HEADING)
    if not ours and marker.read_text(encoding="utf-8") != _WRITING:
        return
    # Without the README the folder counts as unfinished from here on, should this be interrupted.
    marker.write_text(_WRITING, encoding="utf-8")
    if ours:
        about.unlink()
    if not (root / INDEX).exists():
        return
    with (root / INDEX).open(newline="", encoding="utf-8") as file:
        written = [row.get(kind) or "" for row in csv.DictReader(file) for kind in ("file", "mask", "clean")]
    folders: set[Path] = set()
    for name in map(PurePosixPath, written):
        # An index that somebody edited must not lead out of the folder.
        if name.parts and not name.is_absolute() and ".." not in name.parts:
            (root / name).unlink(missing_ok=True)
            folders.update(root / parent for parent in name.parents if parent.name)
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()
    (root / INDEX).unlink()
