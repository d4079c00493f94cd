"""What the reference classifier looks at, for images that no run knows of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ofer_bench.core.types import FaceSet
from ofer_bench.engine.config import load_suite
from ofer_bench.engine.notebook import is_trained, load_system
from ofer_bench.engine.progress import Progress


def reference_id() -> str:
    """Return the id of the classifier that the suite `core` takes for reference."""
    return load_suite("core").reference


def reference_is_trained(profile: str | None, device: str | None) -> bool:
    """Say whether the store has the trained reference of a profile."""
    return is_trained(reference_id(), profile, device)


def reference_relevance(
    profile: str | None, device: str | None, patch_size: int, progress: Progress
) -> Callable[[np.ndarray], np.ndarray]:
    """Return Grad-CAM of the reference for its own prediction: image uint8 [S,S,3] -> float32 [G,G] in [0,1].

    The reference is trained first where the store has none.
    """
    import torch.nn.functional as F

    from ofer_bench.occlusion.cam import patch_relevance

    system = load_system(reference_id(), profile, device, progress=progress)

    def relevance(image: np.ndarray) -> np.ndarray:
        batch = FaceSet(image=image[None], label=np.array([-1]), sample_id=("image",)).batch([0], system.device)
        small = F.interpolate(batch.image, system.image_size, mode="bilinear", antialias=True)
        fine = F.interpolate(small, image.shape[0], mode="bilinear")
        found = patch_relevance(system.classifier, system.classifier.cam_layer, fine, None, patch_size)
        return found[0].astype(np.float32)

    return relevance
