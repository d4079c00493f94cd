"""Size of Latent-OFER as the profile ``paper`` builds it: ``python tests/benchmarks/model_size.py [image_size]…``.

Prints parameters by component, FLOPs of one face through the system beside the paper's own estimate (Table 7), and,
after one backward of every loss, the parameters that it does not reach. Nothing is trained. FLOPs are those of matrix
products, convolutions and attention as torch counts them: a multiply-accumulate is two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.core.seeding import torch_seed
from ofer_bench.core.types import FaceBatch
from ofer_bench.engine.config import load_profile
from ofer_bench.engine.pool import ComponentRecipe
from ofer_bench.latent_ofer.hybrid_training import Critics, generator_pass
from ofer_bench.latent_ofer.losses import LossWeights
from ofer_bench.latent_ofer.svdd import WEIGHT_DECAY, squared_distance, svdd_objective
from ofer_bench.plugins.discovery import load_class, registry
from ofer_bench.spec.profile import Profile

COMPONENTS = ("face-mae", "resnet18", "vit-svdd", "hybrid", "latent-recognizer")
PAPER_MILLIONS, PAPER_GFLOPS = 373, 156
BATCH = 2


def build(profile: Profile, name: str, built: dict[str, Any]) -> Any:
    """Build a component untrained on those in ``built``, which it freezes."""
    card = registry().card(name)
    upstream = {needed: built[needed] for needed in card.requires}
    with torch_seed(0):
        return load_class(card)(ComponentRecipe(card, profile, {}).settings, upstream)


def central_hole(grid: int, batch: int) -> Tensor:
    """A quarter of the patches, in the middle: bool [B,G,G]."""
    hole = torch.zeros(batch, grid, grid, dtype=torch.bool)
    start = grid // 4
    hole[:, start : start + grid // 2, start : start + grid // 2] = True
    return hole


def report_gradients(what: str, loss: Tensor, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
    """Print ``loss`` and the modules of parameters that it does not reach, or reaches with zeros alone.

    Zeros are what a ResNet starts with: the last norm of a residual block begins at zero, and hides what is before it.
    """
    names, leaves = zip(*parameters, strict=True)
    gradients = dict(zip(names, torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True), strict=True))
    unreached = [name for name, gradient in gradients.items() if gradient is None]
    zero = [name for name, gradient in gradients.items() if gradient is not None and not gradient.any()]
    found = [
        f"{len(some)} of {len(names)} {state}: {', '.join(sorted({'.'.join(name.split('.')[:2]) for name in some}))}"
        for state, some in (("not reached", unreached), ("zero", zero))
        if some
    ]
    print(f"  {what:38s} {float(loss.detach()):9.4f}   {'; '.join(found) or 'all parameters'}")


def generator_losses(hybrid: Any, critics: Critics, image: Tensor, hole: Tensor) -> None:
    """Eq. 5 as a whole and by term, then what the discriminators minimise."""
    parameters = list(hybrid.unet.named_parameters())
    made = generator_pass(hybrid, critics, image, hole)
    report_gradients("hybrid, Eq. 5", made.terms.total(LossWeights()), parameters)
    for term in type(made.terms).__dataclass_fields__:
        report_gradients(f"hybrid, {term}", getattr(made.terms, term), parameters)
    loss = critics.loss(image, made.image, made.features_real, made.features)
    report_gradients("discriminators", loss, critics.named_parameters())


def check_gradients(name: str, model: Any, image: Tensor, hole: Tensor) -> None:
    """One backward of the loss(es) of a component that was just built, before others freeze it."""
    label = torch.arange(len(image)) % len(EXPRESSIONS)
    model.train()
    if name == "hybrid":
        with torch_seed(0):
            critics = Critics(model.feature_channels, model.unet.width, image.device)
        generator_losses(model, critics, image, hole)
        print(f"  {'(discriminators, of the training alone)':38s} {millions(critics):7.1f} M parameters")
        return
    losses: dict[str, Callable[[], Tensor]] = {
        "face-mae": lambda: model.loss(image, hole),
        "resnet18": lambda: F.cross_entropy(model.logits(image), label),
        "vit-svdd": lambda: svdd_objective(
            squared_distance(model.embed(image), model.centre), model.head.parameters(), WEIGHT_DECAY
        ),
        "latent-recognizer": lambda: model.loss(image, label, 0.1),
    }
    report_gradients(name, losses[name](), model.named_parameters())


def millions(module: nn.Module) -> float:
    """Parameters of ``module`` in millions."""
    return sum(p.numel() for p in module.parameters()) / 1e6


def gflops(call: Callable[[], object]) -> float:
    """1e9 floating-point operations of ``call``, two a multiply-accumulate."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


def report(image_size: int) -> None:
    """Build the profile at ``image_size`` and print its three tables."""
    profile = load_profile("paper", (f"image_size={image_size}",))
    grid = image_size // profile.patch_size
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(BATCH, 3, image_size, image_size, generator=generator)
    built: dict[str, Any] = {}
    print(f"\n{image_size} px, {grid}x{grid} patches, a quarter of them removed\n\nlosses on {BATCH} faces, gradients")
    for name in COMPONENTS:
        built[name] = build(profile, name, built)
        check_gradients(name, built[name], image, central_hole(grid, BATCH))

    face = FaceBatch(image=image[:1], sample_id=("a",))
    hole = central_hole(grid, 1)
    mae, recognizer = built["face-mae"], built["latent-recognizer"]
    for model in built.values():
        model.eval()
    decoder = sum(p.numel() for n, p in mae.named_parameters() if "decoder" in n or n == "mask_token") / 1e6
    print(f"\n{'parameters':42s}        M")
    print(f"  {'face-mae, encoder':40s} {millions(mae) - decoder:8.1f}\n  {'face-mae, decoder':40s} {decoder:8.1f}")
    for name in COMPONENTS[1:]:
        print(f"  {name:40s} {millions(built[name]):8.1f}")
    everything = sum(map(millions, built.values()))
    print(f"  {'system: all but resnet18 (losses alone)':40s} {everything - millions(built['resnet18']):8.1f}")
    print(f"  {'all, as trained':40s} {everything:8.1f}\n  {'paper':40s} {PAPER_MILLIONS:8.1f}")

    with torch.no_grad():
        encoder = gflops(lambda: mae.encode(face.image))
        stages = {
            "detection (vit-svdd)": gflops(lambda: built["vit-svdd"].detect(face)),
            "  of it the encoder, patch by patch": gflops(lambda: mae.encode_local(face.image)),
            "reconstruction (hybrid)": gflops(lambda: built["hybrid"].reconstruct(face, hole)),
            "  of it face-mae": gflops(lambda: mae.inpaint(face.image, hole)),
            "recognition (latent-recognizer)": gflops(lambda: recognizer.predict(face)),
            "  of it the encoder": encoder,
        }
    total = sum(value for name, value in stages.items() if not name.startswith(" "))
    stages |= {"system": total, "paper": PAPER_GFLOPS}
    print(f"\n{'one face':42s}   GFLOPs    GMACs")
    for name, value in stages.items():
        macs = f"{value / 2:8.1f}" if name != "paper" else "(which of the two is not said)"
        print(f"  {name:40s} {value:8.1f} {macs}")


if __name__ == "__main__":
    for size in map(int, sys.argv[1:] or ("224", "256")):
        report(size)
