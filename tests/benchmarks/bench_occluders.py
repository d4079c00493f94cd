"""Speed of occluders: ``python tests/benchmarks/bench_occluders.py``.

Images of 224 px per second of processor time on one thread, sampled and applied one after the other as in a run.
One function per family.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from ofer_bench.api import Occluder, OcclusionRequest, derive_rng
from ofer_occluders.objects import Objects
from ofer_occluders.translucent import Translucent

SIDE, PATCH, IMAGES, ROUNDS = 224, 16, 120, 3


def pictures(count: int = 8) -> list[np.ndarray]:
    """Coloured noise as sharp as a photograph, uint8 [S,S,3]: softer ones cost a blur more."""
    made = []
    for number in range(count):
        noise = derive_rng("bench", number).standard_normal((SIDE, SIDE, 3))
        soft = gaussian_filter(noise, (0.7, 0.7, 0))
        made.append(np.clip(128 + 40 * soft / soft.std(), 0, 255).astype(np.uint8))
    return made


def images_per_second(occluder: Occluder, request: OcclusionRequest) -> float:
    """Best of a few rounds over the same pictures, after one round to warm up."""
    images = pictures()
    best = 0.0
    for number in range(ROUNDS + 1):
        start = time.process_time()
        for i in range(IMAGES):
            image = images[i % len(images)]
            occluder.apply(image, occluder.sample(image, request, derive_rng("bench", i)))
        if number:
            best = max(best, IMAGES / (time.process_time() - start))
    return best


def bench_objects() -> float:
    """Library objects with shadow, colour transfer and matched sharpness."""
    return images_per_second(Objects(), OcclusionRequest(ratio=(0.1, 0.4), patch_size=PATCH, fill=(0, 0, 0)))


def bench_translucent() -> float:
    """The same, shining through."""
    return images_per_second(Translucent(), OcclusionRequest(ratio=(0.1, 0.4), patch_size=PATCH, fill=(0, 0, 0)))


FAMILIES: Mapping[str, Callable[[], float]] = {"objects": bench_objects, "translucent": bench_translucent}

if __name__ == "__main__":
    for name, bench in FAMILIES.items():
        print(f"{name:14} {bench():8.0f} images/s")
