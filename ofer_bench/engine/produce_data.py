"""Producers of the data stages: splits, relevance maps and occluded cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from ofer_bench.core.errors import PluginError
from ofer_bench.core.threads import thread_count
from ofer_bench.core.types import Card
from ofer_bench.engine.checks import check_split
from ofer_bench.engine.files import read_faces, write_occluded, write_split
from ofer_bench.engine.pool import ComponentRecipe
from ofer_bench.engine.stages import Workspace
from ofer_bench.plugins.discovery import load_class
from ofer_bench.plugins.protocols import Explainable, OcclusionRequest

Producer = Callable[[Workspace, Path], Mapping[str, Any]]


def split_producer(card: Card, reader: Any, part: str) -> Producer:
    """Read one part of a data set; readers that know ``scratch`` or ``workers`` are given them."""

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        offered = {"scratch": work.scratch, "workers": work.workers}
        known = signature(reader.read).parameters
        options = {name: value for name, value in offered.items() if name in known}
        data = reader.read(part, work.device, work.advance, **options)
        check_split(card.id, data)
        return write_split(folder, data)

    return produce


def relevance_producer(
    split: str, stage: str, classifier: ComponentRecipe, batch_size: int, *, predicted: bool
) -> Producer:
    """Grad-CAM of a classifier for the true class (paper, section 1) or its ``predicted`` one, averaged per patch."""

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        from ofer_bench.occlusion.cam import patch_relevance

        faces = read_faces(work.artefact(split).path)
        model = work.pool.get(stage, classifier)
        explainable = isinstance(model, Explainable)
        if not explainable:
            raise PluginError(f"{classifier.card.id} has no Grad-CAM", hint="give it logits(image) and cam_layer")
        maps = []
        for batch in faces.batches(batch_size, work.device):
            label = None if predicted else batch.label
            maps.append(patch_relevance(model, model.cam_layer, batch.image, label, classifier.settings.patch_size))
            work.advance(sum(map(len, maps)), len(faces), "images")
        np.save(folder / "relevance.npy", np.concatenate(maps).astype(np.float32))
        return {"classifier": classifier.card.id}

    return produce


def occlude_producer(
    *,
    card: Card,
    split: str,
    colour_from: str,
    relevance: str | None,
    ratio: tuple[float, float],
    patch_size: int,
    params: Mapping[str, Any],
    seed_parts: tuple[Any, ...],
) -> Producer:
    """Occlude every face of a split, each with a seed of its own."""

    def produce(work: Workspace, folder: Path) -> Mapping[str, Any]:
        from ofer_bench.occlusion.apply import occlude_set

        faces = read_faces(work.artefact(split).path)
        red, green, blue = work.artefact(colour_from).meta["mean_colour"]
        scores = np.load(work.artefact(relevance).path / "relevance.npy") if relevance else None

        def request_for(index: int) -> OcclusionRequest:
            return OcclusionRequest(
                ratio=ratio,
                patch_size=patch_size,
                fill=(red, green, blue),
                relevance=None if scores is None else scores[index],
                params=params,
            )

        image, mask, made = occlude_set(
            load_class(card),
            faces,
            request_for=request_for,
            seed_parts=seed_parts,
            workers=thread_count(work.workers),
            progress=lambda done, total: work.advance(done, total, "images"),
        )
        write_occluded(folder, image, mask, [occlusion.params for occlusion in made])
        return {"n": len(faces), "mean_ratio": float(mask.mean())}

    return produce
