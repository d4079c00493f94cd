"""The training loop shared by every component: AdamW, warm-up and cosine, selection on validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.core.errors import TrainingDiverged
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


def apply_gradients(optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """Take one step down ``loss`` at the learning rate ``rate``, the gradient's norm clipped to 1."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for group in optimizer.param_groups:
        group["lr"] = rate
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], GRADIENT_CLIP)
    optimizer.step()


def fit_epochs(
    module: nn.Module,
    recipe: Recipe,
    size: int,
    step: Callable[[np.ndarray, torch.Generator], Tensor],
    seed: int,
    out: TrainingSink,
    validate: Callable[[], float] | None = None,
) -> None:
    """Train ``module`` in place with one optimiser.

    ``step`` maps the indices of a batch and a generator on the module's device to a scalar loss; the rest is as in
    :func:`run_epochs`.
    """
    optimizer = optimiser(module.parameters(), recipe)

    def update(index: np.ndarray, generator: torch.Generator, rate: float) -> dict[str, Tensor]:
        loss = step(index, generator)
        apply_gradients(optimizer, loss, rate)
        return {"loss": loss.detach()}

    run_epochs(module, recipe, size, update, seed, out, validate)


def run_epochs(
    module: nn.Module,
    recipe: Recipe,
    size: int,
    update: Callable[[np.ndarray, torch.Generator, float], Mapping[str, Tensor]],
    seed: int,
    out: TrainingSink,
    validate: Callable[[], float] | None = None,
) -> None:
    """Train ``module`` in place.

    ``update`` takes the indices of a batch, a generator on the module's device and the learning rate; it changes the
    weights and returns scalars, whose means over the epoch are logged, ``loss`` among them. ``validate`` returns a
    score (higher is better); where given, the best epoch's weights are restored at the end. Raises TrainingDiverged
    if no epoch has a finite score, or, without ``validate``, if the last has no finite loss.
    """
    generator = torch.Generator(device=next(module.parameters()).device).manual_seed(seed)
    rng = np.random.Generator(np.random.PCG64(seed))
    per_epoch = steps_per_epoch(size, recipe.batch_size)
    total, warmup = per_epoch * recipe.epochs, round(per_epoch * recipe.warmup_epochs)
    best_score, best_state, done = -math.inf, None, 0
    values: dict[str, float] = {}
    for epoch in range(recipe.epochs):
        module.train()
        history: list[Mapping[str, Tensor]] = []
        for index in shuffled_batches(size, recipe.batch_size, rng):
            history.append(update(index, generator, learning_rate(done, total, warmup, recipe.lr)))
            done += 1
            out.progress(done * recipe.batch_size, total * recipe.batch_size)
        module.eval()
        values = {name: float(torch.stack([row[name] for row in history]).mean()) for name in history[0]}
        if validate is not None:
            with torch.no_grad():
                values["score"] = score = validate()
            if math.isfinite(score) and score > best_score:
                best_score = score
                best_state = {k: v.detach().clone() for k, v in module.state_dict().items()}
        out.log(epoch, **values)
    if best_state is not None:
        module.load_state_dict(best_state)
    elif validate is not None or not math.isfinite(values["loss"]):
        raise TrainingDiverged(type(module).__name__, f"no finite {'loss' if validate is None else 'score'}")
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
