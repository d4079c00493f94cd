"""Objects over faces: placement, look, a user's own cut-outs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from ofer_bench.api import OccluderError, Occlusion, OcclusionRequest, derive_rng
from ofer_occluders.cutouts import Cutout, make_cutout
from ofer_occluders.library_cutouts import entry_named, kinds, library_cutout
from ofer_occluders.matching import change, measure, skin_change, thing_change
from ofer_occluders.objects import Objects
from ofer_occluders.placement import Pose, Shadow, backwards, blend, fit_scale, lay
from ofer_occluders.translucent import Translucent

GREY = np.full((64, 64, 3), 128, dtype=np.uint8)
NO_SHADOW = Shadow(strength=0.0, offset=(0, 0), blur=0.5)


def request(lo: float, hi: float, **params: object) -> OcclusionRequest:
    return OcclusionRequest(ratio=(lo, hi), patch_size=8, fill=(0, 0, 0), params=params)


def flat_cutout(side: int, level: int = 255, alpha: int = 255) -> Cutout:
    """A square whose natural size is that of the picture."""
    rgba = np.full((side, side, 4), level, dtype=np.uint8)
    rgba[..., 3] = alpha
    return make_cutout(rgba, np.zeros((side, side), bool), side=float(side), middle=(side / 2, side / 2))


def alpha_of(cutout: Cutout, pose: Pose, side: int) -> np.ndarray:
    layer = lay(cutout, backwards(pose.forward(cutout, side)), (side, side), 0.0, 0.0, NO_SHADOW)
    whole = np.zeros((side, side))
    whole[layer.rows, layer.columns] = layer.alpha / 255
    return whole


def photo(colour: tuple[int, int, int], spread: float = 8.0, side: int = 128) -> np.ndarray:
    """A picture of one colour with light and shade."""
    shade = gaussian_filter(derive_rng("photo").standard_normal((side, side)), 6)
    return np.clip(np.array(colour) + spread * (shade / shade.std())[..., None], 0, 255).astype(np.uint8)


def keep(image: np.ndarray, light: np.ndarray) -> np.ndarray:
    return image


@pytest.mark.parametrize(("lo", "hi"), [(0.02, 0.04), (0.1, 0.12), (0.3, 0.32), (0.5, 0.6), (0.7, 0.8)])
def test_ratio_lands_in_the_bin(lo: float, hi: float) -> None:
    for seed in range(6):
        for group in ("seen", "unseen"):
            assert lo <= Objects().sample(GREY, request(lo, hi, kinds=group), derive_rng(seed)).ratio <= hi


def test_a_single_ratio_is_met_as_nearly_as_pixels_allow() -> None:
    for seed in range(6):
        assert Objects().sample(GREY, request(0.2, 0.2), derive_rng(seed)).ratio == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("group", ["seen", "unseen", "all"])
def test_groups_draw_their_own_kinds(group: str) -> None:
    drawn = {
        Objects().sample(GREY, request(0.1, 0.3, kinds=group), derive_rng(seed)).params["source"]["kind"]
        for seed in range(25)
    }
    assert drawn <= set(kinds(seen={"seen": True, "unseen": False, "all": None}[group])) and len(drawn) >= 4


def test_placement_covers_the_geometric_area_and_turns_clockwise() -> None:
    cutout = flat_cutout(100)
    square = alpha_of(cutout, Pose(centre=(32, 32), scale=20 / 64, angle=0), 64)
    assert square.sum() == pytest.approx(400, rel=0.03)
    assert square[23:41, 23:41].min() == 1 and square[20].max() == 0
    turned = alpha_of(cutout, Pose(centre=(32, 32), scale=20 / 64, angle=45), 64)
    assert turned.sum() == pytest.approx(400, rel=0.03) and turned[32, 44] > 0.9 and turned[23, 23] == 0
    # A thing held at its foot leans to the right when it turns clockwise, and to the left in a mirror.
    tall = replace(cutout, middle=(58.0, 108.0))
    leaning = alpha_of(tall, Pose(centre=(32, 40), scale=30 / 64, angle=20), 64)
    assert np.average(np.arange(64), weights=leaning[20]) > 33
    aside = replace(cutout, middle=(108.0, 58.0))
    for mirrored, left in ((False, True), (True, False)):
        placed = alpha_of(aside, Pose(centre=(32, 32), scale=20 / 64, angle=0, mirrored=mirrored), 64)
        assert (np.average(np.arange(64), weights=placed.sum(axis=0)) < 32) == left


def test_tilt_makes_one_side_smaller() -> None:
    tilted = alpha_of(flat_cutout(100), Pose(centre=(32, 32), scale=0.6, angle=0, tilt=(0.3, 0.0)), 64)
    columns = np.flatnonzero(tilted.any(axis=0))
    assert tilted[:, columns[2]].sum() > tilted[:, columns[-3]].sum() + 3


def test_fit_scale_finds_the_closed_form() -> None:
    cutout = flat_cutout(128)
    for tolerance in (0.001, 0.02):
        pose = fit_scale(cutout, Pose(centre=(112, 112), scale=0.2, angle=0), (224, 224), 0.6, 0.25, tolerance)
        assert pose.scale == pytest.approx(0.5, abs=0.25 * tolerance / 0.25 + 0.01)


def test_blending_is_linear_light() -> None:
    cutout = flat_cutout(64, alpha=128)
    pose = Pose(centre=(32, 32), scale=0.5, angle=0)
    layer = lay(cutout, backwards(pose.forward(cutout, 64)), (64, 64), 0.0, 0.0, NO_SHADOW)
    image = np.full((64, 64, 3), 60, dtype=np.uint8)
    blended = blend(image, layer, keep, 0.0, 1.0)
    light = 128 / 255 + (1 - 128 / 255) * ((60 / 255 + 0.055) / 1.055) ** 2.4
    expected = (1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert abs(float(blended[32, 32, 0]) - expected) <= 0.6
    assert (blended[:10] == 60).all()


def test_shadow_darkens_the_face_beside_the_object_and_only_what_is_touched() -> None:
    image = photo((190, 150, 130))
    occluder = Objects()
    for seed in range(5):
        occlusion = occluder.sample(image, request(0.1, 0.2), derive_rng(seed))
        occluded = occluder.apply(image, occlusion)
        assert occlusion.touched is not None and not (occlusion.mask & ~occlusion.touched).any()
        assert np.array_equal(occluded[~occlusion.touched], image[~occlusion.touched])
        layer_free = gaussian_filter(occlusion.mask.astype(float), 1.5) < 0.01
        shaded = occlusion.touched & layer_free
        assert shaded.any() and (occluded[shaded] <= image[shaded]).all()
        assert (image[shaded].astype(int) - occluded[shaded]).max() >= 5


def test_hands_take_the_colour_of_the_face() -> None:
    hand = library_cutout("hand-01")
    assert hand.skin is not None
    for colour in ((225, 190, 170), (92, 60, 45)):
        face = measure(photo(colour)).face
        light = np.array([[0.4, 0.3, 0.2]], dtype=np.float32)
        moved = skin_change(hand.skin, face)
        # The hand's own mean colour becomes that of the face.
        mean = np.array(hand.skin.mean) * np.array(moved[0]) + np.array(moved[1])
        assert np.allclose(mean, face.mean, atol=1e-6)
        assert change(light, moved).shape == (1, 3)


def test_things_lose_their_colour_in_a_picture_without_any() -> None:
    red = np.array([[0.5, 0.02, 0.02]], dtype=np.float32)
    grey = change(red, thing_change(measure(photo((120, 120, 120))).face))
    assert np.ptp(grey) < 0.01
    coloured = change(red, thing_change(measure(photo((200, 150, 125))).face))
    assert coloured[0, 0] > 5 * coloured[0, 2]


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_blur_of_a_known_edge_is_measured(sigma: float) -> None:
    edges = np.zeros((128, 128))
    edges[:, 40:] = 180
    edges[:, 80:] = 60
    image = np.repeat(gaussian_filter(edges, sigma)[..., None], 3, axis=2).astype(np.uint8)
    assert measure(image).blur == pytest.approx(sigma, rel=0.2)


def test_soft_pictures_get_soft_objects() -> None:
    sharp = derive_rng("texture").integers(0, 256, (128, 128, 3)).astype(np.uint8)
    soft = gaussian_filter(sharp.astype(float), (3, 3, 0)).astype(np.uint8)
    blurs = [Objects().sample(image, request(0.2, 0.4), derive_rng(3)).params["soften"] for image in (sharp, soft)]
    assert blurs[0] == 0 and blurs[1] > 1


def test_hands_point_to_the_face_and_arms_leave_the_picture() -> None:
    image, side = photo((200, 160, 140), side=96), 96
    seen = 0
    for seed in range(60):
        params = Objects().sample(image, request(0.1, 0.3, kinds="seen"), derive_rng(seed)).params
        entry = entry_named(params["source"]["name"])
        if entry.arm_end is None:
            continue
        cutout = library_cutout(entry.name)
        assert cutout.arm_end is not None
        forward = np.linalg.inv(np.array([*params["matrix"], 1.0]).reshape(3, 3))
        ends = forward @ np.array([[*cutout.middle, 1.0], [*cutout.arm_end, 1.0]]).T
        middle, elbow = (ends[:2] / ends[2]).T
        assert not ((elbow > 0) & (elbow < side)).all()
        if entry.kind == "hand":
            seen += 1
            # On the way from the elbow one meets the face, never its back.
            centre = np.array([0.5, 0.52]) * side
            assert (middle - elbow) @ (centre - elbow) > 0.85 * np.linalg.norm(middle - elbow) * np.linalg.norm(
                centre - elbow
            )
    assert seen >= 3


def test_worn_things_stay_at_their_place() -> None:
    image, side = photo((200, 160, 140), side=96), 96
    for seed in range(30):
        params = Objects().sample(image, request(0.2, 0.3, kinds="unseen"), derive_rng(seed)).params
        entry = entry_named(params["source"]["name"])
        if not entry.worn:
            continue
        forward = np.linalg.inv(np.array([*params["matrix"], 1.0]).reshape(3, 3))
        x, y, w = forward @ [*library_cutout(entry.name).middle, 1.0]
        assert abs(y / w / side - entry.middle[1]) < 0.06
        assert min(abs(x / w / side - place) for place in (entry.middle[0], 1 - entry.middle[0])) < 0.06


def test_translucent_shows_both_and_masks_the_object() -> None:
    image = photo((200, 160, 140))
    drawn = Translucent().sample(image, request(0.2, 0.3), derive_rng(5))
    # Without its shadow the picture lies between the face and the solid object, everywhere.
    occlusion = replace(drawn, params={**drawn.params, "shadow": {**drawn.params["shadow"], "strength": 0.0}})
    opacity = occlusion.params["opacity"]
    assert 0.4 <= opacity <= 0.7
    thin = Translucent().apply(image, occlusion).astype(float)
    solid = Objects().apply(image, replace(occlusion, params={**occlusion.params, "opacity": 1.0})).astype(float)
    gone = Objects().apply(image, replace(occlusion, params={**occlusion.params, "opacity": 0.0}))
    assert np.array_equal(gone, image)
    inside = occlusion.mask & (np.abs(solid - image).max(axis=2) > 40)
    assert inside.sum() > 100
    low, high = np.minimum(solid, image)[inside], np.maximum(solid, image)[inside]
    assert ((thin[inside] >= low - 1) & (thin[inside] <= high + 1)).all()
    assert 0.2 <= occlusion.mask.mean() == occlusion.ratio <= 0.3


def write_disc(path: Path, colour: tuple[int, int, int]) -> None:
    y, x = np.mgrid[:80, :60]
    alpha = ((x - 30) ** 2 + (y - 40) ** 2 < 28**2) * 255
    Image.fromarray(np.dstack([np.full((80, 60, 3), colour), alpha]).astype(np.uint8), "RGBA").save(path)


def test_folder_of_cutouts(tmp_path: Path) -> None:
    write_disc(tmp_path / "b.png", (230, 30, 20))
    write_disc(tmp_path / "a.PNG", (20, 200, 40))
    (tmp_path / "notes.txt").write_text("no image")
    image = photo((200, 160, 140), side=64)
    chosen = set()
    for seed in range(12):
        occlusion = Objects().sample(image, request(0.1, 0.2, folder=str(tmp_path)), derive_rng(seed))
        assert 0.1 <= occlusion.ratio <= 0.2
        chosen.add(occlusion.params["source"]["file"])
        y, x = (int(np.mean(axis)) for axis in np.nonzero(occlusion.mask))
        strongest = 0 if occlusion.params["source"]["file"] == "b.png" else 1
        assert int(Objects().apply(image, occlusion)[y, x].argmax()) == strongest
    assert chosen == {"a.PNG", "b.png"}
    write_disc(tmp_path / "a.PNG", (0, 0, 254))
    write_disc(tmp_path / "b.png", (0, 0, 254))
    with pytest.raises(OccluderError, match="has changed"):
        Objects().apply(image, occlusion)


def test_unusable_folders_are_typed_errors(tmp_path: Path) -> None:
    def sample(folder: Path) -> Occlusion:
        return Objects().sample(GREY, request(0.1, 0.2, folder=str(folder)), derive_rng(0))

    with pytest.raises(OccluderError, match="holds no PNG"):
        sample(tmp_path)
    with pytest.raises(OccluderError, match="can't be read"):
        sample(tmp_path / "missing")
    (tmp_path / "x.png").write_bytes(b"not a picture")
    with pytest.raises(OccluderError, match="can't be read"):
        sample(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    with pytest.raises(OccluderError, match="no alpha channel"):
        sample(tmp_path)
    Image.new("RGBA", (9, 9)).save(tmp_path / "x.png")
    with pytest.raises(OccluderError, match="transparent"):
        sample(tmp_path)


def test_options_are_checked() -> None:
    with pytest.raises(OccluderError, match="seen, unseen, all"):
        Objects().sample(GREY, request(0.1, 0.2, kinds="some"), derive_rng(0))
    with pytest.raises(OccluderError, match="out of range"):
        Objects().sample(GREY, request(0.7, 0.95), derive_rng(0))
