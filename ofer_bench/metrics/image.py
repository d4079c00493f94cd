"""Image quality: PSNR and SSIM over whole images and over the hole."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of image pairs [B,3,H,W] in [0,1]: float64 [B], inf for equal images.

    Mean squared error over all pixels and channels (``psnr/whole/rgb``). ValueError for unequal shapes.
    """
    x, y = _pair(a, b)
    return -10.0 * torch.log10(((x - y) ** 2).mean(dim=(1, 2, 3)))


def psnr_hole(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """PSNR in dB over the pixels where ``mask`` bool [B,1,H,W] is True: float64 [B], NaN when empty."""
    x, y = _pair(a, b)
    return -10.0 * torch.log10(_hole_mean((x - y) ** 2, mask))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of image pairs [B,3,H,W] in [0,1]: float64 [B] in [-1,1].

    Gaussian 11x11 window, sigma 1.5, K = (0.01, 0.03), population covariance, mean over channels and over
    the pixels whose window lies inside the image (``ssim/gauss1.5-11/whole``). Equals scikit-image's
    ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)``.
    ValueError for unequal shapes or images smaller than the window.
    """
    edge = SSIM_WINDOW // 2
    return ssim_map(a, b)[:, :, edge:-edge, edge:-edge].mean(dim=(1, 2, 3))


def ssim_hole(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Mean SSIM map over the pixels where ``mask`` bool [B,1,H,W] is True: float64 [B], NaN when empty.

    Windows at the rim of the hole see known pixels as well; at the image border the map is mirrored.
    """
    return _hole_mean(ssim_map(a, b), mask)


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of every pixel and channel: float64 [B,3,H,W], image edges mirrored (edge pixel repeated)."""
    x, y = _pair(a, b)
    if min(x.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs images of at least {SSIM_WINDOW} px, not {tuple(x.shape[-2:])}")
    smooth = partial(_gaussian, kernel=_kernel(x))
    mean_x, mean_y = smooth(x), smooth(y)
    var_x, var_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = _K1**2, _K2**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance * (2 * covariance + c2) / (var_x + var_y + c2)


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both images in double precision: SSIM's variances are small differences of large numbers."""
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(
            f"expected two [B,3,H,W] tensors of one shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if a.device.type == "mps":
        # Apple GPUs have no double precision.
        a, b = a.cpu(), b.cpu()
    return a.to(torch.float64), b.to(torch.float64)


def _hole_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of [B,3,H,W] over channels and the True pixels of [B,1,H,W]."""
    hole = mask.to(values)
    return (values * hole).sum(dim=(1, 2, 3)) / (hole.sum(dim=(1, 2, 3)) * values.shape[1])


def _kernel(like: Tensor) -> Tensor:
    offset = torch.arange(SSIM_WINDOW, device=like.device, dtype=like.dtype) - SSIM_WINDOW // 2
    weight = torch.exp(-(offset**2) / (2 * SSIM_SIGMA**2))
    return weight / weight.sum()


def _gaussian(image: Tensor, kernel: Tensor) -> Tensor:
    channels, edge = image.shape[1], SSIM_WINDOW // 2
    # torch's "reflect" leaves the edge pixel out; scikit-image repeats it.
    for dim in (2, 3):
        size = image.shape[dim]
        image = torch.cat(
            [image.narrow(dim, 0, edge).flip(dim), image, image.narrow(dim, size - edge, edge).flip(dim)],
            dim=dim,
        )
    image = F.conv2d(image, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(image, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
