"""Painted skin: the sheet under the paint, what is painted where, and the folds of the face."""

from dataclasses import replace

import numpy as np
import pytest

from ofer_bench.data.paraface.appearance import Appearance
from ofer_bench.data.paraface.hair import scalp_depth
from ofer_bench.data.paraface.model import REGIONS, HeadModel, load_head_model
from ofer_bench.data.paraface.sampling import draw_subject
from ofer_bench.data.paraface.skin import PaintedSkin, paint_skin
from ofer_bench.data.paraface.skin_map import SkinMap, noise_bank, sheet_size, texel_coordinates, texels_per_decimetre
from ofer_bench.data.paraface.wrinkles import _RAISED_BY, FOLDS, fold_depths, fold_sheets

SIZE = 256
Box = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def skin(head: HeadModel) -> SkinMap:
    return SkinMap(head, SIZE)


@pytest.fixture(scope="module")
def folds(skin: SkinMap) -> np.ndarray:
    return fold_sheets(skin)


@pytest.fixture(scope="module")
def look() -> Appearance:
    """A light-skinned, dark-haired, bald man without any beard, spots or shine of hair."""
    man = draw_subject("train", 1, 0).appearance
    black = (0.01, 0.008, 0.007)
    return replace(
        man,
        skin=(0.60, 0.38, 0.28),
        lips=(0.5, 0.2, 0.16),
        hair_colour=black,
        brow_colour=black,
        hair=replace(man.hair, style="bald", colour=black),
        hair_cover=0.0,
        freckles=0.0,
        stubble=0.0,
        beard="none",
        beard_density=0.8,
        texture_seed=5,
    )


def paint(head: HeadModel, skin: SkinMap, look: Appearance, age: float = 30.0) -> PaintedSkin:
    return paint_skin(skin, look, age, skin.spread(scalp_depth(head, look.hair)))


def luminance(painted: PaintedSkin) -> np.ndarray:
    light: np.ndarray = painted.albedo @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    return light


def region(skin: SkinMap, box: Box) -> np.ndarray:
    """Texels of the face's front with |x| and y (decimetres of the resting head) in a box: bool [T,T]."""
    x, y, z = np.abs(skin.position[..., 0]), skin.position[..., 1], skin.position[..., 2]
    return (x >= box[0]) & (x <= box[1]) & (y >= box[2]) & (y <= box[3]) & (z > 0.5)


FOREHEAD: Box = (0.0, 0.4, 7.62, 7.85)
JAW: Box = (0.30, 0.55, 6.25, 6.45)
CHIN: Box = (0.0, 0.12, 6.25, 6.35)
UPPER_LIP: Box = (0.06, 0.2, 6.73, 6.79)
CHEEK: Box = (0.32, 0.5, 6.8, 7.0)


def test_texels_lie_where_the_cylinder_says() -> None:
    points = np.array([[0.0, 7.0, 1.5], [1.0, 7.0, 0.25], [-1.0, 7.0, 0.25], [0.0, 8.6, 1.0], [0.0, 4.9, 1.0]])
    x, y = texel_coordinates(points, 101).T
    # 90 of 130 degrees on either side of the middle.
    assert x == pytest.approx([50.0, 50 + 50 * 90 / 130, 50 - 50 * 90 / 130, 50.0, 50.0])
    assert y == pytest.approx([100 * 1.6 / 3.7] * 3 + [0.0, 100.0])
    across, along = texels_per_decimetre(101)
    step = np.array([[0.005, 7.0, 1.4], [-0.005, 7.0, 1.4], [0.0, 7.01, 1.4], [0.0, 7.0, 1.4]])
    at = texel_coordinates(step, 101)
    assert across == pytest.approx((at[0, 0] - at[1, 0]) * 100, rel=0.05)
    assert along == pytest.approx((at[3, 1] - at[2, 1]) * 100, rel=1e-3)
    assert sheet_size(64) < sheet_size(224)


