"""Random sampling occlusion of the paper (Fig. 1): a share of the patches, drawn uniformly."""

from __future__ import annotations

import numpy as np

from ofer_bench.api import Card, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_options
from ofer_occluders.patch_fill import fill_patches, patch_count, patch_grid, patch_occlusion

CARD = Card(
    id="random-patch",
    kind="occluder",
    version="2",
    title="Random patches",
    load="ofer_occluders.random_patch:RandomPatch",
    capability=("patch",),
    paper="Latent-OFER, Fig. 1 (random sampling occlusion)",
    fidelity="reconstructed recipe",
    notes="The paper doesn't state the fill; ours is the data set's mean colour.",
)


class RandomPatch:
    """Fills round(p * patches) patches, drawn uniformly without replacement.

    Option ``fill``: ``mean`` (default, ``request.fill``), ``black``, ``noise`` (uniform per pixel) or ``blur``.
    """

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw patches of ``image`` uint8 [H,W,3]; OccluderError for a ratio or patch size that can't be."""
        check_image(image)
        check_options(request.params, ("fill",))
        rows, columns = patch_grid(image, request.patch_size)
        count = patch_count(request, rows * columns, rng)
        return patch_occlusion(image, request, rng.choice(rows * columns, size=count, replace=False).tolist(), rng)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the drawn patches filled."""
        return fill_patches(image, occlusion)
