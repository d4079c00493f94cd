"""Partly transparent objects: those of ``objects``, with the face shining through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ofer_bench.api import Card, Occlusion, OcclusionRequest
from ofer_occluders.paste import apply_paste, fingerprint, sample_paste

CARD = Card(
    id="translucent",
    kind="occluder",
    version="1",
    title="Partly transparent objects",
    load="ofer_occluders.translucent:Translucent",
    capability=("pixel", "alpha"),
    notes="Not in the paper. The alpha of an object is multiplied by a draw from U(0.4, 0.7).",
)
OPACITY = (0.4, 0.7)


class Translucent:
    """Pastes one object whose alpha is multiplied by U(0.4, 0.7); options as those of ``Objects``.

    The mask, and so the ratio, is where the object's own alpha is at least one half.
    """

    def fingerprint(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Identify the cut-outs that the options name."""
        return fingerprint(params)

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw object, opacity, pose and look for ``image`` uint8 [H,W,3]; errors as those of ``Objects``."""
        return sample_paste(image, request, rng, opacity=OPACITY)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the object over it, shining through."""
        return apply_paste(image, occlusion)