def test_sheet_holds_the_resting_position_of_its_texels(head: HeadModel, skin: SkinMap) -> None:
    assert skin.position.shape == (SIZE, SIZE, 3)
    front = region(skin, (0.0, 0.6, 6.3, 8.2))
    row, column = np.nonzero(front)
    assert len(row) > 5_000
    off = np.abs(texel_coordinates(skin.position[front], SIZE) - np.stack([column, row], axis=1))
    assert np.percentile(off, 99) < 0.6
    spread = skin.spread(head.rest[:, 1])
    np.testing.assert_array_equal(spread, skin.position[..., 1])
    assert np.abs(skin.spread(np.ones(len(head.rest))) - 1).max() < 1e-5


def test_regions_lie_where_lips_and_lids_are(head: HeadModel, skin: SkinMap) -> None:
    for sheet, box in ((skin.lips, (0.0, 0.42, 6.4, 6.85)), (skin.eyelids, (0.05, 0.65, 7.0, 7.65))):
        assert sheet.min() >= 0.0 and sheet.max() <= 1.0
        inside = region(skin, box)
        marked = (sheet > 0.5) & (skin.position[..., 2] > 0.9)
        assert marked.sum() > 50
        assert (marked & inside).sum() > 0.98 * marked.sum()
    outer = head.triangles[head.region == REGIONS.index("skin")]
    assert head.uv_region[np.unique(outer)].max() <= 1.0


def test_brow_points_find_their_texels_on_both_sides(skin: SkinMap) -> None:
    x, y = np.array([0.15, 0.3, 0.5]), np.array([7.5, 7.55, 7.45])
    for side in (1.0, -1.0):
        found = skin.position[skin.texel_at(x * side, y)]
        assert np.abs(found[:, 0] - side * x).max() < 0.03
        assert np.abs(found[:, 1] - y).max() < 0.03


def test_noise_is_periodic_and_of_unit_variance() -> None:
    bank = noise_bank(128)
    assert bank.shape == (5, 128, 128)
    assert bank.std(axis=(1, 2)) == pytest.approx(1.0, abs=1e-4)
    # The finest band last: the change from texel to texel grows, and the seam is like any other place.
    change = np.abs(np.diff(bank, axis=2)).mean(axis=(1, 2))
    assert (np.diff(change) > 0).all()
    seam = np.abs(bank[:, :, 0] - bank[:, :, -1]).mean(axis=1)
    assert (seam < 2 * change).all()


def test_paint_is_in_range_and_reproducible(head: HeadModel, skin: SkinMap) -> None:
    for number in range(1, 7):
        subject = draw_subject("val", number, 0)
        hairline = skin.spread(scalp_depth(head, subject.appearance.hair))
        first, again = (paint_skin(skin, subject.appearance, subject.age, hairline) for _ in range(2))
        other = paint_skin(skin, replace(subject.appearance, texture_seed=1), subject.age, hairline)
        for name in ("albedo", "gloss", "relief"):
            values = getattr(first, name)
            assert values.dtype == np.float32
            assert values.shape[:2] == (SIZE, SIZE)
            assert np.isfinite(values).all()
            np.testing.assert_array_equal(values, getattr(again, name))
            assert not np.array_equal(values, getattr(other, name))
        assert first.albedo.min() >= 0.0 and first.albedo.max() <= 1.0
        assert first.gloss.min() >= 0.0 and first.gloss.max() <= 0.5
        assert np.abs(first.relief).max() < 0.02
        cheek = first.albedo[region(skin, FOREHEAD)].mean(axis=0)
        assert cheek == pytest.approx(subject.appearance.skin, rel=0.35)


