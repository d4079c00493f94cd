"""Builds a part of ParaFace: a fixed number of images per subject, each of them reproducible on its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from ofer_bench.core.expressions import Expression
from ofer_bench.core.seeding import derive_rng
from ofer_bench.core.types import FaceSet
from ofer_bench.data.paraface.model import load_head_model
from ofer_bench.data.paraface.part import DRAWS, PROP_SETS, UNSEEN_PROPS, Part
from ofer_bench.data.paraface.partial import read_subject, write_subject
from ofer_bench.data.paraface.renderer import rendering_device
from ofer_bench.data.paraface.sampling import (
    KDEF_VIEWS,
    Shot,
    Subject,
    dominant_ancestry,
    draw_shot,
    draw_subject,
)
from ofer_bench.data.paraface.skin_map import SkinMap, sheet_size
from ofer_bench.data.paraface.studio import Prop, Studio
from ofer_bench.data.paraface.wrinkles import fold_sheets

_CLASSES = tuple(Expression)
_MAX_WORKERS = 8
# An occluder that shows on fewer pixels than this hides nothing; it is drawn again, so many times at most.
_LEAST_COVER, _ATTEMPTS = 0.03, 6

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectImages:
    """All images of one subject, uint8 [N,S,S,3], with one attribute mapping and id per image.

    With occluders ``clean`` is the same face without them and ``occluded`` bool [N,S,S] their exact mask.
    """

    image: np.ndarray
    attributes: Sequence[dict[str, Any]]
    sample_id: Sequence[str]
    clean: np.ndarray | None = None
    occluded: np.ndarray | None = None


def build_paraface(
    part: Part,
    *,
    device: str = "cpu",
    workers: int = 0,
    progress: Progress | None = None,
    partial: Path | None = None,
) -> tuple[FaceSet, list[dict[str, Any]]]:
    """Render ``part``: the faces in the order of subject, expression and repeat, and one dict of attributes each.

    An image depends on the part's people, seed, size and its own id only, so that fewer subjects are a prefix of
    more. ``workers`` threads render (0: one per core, at most 8); with a GPU too, where they take turns and draw, paint
    and grow hair meanwhile. Where warp can't use the GPU, the CPU renders, with a warning. ``progress(done, total,
    what)`` is called as work goes on. Finished subjects are kept in ``partial`` when given, and found there by the next
    call.

    Raises :class:`~ofer_bench.core.errors.DatasetMissing` when the head model is not installed.
    """
    tell = progress or (lambda done, total, what: None)
    subjects = []
    tell(0, part.count, "loading the head model")
    if rendering_device(device) != device:
        warnings.warn(
            f"warp can't use {device} or its driver, so faces are rendered on the CPU; a newer driver may help",
            RuntimeWarning,
            stacklevel=2,
        )
    # Closed at once when the caller gives up: the threads would otherwise go on to the last subject.
    with closing(_subjects(part, device, workers or default_workers(), tell, partial)) as made:
        for images in made:
            subjects.append(images)
            tell(min(len(subjects) * len(_CLASSES) * part.repeats, part.count), part.count, "faces")
    rows = slice(0, part.count)
    label = np.tile(np.repeat(np.arange(len(_CLASSES), dtype=np.int64), part.repeats), part.subjects)

    def joined(name: str) -> np.ndarray | None:
        values = [getattr(images, name) for images in subjects]
        return None if values[0] is None else np.concatenate(values)[rows]

    image = joined("image")
    assert image is not None
    faces = FaceSet(
        image=image,
        label=label[rows],
        sample_id=tuple(i for images in subjects for i in images.sample_id)[rows],
        clean=joined("clean"),
        occluded=joined("occluded"),
    )
    return faces, [row for images in subjects for row in images.attributes][rows]


def _subjects(
    part: Part, device: str, workers: int, tell: Progress, partial: Path | None
) -> Generator[SubjectImages, None, None]:
    """Yield the subjects in order; the head model is loaded when the first one is not there yet."""
    folder = partial / part.folder if partial else None
    idle: SimpleQueue[Studio] = SimpleQueue()

    def stored(number: int) -> SubjectImages | None:
        return read_subject(folder, number) if folder else None

    def work(number: int) -> SubjectImages:
        found = stored(number)
        if found is not None:
            return found
        studio = idle.get()
        try:
            images = _photograph(studio, part, number)
        finally:
            idle.put(studio)
        if folder:
            write_subject(folder, number, images)
        return images

    if any(stored(number) is None for number in range(1, part.subjects + 1)):
        head = load_head_model()
        tell(0, part.count, "painting and compiling")
        skin = SkinMap(head, sheet_size(part.image_size))
        folds = fold_sheets(skin)
        for _ in range(workers):
            idle.put(
                Studio(
                    head,
                    skin,
                    folds,
                    batch_size=len(_CLASSES),
                    image_size=part.image_size,
                    device=device,
                    margin=part.margin,
                )
            )
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, range(1, part.subjects + 1))


def default_workers() -> int:
    """Threads that render: one per core, at most 8."""
    return max(1, min(_MAX_WORKERS, os.cpu_count() or 1))


def _photograph(studio: Studio, part: Part, number: int) -> SubjectImages:
    """Render all images of subject ``number``."""
    subject = draw_subject(part.people, number, part.seed)
    views = KDEF_VIEWS if part.views else ()
    columns = []
    for repeat in range(part.repeats):
        shots = [draw_shot(subject, e, repeat, part.seed, domain=part.domain, views=views) for e in _CLASSES]
        columns.append(_column(studio, subject, shots, part))
    # Expression by expression, each with its repeats.
    order = [repeat * len(_CLASSES) + e for e in range(len(_CLASSES)) for repeat in range(part.repeats)]
    flat = SubjectImages(
        image=np.concatenate([c.image for c in columns]),
        attributes=[row for c in columns for row in c.attributes],
        sample_id=[i for c in columns for i in c.sample_id],
    )
    if part.props != "none":
        clean = np.concatenate([c.clean for c in columns if c.clean is not None])
        occluded = np.concatenate([c.occluded for c in columns if c.occluded is not None])
        flat = replace(flat, clean=clean[order], occluded=occluded[order])
    return replace(
        flat,
        image=flat.image[order],
        attributes=[flat.attributes[i] for i in order],
        sample_id=[flat.sample_id[i] for i in order],
    )


def _column(studio: Studio, subject: Subject, shots: Sequence[Shot], part: Part) -> SubjectImages:
    """One image per shot, with its twin when the part has occluders."""
    ids = [shot.sample_id for shot in shots]
    plain = studio.photograph(subject, shots)
    clean = plain.image
    attributes = [
        {**_attributes(subject, shot, part), "landmarks": [round(float(x), 5) for x in places.ravel()]}
        for shot, places in zip(shots, plain.landmarks, strict=True)
    ]
    kinds = PROP_SETS[part.props]
    if not kinds:
        return SubjectImages(image=clean, attributes=attributes, sample_id=ids)
    image, occluded = clean.copy(), np.zeros(clean.shape[:3], dtype=bool)
    missing = np.ones(len(shots), dtype=bool)
    for attempt in range(_ATTEMPTS):
        props = [_draw_prop(shot, kinds, part.seed, attempt) for shot in shots]
        made = studio.photograph(subject, shots, props)
        cover = made.occluded.mean(axis=(1, 2))
        for i in np.flatnonzero(missing & (cover >= _LEAST_COVER)).tolist():
            image[i], occluded[i], missing[i] = made.image[i], made.occluded[i], False
            seen = made.props[i]["kind"] not in UNSEEN_PROPS
            attributes[i].update(occluder=made.props[i]["kind"], occluder_seen=seen, ratio=float(cover[i]))
        if not missing.any():
            break
    for i in np.flatnonzero(missing).tolist():
        attributes[i].update(occluder="", occluder_seen=True, ratio=0.0)
    return SubjectImages(image=image, attributes=attributes, sample_id=ids, clean=clean, occluded=occluded)


def _draw_prop(shot: Shot, kinds: tuple[str, ...], seed: int, attempt: int) -> Prop:
    rng = derive_rng("paraface-prop", DRAWS, seed, shot.sample_id, attempt)
    return Prop(kind=str(rng.choice(kinds)), seed=int(rng.integers(2**31)))


def _attributes(subject: Subject, shot: Shot, part: Part) -> dict[str, Any]:
    return {
        "subject": subject.id,
        "expression": shot.expression.value,
        "variant": shot.variant,
        "intensity": shot.intensity,
        "age": subject.age,
        "gender": subject.gender,
        "ancestry": dominant_ancestry(subject),
        "yaw": shot.yaw,
        "pitch": shot.pitch,
        "roll": shot.roll,
        "hair": subject.appearance.hair.style,
        "beard": subject.appearance.beard,
        "domain": part.domain,
    }
