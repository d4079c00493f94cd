"""The whole system on a batch: one call of every part, whatever the number of faces."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ofer_bench.engine.system import System
from ofer_bench.latent_ofer.hybrid import HybridReconstructor
from ofer_bench.latent_ofer.mae import FaceMAE
from ofer_bench.latent_ofer.recognizer import LatentRecognizer
from ofer_bench.latent_ofer.svdd import ViTSVDD


class Operations(TorchDispatchMode):
    """Counts tensor operations, so that a loop in a plain function shows as well."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count[str(func)] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def system(tiny) -> System:
    torch.manual_seed(0)
    parts = {"face-mae": FaceMAE(tiny.settings("face-mae"), {}), "resnet18": tiny.net()}
    parts["hybrid"] = HybridReconstructor(tiny.settings("hybrid"), parts)
    detector = ViTSVDD(tiny.settings("vit-svdd"), parts)
    clean = tiny.faces(16, 1).batch(range(16)).image
    with torch.no_grad():
        # Untrained: about a third of the patches lies outside the sphere.
        detector.radius_squared.fill_((detector.embed(clean) - detector.centre).square().sum(-1).quantile(0.66))
    return System(
        id="latent-ofer",
        image_size=32,
        patch_size=8,
        device="cpu",
        detector=detector,
        reconstructor=parts["hybrid"],
        classifier=LatentRecognizer(tiny.settings("latent-recognizer"), parts),
    )


def calls(system: System, batch) -> tuple[Counter[str], Counter[str], torch.Tensor]:
    """Forward passes by module, tensor operations by name, and the mask found, of one call of the system."""
    passes: Counter[str] = Counter()
    parts = {
        "mae": system.reconstructor.mae,
        "head": system.detector.head,
        "unet": system.reconstructor.unet,
        "recognizer": system.classifier,
    }
    with ExitStack() as hooks, Operations() as operations:
        for part, model in parts.items():
            for name, module in model.named_modules():
                label = f"{part}.{name}"
                hook = module.register_forward_hook(lambda *_, label=label: passes.update([label]))
                hooks.callback(hook.remove)
        output = system(batch)
    assert output.detection is not None
    return passes, operations.count, output.detection.mask_patch


def test_no_part_runs_once_per_face(system, tiny):
    faces = tiny.faces(8, 0)
    one, _, _ = calls(system, faces.batch([0]))
    four, operations, mask = calls(system, faces.batch(range(4)))
    eight, operations_of_eight, _ = calls(system, faces.batch(range(8)))
    # A mask per face of its own: kept patches are padded to the most of them.
    assert len({int(count) for count in mask.sum(dim=(1, 2))}) > 1
    assert one == four == eight and operations == operations_of_eight
    # Detector, reconstruction and recogniser each encode another input.
    assert {n for name, n in four.items() if name.startswith("mae.blocks")} == {3}
    assert {n for name, n in four.items() if name.startswith("mae.decoder_blocks")} == {1}
    assert {n for name, n in four.items() if not name.startswith("mae.")} == {1}


def test_only_reconstruction_and_recognition_of_untouched_faces_agree_in_latents(system, tiny):
    mae, image = system.reconstructor.mae, tiny.faces(2, 0).batch(range(2)).image
    encoded: list[torch.Tensor] = []
    hook = mae.norm.register_forward_hook(lambda _, args, out: encoded.append(out[:, 1:]))
    none = torch.zeros(2, 4, 4, dtype=torch.bool)
    some = none.clone()
    some[:, 1, 2] = True
    with torch.no_grad():
        mae.inpaint(image, none)
        mae.inpaint(image, some)
        local = mae.encode_local(image)
        hook.remove()
        full = mae.encode(image)
    unmasked, kept = encoded[0], encoded[1]
    torch.testing.assert_close(unmasked, full)
    place = (~some[0]).flatten().nonzero()[:, 0]
    for latents, other in ((kept, full[:, place]), (kept, local[:, place]), (local, full)):
        assert float((latents - other).abs().max()) > 1e-3
