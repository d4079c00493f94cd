"""Occluding whole sets: seeds per sample, failures by name, contract of the occluder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ofer_bench.api import FaceSet, OccluderError, Occlusion, OcclusionRequest, derive_rng
from ofer_bench.occlusion.apply import occlude_set
from ofer_occluders.random_patch import RandomPatch

REQUEST = OcclusionRequest(ratio=(0.1, 0.5), patch_size=8, fill=(1, 2, 3))
FACES = FaceSet(
    image=derive_rng("faces").integers(0, 256, size=(6, 32, 32, 3), dtype=np.uint8),
    label=np.zeros(6, dtype=np.int64),
    sample_id=tuple("abcdef"),
)


class Broken(RandomPatch):
    """Writes outside its mask for one image, or loses an exception."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        occlusion = super().sample(image, request, rng)
        bad = np.array_equal(image, FACES.image[3])
        if bad and self.fault == "raise":
            raise ZeroDivisionError("no face here")
        if bad and self.fault == "mask":
            return Occlusion(params=occlusion.params, mask=~occlusion.mask, ratio=occlusion.ratio)
        if bad and self.fault == "dtype":
            return Occlusion(params=occlusion.params, mask=occlusion.mask * 255, ratio=occlusion.ratio)
        if bad and self.fault == "touched":
            return replace(occlusion, touched=np.zeros_like(occlusion.mask))
        return occlusion


def test_order_and_subsets_make_no_difference() -> None:
    seen: list[tuple[int, int]] = []
    images, masks, occlusions = occlude_set(
        RandomPatch,
        FACES,
        request_for=lambda _: REQUEST,
        seed_parts=("cell", 1),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(row, 6) for row in range(1, 7)]
    assert images.dtype == np.uint8 and masks.dtype == np.bool_ and len(occlusions) == 6
    assert np.array_equal(images[~masks], FACES.image[~masks]) and (images[masks] == (1, 2, 3)).all()

    rows = [4, 0, 2]
    part, part_masks, _ = occlude_set(
        RandomPatch, FACES.subset(rows), request_for=lambda _: REQUEST, seed_parts=("cell", 1)
    )
    assert np.array_equal(part, images[rows]) and np.array_equal(part_masks, masks[rows])
    threaded = occlude_set(RandomPatch, FACES, request_for=lambda _: REQUEST, seed_parts=("cell", 1), workers=3)
    assert np.array_equal(threaded[0], images) and [o.params for o in threaded[2]] == [o.params for o in occlusions]
    other, _, _ = occlude_set(RandomPatch, FACES, request_for=lambda _: REQUEST, seed_parts=("cell", 2))
    assert not np.array_equal(other, images)


class Shadowed(RandomPatch):
    """Darkens a pixel beside its mask and says so."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        occlusion = super().sample(image, request, rng)
        touched = occlusion.mask.copy()
        touched[0, 0] = True
        return replace(occlusion, touched=touched)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        occluded = super().apply(image, occlusion)
        occluded[0, 0] = 0
        return occluded


def test_what_is_touched_may_change_and_is_not_occluded() -> None:
    images, masks, _ = occlude_set(Shadowed, FACES, request_for=lambda _: REQUEST, seed_parts=("cell", 1))
    _, expected, _ = occlude_set(RandomPatch, FACES, request_for=lambda _: REQUEST, seed_parts=("cell", 1))
    assert (images[:, 0, 0] == 0).all() and np.array_equal(masks, expected)


def test_requests_belong_to_rows() -> None:
    def request_for(row: int) -> OcclusionRequest:
        return OcclusionRequest(ratio=(row / 16, row / 16), patch_size=8, fill=(0, 0, 0))

    _, masks, _ = occlude_set(RandomPatch, FACES, request_for=request_for, seed_parts=())
    assert (masks.reshape(6, -1).sum(axis=1) == np.arange(6) * 64).all()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", "no face here"),
        ("mask", "outside the mask have changed"),
        ("dtype", "the mask is"),
        ("touched", "does not hold"),
    ],
)
def test_a_failing_sample_is_named(fault: str, message: str) -> None:
    with pytest.raises(OccluderError, match=f"(?s)sample 'd': .*{message}"):
        occlude_set(lambda: Broken(fault), FACES, request_for=lambda _: REQUEST, seed_parts=())
