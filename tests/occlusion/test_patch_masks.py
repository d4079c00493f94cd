"""Patch masks against brute force."""

from __future__ import annotations

import pytest
import torch

from ofer_bench.occlusion.patches import occluded, patch_coverage, patch_mask_to_pixels, pixel_mask_to_patches


def test_coverage_threshold_and_round_trip() -> None:
    pixels = torch.rand(3, 1, 24, 24, generator=torch.Generator().manual_seed(1)) < 0.4
    coverage = patch_coverage(pixels, 6)
    for b in range(3):
        for row in range(4):
            for column in range(4):
                block = pixels[b, 0, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6]
                assert abs(float(coverage[b, row, column]) - int(block.sum()) / 36) < 1e-6
    assert torch.equal(pixel_mask_to_patches(pixels, 6, 0.4), coverage >= 0.4)
    one = torch.zeros(1, 1, 12, 12, dtype=torch.bool)
    one[0, 0, 7, 1] = True
    assert pixel_mask_to_patches(one, 6, 0.0).tolist() == [[[False, False], [True, False]]]
    patches = coverage > 0.4
    assert torch.equal(pixel_mask_to_patches(patch_mask_to_pixels(patches, 6), 6), patches)


@pytest.mark.parametrize(
    ("tau", "expected"),
    [(0.0, [False, True, True, True]), (0.5, [False, False, True, True]), (1.0, [False, False, False, True])],
)
def test_one_rule_for_masks_and_for_scores(tau: float, expected: list[bool]) -> None:
    coverage = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert occluded(coverage, tau).tolist() == expected
    assert occluded(coverage.numpy(), tau).tolist() == expected
