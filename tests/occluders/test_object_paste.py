"""Drawn objects, their placement and a user's own cut-outs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ofer_bench.api import OccluderError, Occlusion, OcclusionRequest, derive_rng
from ofer_occluders.colour import to_linear, to_srgb
from ofer_occluders.cutouts import KINDS, Cutout, draw_cutout
from ofer_occluders.objects import Objects
from ofer_occluders.placement import Pose, alpha_of, blend, fit_scale

GREY = np.full((64, 64, 3), 128, dtype=np.uint8)


def request(lo: float, hi: float, **params: object) -> OcclusionRequest:
    return OcclusionRequest(ratio=(lo, hi), patch_size=8, fill=(0, 0, 0), params=params)


def flat_cutout(side: int, colour: tuple[float, float, float]) -> Cutout:
    rgba = np.ones((side, side, 4), dtype=np.float32)
    rgba[..., :3] = to_linear(np.array(colour, dtype=np.float32))
    return Cutout(rgba=rgba, unit=float(side), anchor=(side / 2, side / 2))


def test_seen_and_unseen_kinds_are_disjoint_and_all_drawn() -> None:
    assert not set(Objects.SEEN) & set(Objects.UNSEEN)
    assert set(Objects.SEEN + Objects.UNSEEN) == set(KINDS)
    for option, kinds in {"seen": Objects.SEEN, "unseen": Objects.UNSEEN, "all": tuple(KINDS)}.items():
        drawn = {
            Objects().sample(GREY, request(0.1, 0.3, kinds=option), derive_rng(seed)).params["source"]["kind"]
            for seed in range(20)
        }
        assert drawn <= set(kinds) and len(drawn) >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_are_valid_varied_cutouts(kind: str) -> None:
    rgba = draw_cutout(kind, 3, 128).rgba
    alpha = rgba[..., 3]
    assert alpha.min() >= 0 and alpha.max() <= 1 + 1e-6
    assert rgba.min() >= 0 and (rgba[..., :3] <= alpha[..., None] + 1e-5).all()
    share = (alpha > 0.5).mean()
    assert 0.04 < share < 0.8
    # Anti-aliased edges, shading instead of one flat colour, and another seed draws another object.
    assert ((alpha > 0.1) & (alpha < 0.9)).any()
    assert rgba[alpha > 0.99][:, :3].std(axis=0).max() > 0.02
    assert not np.array_equal(rgba, draw_cutout(kind, 4, 128).rgba)
    # At twice the resolution it's the same drawing.
    large = draw_cutout(kind, 3, 256).rgba[..., 3]
    halved = large.reshape(large.shape[0] // 2, 2, large.shape[1] // 2, 2).mean(axis=(1, 3))
    assert np.abs(halved - alpha).mean() < 0.01


@pytest.mark.parametrize(("lo", "hi"), [(0.02, 0.04), (0.1, 0.12), (0.3, 0.32), (0.5, 0.6), (0.7, 0.8)])
def test_ratio_lands_in_the_bin(lo: float, hi: float) -> None:
    for seed in range(6):
        assert lo <= Objects().sample(GREY, request(lo, hi), derive_rng(seed)).ratio <= hi


def test_a_single_ratio_is_met_as_nearly_as_pixels_allow() -> None:
    for seed in range(6):
        assert Objects().sample(GREY, request(0.2, 0.2), derive_rng(seed)).ratio == pytest.approx(0.2, abs=0.01)


def test_placement_covers_the_geometric_area_and_turns_clockwise() -> None:
    cutout = flat_cutout(100, (1, 1, 1))
    square = alpha_of(cutout, Pose(centre=(32, 32), scale=20, angle=0), (64, 64))
    assert square.sum() == pytest.approx(400, rel=0.02)
    assert square[23:41, 23:41].min() == pytest.approx(1, abs=1e-3) and square[20].max() == 0
    turned = alpha_of(cutout, Pose(centre=(32, 32), scale=20, angle=45), (64, 64))
    assert turned.sum() == pytest.approx(400, rel=0.02) and turned[32, 44] > 0.9 and turned[23, 23] == 0
    upright = Cutout(rgba=np.pad(cutout.rgba, ((0, 0), (45, 45), (0, 0))), unit=190.0, anchor=(95.0, 100.0))
    leaning = alpha_of(upright, Pose(centre=(32, 40), scale=38, angle=20), (64, 64))
    assert np.average(np.arange(64), weights=leaning[25]) > 32


def test_fit_scale_finds_the_closed_form() -> None:
    pose, mask = fit_scale(
        flat_cutout(128, (1, 1, 1)), Pose(centre=(112, 112), scale=1, angle=0), (224, 224), 0.25, 0.001
    )
    # The mask holds the feather, so it is about one pixel wider on each side than the square.
    assert pose.scale == pytest.approx(112, abs=3) and mask.mean() == pytest.approx(0.25, abs=0.001)


def test_blending_is_linear_light() -> None:
    half = Cutout(rgba=flat_cutout(50, (1, 1, 1)).rgba * np.float32(0.5), unit=50.0, anchor=(25.0, 25.0))
    image = np.full((64, 64, 3), 60, dtype=np.uint8)
    blended = blend(image, half, Pose(centre=(32, 32), scale=30, angle=0))
    expected = to_srgb(np.float32(0.5) + np.float32(0.5) * to_linear(np.float32(60 / 255))) * 255
    assert abs(int(blended[32, 32, 0]) - float(expected)) <= 0.51


def test_srgb_round_trip() -> None:
    values = np.arange(256, dtype=np.float32) / 255
    assert np.array_equal(np.rint(to_srgb(to_linear(values)) * 255), np.arange(256))


def write_disc(path: Path, colour: tuple[int, int, int]) -> None:
    y, x = np.mgrid[:80, :60]
    alpha = ((x - 30) ** 2 + (y - 40) ** 2 < 28**2) * 255
    Image.fromarray(np.dstack([np.full((80, 60, 3), colour), alpha]).astype(np.uint8), "RGBA").save(path)


def test_folder_of_cutouts(tmp_path: Path) -> None:
    write_disc(tmp_path / "b.png", (255, 0, 0))
    write_disc(tmp_path / "a.PNG", (0, 255, 0))
    (tmp_path / "notes.txt").write_text("no image")
    chosen = set()
    for seed in range(12):
        occlusion = Objects().sample(GREY, request(0.1, 0.2, folder=str(tmp_path)), derive_rng(seed))
        assert 0.1 <= occlusion.ratio <= 0.2
        chosen.add(occlusion.params["source"]["file"])
        y, x = (int(np.mean(axis)) for axis in np.nonzero(occlusion.mask))
        expected = (255, 0, 0) if occlusion.params["source"]["file"] == "b.png" else (0, 255, 0)
        assert np.abs(Objects().apply(GREY, occlusion)[y, x].astype(int) - expected).max() <= 1
    assert chosen == {"a.PNG", "b.png"}
    write_disc(tmp_path / "a.PNG", (0, 0, 255))
    write_disc(tmp_path / "b.png", (0, 0, 255))
    with pytest.raises(OccluderError, match="has changed"):
        Objects().apply(GREY, occlusion)


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
    Image.new("RGBA", (8, 8)).save(tmp_path / "x.png")
    with pytest.raises(OccluderError, match="transparent"):
        sample(tmp_path)


def test_options_are_checked() -> None:
    with pytest.raises(OccluderError, match="seen, unseen, all"):
        Objects().sample(GREY, request(0.1, 0.2, kinds="some"), derive_rng(0))
    with pytest.raises(OccluderError, match="out of range"):
        Objects().sample(GREY, request(0.7, 0.95), derive_rng(0))
