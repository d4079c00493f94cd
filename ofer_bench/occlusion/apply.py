"""Occluding a whole set, every sample under its own seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from ofer_bench.core.errors import OccluderError
from ofer_bench.core.seeding import derive_rng
from ofer_bench.core.threads import PerThread, each
from ofer_bench.core.types import FaceSet, Occlusion

Request = TypeVar("Request", contravariant=True)


class SamplesAndApplies(Protocol[Request]):
    """The occluder protocol of the plugin layer, seen from below: the request type stays open here."""

    def sample(self, image: np.ndarray, request: Request, rng: np.random.Generator) -> Occlusion:
        """Draw one occlusion for ``image`` uint8 [H,W,3]."""
        ...

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return a new occluded image uint8 [H,W,3]."""
        ...


def occlude_set(
    make: Callable[[], SamplesAndApplies[Request]],
    faces: FaceSet,
    *,
    request_for: Callable[[int], Request],
    seed_parts: Sequence[Any],
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[Occlusion]]:
    """Occlude every face: images uint8 [N,H,W,3], masks bool [N,H,W] (True = occluded) and the occlusions.

    ``make`` gives an occluder to each of ``workers`` threads, ``request_for`` maps a row of ``faces`` to its request.
    Each sample's generator is derived from ``seed_parts`` (JSON-like) and its sample id, so order, subsets and workers
    make no difference. ``progress`` is called with (done, total). No sample is ever skipped: one that fails, or whose
    mask and image contradict each other, raises OccluderError with its sample id.
    """
    images = np.empty(faces.image.shape, dtype=np.uint8)
    masks = np.empty(faces.image.shape[:3], dtype=bool)
    occlusions: list[Occlusion] = []
    occluders = PerThread(make)

    def occlude(row: int) -> tuple[np.ndarray, Occlusion]:
        rng = derive_rng(*seed_parts, faces.sample_id[row])
        try:
            return occlude_one(occluders.get(), np.asarray(faces.image[row]), request_for(row), rng)
        except Exception as error:
            raise OccluderError(f"sample {faces.sample_id[row]!r}: {error}") from error

    for row, (image, occlusion) in enumerate(each(occlude, range(len(faces)), workers)):
        images[row], masks[row] = image, occlusion.mask
        occlusions.append(occlusion)
        if progress is not None:
            progress(row + 1, len(faces))
    return images, masks, occlusions


def occlude_one(
    occluder: SamplesAndApplies[Request], image: np.ndarray, request: Request, rng: np.random.Generator
) -> tuple[np.ndarray, Occlusion]:
    """Occlude one ``image`` uint8 [H,W,3]: the occluded image and its occlusion.

    OccluderError when mask and image contradict each other; whatever the occluder raises is passed on.
    """
    occlusion = occluder.sample(image, request, rng)
    occluded = occluder.apply(image, occlusion)
    _check(image, occluded, occlusion)
    return occluded, occlusion


def _check(image: np.ndarray, occluded: np.ndarray, occlusion: Occlusion) -> None:
    mask = occlusion.mask
    if occluded.shape != image.shape or occluded.dtype != np.uint8:
        raise OccluderError(
            f"apply returned {occluded.dtype} {occluded.shape}", hint=f"return uint8 {image.shape}, as given"
        )
    if mask.shape != image.shape[:2] or mask.dtype != np.bool_:
        raise OccluderError(f"the mask is {mask.dtype} {mask.shape}", hint=f"return bool {image.shape[:2]}")
    touched = mask if occlusion.touched is None else occlusion.touched
    if touched.shape != mask.shape or touched.dtype != np.bool_ or (mask & ~touched).any():
        raise OccluderError("`touched` does not hold the mask", hint="return bool like the mask, True there and beyond")
    # Channel by channel: picking pixels by a mask takes ten times as long.
    differs = occluded != image
    changed = differs[..., 0] | differs[..., 1] | differs[..., 2]
    if (changed & ~touched).any():
        raise OccluderError(
            "pixels outside the mask have changed", hint="set the mask, or `touched`, wherever apply writes"
        )
