import pytest
import torch

from ofer_bench.latent_ofer.masks import draw_patch_masks
from ofer_bench.latent_ofer.part_holes import EDGE, EYES, MOUTH, draw_holes, draw_part_holes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def bounds(mask):
    """First and last row and column of the hole, plus one."""
    rows, columns = (mask.any(dim).nonzero().flatten().tolist() for dim in (1, 0))
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


@pytest.mark.parametrize("grid", [5, 8, 14])
def test_a_hole_is_a_rectangle_over_one_of_the_parts(grid):
    slack = EDGE + 0.5 / grid + 1e-6
    parts = []
    for mask in draw_part_holes(200, grid, generator()):
        box = bounds(mask)
        assert int(mask.sum()) == (box[2] - box[0]) * (box[3] - box[1])
        fits = [
            all(abs(edge / grid - wanted) <= slack for edge, wanted in zip(box, part, strict=True))
            for part in (EYES, MOUTH)
        ]
        assert sum(fits) == 1
        parts.append(fits[0])
    assert sum(parts) / len(parts) == pytest.approx(0.5, abs=0.1)


def test_a_coarse_grid_leaves_no_face_without_a_hole():
    assert draw_part_holes(300, 3, generator()).flatten(1).any(dim=1).all()


def test_the_share_says_how_many_faces_lose_a_part():
    anywhere = draw_patch_masks(400, 8, generator())
    assert torch.equal(draw_holes(400, 8, generator(), 0), anywhere)
    changed = (draw_holes(400, 8, generator(), 0.25) != anywhere).flatten(1).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(0.25, abs=0.06)
    every = draw_holes(400, 8, generator(), 1.0)
    assert all(int(mask.sum()) == (b[2] - b[0]) * (b[3] - b[1]) for mask in every for b in [bounds(mask)])
