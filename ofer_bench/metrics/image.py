"""Image quality: PSNR and SSIM over whole images and over the hole."""

from __future__ import annotations

import torch
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
    mean_x, mean_y = _gaussian(x), _gaussian(y)
    var_x, var_y = _gaussian(x * x) - mean_x**2, _gaussian(y * y) - mean_y**2
    covariance = _gaussian(x * y) - mean_x * mean_y
    c1, c2 = _K1**2, _K2**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance * (2 * covariance + c2) / (var_x + var_y + c2)


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both images in double precision: SSIM's variances are small differences of large numbers."""
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(f"expected two [B,3,H,W] tensors of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    if a.device.type == "mps":
        # Apple GPUs have no double precision.
        a, b = a.cpu(), b.cpu()
    return a.to(torch.float64), b.to(torch.float64)


def _hole_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of [B,3,H,W] over channels and the True pixels of [B,1,H,W]."""
    hole = mask.to(values)
    return (values * hole).sum(dim=(1, 2, 3)) / (hole.sum(dim=(1, 2, 3)) * values.shape[1])


def _gaussian(image: Tensor) -> Tensor:
    """Filter [B,3,H,W] with the Gaussian window, edges mirrored."""
    height, width = image.shape[-2:]
    return _filter(height, image) @ image @ _filter(width, image).T


def _filter(size: int, like: Tensor) -> Tensor:
    """Gaussian filter along an axis of ``size`` pixels as a matrix: far faster than convolution in double precision."""
    edge = SSIM_WINDOW // 2
    offset = torch.arange(-edge, edge + 1, device=like.device)
    weight = torch.exp(-(offset.to(like.dtype) ** 2) / (2 * SSIM_SIGMA**2))
    weight = weight / weight.sum()
    place = torch.arange(size, device=like.device)[:, None] + offset
    # The edge pixel is repeated, as scikit-image does.
    place = torch.where(place < 0, -place - 1, torch.where(place >= size, 2 * size - 1 - place, place))
    return like.new_zeros(size, size).scatter_add_(1, place, weight.expand(size, -1))
