"""Patch relevance by Grad-CAM: which patches a reference classifier looks at."""

from __future__ import annotations

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn


def patch_relevance(
    model: nn.Module, target_layer: nn.Module, images: Tensor, labels: Tensor, patch_size: int
) -> np.ndarray:
    """Return the mean Grad-CAM of each patch: float32 [B,G,G] in [0,1], higher = more relevant.

    ``model`` maps ``images`` [B,3,H,W] to logits [B,K]; ``target_layer`` is its last convolutional block;
    ``labels`` int64 [B] are the classes explained (the true labels, paper Fig. 1). The map keeps its ReLU, is
    up-sampled bilinearly to the image and averaged over patches of ``patch_size`` px. Values are comparable
    within an image only: each map is scaled to its own maximum. Raises ValueError when patches don't tile.
    ``model`` comes back in the mode, with the gradients and without the hooks, as it was.
    """
    side = images.shape[-1]
    if images.shape[-2] != side or side % patch_size:
        raise ValueError(f"patches of {patch_size} px don't tile images of {images.shape[-2]}x{side} px")
    modes = {module: module.training for module in model.modules()}
    gradients = {parameter: parameter.grad for parameter in model.parameters()}
    # Not as a context manager: its exit swallows IndexError, and with it a wrong label.
    cam = GradCAM(model=model, target_layers=[target_layer])
    try:
        # A gradient at the input lets frozen models be explained as well.
        with torch.enable_grad():
            source = images.detach().clone().requires_grad_(True)
            heat = cam(input_tensor=source, targets=[ClassifierOutputTarget(int(label)) for label in labels])
    finally:
        cam.activations_and_grads.release()
        for module, mode in modes.items():
            module.training = mode
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
    grid = side // patch_size
    patches = np.asarray(heat, dtype=np.float32).reshape(len(images), grid, patch_size, grid, patch_size)
    return patches.mean(axis=(2, 4))
