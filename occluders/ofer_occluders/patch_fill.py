"""Occlusion of whole patches, shared by the patch occluders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ofer_bench.api import OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_ratio, check_same_size
from ofer_occluders.fills import draw_fill, paint


def patch_grid(image: np.ndarray, patch_size: int) -> tuple[int, int]:
    """Return the rows and columns of patches in ``image`` [H,W,3]; OccluderError when they don't tile it."""
    height, width = image.shape[:2]
    if patch_size < 1 or height % patch_size or width % patch_size:
        raise OccluderError(
            f"patches of {patch_size} px don't tile an image of {height}x{width} px",
            hint="make the image size a multiple of the patch size",
        )
    return height // patch_size, width // patch_size


def patch_count(request: OcclusionRequest, patches: int, rng: np.random.Generator) -> int:
    """Return a number of patches: round(p * patches) for one ratio p, else drawn so that it lies in [lo, hi].

    Raises OccluderError for a range between two neighbouring numbers of patches.
    """
    check_ratio(request.ratio)
    lo, hi = request.ratio
    if lo == hi:
        return round(lo * patches)
    # A hair of tolerance: 0.1 * 200 patches is 20.000000000000004.
    fewest, most = int(np.ceil(lo * patches - 1e-9)), int(np.floor(hi * patches + 1e-9))
    if fewest > most:
        raise OccluderError(
            f"no number of {patches} patches covers a share between {lo:g} and {hi:g}",
            hint=f"ask for a range that holds a multiple of 1/{patches}, or for one ratio",
        )
    return int(np.clip(round(float(rng.uniform(lo, hi)) * patches), fewest, most))


def patch_occlusion(
    image: np.ndarray, request: OcclusionRequest, patches: Sequence[int], rng: np.random.Generator
) -> Occlusion:
    """Describe the filling of ``patches`` (row-major indices) of ``image`` uint8 [H,W,3]."""
    params: dict[str, Any] = {
        "size": [int(side) for side in image.shape[:2]],
        "patch_size": int(request.patch_size),
        "patches": sorted(int(index) for index in patches),
        "fill": draw_fill(request, rng),
    }
    mask = _mask(params)
    return Occlusion(params=params, mask=mask, ratio=np.count_nonzero(mask) / mask.size)


def fill_patches(image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
    """Return a copy of ``image`` uint8 [H,W,3] with the patches of ``occlusion`` filled."""
    check_image(image)
    check_same_size(image, occlusion.params["size"])
    return paint(image, _mask(occlusion.params), occlusion.params["fill"])


def _mask(params: Mapping[str, Any]) -> np.ndarray:
    height, width = params["size"]
    side = params["patch_size"]
    cells = np.zeros((height // side) * (width // side), dtype=bool)
    cells[params["patches"]] = True
    grid = cells.reshape(height // side, width // side)
    return grid.repeat(side, axis=0).repeat(side, axis=1)
