"""How strongly each term of Eq. 5 pulls at the U-Net: ``python tests/benchmarks/loss_gradients.py [PROFILE]``.

Prints the norm of the gradient of every term, and its share of a profile's weighted sum of norms, for a U-Net with
random weights and for the trained one (what the store has not is trained first). The discriminators are new ones. A
term may be small and pull hard: the weights of Eq. 5 say little about which term a training obeys.
"""

from __future__ import annotations

import sys
from dataclasses import asdict

import torch
from torch import Tensor

from ofer_bench.api import load_split, load_system, torch_seed
from ofer_bench.engine.config import load_profile
from ofer_bench.latent_ofer.hybrid import HybridReconstructor
from ofer_bench.latent_ofer.hybrid_training import Critics, generator_pass
from ofer_bench.latent_ofer.losses import LossWeights
from ofer_bench.latent_ofer.masks import draw_patch_masks
from ofer_bench.latent_ofer.unet import HybridUNet

FACES = 64
WEIGHT_OF = {
    "reconstruction": "reconstruction",
    "consistency": "consistency",
    "semantic_consistency": "semantic_consistency",
    "patch_discriminator": "discriminator",
    "feature_discriminator": "discriminator",
}


def norms(hybrid: HybridReconstructor, faces: Tensor) -> dict[str, float]:
    """Norm of the gradient of every term on ``faces`` [B,3,H,W] under random holes."""
    with torch_seed(0):
        critics = Critics(hybrid.feature_channels, hybrid.unet.width, torch.device("cpu"))
    holes = draw_patch_masks(len(faces), hybrid.grid, torch.Generator().manual_seed(0))
    weights = list(hybrid.unet.requires_grad_(True).parameters())
    terms = generator_pass(hybrid, critics, faces, holes).terms
    found = {}
    for name in WEIGHT_OF:
        gradients = torch.autograd.grad(getattr(terms, name), weights, retain_graph=True, allow_unused=True)
        found[name] = float(sum(g.square().sum() for g in gradients if g is not None).sqrt())
    return found


def untrained(unet: HybridUNet, image_size: int) -> HybridUNet:
    """A self-assembly U-Net of the same shape with random weights."""
    with torch_seed(0):
        return HybridUNet(image_size, unet.width, "self-assembly", unet.layer_level, unet.tap_encoder.out_channels)


def main() -> None:
    """Load, measure, print."""
    name = sys.argv[1] if len(sys.argv) > 1 else "quick"
    hybrid = load_system("latent-ofer", name, "cpu").reconstructor
    val = load_split("ParaFace", name, "cpu")
    faces = val.batch(range(0, len(val), len(val) // FACES)[:FACES]).image
    weights = asdict(LossWeights.from_extra(load_profile(name).components["hybrid"].recipe.extra))
    for state in ("trained", "untrained"):
        if state == "untrained":
            hybrid.unet = untrained(hybrid.unet, faces.shape[-1])
        found = norms(hybrid, faces)
        pull = {term: weights[WEIGHT_OF[term]] * norm for term, norm in found.items()}
        print(f"{name}, {state}")
        for term, norm in found.items():
            share = 100 * pull[term] / sum(pull.values())
            print(f"  {term:24} norm {norm:7.3f}  x {weights[WEIGHT_OF[term]]:<6g} {share:5.1f} %")


if __name__ == "__main__":
    main()
