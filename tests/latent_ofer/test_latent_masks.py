import pytest
import torch

from ofer_bench.latent_ofer.masks import draw_patch_masks, mask_priority


def test_priority_is_a_permutation_and_repeats():
    first = mask_priority(50, 8, torch.Generator().manual_seed(4))
    assert torch.equal(first, mask_priority(50, 8, torch.Generator().manual_seed(4)))
    assert torch.equal(first.sort(dim=1).values, torch.arange(64).expand(50, -1))


@pytest.mark.parametrize("grid", [4, 8, 14])
def test_ratio_is_kept(grid):
    masks = draw_patch_masks(300, grid, torch.Generator().manual_seed(0), ratio=(0.2, 0.4))
    share = masks.flatten(1).float().mean(1)
    half_patch = 0.5 / grid**2 + 1e-6
    assert share.min() >= 0.2 - half_patch and share.max() <= 0.4 + half_patch
    assert share.mean() == pytest.approx(0.3, abs=0.02)


def test_every_face_gets_a_hole():
    masks = draw_patch_masks(100, 4, torch.Generator().manual_seed(0), ratio=(0.0, 0.01))
    assert (masks.flatten(1).sum(1) == 1).all()


def test_shapes_differ_in_how_contiguous_they_are():
    masks = draw_patch_masks(400, 14, torch.Generator().manual_seed(0), ratio=(0.3, 0.3)).float()
    neighbours = (masks[:, 1:] * masks[:, :-1]).sum((1, 2)) / masks.sum((1, 2))
    assert (neighbours < 0.45).float().mean() > 0.2
    assert (neighbours > 0.8).float().mean() > 0.2


def test_a_third_each_are_scattered_rectangles_and_blobs():
    grid, count = 14, 600
    masks = draw_patch_masks(count, grid, torch.Generator().manual_seed(0), ratio=(0.3, 0.3)).float()
    neighbours = (masks[:, 1:] * masks[:, :-1]).sum((1, 2)) / masks.sum((1, 2))
    height, width = ((masks.amax(dim) > 0).sum(1) for dim in (2, 1))
    # Rows and columns of the box that holds the hole; only a rectangle leaves no corner of it free.
    filled = masks.sum((1, 2)) / (height * width)
    connected = neighbours > 0.5
    for share in (~connected, connected & (filled > 0.7), connected & (filled <= 0.7)):
        assert float(share.float().mean()) == pytest.approx(1 / 3, abs=0.07)
