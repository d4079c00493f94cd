"""Free-form strokes and their ratio bins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ofer_bench.api import OccluderError, Occlusion, OcclusionRequest, derive_rng
from ofer_occluders.irregular import Irregular
from ofer_occluders.strokes import draw_stroke, stroke_mask

LIU_BINS = [(0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6)]


def request(ratio: tuple[float, float], **params: object) -> OcclusionRequest:
    return OcclusionRequest(ratio=ratio, patch_size=16, fill=(9, 8, 7), params=params)


@pytest.mark.parametrize("ratio", LIU_BINS)
@pytest.mark.parametrize("border", [False, True])
@pytest.mark.parametrize("side", [64, 224])
def test_every_liu_bin_is_met(ratio: tuple[float, float], border: bool, side: int) -> None:
    image = np.zeros((side, side, 3), dtype=np.uint8)
    for seed in range(3):
        occlusion = Irregular().sample(image, request(ratio, border=border), derive_rng(seed))
        assert ratio[0] < occlusion.ratio <= ratio[1]
        assert (Irregular().apply(image, occlusion)[occlusion.mask] == (9, 8, 7)).all()
        if border:
            edge = round(side * 50 / 512)
            inner = occlusion.mask[edge:-edge, edge:-edge]
            assert inner.sum() == occlusion.mask.sum()


def test_ratios_fill_the_bin() -> None:
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    ratios = [Irregular().sample(image, request((0.2, 0.3)), derive_rng(s)).ratio for s in range(80)]
    assert min(ratios) < 0.22 and max(ratios) > 0.28


def test_unreachable_bins_are_errors() -> None:
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    with pytest.raises(OccluderError, match="lo < hi"):
        Irregular().sample(image, request((0.2, 0.2)), derive_rng(0))
    with pytest.raises(OccluderError, match="attempts"):
        Irregular().sample(image, request((0.8, 0.9), border=True), derive_rng(0))
    with pytest.raises(OccluderError, match="true or false"):
        Irregular().sample(image, request((0.2, 0.3), border=3), derive_rng(0))


def test_strokes_follow_the_law() -> None:
    rng = derive_rng("strokes")
    for _ in range(50):
        stroke = draw_stroke((256, 256), 256, rng)
        points = np.array(stroke["points"])
        assert 5 <= len(points) <= 13 and 12 <= stroke["width"] <= 40
        assert points.min() >= 0 and points.max() <= 255
        assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() <= 2 * np.hypot(256, 256) / 8 + 2


def test_stroke_mask_is_a_thick_line_with_round_ends() -> None:
    mask = stroke_mask((60, 100), [{"points": [[20, 30], [80, 30]], "width": 20}])
    assert mask[30, 20:80].all() and mask[22, 50] and not mask[18, 50]
    assert mask[30, 12] and not mask[22, 12] and not mask[30, 5]
    assert mask.sum() == pytest.approx(60 * 20 + np.pi * 100, rel=0.05)


FACE = np.full((64, 64, 3), 50, dtype=np.uint8)


def save_mask(path: Path, share: float, *, side: int = 128, margin: int = 16, mode: str = "L") -> None:
    """A white band of about this share of the image, clear of the border unless ``margin`` is 0."""
    mask = np.zeros((side, side), dtype=np.uint8)
    inner = side - 2 * margin
    mask[margin : margin + round(share * side * side / inner), margin : side - margin] = 255
    Image.fromarray(mask).convert(mode).save(path)


def choose(folder: Path, lo: float, hi: float, seed: int = 0, **params: object) -> Occlusion:
    asked = request((lo, hi), folder=str(folder), **params)
    return Irregular().sample(FACE, asked, derive_rng(seed))


def test_a_users_masks_are_chosen_by_bin_and_resized(tmp_path: Path) -> None:
    for name, share, mode in (("a", 0.15, "L"), ("b", 0.18, "1"), ("c", 0.45, "RGB")):
        save_mask(tmp_path / f"{name}.png", share, mode=mode)
    chosen = [choose(tmp_path, 0.1, 0.2, seed) for seed in range(12)]
    assert {o.params["source"]["file"] for o in chosen} == {"a.png", "b.png"}
    assert all(0.1 < o.ratio <= 0.2 for o in chosen)
    third = choose(tmp_path, 0.4, 0.5)
    large = np.asarray(Image.open(tmp_path / "c.png").convert("L")) > 127
    # Nearest neighbour at half the size takes every other pixel.
    assert any(np.array_equal(third.mask, large[y::2, x::2]) for y in (0, 1) for x in (0, 1))
    assert (Irregular().apply(FACE, third)[third.mask] == (9, 8, 7)).all()


def test_masks_that_reach_the_border_are_left_out_under_its_rule(tmp_path: Path) -> None:
    save_mask(tmp_path / "clear.png", 0.15)
    save_mask(tmp_path / "edge.png", 0.15, margin=0)
    free = {choose(tmp_path, 0.1, 0.2, seed).params["source"]["file"] for seed in range(12)}
    ruled = {choose(tmp_path, 0.1, 0.2, seed, border=True).params["source"]["file"] for seed in range(12)}
    assert free == {"clear.png", "edge.png"} and ruled == {"clear.png"}


def test_unusable_mask_folders_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(OccluderError, match="holds no PNG"):
        choose(tmp_path, 0.1, 0.2)
    save_mask(tmp_path / "a.png", 0.15)
    with pytest.raises(OccluderError, match=r"none of the 1 masks.*\n.*cover 0.15 to 0.15"):
        choose(tmp_path, 0.2, 0.3)
    occlusion = choose(tmp_path, 0.1, 0.2)
    digests = Irregular().fingerprint({"folder": str(tmp_path)})
    assert digests == {"a.png": occlusion.params["source"]["sha256"]} and Irregular().fingerprint({}) == {}
    save_mask(tmp_path / "a.png", 0.35)
    assert Irregular().fingerprint({"folder": str(tmp_path)}) != digests
    with pytest.raises(OccluderError, match="has changed"):
        Irregular().apply(FACE, occlusion)
    assert choose(tmp_path, 0.3, 0.4).params["source"]["file"] == "a.png"
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(OccluderError, match="can't be read"):
        choose(tmp_path, 0.1, 0.2)
