"""What holds for every built-in occluder: replay, seeds, exact masks, honest ratios."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofer_bench.api import Card, Occluder, OccluderError, Occlusion, OcclusionRequest, derive_rng
from ofer_occluders import gradcam, irregular, objects, random_patch, translucent

OCCLUDERS = {
    "random-patch": (random_patch.CARD, random_patch.RandomPatch),
    "gradcam": (gradcam.CARD, gradcam.GradCam),
    "objects": (objects.CARD, objects.Objects),
    "irregular": (irregular.CARD, irregular.Irregular),
    "translucent": (translucent.CARD, translucent.Translucent),
}
every_occluder = pytest.mark.parametrize("name", sorted(OCCLUDERS))
SIDE, PATCH = 48, 8


def picture(side: int = SIDE) -> np.ndarray:
    return derive_rng("picture").integers(0, 256, size=(side, side, 3), dtype=np.uint8)


def request(lo: float, hi: float, **params: object) -> OcclusionRequest:
    grid = SIDE // PATCH
    relevance = derive_rng("relevance").random((grid, grid)).astype(np.float32)
    return OcclusionRequest(ratio=(lo, hi), patch_size=PATCH, fill=(120, 100, 90), relevance=relevance, params=params)


@every_occluder
@settings(max_examples=12, deadline=None)
@given(lo=st.floats(0.03, 0.5), width=st.floats(0.06, 0.2), seed=st.integers(0, 2**32))
def test_replay_mask_and_ratio(name: str, lo: float, width: float, seed: int) -> None:
    occluder, image = OCCLUDERS[name][1](), picture()
    before = image.copy()
    occlusion = occluder.sample(image, request(lo, lo + width), derive_rng(seed))
    occluded = occluder.apply(image, occlusion)

    assert np.array_equal(image, before)
    assert occluded.dtype == np.uint8 and occluded.shape == image.shape
    assert occlusion.mask.dtype == np.bool_ and occlusion.mask.shape == (SIDE, SIDE)
    touched = occlusion.mask if occlusion.touched is None else occlusion.touched
    assert not (occlusion.mask & ~touched).any()
    assert np.array_equal(occluded[~touched], image[~touched])
    assert occlusion.ratio == occlusion.mask.mean()
    assert lo <= occlusion.ratio <= lo + width

    params = json.loads(json.dumps(dict(occlusion.params)))
    assert params == dict(occlusion.params)
    replayed = Occlusion(params=params, mask=np.zeros((0, 0), dtype=bool), ratio=0.0)
    assert np.array_equal(occluder.apply(image, replayed), occluded)


@every_occluder
def test_same_seed_same_bytes_other_seed_other_occlusion(name: str) -> None:
    image = picture()

    def occlude(seed: int) -> np.ndarray:
        occluder = OCCLUDERS[name][1]()
        return occluder.apply(image, occluder.sample(image, request(0.1, 0.4), derive_rng(seed)))

    assert np.array_equal(occlude(1), occlude(1))
    assert not np.array_equal(occlude(1), occlude(2))


@every_occluder
def test_bad_requests_are_typed_errors(name: str) -> None:
    occluder = OCCLUDERS[name][1]()
    for lo, hi in ((-0.1, 0.2), (0.5, 0.2), (0.9, 1.4)):
        with pytest.raises(OccluderError, match="fix:"):
            occluder.sample(picture(), request(lo, hi), derive_rng(0))
    with pytest.raises(OccluderError, match="'colour'"):
        occluder.sample(picture(), request(0.1, 0.3, colour="red"), derive_rng(0))
    with pytest.raises(OccluderError, match="uint8"):
        occluder.sample(picture().astype(np.float32), request(0.1, 0.3), derive_rng(0))
    occlusion = occluder.sample(picture(), request(0.1, 0.3), derive_rng(0))
    with pytest.raises(OccluderError, match="48x48"):
        occluder.apply(picture(64), occlusion)


@every_occluder
def test_card_loads_the_class(name: str) -> None:
    card, occluder = OCCLUDERS[name]
    assert isinstance(card, Card) and card.id == name and card.kind == "occluder"
    assert card.load == f"{occluder.__module__}:{occluder.__qualname__}"
    assert isinstance(occluder(), Occluder)


def test_importing_and_using_occluders_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from ofer_bench.api import OcclusionRequest, derive_rng\n"
        "from ofer_occluders import gradcam, irregular, objects, random_patch\n"
        "assert 'PIL' not in sys.modules and 'scipy' not in sys.modules\n"
        "r = OcclusionRequest(ratio=(0.1, 0.3), patch_size=8, fill=(0, 0, 0))\n"
        "objects.Objects().sample(np.zeros((32, 32, 3), np.uint8), r, derive_rng(0))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
