"""The training loop shared by every component: AdamW, warm-up and cosine, selection on validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.core.errors import SpecError, TrainingDiverged
from ofer_bench.core.types import FaceBatch, FaceSet, Prediction
from ofer_bench.engine.crew import ALONE, Crew, current_crew
from ofer_bench.engine.precision import FullPrecision, choose_precision
from ofer_bench.engine.training_state import Stateful, TrainingState
from ofer_bench.plugins.protocols import CheckpointSink, TrainingSink
from ofer_bench.spec.profile import Recipe

GRADIENT_CLIP = 1.0
NO_PATIENCE = "leave patience out of its recipe"


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


def shuffled_batches(size: int, batch_size: int, rng: np.random.Generator, least: int = 2) -> Iterator[np.ndarray]:
    """Yield index arrays of one shuffled epoch.

    A last batch of fewer than ``least`` samples is left out (batch norm needs two) unless there are no others.
    """
    order = rng.permutation(size)
    for start in range(0, size, batch_size):
        index = order[start : start + batch_size]
        if len(index) >= least or min(size, batch_size) < least:
            yield index


def steps_per_epoch(size: int, batch_size: int, least: int = 2) -> int:
    """Number of batches that :func:`shuffled_batches` yields."""
    full, rest = divmod(size, batch_size)
    return full + (rest > 0 and (rest >= least or min(size, batch_size) < least))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a training: its learning rate ``rate``, and the precision of the recipe.

    Where several processes train together, a ``crew``, this one has ``share`` of the batch's samples.
    """

    rate: float
    precision: FullPrecision
    crew: Crew = ALONE
    share: float = 1.0

    def forward(self) -> AbstractContextManager[Any]:
        """Return the context to compute a loss in; gradients are no part of it."""
        return self.precision.forward_context()

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """Take one step down ``loss`` (a scalar), the gradient's norm clipped to 1.

        In a crew the step is down the mean of all losses, weighted by their shares of the batch.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.zero_grad(set_to_none=True)
        self.precision.backward(loss, None)
        for group in optimizer.param_groups:
            group["lr"] = self.rate
        # Before unscaling, which looks for overflows: then all processes see that of any.
        self.crew.average_gradients(parameters, self.share)
        self.precision.unscale_gradients(optimizer)
        nn.utils.clip_grad_norm_(parameters, GRADIENT_CLIP)
        self.precision.optimizer_step(optimizer)


def fit_epochs(
    module: nn.Module,
    recipe: Recipe,
    size: int,
    loss_of: Callable[[np.ndarray, torch.Generator], Tensor],
    seed: int,
    out: TrainingSink,
    validate: Callable[[], float] | None = None,
) -> None:
    """Train ``module`` in place with one optimiser.

    ``loss_of`` maps the indices of a batch and a generator on the module's device to a scalar loss, in the recipe's
    precision; the rest is as in :func:`run_epochs`.
    """
    optimizer = optimiser(module.parameters(), recipe)

    def update(index: np.ndarray, generator: torch.Generator, step: Step) -> dict[str, Tensor]:
        with step.forward():
            loss = loss_of(index, generator)
        step.descend(optimizer, loss)
        return {"loss": loss.detach()}

    run_epochs(module, recipe, size, update, seed, out, validate, beside={"optimizer": optimizer})


def run_epochs(
    module: nn.Module,
    recipe: Recipe,
    size: int,
    update: Callable[[np.ndarray, torch.Generator, Step], Mapping[str, Tensor]],
    seed: int,
    out: TrainingSink,
    validate: Callable[[], float] | None = None,
    *,
    beside: Mapping[str, Stateful],
) -> None:
    """Train ``module`` in place.

    ``update`` takes the indices of a batch, a generator on the module's device and the step, with which it changes
    the weights; it returns scalars, whose means over the epoch are logged, ``loss`` among them. ``beside`` is whatever
    else it changes, optimisers above all. ``validate`` returns a score (higher is better), in float32; where given,
    the best epoch's weights are restored at the end, and after ``recipe.patience`` epochs without a better score the
    training ends: the learning rate, planned for ``recipe.epochs``, has then not come down to zero.

    With a :class:`CheckpointSink` an interrupted training goes on after the last epoch that the sink has kept, and on
    a CPU ends with the same weights bit for bit. Raises TrainingDiverged if no epoch has a finite score, or, without
    ``validate``, if the last has no finite loss; SpecError for a patience without ``validate``.

    Where several processes train together, ``update`` gets a part of each batch; what it changes otherwise than by
    :meth:`Step.descend` has to be the same everywhere. Only the leader validates. SpecError for batches too small to
    share.
    """
    if validate is None and recipe.patience is not None:
        raise SpecError("recipe", f"{type(module).__name__} has no validation score to stop by", hint=NO_PATIENCE)
    crew = current_crew()
    crew.check_batches(size, recipe.batch_size)
    precision = choose_precision(recipe.precision, next(module.parameters()).device)
    state = TrainingState(module, {**beside, "precision": precision}, seed)
    keeper = out if isinstance(out, CheckpointSink) else None
    kept = keeper.restored() if keeper else None
    if kept is not None:
        state.load_state_dict(kept)
    modules = [module, *(part for part in beside.values() if isinstance(part, nn.Module))]
    crew.join(modules)
    while state.epochs < recipe.epochs and not state.out_of(recipe.patience):
        own = crew.seed(seed, state.epochs)
        if own is not None:
            state.reseed(own)
        module.train()
        state.values = _epoch(state, recipe, size, update, precision, out.progress, crew)
        module.eval()
        state.epochs += 1
        crew.check_averaged(type(module).__name__)
        crew.level(modules)
        if validate is not None:
            state.values["score"] = score = crew.told(_score(validate) if crew.leads else math.nan)
            state.judge(score)
        if state.epochs < recipe.epochs and state.out_of(recipe.patience):
            state.values["stopped_early"] = 1.0
        out.log(state.epochs - 1, **state.values)
        if keeper:
            keeper.keep(state.state_dict)
    if state.best is not None:
        module.load_state_dict(state.best)
    elif validate is not None or not math.isfinite(state.values["loss"]):
        raise TrainingDiverged(type(module).__name__, f"no finite {'loss' if validate is None else 'score'}")
    module.eval()


def _epoch(
    state: TrainingState,
    recipe: Recipe,
    size: int,
    update: Callable[[np.ndarray, torch.Generator, Step], Mapping[str, Tensor]],
    precision: FullPrecision,
    progress: Callable[[int, int], None],
    crew: Crew,
) -> dict[str, float]:
    """Train for the epoch after those that ``state`` counts; returns the means of the values of ``update``."""
    per_epoch = steps_per_epoch(size, recipe.batch_size, crew.least_batch)
    total, warmup = per_epoch * recipe.epochs, round(per_epoch * recipe.warmup_epochs)
    history: list[Mapping[str, Tensor]] = []
    batches = shuffled_batches(size, recipe.batch_size, state.rng, crew.least_batch)
    for done, index in enumerate(batches, state.epochs * per_epoch):
        part = crew.part(index)
        share = len(part) / len(index)
        rate = learning_rate(done, total, warmup, recipe.lr)
        values = update(part, state.generator, Step(rate=rate, precision=precision, crew=crew, share=share))
        history.append({name: value * share for name, value in values.items()})
        progress((done + 1) * recipe.batch_size, total * recipe.batch_size)
    means = {name: float(torch.stack([row[name] for row in history]).mean()) for name in history[0]}
    return dict(zip(means, crew.summed(list(means.values())), strict=True))


@torch.no_grad()
def _score(validate: Callable[[], float]) -> float:
    return validate()


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
