"""In which numbers a training computes: float32, or Lightning Fabric's automatic mixed precision."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ofer_bench.core.errors import SpecError
from ofer_bench.spec.profile import FULL_PRECISION


class FullPrecision:
    """Float32 throughout.

    As far as a training needs it, of the shape of Fabric's precision plugins, whose import takes seconds.
    """

    def forward_context(self) -> AbstractContextManager[Any]:
        """Return the context in which losses are computed."""
        return nullcontext()

    def backward(self, loss: Tensor, module: nn.Module | None) -> None:
        """Add the gradients of ``loss`` to those of the parameters."""
        loss.backward()

    def unscale_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """Undo the scaling of gradients before they are clipped."""

    def optimizer_step(self, optimizer: torch.optim.Optimizer) -> Any:
        """Step, unless scaled gradients have overflowed."""
        optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what scaling has learned; empty without any."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore it."""


def choose_precision(name: str, device: torch.device) -> FullPrecision:
    """Return the precision ``name`` of a recipe on ``device``: ``32-true``, ``bf16-mixed`` or ``16-mixed``.

    Weights and optimiser stay in float32 with all of them. SpecError for ``16-mixed`` on a CPU, which has no fast
    half precision to scale gradients for.
    """
    if name == FULL_PRECISION:
        return FullPrecision()
    if name == "16-mixed" and device.type != "cuda":
        raise SpecError("recipe", f"precision {name!r} needs a CUDA device", hint="use bf16-mixed or 32-true")
    from lightning_fabric.plugins.precision import MixedPrecision

    return MixedPrecision(name, device.type)
