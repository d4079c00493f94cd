"""The training loop shared by every component: AdamW, warm-up and cosine, selection on validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.core.types import FaceBatch, FaceSet, Prediction
from ofer_bench.plugins.protocols import TrainingSink
from ofer_bench.spec.profile import Recipe

GRADIENT_CLIP = 1.0


def learning_rate(step: int, total: int, warmup: int, base: float) -> float:
    """Linear warm-up over ``warmup`` steps, then half a cosine to zero at ``total``."""
    if step < warmup:
        return base * (step + 1) / warmup
    return 0.5 * base * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def optimiser(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.AdamW:
    """AdamW without weight decay on biases and norms (parameters of fewer than two dimensions)."""
    trainable = [p for p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98))


def shuffled_batches(size: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield index arrays of one shuffled epoch.

    A last batch of one sample is left out (batch norm needs two) unless there are no others.
    """
    order = rng.permutation(size)
    for start in range(0, size, batch_size):
        index = order[start : start + batch_size]
        if len(index) > 1 or min(size, batch_size) == 1:
            yield index


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Number of batches that :func:`shuffled_batches` yields."""
    full, rest = divmod(size, batch_size)
    return full + (rest > 1 or rest == size == 1)


def fit_epochs(
    module: nn.Module,
    recipe: Recipe,
    size: int,
    step: Callable[[np.ndarray, torch.Generator], Tensor],
    seed: int,
    out: TrainingSink,
    validate: Callable[[], float] | None = None,
) -> None:
    """Train ``module`` in place.

    ``step`` maps the indices of a batch and a generator on the module's device to a scalar loss.
    ``validate`` returns a score (higher is better); where given, the best epoch's weights are restored at the end.
    """
    device = next(module.parameters()).device
    generator = torch.Generator(device=device).manual_seed(seed)
    rng = np.random.Generator(np.random.PCG64(seed))
    optimizer = optimiser(module.parameters(), recipe)
    per_epoch = steps_per_epoch(size, recipe.batch_size)
    total, warmup = per_epoch * recipe.epochs, round(per_epoch * recipe.warmup_epochs)
    best_score, best_state, done = -math.inf, None, 0
    for epoch in range(recipe.epochs):
        module.train()
        losses: list[Tensor] = []
        for index in shuffled_batches(size, recipe.batch_size, rng):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(done, total, warmup, recipe.lr)
            loss = step(index, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), GRADIENT_CLIP)
            optimizer.step()
            losses.append(loss.detach())
            done += 1
            out.progress(done * recipe.batch_size, total * recipe.batch_size)
        module.eval()
        values = {"loss": float(torch.stack(losses).mean())}
        if validate is not None:
            with torch.no_grad():
                values["score"] = score = validate()
            if score > best_score:
                best_score = score
                best_state = {k: v.detach().clone() for k, v in module.state_dict().items()}
        out.log(epoch, **values)
    if best_state is not None:
        module.load_state_dict(best_state)
    module.eval()


@torch.no_grad()
def accuracy(
    predict: Callable[[FaceBatch], Prediction], faces: FaceSet, device: torch.device | str, batch_size: int = 256
) -> float:
    """Share of ``faces`` that ``predict`` recognises, in [0,1]."""
    correct = 0
    for batch in faces.batches(batch_size, device):
        assert batch.label is not None
        correct += int((predict(batch).logits.argmax(dim=1) == batch.label).sum())
    return correct / len(faces)
