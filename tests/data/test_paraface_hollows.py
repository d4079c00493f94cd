"""Hollows of the moving face: where they lie and what deepens them."""

import numpy as np
import pytest

from ofer_bench.data.paraface.hollows import _RAISED_BY, above_seam, hollow_shade, hollow_sheets, mouth_corner
from ofer_bench.data.paraface.model import load_head_model
from ofer_bench.data.paraface.skin_map import SkinMap
from ofer_bench.data.paraface.wrinkles import DEEPEST

SIZE = 256
FLAT = np.zeros((SIZE, SIZE), dtype=np.float32)
SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}


@pytest.fixture(scope="module")
def skin() -> SkinMap:
    return SkinMap(load_head_model(), SIZE)


@pytest.fixture(scope="module")
def sheets(skin: SkinMap) -> np.ndarray:
    return hollow_sheets(skin)


def near(skin: SkinMap, x: float, y: float) -> np.ndarray:
    """Texels within .02 dm of (|x|, y) on the front of the face: bool [T,T]."""
    position = skin.position
    return (np.hypot(np.abs(position[..., 0]) - x, position[..., 1] - y) < 0.02) & (position[..., 2] > 1.0)


def test_sheets_are_shares_round_the_mouth_and_mirror(skin: SkinMap, sheets: np.ndarray) -> None:
    assert sheets.shape == (len(_RAISED_BY), SIZE, SIZE) and sheets.dtype == np.float32
    for name, sheet in zip(_RAISED_BY, sheets, strict=True):
        assert sheet.min() == 0.0 and 0.7 < sheet.max() <= 1.0, name
        assert np.corrcoef(sheet.ravel(), sheet[:, ::-1].ravel())[0, 1] > 0.95, name
        somewhere = skin.position[sheet > 0.1]
        assert np.abs(somewhere[:, 0]).max() < 0.36 and somewhere[:, 1].min() > 6.5, name
        assert somewhere[:, 1].max() < 6.87, name


def test_a_face_at_rest_has_no_shade_but_that_of_its_folds(sheets: np.ndarray) -> None:
    np.testing.assert_array_equal(hollow_shade(sheets, {}, FLAT), 0)
    np.testing.assert_array_equal(hollow_shade(sheets, {"browInnerUp": 1.0}, FLAT), 0)
    shades = [hollow_shade(sheets, {}, FLAT + depth)[0, 0] for depth in (-0.1, 0.0, DEEPEST / 2, DEEPEST, 2 * DEEPEST)]
    assert shades[0] == shades[1] == 0 < shades[2] < shades[3] == shades[4] < 0.5
    assert shades[2] == pytest.approx(shades[3] / 2)


def test_smiles_deepen_the_corners_of_the_mouth_most(skin: SkinMap, sheets: np.ndarray) -> None:
    slight, full = (
        hollow_shade(sheets, {name: share * weight for name, weight in SMILE.items()}, FLAT) for share in (0.2, 1.0)
    )
    assert (full >= slight).all() and full.max() <= 0.9
    corner, lip, cheek = near(skin, 0.27, 6.617), near(skin, 0.1, 6.75), near(skin, 0.45, 6.9)
    assert full[corner].mean() > 2 * full[lip].mean() > 0.1
    np.testing.assert_allclose(full[cheek], 0, atol=1e-5)
    assert slight[corner].mean() == pytest.approx(0.2 * full[corner].mean(), rel=0.2)


def test_the_hollow_of_the_corner_lies_on_the_seam_and_fades_both_ways() -> None:
    along = np.linspace(0.0, 0.5, 51)
    on_seam = mouth_corner(along, 6.607 + 0.010 * (np.minimum(along, 0.25) / 0.25) ** 2)
    np.testing.assert_allclose(above_seam(along, 6.607 + 0.010 * (np.minimum(along, 0.25) / 0.25) ** 2), 0, atol=1e-12)
    assert 0.22 < along[on_seam.argmax()] < 0.29
    assert on_seam[0] < 0.01 and on_seam[-1] < 0.01
    assert (mouth_corner(along[24:30], 6.70) < 0.1).all()


def test_lips_that_part_have_no_seam_to_shade(skin: SkinMap, sheets: np.ndarray) -> None:
    seam = near(skin, 0.0, 6.607)
    closed = hollow_shade(sheets, SMILE, FLAT)[seam].mean()
    parted = {f"{name}{side}": 0.7 for name in ("mouthUpperUp", "mouthLowerDown") for side in ("Left", "Right")}
    assert closed > 0.6
    assert hollow_shade(sheets, SMILE | parted, FLAT)[seam].mean() < 0.05
