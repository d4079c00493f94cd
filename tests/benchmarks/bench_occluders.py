"""Occluded images a second at 224 px: ``python tests/benchmarks/bench_occluders.py``.

Three columns: sampled and applied on one thread; the same on as many threads as cores; and the way of a run, on as many
threads, where every image has a seed of its own and its mask is checked. Beside ours the operation of albumentations
that comes nearest (``pip install 'ofer-bench[bench]'``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from ofer_bench.api import FaceSet, Occluder, OcclusionRequest, derive_rng
from ofer_bench.core.threads import PerThread, each, thread_count
from ofer_bench.occlusion.apply import occlude_set
from ofer_occluders.dropout import Dropout
from ofer_occluders.irregular import Irregular
from ofer_occluders.objects import Objects
from ofer_occluders.random_patch import RandomPatch
from ofer_occluders.region import Eyes
from ofer_occluders.translucent import Translucent

SIDE, PATCH, ROUNDS = 224, 16, 3
LIU_BINS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
WORKERS = thread_count(0)


def pictures(count: int = 8) -> list[np.ndarray]:
    """Coloured noise as sharp as a photograph, uint8 [S,S,3]: softer ones cost a blur more."""
    made = []
    for number in range(count):
        noise = derive_rng("bench", number).standard_normal((SIDE, SIDE, 3))
        soft = gaussian_filter(noise, (0.7, 0.7, 0))
        made.append(np.clip(128 + 40 * soft / soft.std(), 0, 255).astype(np.uint8))
    return made


PICTURES = pictures()


def rate(work: Callable[[], object], images: int) -> float:
    """Images a second, best of a few rounds after one to warm up."""
    work()
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return images / best


def ours(make: Callable[[], Occluder], ratio: tuple[float, float], images: int = 800, **params: object) -> list[float]:
    """Images a second of one of our occluders."""
    faces = FaceSet(
        image=np.stack([PICTURES[n % len(PICTURES)] for n in range(images)]),
        label=np.zeros(images, dtype=np.int64),
        sample_id=tuple(str(n) for n in range(images)),
    )
    request = OcclusionRequest(ratio=ratio, patch_size=PATCH, fill=(120, 100, 90), params=params)
    occluders = PerThread(lambda: (make(), derive_rng("bench")))

    def occlude(number: int) -> None:
        occluder, rng = occluders.get()
        occluder.apply(faces.image[number], occluder.sample(faces.image[number], request, rng))

    def run() -> None:
        occlude_set(make, faces, request_for=lambda _: request, seed_parts=("bench",), workers=WORKERS)

    return [*on_threads(occlude, images), rate(run, images)]


def theirs(operation: Any, images: int = 800) -> list[float]:
    """Images a second of an operation of albumentations that returns its mask, as ours do."""

    def apply(number: int) -> None:
        operation(image=PICTURES[number % len(PICTURES)], mask=np.zeros((SIDE, SIDE), dtype=np.uint8))

    return on_threads(apply, images)


def on_threads(work: Callable[[int], None], images: int) -> list[float]:
    """Images a second on one thread, and on one per core."""
    shares = [range(first, images, WORKERS) for first in range(WORKERS)]

    def share(numbers: range) -> None:
        for number in numbers:
            work(number)

    return [rate(lambda: share(range(images)), images), rate(lambda: list(each(share, shares, WORKERS)), images)]


def bench_patches() -> dict[str, list[float]]:
    """Patches, holes and bands at about a third of the image."""
    patches = {
        f"random-patch, {fill}": ours(RandomPatch, (0.3, 0.3), fill=fill) for fill in ("mean", "black", "noise", "blur")
    }
    return {**patches, "dropout": ours(Dropout, (0.2, 0.4)), "eyes": ours(Eyes, (0.0, 1.0))}


def bench_irregular() -> dict[str, list[float]]:
    """Strokes into every bin of Liu et al., with and without the border rule."""
    return {
        f"irregular {low:g}-{high:g}{', border' if border else ''}": ours(Irregular, (low, high), 160, border=border)
        for border in (False, True)
        for low, high in LIU_BINS
    }


def bench_objects() -> dict[str, list[float]]:
    """Library objects with shadow, colour transfer and matched sharpness, opaque and shining through."""
    return {
        "objects": ours(Objects, (0.1, 0.4), 240),
        "objects, unseen kinds": ours(Objects, (0.1, 0.4), 240, kinds="unseen"),
        "translucent": ours(Translucent, (0.1, 0.4), 240),
    }


def bench_albumentations() -> dict[str, list[float]]:
    """What comes nearest there: patches of a grid dropped at random, and coarse holes."""
    try:
        import albumentations
    except ImportError:
        print("albumentations is not installed, nothing to compare with: pip install 'ofer-bench[bench]'")
        return {}
    grid = albumentations.GridDropout(
        ratio=0.55, unit_size_range=(PATCH, PATCH + 1), random_offset=True, fill_mask=1, p=1
    )
    coarse = albumentations.CoarseDropout(
        num_holes_range=(1, 8), hole_height_range=(0.1, 0.4), hole_width_range=(0.1, 0.4), fill_mask=1, p=1
    )
    return {"albumentations GridDropout": theirs(grid), "albumentations CoarseDropout": theirs(coarse)}


if __name__ == "__main__":
    print(f"{'images a second':<32}{'1 thread':>10}{f'{WORKERS} threads':>11}{'in a run':>10}")
    for bench in (bench_patches, bench_albumentations, bench_irregular, bench_objects):
        for name, rates in bench().items():
            print(f"{name:<32}" + "".join(f"{images:10.0f}" for images in rates), flush=True)
