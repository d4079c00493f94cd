"""What every occluder demands of its input, with errors that name the fix."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ofer_bench.api import OccluderError

if TYPE_CHECKING:
    import numpy as np


def check_image(image: np.ndarray) -> None:
    """Raise :class:`OccluderError` unless ``image`` is uint8 [H,W,3]."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.name != "uint8":
        raise OccluderError(
            f"occluders take uint8 images of shape [H,W,3], not {image.dtype} {image.shape}",
            hint="convert to 8-bit RGB first",
        )


def check_ratio(ratio: tuple[float, float], *, lowest: float = 0.0, highest: float = 1.0) -> None:
    """Raise :class:`OccluderError` unless 0 <= lo <= hi <= ``highest`` and hi >= ``lowest``."""
    lo, hi = ratio
    if not (0.0 <= lo <= hi <= highest and hi >= lowest):
        raise OccluderError(
            f"occlusion ratio ({lo}, {hi}) is out of range",
            hint=f"ask for lo <= hi, both shares of the image between {lowest} and {highest}",
        )


def check_options(params: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise :class:`OccluderError` for an option that the occluder does not know."""
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise OccluderError(
            f"unknown occluder option {', '.join(map(repr, unknown))}",
            hint=f"known options: {', '.join(sorted(known)) or '(none)'}",
        )


def check_choice(option: str, value: Any, choices: Collection[str]) -> str:
    """Return ``value`` when it is one of ``choices``, else raise :class:`OccluderError`."""
    if value not in choices:
        raise OccluderError(f"option {option!r} can't be {value!r}", hint=f"use one of {', '.join(choices)}")
    return str(value)


def check_same_size(image: np.ndarray, size: list[int]) -> None:
    """Raise :class:`OccluderError` unless ``image`` has the [height, width] the occlusion was sampled for."""
    height, width = image.shape[:2]
    if [height, width] != list(size):
        raise OccluderError(
            f"this occlusion was sampled for {size[0]}x{size[1]} px, the image has {height}x{width}",
            hint="sample anew for this image size",
        )
