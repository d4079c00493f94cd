"""What the harness asks of a plugin. Nothing to inherit: any class of this shape will do.

A component is built as ``Class(settings, upstream)``; ``upstream`` maps the ids of ``Card.requires``, and those that
settings of ``Card.requires_by`` name, to trained components on the same device. Its learned state travels as
``state_dict`` / ``load_state_dict`` (name -> tensor), so a ``torch.nn.Module`` is a component as it stands. Upstream
components must stay out of ``state_dict``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ofer_bench.core.types import Detection, FaceBatch, FaceSet, Occlusion, Prediction, Reconstruction, SplitData

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from ofer_bench.spec.profile import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSettings:
    """Sizes given by the profile: ``image_size`` and ``patch_size`` in pixels, free ``model`` parameters."""

    image_size: int
    patch_size: int
    num_classes: int
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image_size // self.patch_size


@runtime_checkable
class DatasetReader(Protocol):
    """Reads the parts (train, val, test) of a data set; built as ``Class(name, spec, profile)``.

    A part that is not there is a DatasetMissing of any of these.
    """

    def fingerprint(self, part: str) -> Mapping[str, Any]:
        """Identify as JSON all that decides the faces of ``part``, without reading them."""
        ...

    def count(self, part: str) -> int:
        """Return how many samples ``part`` has, without reading them."""
        ...

    def read(
        self,
        part: str,
        device: str,
        advance: Callable[[float, float, str], None],
        scratch: Path | None = None,
        workers: int = 0,
    ) -> SplitData:
        """Read ``part`` and tell ``advance(done, total, unit)``.

        A slow reader keeps in ``scratch`` what the next call need not make again after an interruption, and uses
        ``workers`` threads (0: as many as it likes). Both may be left out of the signature.
        """
        ...


class TrainingSink(Protocol):
    """Where ``fit`` reports to: shows progress and keeps the log beside the weights."""

    def progress(self, done: int, total: int, unit: str = "images") -> None:
        """Tell how much of the whole training is done."""
        ...

    def log(self, step: int, **values: float) -> None:
        """Keep named values of one step or epoch.

        ``score`` is for the validation score by which ``fit`` selects the epoch that it keeps, and for nothing else.
        """
        ...


@runtime_checkable
class CheckpointSink(TrainingSink, Protocol):
    """A sink that also keeps what an interrupted training needs to go on; the harness gives one to ``fit``.

    Training loops of :mod:`ofer_bench.api` use it by themselves.
    """

    def restored(self) -> Mapping[str, Any] | None:
        """Return what an earlier attempt has kept, its tensors on the CPU, or None; a loop asks once, at its start."""
        ...

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Offer the state (tensors and plain values) after a whole epoch; ``state`` is called if it is time."""
        ...


@runtime_checkable
class Component(Protocol):
    """Anything with learned state and a device."""

    def to(self, device: torch.device | str) -> Any:
        """Move to a device."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Return the learned state."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Restore the learned state."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """A component that learns. ``train`` and ``val`` are clean and subject-disjoint; models are selected on ``val``."""

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Train in place on the component's device."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What became of a foreign file of weights; names are the component's own, but for ``ignored``.

    ``matched`` tensors come from the file, ``untrained`` ones are declared to be missing in its ``layout`` and stay
    as drawn; ``ignored`` are those of the file that the component has no use for, declared as well. ``must_train``
    says why the component can't be used as loaded, and is empty where it can.
    """

    layout: str
    matched: tuple[str, ...]
    untrained: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    must_train: str = ""


NEEDS_WEIGHTS = "needs-weights"
"""Capability of a component that this suite can't train: the profile has to give it ``weights``."""


@runtime_checkable
class WeightsLoader(Protocol):
    """A component that can start from weights made elsewhere (``weights`` in its part of the profile)."""

    def load_foreign(self, path: Path) -> LoadReport:
        """Fill the state from the file ``path``; WeightsError where it misses or has what was not declared."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds occluded patches."""

    def detect(self, batch: FaceBatch) -> Detection:
        """Score the patches of ``batch.image``; must not look at ``occluded``, ``clean`` or ``label``."""
        ...


@runtime_checkable
class Reconstructor(Protocol):
    """Restores occluded patches."""

    def reconstruct(self, batch: FaceBatch, mask_patch: Tensor) -> Reconstruction:
        """Restore the patches where ``mask_patch`` bool [B,G,G] is True."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """Recognises expressions."""

    def predict(self, batch: FaceBatch) -> Prediction:
        """Return logits in the canonical order for ``batch.image``."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """A classifier (a ``torch.nn.Module``) that Grad-CAM can explain."""

    @property
    def cam_layer(self) -> torch.nn.Module:
        """The last convolutional block, whose output is a map [B,C,g,g]."""
        ...

    def logits(self, image: Tensor) -> Tensor:
        """Return logits [B,K] of ``image`` [B,3,H,W] in [0,1], differentiable in the output of ``cam_layer``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OcclusionRequest:
    """What an occluder is asked for.

    ``ratio`` (lo, hi) in [0,1] is the share of occluded pixels to reach, lo == hi for patch occluders;
    ``patch_size`` in pixels; ``relevance`` float32 [G,G] (higher = more relevant) for CAM-guided occluders;
    ``fill`` sRGB 0-255 is the data set's mean colour; ``params`` are the occluder's own options.
    """

    ratio: tuple[float, float]
    patch_size: int
    fill: tuple[int, int, int]
    relevance: np.ndarray | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


RELEVANCE = "relevance"
"""Capability of occluders that need ``OcclusionRequest.relevance``."""
WHITE_BOX = "white-box"
"""With :data:`RELEVANCE`: the relevance is that of the attacked system's own classifier, not of the reference."""


@runtime_checkable
class Occluder(Protocol):
    """Makes occlusions: sampling and applying are separate, so that an occlusion can be replayed."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw one occlusion for ``image`` uint8 [H,W,3]."""
        ...

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return a new occluded image uint8 [H,W,3]; pixels outside ``mask`` (``touched``) stay as they are."""
        ...


@runtime_checkable
class Fingerprinted(Protocol):
    """An occluder whose options name files: when those change, the occlusions are made anew."""

    def fingerprint(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return as JSON what identifies the files that ``params`` name; empty without any."""
        ...
