"""Grad occlusion of the paper (Fig. 1): the patches that matter most to a reference classifier go first."""

from __future__ import annotations

import numpy as np

from ofer_bench.api import Card, OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_choice, check_image, check_options
from ofer_occluders.patch_fill import fill_patches, patch_count, patch_grid, patch_occlusion

CARD = Card(
    id="gradcam",
    kind="occluder",
    version="1",
    title="Grad-CAM guided patches",
    load="ofer_occluders.gradcam:GradCam",
    capability=("patch", "relevance"),
    paper="Latent-OFER, Fig. 1 (grad occlusion)",
    fidelity="reconstructed recipe",
    notes="Granularity, target class, network, tie rule and fill are ours; the paper doesn't state them.",
)
ORDERS = ("most", "least")


class GradCam:
    """Fills the round(p * patches) most relevant patches with ``request.fill``.

    Option ``order``: ``most`` (default) relevant first, or ``least`` for the companion that shows
    whether relevance, and not mere area, does the harm.
    """

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Choose patches of ``image`` uint8 [H,W,3] by ``request.relevance`` [G,G], ties by patch index.

        ``rng`` is used only to draw p when the ratio is a range. Raises OccluderError when the relevance
        is missing, not finite or of another grid.
        """
        check_image(image)
        check_options(request.params, ("order",))
        order = check_choice("order", request.params.get("order", "most"), ORDERS)
        grid = patch_grid(image, request.patch_size)
        relevance = _relevance(request, grid)
        count = patch_count(request, relevance.size, rng)
        # A trained CAM has plateaus of exact zeros after its ReLU: only a stable sort gives the tie rule.
        ranking = np.argsort(-relevance if order == "most" else relevance, kind="stable")
        return patch_occlusion(image, request, ranking[:count].tolist())

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the chosen patches filled."""
        return fill_patches(image, occlusion)


def _relevance(request: OcclusionRequest, grid: tuple[int, int]) -> np.ndarray:
    if request.relevance is None:
        raise OccluderError(
            "gradcam needs a relevance map per face",
            hint="let the run compute one with its reference classifier",
        )
    relevance = np.asarray(request.relevance, dtype=np.float64)
    if relevance.shape != grid or not np.isfinite(relevance).all():
        raise OccluderError(
            f"relevance of shape {relevance.shape} doesn't fit the patch grid {grid} or is not finite",
            hint="compute the relevance with the same image and patch size",
        )
    return relevance.ravel()
