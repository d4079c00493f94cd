"""Grad occlusion of the paper (Fig. 1), the patches that matter most first, and the controls that it needs."""

from __future__ import annotations

import numpy as np

from ofer_bench.api import Card, OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_options
from ofer_occluders.patch_fill import fill_patches, patch_count, patch_grid, patch_occlusion

CARD = Card(
    id="gradcam",
    kind="occluder",
    version="2",
    title="Grad-CAM guided patches",
    load="ofer_occluders.gradcam:GradCam",
    capability=("patch", "relevance"),
    paper="Latent-OFER, Fig. 1 (grad occlusion)",
    fidelity="reconstructed recipe",
    notes="Granularity, target class, network, tie rule and fill are ours; the paper doesn't state them.",
)
LOW_CARD = Card(
    id="gradcam-low",
    kind="occluder",
    version="1",
    title="Least relevant patches (control)",
    load="ofer_occluders.gradcam:GradCamLow",
    capability=("patch", "relevance"),
    notes="Control of gradcam, ours: the same number of patches, the least relevant first.",
)
SELF_CARD = Card(
    id="gradcam-self",
    kind="occluder",
    version="1",
    title="Grad-CAM of the system's own classifier (white box)",
    load="ofer_occluders.gradcam:GradCam",
    capability=("patch", "relevance", "white-box"),
    notes="Every system is attacked with its own map and so meets other faces: an analysis, no ranking. "
    "Never in one table with gradcam.",
)
CENTRE_CARD = Card(
    id="centre",
    kind="occluder",
    version="1",
    title="Patches around the middle (control)",
    load="ofer_occluders.gradcam:Centre",
    capability=("patch",),
    notes="Control of gradcam, ours: shows how much of its harm comes from the face being in the middle.",
)


class GradCam:
    """Fills the round(p * patches) most relevant patches. Option ``fill`` as for ``random-patch``."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Choose patches of ``image`` uint8 [H,W,3] by ``request.relevance`` [G,G], ties by patch index.

        ``rng`` is used only to draw p when the ratio is a range, and for noise. Raises OccluderError when the
        relevance is missing, not finite or of another grid.
        """
        grid = _checked_grid(image, request)
        return _first(-_relevance(request, grid), image, request, rng)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the chosen patches filled."""
        return fill_patches(image, occlusion)


class GradCamLow:
    """Fills the round(p * patches) least relevant patches: does relevance do the harm, or mere area?

    Option ``fill`` as for ``random-patch``.
    """

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Choose as :meth:`GradCam.sample` does, from the other end."""
        grid = _checked_grid(image, request)
        return _first(_relevance(request, grid), image, request, rng)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the chosen patches filled."""
        return fill_patches(image, occlusion)


class Centre:
    """Fills the round(p * patches) patches nearest to the middle of the image. Option ``fill`` as above."""

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Choose patches of ``image`` uint8 [H,W,3] by the distance of their centres, ties by patch index."""
        rows, columns = _checked_grid(image, request)
        # In half patches, so that equal distances are equal numbers.
        y, x = 2 * np.arange(rows) - (rows - 1), 2 * np.arange(columns) - (columns - 1)
        return _first((y[:, None] ** 2 + x[None, :] ** 2).ravel(), image, request, rng)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the chosen patches filled."""
        return fill_patches(image, occlusion)


def _checked_grid(image: np.ndarray, request: OcclusionRequest) -> tuple[int, int]:
    check_image(image)
    check_options(request.params, ("fill",))
    return patch_grid(image, request.patch_size)


def _first(rank: np.ndarray, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
    """Occlude the asked number of patches with the lowest ``rank``."""
    count = patch_count(request, rank.size, rng)
    # A trained CAM has plateaus of exact zeros after its ReLU: only a stable sort gives the tie rule.
    return patch_occlusion(image, request, np.argsort(rank, kind="stable")[:count].tolist(), rng)


def _relevance(request: OcclusionRequest, grid: tuple[int, int]) -> np.ndarray:
    if request.relevance is None:
        raise OccluderError(
            "Grad-CAM occluders need a relevance map per face",
            hint="let the run compute one with its classifier",
        )
    relevance = np.asarray(request.relevance, dtype=np.float64)
    if relevance.shape != grid or not np.isfinite(relevance).all():
        raise OccluderError(
            f"relevance of shape {relevance.shape} doesn't fit the patch grid {grid} or is not finite",
            hint="compute the relevance with the same image and patch size",
        )
    return relevance.ravel()
