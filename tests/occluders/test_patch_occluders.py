"""Random and Grad-CAM guided patches."""

from __future__ import annotations

import numpy as np
import pytest

from ofer_bench.api import OccluderError, OcclusionRequest, derive_rng
from ofer_occluders.fills import BLUR
from ofer_occluders.gradcam import Centre, GradCam, GradCamLow
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
    least = GradCamLow().sample(IMAGE, request(5 / 196, relevance), rng).params["patches"]
    assert least == [0, 1, 2, 3, 4]
    almost_all = GradCamLow().sample(IMAGE, request(194 / 196, relevance), rng)
    assert set(range(196)) - set(almost_all.params["patches"]) == {3 * 14 + 4, 195}


def test_gradcam_needs_a_fitting_relevance() -> None:
    with pytest.raises(OccluderError, match="need a relevance map"):
        GradCam().sample(IMAGE, request(0.1), derive_rng(0))
    with pytest.raises(OccluderError, match="patch grid"):
        GradCam().sample(IMAGE, request(0.1, np.zeros((7, 7))), derive_rng(0))
    with pytest.raises(OccluderError, match="not finite"):
        GradCam().sample(IMAGE, request(0.1, np.full((14, 14), np.nan)), derive_rng(0))


def test_centre_grows_from_the_middle_and_ties_by_index() -> None:
    def chosen(count: int) -> list[int]:
        return Centre().sample(IMAGE, request(count / 196), derive_rng(0)).params["patches"]

    assert chosen(4) == [6 * 14 + 6, 6 * 14 + 7, 7 * 14 + 6, 7 * 14 + 7]
    # Eight patches are as far away as each other, and the first by index comes first.
    assert set(chosen(5)) - set(chosen(4)) == {5 * 14 + 6}
    assert set(range(196)) - set(chosen(192)) == {0, 13, 182, 195}


def filled(fill: str, image: np.ndarray, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    occlusion = RandomPatch().sample(image, request(0.3, fill=fill), derive_rng(seed))
    return RandomPatch().apply(image, occlusion), occlusion.mask


def test_fills_are_what_they_say_and_choose_no_other_patches() -> None:
    image = derive_rng("noise").integers(0, 256, size=(224, 224, 3), dtype=np.uint8)
    made = {fill: filled(fill, image) for fill in ("mean", "black", "noise", "blur")}
    mask = made["mean"][1]
    assert all(np.array_equal(mask, other) for _, other in made.values())
    assert (made["mean"][0][mask] == (1, 2, 3)).all() and (made["black"][0][mask] == 0).all()

    noise = made["noise"][0][mask].astype(float)
    # Uniform from 0 to 255 has a mean of 127.5 and a standard deviation of 73.9.
    assert abs(noise.mean() - 127.5) < 2 and abs(noise.std() - 73.9) < 1
    assert np.array_equal(made["noise"][0], filled("noise", image)[0])
    assert not np.array_equal(made["noise"][0][mask][:99], filled("noise", image, seed=4)[0][mask][:99])
    with pytest.raises(OccluderError, match="mean, black, noise, blur"):
        filled("pink", image)


def test_blur_is_a_gaussian_of_seven_pixels_at_224() -> None:
    from scipy.ndimage import gaussian_filter

    assert BLUR * 224 == 7
    y, x = np.mgrid[:224, :224]
    inner = (np.minimum(x, y) >= 28) & (np.maximum(x, y) < 196)
    step = np.repeat(np.where((x - y) > 20, 220, 30).astype(np.uint8)[..., None], 3, axis=2)
    occluded, mask = filled("blur", step)
    expected = gaussian_filter(step.astype(float), (7, 7, 0), mode="nearest")
    # Pillow comes near a Gaussian by three boxes, and goes on with the outermost pixels in a way of its own.
    error = np.abs(occluded - expected).max(axis=2)
    assert error[mask & inner].max() < 2.5 and error[mask].max() < 0.1 * 190


def test_a_range_without_a_whole_number_of_patches_is_an_error() -> None:
    between = OcclusionRequest(ratio=(10.2 / 196, 10.8 / 196), patch_size=16, fill=(0, 0, 0))
    with pytest.raises(OccluderError, match="no number of 196 patches"):
        RandomPatch().sample(IMAGE, between, derive_rng(0))
    just = OcclusionRequest(ratio=(10.2 / 196, 11 / 196), patch_size=16, fill=(0, 0, 0))
    counts = {len(RandomPatch().sample(IMAGE, just, derive_rng(seed)).params["patches"]) for seed in range(20)}
    assert counts == {11}


def test_patches_must_tile_the_image() -> None:
    with pytest.raises(OccluderError, match="multiple of the patch size"):
        RandomPatch().sample(IMAGE[:220], request(0.1), derive_rng(0))
