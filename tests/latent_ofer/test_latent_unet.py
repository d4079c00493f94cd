"""The path of a face through the U-Net: where the layer works, on what, and who receives it."""

import pytest
import torch
import torch.nn.functional as F

from ofer_bench.latent_ofer.csa import csa
from ofer_bench.latent_ofer.released_layer import released_layer
from ofer_bench.latent_ofer.self_assembly import self_assembly
from ofer_bench.latent_ofer.unet import LAYERS, HybridUNet

LEVEL = 2
LEVELS = 3


def network(layer: str = "self-assembly") -> HybridUNet:
    torch.manual_seed(0)
    unet = HybridUNet(32, 4, layer, LEVEL, 6).eval()
    for block in unet.modules():
        if isinstance(block, torch.nn.GroupNorm):
            torch.nn.init.normal_(block.weight, 1.0, 0.3)
            torch.nn.init.normal_(block.bias, 0.0, 0.3)
    return unet


def face(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Composite, masked image and hole; one hole lies off the grid of the layer's map."""
    generator = torch.Generator().manual_seed(seed)
    composite = torch.rand(2, 3, 32, 32, generator=generator)
    hole = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    hole[0, :, 8:16, 8:24] = True
    hole[1, :, 3:5, 30:31] = True
    return composite, composite.masked_fill(hole, 0.5), hole


def recorded(unet: HybridUNet) -> dict[str, tuple[tuple[torch.Tensor, ...], torch.Tensor]]:
    """Keep input and output of every module of interest at the next pass."""
    seen: dict[str, tuple[tuple[torch.Tensor, ...], torch.Tensor]] = {}
    parts = {"layer": unet.layer, "tap_encoder": unet.tap_encoder, "tap_decoder": unet.tap_decoder}
    parts |= {f"down{n}": block for n, block in enumerate(unet.down, start=1)}
    parts |= {f"up{n}": block for n, block in zip(reversed(range(LEVELS)), unet.up, strict=True)}
    for name, module in parts.items():
        module.register_forward_hook(lambda _, given, made, name=name: seen.__setitem__(name, (given, made)))
    return seen


def test_the_layer_is_eq_3_on_the_map_of_the_composite_and_the_next_stage_receives_it():
    unet = network()
    seen, (composite, masked, hole) = recorded(unet), face()
    with torch.no_grad():
        restored = unet(composite, masked, hole)
    (features, coarse_hole), out = seen["layer"]
    assert torch.equal(features, seen[f"down{LEVEL}"][1])
    # A cell of the map belongs to the hole as soon as one of its pixels does.
    cells = hole[:, 0].reshape(2, 8, 4, 8, 4).any(dim=4).any(dim=2)[:, None]
    assert torch.equal(coarse_hole, cells)
    assert cells[0].sum() == 8 and cells[1].sum() == 2
    torch.testing.assert_close(out, unet.layer.norm(self_assembly(features, cells)))
    assert not torch.allclose(out, unet.layer.norm(features), atol=1e-3)
    assert torch.equal(seen[f"down{LEVEL + 1}"][0][0], out)
    assert torch.equal(seen["tap_encoder"][0][0], out)
    assert torch.equal(seen["tap_decoder"][0][0], seen[f"up{LEVEL}"][1])
    assert seen["tap_decoder"][0][0].shape == out.shape
    assert torch.equal(restored.taps[0], seen["tap_encoder"][1])
    assert torch.equal(restored.taps[1], seen["tap_decoder"][1])


def test_the_decoder_receives_every_level_and_ends_in_a_residual():
    unet = network()
    seen, (composite, masked, hole) = recorded(unet), face()
    with torch.no_grad():
        restored = unet(composite, masked, hole)
        stem = unet.stem(torch.cat([composite, masked], dim=1) * 2 - 1)
    assert torch.allclose(seen["down1"][0][0], stem)
    skips = {0: stem, 1: seen["down1"][1], 2: seen["layer"][1]}
    for level, skip in skips.items():
        assert torch.allclose(seen[f"up{level}"][0][1], skip)
    torch.testing.assert_close(restored.image, composite + unet.to_residual(seen["up0"][1]))


def test_a_face_without_a_hole_passes_the_layer_as_it_is():
    unet = network()
    seen, (composite, _, hole) = recorded(unet), face()
    with torch.no_grad():
        unet(composite, composite, torch.zeros_like(hole))
    (features, coarse_hole), out = seen["layer"]
    assert not coarse_hole.any()
    torch.testing.assert_close(out, unet.layer.norm(features))


def test_the_conventional_layer_ignores_the_hole():
    unet = network("conventional")
    seen, (composite, masked, hole) = recorded(unet), face()
    with torch.no_grad():
        unet(composite, masked, hole)
    features, out = seen["layer"][0][0], seen["layer"][1]
    convolved = F.conv2d(features, unet.layer.net[0].weight, padding=1)
    torch.testing.assert_close(out, F.leaky_relu(unet.layer.net[1](convolved), 0.2))
    assert torch.equal(seen[f"down{LEVEL + 1}"][0][0], out)


def test_the_other_layers_work_on_the_same_map_and_hole():
    for layer in ("csa", "released"):
        unet = network(layer)
        seen, (composite, masked, hole) = recorded(unet), face()
        with torch.no_grad():
            unet(composite, masked, hole)
            (features, cells), out = seen["layer"]
            if layer == "csa":
                expected = csa(features, cells)
            else:
                expected = released_layer(features, unet.layer.flip(features), cells)
        torch.testing.assert_close(out, unet.layer.norm(expected))
        assert not torch.allclose(out, unet.layer.norm(self_assembly(features, cells)), atol=1e-3)
        assert torch.equal(seen[f"down{LEVEL + 1}"][0][0], out)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_hole_reaches_the_image_through_the_layer_alone(layer):
    """With the same pixels, another hole changes the output of every layer but the conventional one."""
    unet, (composite, masked, hole) = network(layer), face()
    with torch.no_grad():
        first = unet(composite, masked, hole).image
        second = unet(composite, masked, torch.zeros_like(hole)).image
    assert torch.equal(first, second) == (layer == "conventional")
