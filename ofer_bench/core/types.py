"""The values that travel between stages. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceBatch:
    """A batch of aligned faces.

    ``image`` float32 [B,3,H,W] in [0,1], sRGB; ``label`` int64 [B] in the canonical order;
    ``occluded`` bool [B,1,H,W], True = occluded pixel; ``clean`` like ``image``, the same faces unoccluded.
    """

    image: Tensor
    sample_id: tuple[str, ...]
    label: Tensor | None = None
    occluded: Tensor | None = None
    clean: Tensor | None = None

    def __len__(self) -> int:
        return len(self.sample_id)

    def with_image(self, image: Tensor) -> FaceBatch:
        """Return the same batch with another image tensor of the same shape."""
        return replace(self, image=image)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSet:
    """A data set part held as 8-bit images; memory-mapped arrays are welcome.

    ``image`` uint8 [N,H,W,3] sRGB; ``label`` int64 [N] (-1 = unknown); ``occluded`` bool [N,H,W],
    True = occluded; ``clean`` like ``image``.
    """

    image: np.ndarray
    label: np.ndarray
    sample_id: tuple[str, ...]
    occluded: np.ndarray | None = None
    clean: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.sample_id)

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        return int(self.image.shape[1])

    def batch(self, index: Sequence[int] | np.ndarray, device: torch.device | str = "cpu") -> FaceBatch:
        """Return the samples at ``index`` as a float batch on ``device``."""
        import numpy as np
        import torch

        rows = np.asarray(index, dtype=np.int64)

        def images(array: np.ndarray) -> Tensor:
            tensor = torch.from_numpy(np.ascontiguousarray(array[rows])).to(device)
            return tensor.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)

        occluded = None
        if self.occluded is not None:
            occluded = torch.from_numpy(np.ascontiguousarray(self.occluded[rows])).to(device)[:, None]
        return FaceBatch(
            image=images(self.image),
            label=torch.from_numpy(np.asarray(self.label)[rows].astype(np.int64)).to(device),
            sample_id=tuple(self.sample_id[i] for i in rows),
            occluded=occluded,
            clean=None if self.clean is None else images(self.clean),
        )

    def batches(self, batch_size: int, device: torch.device | str = "cpu") -> Iterator[FaceBatch]:
        """Iterate over all samples in order."""
        for start in range(0, len(self), batch_size):
            yield self.batch(range(start, min(start + batch_size, len(self))), device)

    def subset(self, index: Sequence[int] | np.ndarray) -> FaceSet:
        """Return the samples at ``index`` as a new set."""
        rows = list(index)
        return FaceSet(
            image=self.image[rows],
            label=self.label[rows],
            sample_id=tuple(self.sample_id[i] for i in rows),
            occluded=None if self.occluded is None else self.occluded[rows],
            clean=None if self.clean is None else self.clean[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Occlusion:
    """One occlusion of an image: replayable JSON ``params``, ``mask`` bool [H,W] (True = occluded), ``ratio``.

    ``touched`` bool [H,W] holds the mask and all else that may change, such as a shadow; None: nothing else does.
    """

    params: Mapping[str, Any]
    mask: np.ndarray
    ratio: float
    touched: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """``score`` float32 [B,G,G] (higher = more occluded), ``mask_patch`` bool [B,G,G] (True = occluded).

    ``mask_px`` bool [B,1,H,W], from detectors that know pixels: what is to be replaced, which may reach beyond
    ``mask_patch`` or leave parts of it alone; None: all of ``mask_patch``. Detection is measured by patches.
    """

    score: Tensor
    threshold: float
    mask_patch: Tensor
    mask_px: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """Both float32 [B,3,H,W] in [0,1]: ``image`` is the raw output, ``composited`` keeps the known pixels."""

    image: Tensor
    composited: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """``logits`` float32 [B,K] in the canonical order; ``attention`` float32 [B,g,g] >= 0 where the model has a map."""

    logits: Tensor
    sample_id: tuple[str, ...]
    attention: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a plugin says of itself; pure data, importable without torch.

    ``kind`` is one of backbone, detector, reconstructor, classifier, system, occluder, dataset.
    ``load`` is ``"package.module:Class"``; ``requires`` names trained components handed to it as ``upstream``;
    ``requires_by`` maps a model setting to the components of which it names one, which is required as well;
    ``composition`` (kind system) maps detector, reconstructor, classifier to component ids, ``stages`` what its paper
    calls the stages of training; ``notes`` say what a reader of its numbers should know.
    """

    id: str
    kind: str
    version: str
    title: str
    load: str | None = None
    requires: tuple[str, ...] = ()
    requires_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    composition: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    capability: tuple[str, ...] = ()
    paper: str = ""
    fidelity: str = "from description"
    licence: str = "MIT"
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableSample:
    """A sample whose image can't be decoded: it stays in every count, as a wrong answer."""

    sample_id: str
    label: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitData:
    """What a reader returns for one part: faces, one attribute mapping per face, and the unreadable samples."""

    faces: FaceSet
    attributes: Sequence[Mapping[str, Any]]
    unreadable: Sequence[UnreadableSample] = ()
