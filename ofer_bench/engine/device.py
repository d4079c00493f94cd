"""Choice of device and profile by the hardware at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ofer_bench.core.errors import SpecError


def choose_device(wanted: str | None) -> str:
    """Return ``cuda`` where there is one, else ``cpu``; an explicit wish is checked."""
    import torch

    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(wanted).type
    except RuntimeError:
        raise SpecError("--device", f"{wanted!r} is no device", hint="use cpu or cuda") from None
    if kind not in ("cpu", "cuda"):
        raise SpecError("--device", f"{wanted!r} is not supported", hint="use cpu or cuda")
    if kind == "cuda" and not torch.cuda.is_available():
        raise SpecError("--device", "no CUDA device is visible to torch", hint="use --device cpu, or check the driver")
    return wanted


def check_devices(device: str, count: int) -> int:
    """Return ``count``, the processes that train together on ``device``; SpecError where it has no GPU for each.

    On a CPU any number shares the cores.
    """
    import torch

    if count == 1 or device == "cpu":
        return count
    if ":" in device:
        raise SpecError("--devices", f"{device} is one GPU", hint="use --device cuda, which takes the first ones")
    there = torch.cuda.device_count()
    if count > there:
        raise SpecError(
            "--devices",
            f"{count} GPUs are wanted, and torch sees {there}",
            hint=f"use --devices {there}, or look at CUDA_VISIBLE_DEVICES",
        )
    return count


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute float32 in float32: cuDNN convolves in TF32 by default, with 10 bits of mantissa."""
    import torch

    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


GPU_PROFILES = frozenset({"standard", "paper"})
"""Shipped profiles that are meant for a GPU."""


def choose_profile(device: str, wanted: str | None, suites: str | None) -> str:
    """An explicit wish, else the suite's own, else ``standard`` on CUDA and ``quick`` on the CPU."""
    return wanted or suites or ("standard" if device.startswith("cuda") else "quick")
