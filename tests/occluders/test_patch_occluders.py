"""Random and Grad-CAM guided patches."""

from __future__ import annotations

import numpy as np
import pytest

from ofer_bench.api import OccluderError, OcclusionRequest, derive_rng
from ofer_occluders.gradcam import GradCam
from ofer_occluders.random_patch import RandomPatch

IMAGE = np.full((224, 224, 3), 7, dtype=np.uint8)


def request(ratio: float, relevance: np.ndarray | None = None, **params: object) -> OcclusionRequest:
    return OcclusionRequest(ratio=(ratio, ratio), patch_size=16, fill=(1, 2, 3), relevance=relevance, params=params)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.4, 0.7, 1.0])
def test_random_patch_count_is_the_rounded_share_of_196(ratio: float) -> None:
    occlusion = RandomPatch().sample(IMAGE, request(ratio), derive_rng(ratio))
    assert len(set(occlusion.params["patches"])) == round(ratio * 196)
    assert occlusion.mask.sum() == round(ratio * 196) * 256
    occluded = RandomPatch().apply(IMAGE, occlusion)
    assert (occluded[occlusion.mask] == (1, 2, 3)).all()


def test_random_patches_are_uniform() -> None:
    counts = np.zeros(196)
    for seed in range(400):
        counts[RandomPatch().sample(IMAGE, request(0.25), derive_rng(seed)).params["patches"]] += 1
    # 400 draws of a share of 1/4: four standard deviations are 35.
    assert np.abs(counts - 100).max() < 40


def test_ratio_range_is_drawn_uniformly() -> None:
    span = OcclusionRequest(ratio=(0.2, 0.6), patch_size=16, fill=(0, 0, 0))
    ratios = [RandomPatch().sample(IMAGE, span, derive_rng(seed)).ratio for seed in range(300)]
    assert 0.2 <= min(ratios) < 0.22 and 0.58 < max(ratios) <= 0.6
    assert abs(np.mean(ratios) - 0.4) < 0.03


def test_gradcam_takes_the_most_relevant_first_and_ties_by_index() -> None:
    relevance = np.zeros((14, 14), dtype=np.float32)
    relevance[3, 4], relevance[13, 13] = 2.0, 1.0
    rng = derive_rng(0)
    most = GradCam().sample(IMAGE, request(5 / 196, relevance), rng).params["patches"]
    assert most == [0, 1, 2, 3 * 14 + 4, 195]
    least = GradCam().sample(IMAGE, request(5 / 196, relevance, order="least"), rng).params["patches"]
    assert least == [0, 1, 2, 3, 4]
    almost_all = GradCam().sample(IMAGE, request(194 / 196, relevance, order="least"), rng)
    assert set(range(196)) - set(almost_all.params["patches"]) == {3 * 14 + 4, 195}


def test_gradcam_needs_a_fitting_relevance() -> None:
    with pytest.raises(OccluderError, match="needs a relevance map"):
        GradCam().sample(IMAGE, request(0.1), derive_rng(0))
    with pytest.raises(OccluderError, match="patch grid"):
        GradCam().sample(IMAGE, request(0.1, np.zeros((7, 7))), derive_rng(0))
    with pytest.raises(OccluderError, match="not finite"):
        GradCam().sample(IMAGE, request(0.1, np.full((14, 14), np.nan)), derive_rng(0))
    with pytest.raises(OccluderError, match="most, least"):
        GradCam().sample(IMAGE, request(0.1, np.zeros((14, 14)), order="some"), derive_rng(0))


def test_patches_must_tile_the_image() -> None:
    with pytest.raises(OccluderError, match="multiple of the patch size"):
        RandomPatch().sample(IMAGE[:220], request(0.1), derive_rng(0))
