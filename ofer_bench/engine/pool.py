"""Trained components: built once per process, from the store, together with what they stand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.core.hashing import file_digest
from ofer_bench.core.seeding import torch_seed
from ofer_bench.core.types import Card
from ofer_bench.plugins.discovery import load_class
from ofer_bench.plugins.protocols import ComponentSettings
from ofer_bench.spec.profile import ComponentProfile, Profile

WEIGHTS = "weights.safetensors"


class ComponentPool:
    """Hands out trained components by the id of their training stage; loads each at most once."""

    def __init__(self, device: str, trained: Callable[[str], Path]) -> None:
        self.device = device
        self._trained = trained
        self._loaded: dict[str, Any] = {}

    def get(self, stage_id: str, recipe: ComponentRecipe) -> Any:
        """Return the trained component of ``stage_id``, ready for inference."""
        if stage_id not in self._loaded:
            component = self.build(recipe, seed=0)
            component.load_state_dict(load_file(self._trained(stage_id) / WEIGHTS, device=self.device))
            self._loaded[stage_id] = _freeze(component)
        return self._loaded[stage_id]

    def build(self, recipe: ComponentRecipe, seed: int) -> Any:
        """Return an untrained component on the device, its weights drawn from ``seed``."""
        upstream = {name: self.get(stage, other) for name, (stage, other) in recipe.upstream.items()}
        with torch_seed(seed):
            return load_class(recipe.card)(recipe.settings, upstream).to(self.device)


class ComponentRecipe:
    """How to build one component: card, sizes, foreign weights, and the training stages of what it stands on.

    ``component`` holds settings in place of those that the profile has for it.
    """

    def __init__(
        self,
        card: Card,
        profile: Profile,
        upstream: Mapping[str, tuple[str, ComponentRecipe]],
        component: ComponentProfile | None = None,
    ) -> None:
        self.card = card
        self.upstream = upstream
        component = component or profile.components.get(card.id)
        self.weights = component.weights_path if component else None
        self.settings = ComponentSettings(
            image_size=profile.image_size,
            patch_size=profile.patch_size,
            num_classes=len(EXPRESSIONS),
            model=component.model if component else {},
        )


def save_component(component: Any, folder: Path) -> str:
    """Write the learned state as safetensors and return its digest."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in component.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    return file_digest(folder / WEIGHTS)


def _freeze(component: Any) -> Any:
    if hasattr(component, "requires_grad_"):
        component.requires_grad_(False)
    if hasattr(component, "eval"):
        component.eval()
    return component
