"""Time of the kernels as ratios to a reference in the same run: ``python tests/benchmarks/bench_kernels.py``.

SSIM against scikit-image on the same pairs; self-assembly against its one unavoidable similarity matmul.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from skimage.metrics import structural_similarity

from ofer_bench.latent_ofer.self_assembly import self_assembly
from ofer_bench.metrics import ssim

REPEATS = 3


def seconds(call: Callable[[], object]) -> float:
    """Best of a few runs after a warm-up."""
    call()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def bench_ssim() -> float:
    """Time of our SSIM over that of scikit-image: 32 pairs of 112 px."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(32, 3, 112, 112, generator=generator) for _ in range(2))
    pairs = list(zip(a.double().numpy(), b.double().numpy(), strict=True))

    def reference() -> list[float]:
        return [
            structural_similarity(
                x,
                y,
                channel_axis=0,
                data_range=1.0,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for x, y in pairs
        ]

    return seconds(lambda: ssim(a, b)) / seconds(reference)


def bench_self_assembly() -> float:
    """Forward time of the layer over that of its similarity matmul: 16 maps of 512 x 32 x 32, 256 holes each."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(16, 512, 32, 32, generator=generator)
    hole = torch.zeros(16, 1, 32, 32, dtype=torch.bool)
    hole[:, :, 8:24, 8:24] = True
    rows = features.flatten(2).transpose(1, 2)
    inside = rows[:, hole[0].flatten()]
    return seconds(lambda: self_assembly(features, hole)) / seconds(lambda: inside @ rows.transpose(1, 2))


if __name__ == "__main__":
    with torch.inference_mode():
        print(f"ssim / scikit-image       {bench_ssim():.2f}")
        print(f"self_assembly / matmul    {bench_self_assembly():.1f}")
