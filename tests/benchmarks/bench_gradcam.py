"""Time of Grad-CAM over one forward and one backward pass: ``python tests/benchmarks/bench_gradcam.py``.

Both in the same run, on the same batch and network; at most 1.3 is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import ComponentSettings, torch_seed
from ofer_bench.occlusion.cam import patch_relevance

REPEATS = 5
BATCH = 16


def bench_gradcam(size: int, patch: int, stem: str, width: int) -> float:
    """Time of the patch relevance of a batch over that of a forward and a backward pass of the same ResNet-18."""
    settings = ComponentSettings(image_size=size, patch_size=patch, num_classes=7, model={"stem": stem, "width": width})
    with torch_seed(0):
        network = ResNet18(settings).eval()
    image = torch.rand(BATCH, 3, size, size, generator=torch.Generator().manual_seed(0))
    label = torch.arange(BATCH) % 7

    def passes() -> None:
        network.zero_grad()
        F.cross_entropy(network(image), label).backward()

    def relevance() -> None:
        patch_relevance(network, network.cam_layer, image, label, patch)

    return _ratio(relevance, passes)


def _ratio(ours: Callable[[], object], reference: Callable[[], object]) -> float:
    """Best time over best time; the two take turns, so that neither has the quieter machine."""
    best = [float("inf"), float("inf")]
    for turn in range(REPEATS + 1):
        for place, call in enumerate((ours, reference)):
            start = time.perf_counter()
            call()
            if turn:
                best[place] = min(best[place], time.perf_counter() - start)
    return best[0] / best[1]


if __name__ == "__main__":
    print(f"Grad-CAM / (forward + backward), ResNet-18 at 224 px   {bench_gradcam(224, 16, 'imagenet', 64):.2f}")
    print(f"Grad-CAM / (forward + backward), small ResNet at 64 px {bench_gradcam(64, 8, 'small', 16):.2f}")
