"""Time of the kernels as ratios to a reference in the same run: ``python tests/benchmarks/bench_kernels.py [cuda]``.

SSIM against scikit-image on the same pairs; the layers that rebuild a hole against their one unavoidable similarity
matmul, and per image against the released layer's way: one map at a time, in loops over its positions, on the CPU. All
else runs on the device that is named (the CPU).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from ofer_bench.latent_ofer.csa import csa
from ofer_bench.latent_ofer.released_layer import released_layer
from ofer_bench.latent_ofer.self_assembly import self_assembly
from ofer_bench.metrics import ssim

REPEATS = 5
BATCH, CHANNELS, SIDE = 16, 512, 32


def seconds(*calls: Callable[[], object]) -> list[float]:
    """Best of a few runs of each after a warm-up; they take turns, so that all see the same machine."""
    best = [float("inf")] * len(calls)
    for repeat in range(REPEATS + 1):
        for n, call in enumerate(calls):
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if repeat:
                best[n] = min(best[n], time.perf_counter() - start)
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

    ours, theirs = seconds(lambda: ssim(a, b), reference)
    return ours / theirs


def one_after_another(features: Tensor, flip: Tensor, hole: Tensor) -> Tensor:
    """Rebuild one map [C,H,W] as the release goes about it: products as matrices, all else position by position.

    ``flip`` [C,H,W], ``hole`` bool [H,W]. As there, a product of the recursion is a convolution built for it.
    """
    height, width = hole.shape
    x, f = features.flatten(1).T.contiguous(), flip.flatten(1).T
    holes, known = hole.flatten().nonzero()[:, 0], (~hole.flatten()).nonzero()[:, 0]
    directions, known_directions = x.clone(), x[known]
    for vectors in (directions, known_directions):
        for n in range(len(vectors)):
            vectors[n] = vectors[n] * (1 / (vectors[n].norm(2) + 1e-8))
    d_known, best = (x @ known_directions.T).max(dim=1)
    d_flip = (f @ directions.T).amax(dim=1)

    around = torch.zeros_like(x)
    for row in range(height):
        for column in range(width):
            window = [
                x[r * width + c]
                for r in range(max(0, row - 1), min(height, row + 2))
                for c in range(max(0, column - 1), min(width, column + 2))
            ]
            around[row * width + column] = sum(window) / len(window)

    m, attention = torch.zeros(len(holes), x.shape[1]), torch.zeros(len(holes), len(x))
    shares = torch.zeros(len(x), height, width)
    n = 0
    for row in range(height):
        for column in range(width):
            h = row * width + column
            if not (holes == h).any():
                shares[h, row, column] = 1
                continue
            k = int(known[best[h]])
            if n == 0:
                m[n] = 0.5 * x[k] + 0.5 * around[h]
                attention[n, k] = 1
            else:
                direction = x[h] * (1 / (x[h].norm(2) + 1e-8))
                convolution = torch.nn.Conv2d(len(features), 1, kernel_size=1, bias=False)
                convolution.weight.data = direction[None, :, None, None]
                d_prev = convolution(m[n - 1][None, :, None, None]).squeeze()
                z = d_prev + d_known[h] + d_flip[n]
                m[n] = d_prev / z * m[n - 1] + d_known[h] / z * x[k] + d_flip[n] / z * around[h]
                attention[n] = attention[n - 1] * (d_prev / z).item()
                attention[n, k] = attention[n, k] + (d_known[h] / z).item()
            shares[:, row, column] = attention[n]
            n += 1
    return (x.T @ shares.flatten(1)).reshape(features.shape)


def bench_layers(device: str) -> None:
    """Print the layers' times over that of the similarity matmul: 16 maps of 512 x 32 x 32, 256 holes each."""
    generator = torch.Generator().manual_seed(0)
    # In the memory layout of the network.
    features, flip = (
        torch.rand(BATCH, CHANNELS, SIDE, SIDE, generator=generator).to(device, memory_format=torch.channels_last)
        for _ in range(2)
    )
    one = (features[0].cpu(), flip[0].cpu())
    hole = torch.zeros(BATCH, 1, SIDE, SIDE, dtype=torch.bool)
    hole[:, :, 8:24, 8:24] = True
    first, hole = hole[0, 0], hole.to(device)
    rows = features.flatten(2).transpose(1, 2)
    inside = rows[:, hole[0].flatten()]

    def trained(layer: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        leaf = features.clone().requires_grad_(True)
        return lambda: layer(leaf, hole).backward(features)

    def released(x: Tensor, hole: Tensor) -> Tensor:
        return released_layer(x, flip, hole)

    def loop() -> Tensor:
        return one_after_another(*one, first)

    torch.testing.assert_close(loop(), released(features, hole)[0].cpu(), atol=1e-4, rtol=1e-4)
    layers = {"self_assembly": self_assembly, "csa": csa, "released_layer": released}
    plain = [lambda: inside @ rows.transpose(1, 2), loop]
    plain += [lambda layer=layer: layer(features, hole) for layer in layers.values()]
    matmul, loops, *times = seconds(
        *(torch.no_grad()(call) for call in plain), *(trained(layer) for layer in layers.values())
    )
    once, with_backward = times[: len(layers)], times[len(layers) :]
    print(f"similarity matmul         {matmul * 1e3:.2f} ms for {BATCH} maps on {device}")
    print(f"released way, one by one  {loops * 1e3:.0f} ms for 1 map")
    for name, forward, both in zip(layers, once, with_backward, strict=True):
        print(f"{name + ' / matmul':25s} {forward / matmul:.1f}, with backward {both / matmul:.1f}")
        print(f"{'  faster per image by':25s} {loops / (forward / BATCH):.1f}")


if __name__ == "__main__":
    print(f"ssim / scikit-image       {bench_ssim():.2f}")
    bench_layers(sys.argv[1] if len(sys.argv) > 1 else "cpu")
