"""Copy-pasted objects: cut-outs of the library, or a user's own, over the face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ofer_bench.api import Card, Occlusion, OcclusionRequest
from ofer_occluders.paste import apply_paste, fingerprint, sample_paste

CARD = Card(
    id="objects",
    kind="occluder",
    version="2",
    title="Copy-pasted objects",
    load="ofer_occluders.objects:Objects",
    capability=("pixel", "alpha"),
    paper="Latent-OFER, section 4 (hands, cups and the like, pasted at random)",
    fidelity="reconstructed recipe",
    notes="The paper states no object list, size or placement law: a re-creation with rendered objects. "
    "Results are comparable with the paper's synthetic sets as trends only.",
)


class Objects:
    """Pastes one object, sized so that its mask covers a share of the picture in [lo, hi].

    Options: ``kinds`` - ``seen``, ``unseen`` or ``all`` (default); ``folder`` - a folder of RGBA PNG cut-outs to
    use in place of the library. No system of the suite trains on objects; the kinds are split so that one who
    trains on the seen can test on the unseen.
    """

    def fingerprint(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Identify the cut-outs that the options name."""
        return fingerprint(params)

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw object, pose and look for ``image`` uint8 [H,W,3].

        The mask is where alpha is at least one half; the soft edge and the shadow beyond it lie in ``touched``.
        Raises OccluderError for a ratio outside 0.005-0.8 or one that no object reached, and an unusable folder.
        """
        return sample_paste(image, request, rng, opacity=(1.0, 1.0))

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the object over it, its colours and its sharpness matched to it."""
        return apply_paste(image, occlusion)
