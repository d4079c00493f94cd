"""The folder that ``occlude`` writes: images, masks and manifest, whole or as it was before."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ofer_bench.core.errors import SpecError, writing
from ofer_bench.data.decode import image_files
from ofer_bench.occlusion.manifest import ManifestRow, read_manifest, write_manifest
from ofer_bench.store.rundir import in_one_step

IMAGE, MASK, SHEET = "image", "mask", "sheet.png"
MANIFEST, TABLE = "manifest.parquet", "manifest.csv"
_UNFINISHED = ".unfinished-occlude"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A picture file; ``sample_id`` is its path below the folder that was named, with forward slashes."""

    path: Path
    sample_id: str


def find_sources(src: Path, skip: Path) -> list[Source]:
    """Return the image files of ``src``, a file or a folder with all its sub-folders but ``skip``, sorted by id.

    SpecError where there is nothing.
    """
    hint = "give an image file, or a folder that has some"
    if src.is_file():
        return [Source(path=src, sample_id=src.name)]
    if not src.exists():
        raise SpecError(src, "is not there", hint=hint)
    found = []
    for folder, inner, _ in os.walk(src):
        if Path(folder).resolve() == skip.resolve():
            inner.clear()
            continue
        found += [Source(path=p, sample_id=p.relative_to(src).as_posix()) for p in image_files(Path(folder))]
    if not found:
        raise SpecError(src, "holds no images", hint=hint)
    return sorted(found, key=lambda source: source.sample_id)


def result_files(sample_ids: Sequence[str]) -> list[str]:
    """Name the results: in the folders of their sources, ``a.png`` for ``a.jpg``; ``a.jpg.png`` where there is a twin.

    >>> result_files(["x/a.jpg", "b.jpg", "b.png"])
    ['x/a.png', 'b.jpg.png', 'b.png.png']
    """
    bare = [sample.rpartition(".")[0] for sample in sample_ids]
    # Some file systems take two names for one that differ only in case.
    count = Counter(name.casefold() for name in bare)
    apart = [s if count[n.casefold()] > 1 else n for s, n in zip(sample_ids, bare, strict=True)]
    for names in (apart, sample_ids):
        if len({name.casefold() for name in names}) == len(names):
            return [f"{name}.png" for name in names]
    raise SpecError(sample_ids[0], "and another image would get results of the same name", hint="rename one of them")


class OccludedFolder:
    """Gathers results beside their place and moves them there at the end, so that a stopped call leaves what was.

    Safe for several threads that write different files. StoreError where the folder can't be written, SpecError
    where it holds a manifest that can't be read.
    """

    def __init__(self, root: Path) -> None:
        self.root, self._work = root, root / _UNFINISHED
        manifest = root / MANIFEST
        self._former = read_manifest(manifest) if manifest.exists() else []
        with writing(root):
            shutil.rmtree(self._work, ignore_errors=True)
            self._work.mkdir(parents=True)

    def __enter__(self) -> OccludedFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        with suppress(OSError):
            # Only where nothing came of it: a folder with anything in it stays.
            self.root.rmdir()

    def write(self, file: str, image: np.ndarray, mask: np.ndarray) -> None:
        """Write one image uint8 [H,W,3] and its mask bool [H,W], as PNG of 24 bits and of one bit a pixel."""
        from PIL import Image

        with writing(self.root):
            for kind, pixels in ((IMAGE, image), (MASK, mask)):
                target = self._work / kind / file
                target.parent.mkdir(parents=True, exist_ok=True)
                # Level 3 packs photographs 1 % worse than the default, in less than half the time.
                Image.fromarray(pixels).save(target, format="PNG", compress_level=3)

    def finish(self, rows: Sequence[ManifestRow]) -> None:
        """Take away what the manifest of a former call lists, move the results in, write the manifest last."""
        made = [row.file for row in rows if row.status == "ok"]
        with writing(self.root):
            self._clear()
            for file in made:
                for kind in (IMAGE, MASK):
                    target = self.root / kind / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (self._work / kind / file).replace(target)
            for name in (TABLE, MANIFEST):
                with in_one_step(self.root / name) as partial:
                    write_manifest(rows, partial)

    def _clear(self) -> None:
        for row in self._former:
            for kind in (IMAGE, MASK):
                path = self.root / kind / row.file
                path.unlink(missing_ok=True)
                _remove_empty(path.parent, self.root)
        # What is in the folder from here on, no manifest vouches for.
        for name in (SHEET, TABLE, MANIFEST):
            (self.root / name).unlink(missing_ok=True)


def check_apart(src: Path, dst: Path, sources: Iterable[Path]) -> None:
    """Raise SpecError where results would be written over a source, or be taken for one by the next call."""
    if src.resolve() == dst.resolve():
        raise SpecError(dst, "is SRC as well", hint="give another folder for the results")
    ours = [(dst / kind).resolve() for kind in (IMAGE, MASK)]
    for path in sources:
        if any(path.resolve().is_relative_to(folder) for folder in ours):
            raise SpecError(path, f"lies where the results of {dst} go", hint="give another folder for the results")


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove ``folder`` and the ones above it, up to ``root``, as far as they are empty."""
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent
