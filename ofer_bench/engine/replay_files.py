"""Occluded images made again from a manifest: parameters in, bits compared, no chance involved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ofer_bench.core.errors import ImageUnreadable
from ofer_bench.core.hashing import file_digest
from ofer_bench.core.threads import PerThread, each
from ofer_bench.core.types import Occlusion
from ofer_bench.data.decode import decode_image
from ofer_bench.engine.occlude_files import first_line, staged
from ofer_bench.engine.occluded_folder import OccludedFolder
from ofer_bench.engine.progress import Progress
from ofer_bench.occlusion.manifest import ManifestRow, pixel_digest
from ofer_bench.occlusion.mask_code import decode_mask
from ofer_bench.plugins.discovery import load_class, registry
from ofer_bench.plugins.protocols import Occluder


class Verdict(StrEnum):
    """What became of a row."""

    same = "same"
    skipped = "had failed when the manifest was made"
    missing = "missing"
    differs = "differs"
    failed = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A row, what became of it, and in words what is wrong."""

    row: ManifestRow
    verdict: Verdict
    problem: str = ""


class _Mismatch(Exception):
    def __init__(self, verdict: Verdict, problem: str) -> None:
        super().__init__(problem)
        self.verdict = verdict


def replay_files(
    rows: Sequence[ManifestRow],
    src: Path,
    folder: OccludedFolder,
    progress: Progress,
    workers: int = 1,
    files: str | None = None,
) -> list[Replayed]:
    """Make every row's image from its parameters and the file below ``src``; write those that match bit for bit.

    ``files`` is the folder that stands for the one that parameters name as ``folder`` (a user's own cut-outs, say).
    An occluder that is not registered is UnknownName; all else that is wrong is the verdict of a row.
    """
    occluders = {
        name: PerThread[Occluder](load_class(registry().card(name, kind="occluder")))
        for name in {r.occluder for r in rows}
    }
    progress.begin(1, 0)
    replay = partial(_replay, src=src, folder=folder, occluders=occluders, files=files)
    return staged("replay", progress, each(replay, rows, workers), len(rows))


def _replay(
    row: ManifestRow, src: Path, folder: OccludedFolder, occluders: Mapping[str, PerThread[Occluder]], files: str | None
) -> Replayed:
    if row.status == "failed":
        return Replayed(row=row, verdict=Verdict.skipped, problem=row.error)
    try:
        image = _source(row, src)
        mask, occluded = _occlude(row, image, occluders[row.occluder], files)
    except _Mismatch as mismatch:
        problem = str(mismatch)
        return Replayed(
            row=row.model_copy(update={"status": "failed", "error": problem}),
            verdict=mismatch.verdict,
            problem=problem,
        )
    folder.write(row.file, occluded, mask)
    return Replayed(row=row, verdict=Verdict.same)


def _source(row: ManifestRow, src: Path) -> np.ndarray:
    """The row's picture as it was: uint8 [size,size,3]."""
    path = src if src.is_file() and src.name == row.sample_id else src / row.sample_id
    if not path.is_file():
        raise _Mismatch(Verdict.missing, "is not there")
    try:
        image = decode_image(path, row.size)
    except ImageUnreadable as error:
        raise _Mismatch(Verdict.differs, first_line(error, path)) from None
    if pixel_digest(image) == row.source_digest:
        return image
    if file_digest(path) == row.file_digest:
        raise _Mismatch(Verdict.differs, "is the same file, but decodes to other pixels: other versions of Pillow")
    raise _Mismatch(Verdict.differs, "is another picture than the one occluded")


def _occlude(row: ManifestRow, image: np.ndarray, occluder: PerThread, files: str | None) -> tuple[np.ndarray, Any]:
    try:
        mask = decode_mask(row.mask, row.size)
        if pixel_digest(mask) != row.mask_digest:
            raise _Mismatch(Verdict.failed, "the mask is not the one that its digest names")
        params = row.params if files is None else moved(row.params, files)
        occluded = occluder.get().apply(image, Occlusion(params=params, mask=mask, ratio=float(mask.mean())))
    except _Mismatch:
        raise
    except Exception as error:
        # Whatever a plugin raises for one image must not lose the others.
        raise _Mismatch(Verdict.failed, first_line(error)) from error
    if pixel_digest(occluded) == row.image_digest:
        return mask, occluded
    now = registry().card(row.occluder).version
    versions = "" if now == row.occluder_version else f": made by version {row.occluder_version}, here is {now}"
    raise _Mismatch(Verdict.failed, f"{row.occluder} makes another image{versions}")


def moved(params: Any, files: str) -> Any:
    """Return JSON-like ``params`` with every text under a key ``folder`` replaced by ``files``."""
    if isinstance(params, Mapping):
        return {
            key: files if key == "folder" and isinstance(value, str) else moved(value, files)
            for key, value in params.items()
        }
    return [moved(value, files) for value in params] if isinstance(params, list) else params
