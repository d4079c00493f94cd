"""All that the next epoch of a training depends on, so that an interrupted one goes on as if it had not been."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.core.seeding import derive_seed, reseed_torch, restore_torch_state, torch_state


class Stateful(Protocol):
    """An optimiser, a second network: whatever else a training changes."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Restore the state."""
        ...


class TrainingState:
    """The state of a training between two epochs.

    ``module`` and what stands ``beside`` it, the generators seeded by ``seed`` (``rng`` orders the faces, ``generator``
    is torch's on the module's device), the number of ``epochs`` done, the means logged for the last, and the best
    epoch so far. The global generators, which dropout draws from, belong to it too.
    """

    def __init__(self, module: nn.Module, beside: Mapping[str, Stateful], seed: int) -> None:
        self.module, self.beside = module, beside
        self.generator = torch.Generator(device=next(module.parameters()).device).manual_seed(seed)
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.epochs, self.values = 0, dict[str, float]()
        self.best_epochs, self.best_score = 0, -math.inf
        self.best: dict[str, Tensor] | None = None

    def judge(self, score: float) -> None:
        """Keep the weights of the epoch just done if its ``score`` (higher is better) is the best finite one."""
        if math.isfinite(score) and score > self.best_score:
            self.best_epochs, self.best_score = self.epochs, score
            self.best = {k: v.detach().clone() for k, v in self.module.state_dict().items()}

    def out_of(self, patience: int | None) -> bool:
        """Say whether the last ``patience`` epochs have brought no better score; never with None."""
        return patience is not None and self.epochs - self.best_epochs >= patience

    def reseed(self, seed: int) -> None:
        """Draw anew, from ``generator`` and the global ones; the order of the faces stays."""
        self.generator.manual_seed(seed)
        reseed_torch(derive_seed("global", seed))

    def state_dict(self) -> dict[str, Any]:
        """Return everything as tensors and plain values; tensors are the training's own."""
        return {
            "module": self.module.state_dict(),
            "beside": {name: part.state_dict() for name, part in self.beside.items()},
            "generator": self.generator.get_state(),
            "rng": self.rng.bit_generator.state,
            "global": torch_state(self.generator.device),
            "epochs": self.epochs,
            "values": self.values,
            "best": (self.best_epochs, self.best_score, self.best),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state_dict` of a training of the same kind; its tensors may lie on the CPU."""
        self.module.load_state_dict(state["module"])
        for name, part in self.beside.items():
            part.load_state_dict(state["beside"][name])
        self.generator.set_state(state["generator"])
        self.rng.bit_generator.state = state["rng"]
        restore_torch_state(state["global"], self.generator.device)
        self.epochs, self.values = state["epochs"], state["values"]
        self.best_epochs, self.best_score, self.best = state["best"]
