"""Free-form strokes and their ratio bins."""

from __future__ import annotations

import numpy as np
import pytest

from ofer_bench.api import OccluderError, OcclusionRequest, derive_rng
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
        assert ratio[0] <= occlusion.ratio <= ratio[1]
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
        stroke = draw_stroke((256, 256), rng)
        points = np.array(stroke["points"])
        assert 5 <= len(points) <= 13 and 12 <= stroke["width"] <= 40
        assert points.min() >= 0 and points.max() <= 255
        assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() <= 2 * np.hypot(256, 256) / 8 + 2


def test_stroke_mask_is_a_thick_line_with_round_ends() -> None:
    mask = stroke_mask((60, 100), [{"points": [[20, 30], [80, 30]], "width": 20}])
    assert mask[30, 20:80].all() and mask[22, 50] and not mask[18, 50]
    assert mask[30, 12] and not mask[22, 12] and not mask[30, 5]
    assert mask.sum() == pytest.approx(60 * 20 + np.pi * 100, rel=0.05)
