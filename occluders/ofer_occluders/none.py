"""The occluder that hides nothing."""

from __future__ import annotations

import numpy as np

from ofer_bench.api import Card, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_options, check_ratio, check_same_size

CARD = Card(
    id="none",
    kind="occluder",
    version="1",
    title="No occlusion",
    load="ofer_occluders.none:Nothing",
    capability=("pixel",),
    notes="Ours: the faces as they are, on the path of the occluded ones. The asked ratio is ignored, 0 is reached.",
)


class Nothing:
    """Leaves the image as it is, with an empty mask and ratio 0 whatever ratio is asked for."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Return the empty occlusion of ``image`` uint8 [H,W,3]; ``rng`` is left alone."""
        check_image(image)
        check_options(request.params, ())
        check_ratio(request.ratio)
        size = [int(side) for side in image.shape[:2]]
        return Occlusion(params={"size": size}, mask=np.zeros(size, dtype=bool), ratio=0.0)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return a copy of ``image`` uint8 [H,W,3]."""
        check_image(image)
        check_same_size(image, occlusion.params["size"])
        return image.copy()
