"""PSNR and SSIM against scikit-image."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from ofer_bench.metrics import psnr, psnr_hole, ssim, ssim_hole


def pair(height: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a = torch.rand(3, 3, height, width, generator=generator)
    return a, (a + 0.2 * torch.randn(a.shape, generator=generator)).clamp(0, 1)


def skimage_ssim(a: Tensor, b: Tensor) -> tuple[float, np.ndarray]:
    return structural_similarity(
        a.double().numpy(), b.double().numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False, full=True,
    )  # fmt: skip


@pytest.mark.parametrize(("height", "width"), [(64, 64), (11, 11), (37, 52), (224, 224)])
def test_equal_to_scikit_image(height: int, width: int) -> None:
    a, b = pair(height, width, height)
    hole = torch.rand(3, 1, height, width, generator=torch.Generator().manual_seed(5)) < 0.3
    for i in range(3):
        mean, full = skimage_ssim(a[i], b[i])
        reference = peak_signal_noise_ratio(a[i].double().numpy(), b[i].double().numpy(), data_range=1.0)
        assert float(psnr(a, b)[i]) == pytest.approx(reference, abs=1e-9)
        assert float(ssim(a, b)[i]) == pytest.approx(mean, abs=1e-9)
        where = hole[i, 0].numpy()
        assert float(ssim_hole(a, b, hole)[i]) == pytest.approx(full[:, where].mean(), abs=1e-9)
        error = (a[i].double() - b[i].double()).numpy()[:, where]
        assert float(psnr_hole(a, b, hole)[i]) == pytest.approx(-10 * np.log10((error**2).mean()), abs=1e-9)


def test_flat_and_equal_images() -> None:
    a = torch.full((1, 3, 20, 20), 0.5)
    assert float(ssim(a, a)) == pytest.approx(1.0, abs=1e-12) and float(psnr(a, a)) == float("inf")
    assert float(psnr(a, a + 0.1)) == pytest.approx(20.0, abs=1e-4)


def test_an_empty_hole_is_nan_and_bad_shapes_are_errors() -> None:
    a, b = pair(16, 16, 0)
    empty = torch.zeros(3, 1, 16, 16, dtype=torch.bool)
    assert torch.isnan(psnr_hole(a, b, empty)).all() and torch.isnan(ssim_hole(a, b, empty)).all()
    with pytest.raises(ValueError, match="one shape"):
        psnr(a, b[:2])
    with pytest.raises(ValueError, match="at least 11"):
        ssim(a[..., :8], b[..., :8])


def test_metadata_needs_no_torch() -> None:
    code = "import sys; from ofer_bench.metrics import METRICS, metric_info; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
