"""Patch relevance by Grad-CAM: which patches a classifier looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn


def patch_relevance(
    model: nn.Module, target_layer: nn.Module, images: Tensor, labels: Tensor | None, patch_size: int
) -> np.ndarray:
    """Return the mean Grad-CAM of each patch: float32 [B,G,G] in [0,1], higher = more relevant.

    ``model`` maps ``images`` [B,3,H,W] to logits [B,K], by its method ``logits`` where it has one; ``target_layer``
    is its last convolutional block; ``labels`` int64 [B] are the classes explained (the true labels, paper Fig. 1),
    None stands for those that the model predicts. The map keeps its ReLU, is up-sampled bilinearly to the image and
    averaged over patches of ``patch_size`` px. Values are comparable within an image only: each map is scaled to its
    own range. Raises ValueError when patches don't tile. ``model`` comes back in the mode, with the gradients and
    without the hooks, as it was. Costs little more than a forward pass: no gradient goes below ``target_layer``.
    """
    side = images.shape[-1]
    if images.shape[-2] != side or side % patch_size:
        raise ValueError(f"patches of {patch_size} px don't tile images of {images.shape[-2]}x{side} px")
    with _left_alone(model), torch.enable_grad():
        # Not as a context manager: its exit swallows IndexError, and with it a wrong label.
        cam = GradCAM(model=model, target_layers=[target_layer])
        hooks = cam.activations_and_grads
        # Before its hooks, so that they keep the output that asks for a gradient; and after them, for they must not
        # lose it to a layer that works in place.
        start = target_layer.register_forward_hook(lambda _m, _args, out: out.detach().requires_grad_(), prepend=True)
        copy = target_layer.register_forward_hook(lambda _m, _args, out: out.clone())
        try:
            logits = getattr(model, "logits", model)(images.detach())
            classes = logits.argmax(1) if labels is None else labels
            # Of the sum of all images' logits at once, for in evaluation mode no image touches another's.
            logits[torch.arange(len(logits), device=logits.device), classes].sum().backward()
            found, gradient = hooks.activations[0].numpy(), hooks.gradients[0].numpy()
            heat = cam.get_cam_image(images, target_layer, [], found, gradient)
        finally:
            hooks.release()
            start.remove()
            copy.remove()
    return _per_patch(torch.from_numpy(heat), side, patch_size)


def _per_patch(heat: Tensor, side: int, patch_size: int) -> np.ndarray:
    """Mean of each patch of maps [B,h,w] that are cut off at 0, up-sampled and scaled to [0,1]."""
    large = F.interpolate(heat.float().clamp_min(0)[:, None], size=side, mode="bilinear", align_corners=False)
    low, high = large.amin(dim=(2, 3), keepdim=True), large.amax(dim=(2, 3), keepdim=True)
    scaled = (large - low) / (high - low).clamp_min(torch.finfo(large.dtype).tiny)
    relevance: np.ndarray = F.avg_pool2d(scaled, patch_size)[:, 0].numpy()
    return relevance


@contextmanager
def _left_alone(model: nn.Module) -> Iterator[None]:
    """Freeze the parameters for a while: they get no gradients, and what lies below the target layer costs none."""
    modes = {module: module.training for module in model.modules()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter in trained:
            parameter.requires_grad_(True)
