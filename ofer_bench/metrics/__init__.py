"""Metrics: arrays in, numbers out. Names are loaded on first use, since the image metrics need torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ofer_bench.metrics.image import psnr, psnr_hole, ssim, ssim_hole, ssim_map
    from ofer_bench.metrics.info import METRICS, MetricInfo, metric_info

_MODULE_OF = {
    "METRICS": "info",
    "MetricInfo": "info",
    "metric_info": "info",
    "psnr": "image",
    "psnr_hole": "image",
    "ssim": "image",
    "ssim_hole": "image",
    "ssim_map": "image",
}

__all__ = ["METRICS", "MetricInfo", "metric_info", "psnr", "psnr_hole", "ssim", "ssim_hole", "ssim_map"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)
