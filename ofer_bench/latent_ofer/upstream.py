"""What the parts of the model ask of the trained components under them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from ofer_bench.api import Component, PluginError


class ExpressionNetwork(Protocol):
    """The CNN of the model: a residual network trained on expressions, differentiable in its input."""

    trunk: nn.Module
    fc: nn.Linear

    def normalise(self, image01: Tensor) -> Tensor:
        """Bring ``image01`` [B,3,H,W] to the statistics that ``trunk`` expects."""
        ...

    def feature_map(self, image01: Tensor) -> Tensor:
        """Return the last block's output [B,C,g,g]."""
        ...

    def feature_levels(self, image01: Tensor) -> tuple[Tensor, ...]:
        """Return the output of every stage, finest first."""
        ...


def levels_and_logits(network: ExpressionNetwork, image01: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return ``feature_levels`` of ``image01`` [B,3,H,W] and the logits [B,K], from one pass."""
    levels = network.feature_levels(image01)
    return levels, network.fc(levels[-1].mean(dim=(2, 3)))


def frozen(upstream: Mapping[str, Component], component_id: str) -> Any:
    """Return a trained component in evaluation mode without parameter gradients.

    Keep it in a tuple or another plain container: a module attribute would enter ``state_dict``.
    Raises PluginError where the component is missing.
    """
    if component_id not in upstream:
        raise PluginError(
            f"trained component {component_id!r} was not handed over",
            hint=f"name {component_id!r} in Card.requires; got: {', '.join(sorted(upstream)) or '(none)'}",
        )
    component = upstream[component_id]
    if isinstance(component, nn.Module):
        component.eval().requires_grad_(False)
    return component
