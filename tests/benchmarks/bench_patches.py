"""Occluded images a second at 224 px, one thread: ``python tests/benchmarks/bench_patches.py``.

An image counts when its occlusion is sampled and applied. Beside the plain occluders stands the operation of
albumentations that does the same (``pip install 'ofer-bench[bench]'``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ofer_bench.api import OcclusionRequest
from ofer_occluders.dropout import Dropout
from ofer_occluders.irregular import Irregular
from ofer_occluders.random_patch import RandomPatch
from ofer_occluders.region import Eyes

SIDE, PATCH = 224, 16
REPEATS = 3
LIU_BINS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
IMAGE = np.random.Generator(np.random.PCG64(0)).integers(0, 256, size=(SIDE, SIDE, 3), dtype=np.uint8)


def rate(call: Callable[[], object], images: int) -> float:
    """Calls a second, best of a few rounds after a warm-up."""
    call()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(images):
            call()
        best = min(best, time.perf_counter() - start)
    return images / best


def ours(occluder: Any, ratio: tuple[float, float], images: int = 200, **params: object) -> float:
    """Images a second of one of our occluders."""
    rng = np.random.Generator(np.random.PCG64(1))
    request = OcclusionRequest(ratio=ratio, patch_size=PATCH, fill=(120, 100, 90), params=params)
    return rate(lambda: occluder.apply(IMAGE, occluder.sample(IMAGE, request, rng)), images)


def theirs(operation: Any, images: int = 200) -> float:
    """Images a second of an operation of albumentations that returns its mask, as ours do."""
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    return rate(lambda: operation(image=IMAGE, mask=mask), images)


def bench_patches() -> dict[str, float]:
    """Patches, holes and bands at about a third of the image."""
    patches = {f"random-patch, {f}": ours(RandomPatch(), (0.3, 0.3), fill=f) for f in ("mean", "noise", "blur")}
    return {**patches, "dropout": ours(Dropout(), (0.2, 0.4)), "eyes": ours(Eyes(), (0.0, 1.0))}


def bench_irregular() -> dict[str, float]:
    """Strokes into every bin of Liu et al., with and without the border rule."""
    return {
        f"irregular {low:g}-{high:g}{', border' if border else ''}": ours(Irregular(), (low, high), 40, border=border)
        for border in (False, True)
        for low, high in LIU_BINS
    }


def bench_albumentations() -> dict[str, float]:
    """What comes nearest there: patches of a grid dropped at random, and coarse holes."""
    try:
        import albumentations
    except ImportError:
        print("albumentations is not installed, nothing to compare with: pip install 'ofer-bench[bench]'")
        return {}
    grid = albumentations.GridDropout(ratio=0.55, unit_size_range=(PATCH, PATCH), random_offset=True, fill_mask=1, p=1)
    coarse = albumentations.CoarseDropout(
        num_holes_range=(1, 8), hole_height_range=(0.1, 0.4), hole_width_range=(0.1, 0.4), fill_mask=1, p=1
    )
    return {"albumentations GridDropout": theirs(grid), "albumentations CoarseDropout": theirs(coarse)}


if __name__ == "__main__":
    for bench in (bench_patches, bench_irregular, bench_albumentations):
        for name, images in bench().items():
            print(f"{name:<32}{images:8.0f} images/s")