def test_only_a_scalp_with_hair_takes_its_colour(head: HeadModel, skin: SkinMap, look: Appearance) -> None:
    blond = (0.26, 0.17, 0.085)
    bald, same = paint(head, skin, look), paint(head, skin, replace(look, hair_colour=blond))
    np.testing.assert_array_equal(bald.albedo, same.albedo)
    grown = replace(look, hair=replace(look.hair, style="short-swept"), hair_cover=1.0)
    dark, light = (paint(head, skin, replace(grown, hair_colour=colour)) for colour in (look.hair_colour, blond))
    top = skin.position[..., 1] > 8.3
    assert (luminance(dark)[top] < 0.4 * luminance(bald)[top]).mean() > 0.95
    assert luminance(light)[top].mean() > luminance(dark)[top].mean() + 0.03
    face = region(skin, (0.0, 0.4, 6.2, 7.6))
    np.testing.assert_array_equal(dark.albedo[face], bald.albedo[face])


@pytest.mark.parametrize(
    ("beard", "covered", "free"),
    [
        ("full", (JAW, CHIN, UPPER_LIP), (FOREHEAD,)),
        ("moustache", (UPPER_LIP,), (FOREHEAD, JAW, CHIN, CHEEK)),
        ("goatee", (UPPER_LIP, CHIN), (FOREHEAD, JAW, CHEEK)),
        ("chin", (CHIN,), (FOREHEAD, JAW, UPPER_LIP, CHEEK)),
    ],
)
def test_beards_darken_what_they_cover(
    head: HeadModel, skin: SkinMap, look: Appearance, beard: str, covered: tuple[Box, ...], free: tuple[Box, ...]
) -> None:
    shaved, bearded = luminance(paint(head, skin, look)), luminance(paint(head, skin, replace(look, beard=beard)))
    for box in covered:
        inside = region(skin, box) & (skin.lips < 0.05)
        assert inside.sum() > 10
        assert bearded[inside].mean() < 0.65 * shaved[inside].mean(), box
    for box in free:
        inside = region(skin, box)
        assert bearded[inside].mean() == pytest.approx(shaved[inside].mean(), rel=0.02), box


def test_stubble_is_a_weak_beard(head: HeadModel, skin: SkinMap, look: Appearance) -> None:
    shaved, stubbly, full = (
        luminance(paint(head, skin, each))
        for each in (look, replace(look, stubble=0.8), replace(look, beard="full", beard_density=0.9))
    )
    jaw, forehead = region(skin, CHIN), region(skin, FOREHEAD)
    assert full[jaw].mean() < stubbly[jaw].mean() < 0.97 * shaved[jaw].mean()
    np.testing.assert_array_equal(stubbly[forehead], shaved[forehead])


def test_lips_are_redder_than_skin(head: HeadModel, skin: SkinMap) -> None:
    for number in range(1, 9):
        subject = draw_subject("train", number, 0)
        painted = paint(head, skin, replace(subject.appearance, beard="none", stubble=0.0))
        lips = (skin.lips > 0.8) & (skin.position[..., 2] > 1.0)
        around = region(skin, FOREHEAD) & (skin.lips < 0.01)
        if subject.appearance.hair.style == "fringe":
            continue
        red, green, _ = painted.albedo[lips].mean(axis=0)
        skin_red, skin_green, _ = painted.albedo[around].mean(axis=0)
        assert red / green > 1.1 * skin_red / skin_green


def test_brows_are_dark_hair_on_a_light_brow(head: HeadModel, skin: SkinMap, look: Appearance) -> None:
    painted = luminance(paint(head, skin, replace(look, brow=replace(look.brow, height=0.02, density=1.0, ink=0.6))))
    brow, forehead = region(skin, (0.15, 0.45, 7.46, 7.54)), region(skin, FOREHEAD)
    assert np.percentile(painted[brow], 20) < 0.6 * painted[forehead].mean()
    left, right = (brow & (np.sign(skin.position[..., 0]) == side) for side in (1, -1))
    assert painted[left].mean() == pytest.approx(painted[right].mean(), rel=0.25)


