"""Occluding picture files: every one under its own seed, on several threads, with a manifest row for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ofer_bench import __version__
from ofer_bench.core.errors import ImageUnreadable, OccluderError, OferBenchError, SpecError
from ofer_bench.core.hashing import file_digest
from ofer_bench.core.seeding import derive_rng
from ofer_bench.core.threads import PerThread, each
from ofer_bench.core.types import Card
from ofer_bench.data.decode import DECODER, decode_image
from ofer_bench.engine.occluded_folder import OccludedFolder, Source, result_files
from ofer_bench.engine.progress import Progress
from ofer_bench.occlusion.apply import occlude_one
from ofer_bench.occlusion.manifest import ManifestRow, pixel_digest
from ofer_bench.occlusion.mask_code import encode_mask, patch_ratio
from ofer_bench.plugins.discovery import load_class
from ofer_bench.plugins.protocols import Occluder, OcclusionRequest

Relevance = Callable[[np.ndarray], np.ndarray]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class OcclusionJob:
    """What is asked for: occluder, range of ratios in [0,1], sides in pixels, the occluder's options, a seed.

    ``relevance`` gives float32 [G,G] for an image uint8 [H,W,3]; only for occluders with that capability.
    """

    card: Card
    ratio: tuple[float, float]
    size: int
    patch_size: int
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)
    relevance: Relevance | None = None


def occlude_files(
    job: OcclusionJob, sources: Sequence[Source], folder: OccludedFolder, progress: Progress, workers: int = 1
) -> list[ManifestRow]:
    """Occlude every source into ``folder`` and return its rows, those that failed among them.

    The fill is the mean colour of all readable sources, so files are read twice and never held all at once. Raises
    the first problem where all fail: SpecError when nothing can be read, OccluderError when nothing can be occluded.
    """
    names = result_files([source.sample_id for source in sources])
    progress.begin(2 if job.relevance is None else 3, 0)
    seen = staged("read", progress, each(partial(_colour_sum, job), sources, workers), len(sources))
    sums = [outcome for outcome in seen if not isinstance(outcome, str)]
    if not sums:
        raise SpecError(sources[0].path, f"no image can be read; the first problem is: {seen[0]}")
    fill = _mean_colour(sums, job.size)
    maps: list[np.ndarray | None] = [None] * len(sources)
    if job.relevance is not None:
        # One thread: the network's hooks know of no other. One image at a time: no company changes its map.
        maps = staged("relevance", progress, (_relevance(job, source) for source in sources), len(sources))
    occluders = PerThread[Occluder](load_class(job.card))

    def make(item: tuple[Source, str, np.ndarray | None]) -> ManifestRow:
        return _occlude_file(job, item[0], item[1], item[2], occluders, folder, fill)

    jobs = list(zip(sources, names, maps, strict=True))
    rows = staged(f"occlude/{job.card.id}", progress, each(make, jobs, workers), len(jobs))
    if all(row.status == "failed" for row in rows):
        first = next(row for row, outcome in zip(rows, seen, strict=True) if not isinstance(outcome, str))
        raise OccluderError(f"no image can be occluded; the first problem is: {first.error}")
    return rows


def staged(label: str, progress: Progress, results: Iterable[Result], total: int) -> list[Result]:
    """Collect ``results`` and tell of them as of one stage with ``total`` images."""
    started = time.perf_counter()
    progress.stage(label)
    done: list[Result] = []
    for result in results:
        done.append(result)
        progress.advance(len(done), total, "images")
    progress.finish(label, time.perf_counter() - started)
    return done


def _colour_sum(job: OcclusionJob, source: Source) -> np.ndarray | str:
    try:
        return decode_image(source.path, job.size).sum(axis=(0, 1), dtype=np.int64)
    except ImageUnreadable as error:
        return str(error)


def _mean_colour(sums: Sequence[np.ndarray], size: int) -> tuple[int, int, int]:
    """Whole numbers until the division: no order of the images changes the result."""
    mean = np.sum(sums, axis=0) / (len(sums) * size * size)
    red, green, blue = (int(value) for value in mean.round())
    return red, green, blue


def _relevance(job: OcclusionJob, source: Source) -> np.ndarray | None:
    assert job.relevance is not None
    try:
        return job.relevance(decode_image(source.path, job.size))
    except ImageUnreadable:
        return None


def _occlude_file(
    job: OcclusionJob,
    source: Source,
    file: str,
    relevance: np.ndarray | None,
    occluders: PerThread[Occluder],
    folder: OccludedFolder,
    fill: tuple[int, int, int],
) -> ManifestRow:
    common: dict[str, Any] = {
        "sample_id": source.sample_id,
        "file": file,
        "occluder": job.card.id,
        "occluder_version": job.card.version,
        "seed": job.seed,
        "size": job.size,
        "patch_size": job.patch_size,
        "ratio_lo": job.ratio[0],
        "ratio_hi": job.ratio[1],
        "decoder": DECODER,
        "tool_version": __version__,
    }
    request = OcclusionRequest(
        ratio=job.ratio, patch_size=job.patch_size, fill=fill, relevance=relevance, params=job.params
    )
    rng = derive_rng("occlude", job.card.id, job.seed, source.sample_id)
    try:
        image = decode_image(source.path, job.size)
        occluded, made = occlude_one(occluders.get(), image, request, rng)
    except ImageUnreadable as error:
        return ManifestRow(**common, status="failed", error=first_line(error, source.path))
    except OferBenchError as error:
        return ManifestRow(**common, status="failed", error="; ".join(str(error).split("\n  fix: ")))
    except Exception as error:
        # Whatever a plugin raises for one image must not lose the others.
        return ManifestRow(**common, status="failed", error=first_line(error))
    folder.write(file, occluded, made.mask)
    return ManifestRow(
        **common,
        params=dict(made.params),
        ratio=float(made.mask.mean()),
        patch_ratio_tau_0_1=patch_ratio(made.mask, job.patch_size, 0.1),
        patch_ratio_tau_0_5=patch_ratio(made.mask, job.patch_size, 0.5),
        file_digest=file_digest(source.path),
        source_digest=pixel_digest(image),
        mask_digest=pixel_digest(made.mask),
        image_digest=pixel_digest(occluded),
        mask=encode_mask(made.mask),
    )


def first_line(error: Exception, path: Path | None = None) -> str:
    """Return what went wrong, without the hint and without the ``path`` that a manifest should not tell."""
    text = str(error).partition("\n")[0].removeprefix(f"{path}: ")
    return text if isinstance(error, OferBenchError) else f"{type(error).__name__}: {text}"
