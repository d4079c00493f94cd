"""One-class SVM (Schoelkopf et al. 2001) on patch descriptors: the paper's first detector of Table 1.

The paper names neither features nor kernel. Here: an RBF nu-SVM on the pixels of a patch reduced by PCA,
what PCA leaves unexplained (log of its norm) and the patch's place in the grid, trained on patches of unoccluded
faces; the threshold is the SVM's own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ofer_bench.api import (
    Component,
    ComponentSettings,
    Detection,
    FaceBatch,
    FaceSet,
    Recipe,
    TrainingSink,
    check_known,
)


class OneClassSVMDetector(nn.Module):
    """RBF one-class SVM; fitted by scikit-learn, evaluated in torch from its support vectors.

    ``model``: ``components`` PCA dimensions (24). ``recipe.extra``: ``nu`` (0.05), ``patches`` training patches (6000).
    """

    pixel_mean: Tensor
    basis: Tensor
    feature_mean: Tensor
    feature_std: Tensor
    support: Tensor
    dual: Tensor
    gamma: Tensor
    offset: Tensor

    def __init__(self, settings: ComponentSettings, upstream: Mapping[str, Component]) -> None:
        super().__init__()
        check_known("one-class-svm", settings.model, ("components",))
        self.patch_size, self.grid = settings.patch_size, settings.grid
        components = int(settings.model.get("components", 24))
        pixels, features = 3 * self.patch_size**2, components + 3
        self.register_buffer("pixel_mean", torch.zeros(pixels))
        self.register_buffer("basis", torch.zeros(pixels, components))
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_std", torch.ones(features))
        self.register_buffer("support", torch.zeros(0, features))
        self.register_buffer("dual", torch.zeros(0))
        self.register_buffer("gamma", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    def descriptors(self, image: Tensor) -> Tensor:
        """Standardised descriptors [B,G*G,F] of the patches of [B,3,H,W] in [0,1]."""
        centred = self._patches(image) - self.pixel_mean
        reduced = centred @ self.basis
        rest = (centred - reduced @ self.basis.T).norm(dim=-1, keepdim=True).clamp_min(1e-3).log()
        axis = torch.linspace(-1, 1, self.grid, device=image.device)
        row, column = torch.meshgrid(axis, axis, indexing="ij")
        place = torch.stack([row, column], dim=-1).reshape(1, -1, 2).expand(len(image), -1, -1)
        return (torch.cat([reduced, rest, place], dim=-1) - self.feature_mean) / self.feature_std

    @torch.no_grad()
    def detect(self, batch: FaceBatch) -> Detection:
        """Score = minus the SVM's decision function, so 0 is its own threshold."""
        features = self.descriptors(batch.image).flatten(0, 1)
        kernel = torch.exp(-self.gamma * torch.cdist(features, self.support).square())
        score = (self.offset - kernel @ self.dual).view(-1, self.grid, self.grid)
        return Detection(score=score, threshold=0.0, mask_patch=score > 0)

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False):  # type: ignore[no-untyped-def]
        """Restore the fitted SVM; the number of support vectors comes from the state."""
        for name in ("support", "dual"):
            buffer = getattr(self, name)
            setattr(self, name, torch.zeros_like(state_dict[name], device=buffer.device))
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def fit(self, train: FaceSet, val: FaceSet, recipe: Recipe, seed: int, out: TrainingSink) -> None:
        """Fit PCA and SVM on randomly chosen patches of unoccluded faces."""
        from sklearn.decomposition import PCA
        from sklearn.svm import OneClassSVM

        check_known("one-class-svm", recipe.extra, ("nu", "patches"))
        rng = np.random.Generator(np.random.PCG64(seed))
        device = self.offset.device
        count = int(recipe.extra.get("patches", 6000))
        faces = rng.choice(len(train), size=min(len(train), max(1, count // 8)), replace=False)
        image = train.batch(faces, device).image
        pixels = self._patches(image).flatten(0, 1).cpu().numpy()
        pca = PCA(n_components=self.basis.shape[1], svd_solver="full").fit(pixels)
        self._store("pixel_mean", pca.mean_)
        self._store("basis", pca.components_.T)
        features = self.descriptors(image).flatten(0, 1)
        self._store("feature_mean", features.mean(0).cpu().numpy())
        self._store("feature_std", features.std(0).clamp_min(1e-6).cpu().numpy())
        table = self.descriptors(image).flatten(0, 1).cpu().numpy().astype(np.float64)
        table = table[rng.choice(len(table), size=min(count, len(table)), replace=False)]
        out.progress(0, 1, "fits")
        svm = OneClassSVM(kernel="rbf", gamma="scale", nu=float(recipe.extra.get("nu", 0.05))).fit(table)
        self._store("support", svm.support_vectors_)
        self._store("dual", svm.dual_coef_[0])
        self._store("gamma", np.asarray(svm._gamma))
        self._store("offset", np.asarray(-svm.intercept_[0]))
        out.progress(1, 1, "fits")
        out.log(0, support_vectors=float(len(svm.support_vectors_)))

    def _patches(self, image: Tensor) -> Tensor:
        """Cut [B,3,H,W] into [B,G*G,3*patch*patch]."""
        b, g, p = len(image), self.grid, self.patch_size
        return image.reshape(b, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(b, g * g, -1)

    def _store(self, name: str, value: np.ndarray) -> None:
        setattr(self, name, torch.as_tensor(np.asarray(value), dtype=torch.float32).to(getattr(self, name).device))