def test_deep_sockets_are_dark_beside_the_nose_and_below_the_brow(
    head: HeadModel, skin: SkinMap, look: Appearance
) -> None:
    even, deep, shallow = (luminance(paint(head, skin, replace(look, sockets=value))) for value in (0.0, 1.0, -0.5))
    corner, lid = region(skin, (0.12, 0.18, 7.28, 7.38)), region(skin, (0.25, 0.35, 7.34, 7.38))
    assert deep[corner].mean() < 0.65 * even[corner].mean() < even[corner].mean() < shallow[corner].mean()
    assert deep[lid].mean() < 0.75 * even[lid].mean() < even[lid].mean() < shallow[lid].mean()
    for box in (FOREHEAD, CHEEK, CHIN):
        np.testing.assert_allclose(deep[region(skin, box)], even[region(skin, box)], rtol=0.01)


def test_noses_have_nostrils_and_planes_and_some_lids_fold(head: HeadModel, skin: SkinMap, look: Appearance) -> None:
    nostril, ridge = region(skin, (0.08, 0.11, 6.85, 6.885)), region(skin, (0.0, 0.03, 7.05, 7.2))
    plane, lid = region(skin, (0.10, 0.13, 7.1, 7.16)), region(skin, (0.27, 0.33, 7.395, 7.425))
    fold = region(skin, (0.27, 0.33, 7.362, 7.378))
    planes, folds = [], []
    for seed in range(12):
        painted = luminance(paint(head, skin, replace(look, sockets=0.0, texture_seed=seed)))
        assert painted[nostril].mean() < 0.2 * painted[ridge].mean()
        planes.append(painted[plane].mean() / painted[ridge].mean())
        folds.append(painted[fold].mean() / painted[lid].mean())
    assert min(planes) < 0.8 and max(planes) > 0.9
    assert min(folds) < 0.7 and max(folds) > 0.9


def test_cloth_begins_at_the_collar(head: HeadModel, skin: SkinMap, look: Appearance) -> None:
    blue = (0.0, 0.0, 1.0)
    for collar in (-0.1, 0.2):
        painted = paint(head, skin, replace(look, cloth=blue, collar=collar)).albedo
        clad = painted[..., 2] > 2 * painted[..., 0]
        line = 5.75 + collar - 0.45 * np.clip(skin.position[..., 2], 0, 1)
        below = skin.position[..., 1] < line - 0.05
        np.testing.assert_array_equal(
            clad[np.abs(skin.position[..., 1] - line) > 0.05], below[np.abs(skin.position[..., 1] - line) > 0.05]
        )


