"""What holds for every occluder without pasted objects: replay, exact masks, ratios, independence of the way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ofer_bench.api import FaceSet, Occluder, OccluderError, Occlusion, derive_rng
from ofer_bench.occlusion.apply import occlude_set
from tests.conftest import toy_faces
from tests.occluders.plain import CASES, OCCLUDERS, REGIONS, SIDE, make, request

every_occluder = pytest.mark.parametrize("name", OCCLUDERS)
every_case = pytest.mark.parametrize(("name", "fill"), CASES)


def picture(side: int = SIDE) -> np.ndarray:
    return derive_rng("picture").integers(0, 256, size=(side, side, 3), dtype=np.uint8)


@every_case
@settings(max_examples=10, deadline=None)
@given(lo=st.floats(0.01, 0.7), width=st.floats(0.06, 0.2), seed=st.integers(0, 2**32))
def test_replay_mask_and_ratio(name: str, fill: str, lo: float, width: float, seed: int) -> None:
    occluder, image = make(name), picture()
    before = image.copy()
    asked = request(name, fill, lo, lo + width, seed)
    try:
        occlusion = occluder.sample(image, asked, derive_rng(seed))
    except OccluderError as error:
        # Nothing but a bin of strokes may be out of reach here, and never an ordinary one.
        assert name == "irregular" and "attempts" in str(error) and lo > 0.5
        return
    occluded = occluder.apply(image, occlusion)

    assert np.array_equal(image, before)
    assert occluded.dtype == np.uint8 and occluded.shape == image.shape
    assert occlusion.mask.dtype == np.bool_ and occlusion.mask.shape == (SIDE, SIDE)
    assert np.array_equal(occluded[~occlusion.mask], image[~occlusion.mask])
    assert occlusion.ratio == occlusion.mask.mean()
    if name == "none":
        assert occlusion.ratio == 0
    else:
        assert asked.ratio[0] <= occlusion.ratio <= asked.ratio[1] and occlusion.mask.any()
        # Random pixels: hardly one in the mask is what the fill says.
        assert (occluded != image).any(axis=2)[occlusion.mask].mean() > 0.9

    params = json.loads(json.dumps(dict(occlusion.params)))
    replayed = Occlusion(params=params, mask=np.zeros((0, 0), dtype=bool), ratio=0.0)
    assert np.array_equal(occluder.apply(image, replayed), occluded)


def occlude(name: str, faces: FaceSet, fill: str = "noise") -> dict[str, str]:
    """Digest of image, mask and parameters by sample."""
    # The relevance goes with the sample, as in a run.
    asked = [
        request(name, "" if name == "none" else fill, 0.1, 0.4, int(sample.rpartition("-")[2]))
        for sample in faces.sample_id
    ]
    image, mask, made = occlude_set(
        lambda: make(name), faces, request_for=asked.__getitem__, seed_parts=("suite", name)
    )
    return {
        sample: hashlib.sha256(
            image[row].tobytes() + mask[row].tobytes() + json.dumps(dict(made[row].params)).encode()
        ).hexdigest()
        for row, sample in enumerate(faces.sample_id)
    }


def in_pieces(name: str, faces: FaceSet, order: Sequence[int], batch: int, workers: int) -> dict[str, str]:
    pieces = [faces.subset(order[start : start + batch]) for start in range(0, len(order), batch)]
    with ThreadPoolExecutor(workers) as pool:
        made = pool.map(lambda piece: occlude(name, piece), pieces)
        return {sample: digest for piece in made for sample, digest in piece.items()}


@every_occluder
@settings(max_examples=6, deadline=None)
@given(order=st.permutations(range(9)), batch=st.integers(1, 9), workers=st.integers(1, 4))
def test_order_batches_and_workers_make_no_difference(name: str, order: list[int], batch: int, workers: int) -> None:
    faces = toy_faces(9, size=SIDE)
    assert in_pieces(name, faces, order, batch, workers) == occlude(name, faces)


def all_digests() -> dict[str, dict[str, str]]:
    return {name: occlude(name, toy_faces(4, size=SIDE)) for name in OCCLUDERS}


@pytest.mark.parametrize("hash_seed", ["1", "4711"])
def test_another_process_with_other_hashes_makes_the_same(hash_seed: str) -> None:
    code = "import json, tests.occluders.test_plain_occluders as t;print('digests', json.dumps(t.all_digests()))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True, env=environment
    )
    assert json.loads(done.stdout.partition("digests ")[2]) == all_digests()


@every_occluder
def test_bad_requests_are_typed_errors(name: str) -> None:
    occluder = make(name)
    for ratio in ((-0.1, 0.2), (0.5, 0.2), (0.9, 1.4)):
        asked = request("", "", *ratio)
        with pytest.raises(OccluderError, match="out of range"):
            occluder.sample(picture(), asked, derive_rng(0))
    with pytest.raises(OccluderError, match="fill"):
        occluder.sample(picture(), request(name, "glitter", 0.1, 0.3), derive_rng(0))
    with pytest.raises(OccluderError, match="uint8"):
        occluder.sample(picture().astype(np.float32), request(name, "", 0.1, 0.3), derive_rng(0))
    occlusion = occluder.sample(picture(), request(name, "", 0.1, 0.3), derive_rng(0))
    with pytest.raises(OccluderError, match="48x48"):
        occluder.apply(picture(64), occlusion)


@every_occluder
def test_card_loads_the_class(name: str) -> None:
    card, occluder = OCCLUDERS[name]
    assert card.id == name and card.kind == "occluder"
    assert card.load == f"{occluder.__module__}:{occluder.__qualname__}"
    assert isinstance(occluder(), Occluder)


def test_using_them_needs_no_torch() -> None:
    code = (
        "import sys; import tests.occluders.plain as p; import numpy as np;"
        "from ofer_bench.api import derive_rng;"
        "image = np.zeros((48, 48, 3), np.uint8);"
        "[p.make(n).sample(image, p.request(n, '', 0.1, 0.3), derive_rng(0)) for n in p.OCCLUDERS];"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment)


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_lies_where_aligned_faces_have_it(name: str) -> None:
    image = np.zeros((224, 224, 3), dtype=np.uint8)
    eyes, mouth = [(0.3175, 0.355), (0.6825, 0.355)], [(0.5, 0.793)]
    inside = {
        "eyes": (eyes, mouth),
        "mouth": (mouth, eyes),
        "lower-face": (mouth, eyes),
        "upper-face": (eyes, mouth),
        "left-half": (eyes[:1], eyes[1:]),
        "right-half": (eyes[1:], eyes[:1]),
    }[name]
    boxes = set()
    for seed in range(20):
        mask = make(name).sample(image, request(name, "", 0, 1), derive_rng(seed)).mask
        for points, hidden in zip(inside, (True, False), strict=True):
            assert all(mask[round(y * 224), round(x * 224)] == hidden for x, y in points)
        boxes.add(mask.tobytes())
    assert len(boxes) > 5


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_keeps_to_a_ratio_that_it_has_and_tells_those_it_has_not(name: str) -> None:
    image = np.zeros((224, 224, 3), dtype=np.uint8)
    drawn = [make(name).sample(image, request(name, "", 0, 1), derive_rng(s)).ratio for s in range(9)]
    natural = float(np.median(drawn))
    asked = request("", "", natural - 0.005, natural + 0.005)
    for seed in range(5):
        assert abs(make(name).sample(image, asked, derive_rng(seed)).ratio - natural) <= 0.005
    with pytest.raises(OccluderError, match="the region decides the ratio"):
        make(name).sample(image, request("", "", 0.8, 0.9), derive_rng(0))


def test_dropout_fills_the_bin_with_one_to_eight_holes() -> None:
    made = [make("dropout").sample(picture(224), request("", "", 0.2, 0.3), derive_rng(s)) for s in range(80)]
    assert min(o.ratio for o in made) < 0.22 and max(o.ratio for o in made) > 0.28
    assert {len(o.params["holes"]) for o in made} == set(range(1, 9))
    with pytest.raises(OccluderError, match="lo < hi"):
        make("dropout").sample(picture(), request("", "", 0.2, 0.2), derive_rng(0))
    everything = make("dropout").sample(picture(), request("", "", 0.97, 1.0), derive_rng(0))
    assert everything.ratio >= 0.97