def test_fold_sheets_are_shares_and_mirror(skin: SkinMap, folds: np.ndarray) -> None:
    assert folds.shape == (len(FOLDS), SIZE, SIZE)
    assert folds.dtype == np.float32
    for name, sheet in zip(FOLDS, folds, strict=True):
        edge = name == "nasolabial"
        assert (0.6 if edge else 0.8) < sheet.max() <= 1.0, name
        assert (-2.4 if edge else 0.0) <= sheet.min(), name
        mirrored = sheet[:, ::-1]
        assert np.corrcoef(sheet.ravel(), mirrored.ravel())[0, 1] > 0.95, name
        assert sheet.sum() == pytest.approx(2 * sheet[:, : SIZE // 2].sum(), rel=0.05), name
        # A fold runs along its curve and nowhere else.
        points = np.concatenate([np.array(curve) for curve in FOLDS[name]])
        deep = sheet > 0.3
        x, y = np.abs(skin.position[..., 0][deep]), skin.position[..., 1][deep]
        assert x.min() > points[:, 0].min() - 0.05 and x.max() < points[:, 0].max() + 0.05
        assert y.min() > points[:, 1].min() - 0.05 and y.max() < points[:, 1].max() + 0.05


def test_the_cheek_swells_beside_the_nasolabial_fold_only(skin: SkinMap, folds: np.ndarray) -> None:
    depth = folds[list(FOLDS).index("nasolabial")]
    curve = np.array(FOLDS["nasolabial"][0])[::-1]
    x, y, z = np.abs(skin.position[..., 0]), skin.position[..., 1], skin.position[..., 2]
    beside = (z > 0.6) & (y > curve[1, 1]) & (y < curve[-2, 1])
    fold_x = np.interp(y, curve[:, 1], curve[:, 0])
    # From the mouth outwards: flat, the groove, up the edge of the cheek, and down again towards the ear.
    assert np.abs(depth[beside & (x < fold_x - 0.09)]).max() < 0.02
    assert depth[beside & (np.abs(x - fold_x) < 0.005)].mean() > 0.1
    assert (depth[beside & (x > fold_x + 0.08) & (x < 0.45)] < -0.35).all()
    assert np.abs(depth[beside & (x > 0.65)]).max() < 0.3
    # Nothing tears: neighbouring texels differ by a fraction of the whole.
    near = np.maximum(np.abs(np.diff(depth, axis=0))[:, 1:], np.abs(np.diff(depth, axis=1))[1:])
    assert near.max() < 0.35 * np.ptp(depth)


def test_folds_deepen_with_age_and_the_old_keep_them() -> None:
    ages = [fold_depths({}, age) for age in (18, 30, 45, 60, 75, 90)]
    np.testing.assert_array_equal(ages[0], ages[1])
    assert {name for name, depth in zip(FOLDS, ages[0], strict=True) if depth > 0} == {"alar", "nasolabial", "eyebag"}
    assert (np.diff(ages, axis=0) >= 0).all()
    moves = ~np.isin(list(FOLDS), ["nose", "alar"])
    assert (ages[4][moves] > ages[2][moves]).all()
    np.testing.assert_array_equal(ages[4], ages[5])
    smile = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
    assert (fold_depths(smile, 70) >= fold_depths(smile, 20)).all()


def test_folds_deepen_with_their_actions_only(head: HeadModel) -> None:
    names = list(FOLDS)
    resting = fold_depths({}, 25)
    for fold, raised in _RAISED_BY.items():
        for stem, gain in raised.items():
            actions = sides(head, stem)
            assert actions, f"{stem} is no action of the head"
            half, whole = (fold_depths(dict.fromkeys(actions, weight), 25) - resting for weight in (0.5, 1.0))
            assert half[names.index(fold)] == pytest.approx(0.022 * 0.55 * gain * 0.5)
            assert whole[names.index(fold)] == pytest.approx(0.022 * 0.55 * gain)
            others = {name for name, by in _RAISED_BY.items() if stem not in by}
            assert all(whole[names.index(name)] == 0.0 for name in others)
    np.testing.assert_array_equal(fold_depths({"jawOpen": 1.0, "eyeWideLeft": 1.0}, 25), resting)


def test_one_side_folds_half_as_deep_and_either_side_alike() -> None:
    left, right, both = (
        fold_depths(dict.fromkeys(actions, 1.0), 25) - fold_depths({}, 25)
        for actions in (("noseSneerLeft",), ("noseSneerRight",), ("noseSneerLeft", "noseSneerRight"))
    )
    np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(2 * left, both)
    # However many actions agree, skin folds no deeper than it has to give.
    loud = fold_depths(
        dict.fromkeys(
            [
                s + side
                for s in ("cheekSquint", "eyeSquint", "noseSneer", "mouthSmile", "mouthUpperUp")
                for side in ("Left", "Right")
            ],
            1.5,
        ),
        80,
    )
    assert loud.max() <= 0.022 * (0.15 + 0.75 + 1.3 * 1.15) + 1e-9


def sides(head: HeadModel, stem: str) -> list[str]:
    """Actions of the head that a stem names."""
    spelled = {stem, f"{stem}Left", f"{stem}Right", *(stem.replace("-", f"-{s}-", 1) for s in ("left", "right"))}
    return sorted(spelled & set(head.actions))
