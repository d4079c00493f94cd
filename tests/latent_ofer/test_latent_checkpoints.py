"""Published masked autoencoders in every layout, against timm and against a plain implementation in float64."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from ofer_bench.api import PluginError, Recipe, WeightsError, WeightsLoader
from ofer_bench.latent_ofer.mae import FaceMAE

DIM, WIDTH, GRID, PATCH, HEADS = 16, 24, 4, 8, 2
MEAN, STD = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

State = dict[str, Tensor]


def positions(dim: int) -> Tensor:
    """The published table, loop by loop: zeros for the class token, column before row, sines before cosines."""
    table = np.zeros((1, 1 + GRID * GRID, dim))
    quarter = dim // 4
    for place in range(GRID * GRID):
        row, column = divmod(place, GRID)
        for n in range(quarter):
            rate = 10000 ** (-n / quarter)
            values = (math.sin(column * rate), math.cos(column * rate), math.sin(row * rate), math.cos(row * rate))
            table[0, 1 + place, n::quarter] = values
    return torch.tensor(table, dtype=torch.float32)


def vision_transformer() -> VisionTransformer:
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=GRID * PATCH, patch_size=PATCH, embed_dim=DIM, depth=2, num_heads=HEADS, num_classes=0
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
        model.pos_embed.copy_(positions(DIM))
    return model


def encoder() -> State:
    return {name: tensor.clone() for name, tensor in vision_transformer().state_dict().items()}


def original() -> State:
    """Encoder and decoder under the names of the authors' code."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.2

    block = {"norm1": (WIDTH,), "attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH), "norm2": (WIDTH,)}
    block |= {"mlp.fc1": (4 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 4 * WIDTH)}
    parts = {"decoder_embed": (WIDTH, DIM), "decoder_norm": (WIDTH,), "decoder_pred": (3 * PATCH**2, WIDTH)}
    parts |= {f"decoder_blocks.0.{name}": shape for name, shape in block.items()}
    state = {**encoder(), "mask_token": draw(1, 1, WIDTH), "decoder_pos_embed": positions(WIDTH)}
    for name, shape in parts.items():
        state |= {f"{name}.weight": draw(*shape), f"{name}.bias": draw(shape[0])}
    return state


CLASSIC = {
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "q": "attention.attention.query",
    "k": "attention.attention.key",
    "v": "attention.attention.value",
}
RECENT = {
    "attn.proj": "attention.o_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "q": "attention.q_proj",
    "k": "attention.k_proj",
    "v": "attention.v_proj",
}


def hugging_face(state: State, blocks: str, decoder_blocks: str, inner: dict[str, str]) -> State:
    """Split query, key and value, and rename."""
    fixed = {
        "cls_token": "vit.embeddings.cls_token",
        "pos_embed": "vit.embeddings.position_embeddings",
        "patch_embed.proj.weight": "vit.embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "vit.embeddings.patch_embeddings.projection.bias",
        "norm.weight": "vit.layernorm.weight",
        "norm.bias": "vit.layernorm.bias",
    }
    out: State = {}
    for name, tensor in state.items():
        if "blocks." not in name:
            out[fixed.get(name, f"decoder.{name}")] = tensor
            continue
        start, number, *rest = name.split(".")
        place = f"{decoder_blocks if start == 'decoder_blocks' else blocks}.{number}"
        module, kind = ".".join(rest[:-1]), rest[-1]
        if module == "attn.qkv":
            out |= {f"{place}.{inner[p]}.{kind}": t for p, t in zip("qkv", tensor.chunk(3), strict=True)}
        else:
            out[f"{place}.{inner[module]}.{kind}"] = tensor
    return out


def classic(state: State) -> State:
    return hugging_face(state, "vit.encoder.layer", "decoder.decoder_layers", CLASSIC)


def in_memory(state: State) -> State:
    return hugging_face(state, "vit.layers", "decoder.decoder_layers", RECENT)


def saved_by_version_5(state: State) -> State:
    return hugging_face(state, "vit.encoder.layer", "decoder.decoder_encoder.layer", CLASSIC)


def headless(state: State) -> State:
    """``ViTMAEModel``: the encoder alone, without the prefix."""
    return {name.removeprefix("vit."): tensor for name, tensor in classic(state).items()}


LAYOUTS = {"original": dict, "classic": classic, "in memory": in_memory, "version 5": saved_by_version_5}


@pytest.fixture
def build(tiny):
    def make(**changed: object) -> FaceMAE:
        torch.manual_seed(7)
        chosen = {"statistics": "imagenet", "decoder_dim": WIDTH, **changed}
        return FaceMAE(tiny.settings("face-mae", **chosen), {}).eval()

    return make


def stored(folder: Path, state: State, name: str = "mae_visualize_vit_tiny.pth") -> Path:
    path = folder / name
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    else:
        torch.save({"model": state}, path)
    return path


def plain_block(x: Tensor, state: State, name: str) -> Tensor:
    def linear(part: str, value: Tensor) -> Tensor:
        return value @ state[f"{name}.{part}.weight"].T + state[f"{name}.{part}.bias"]

    def norm(part: str, value: Tensor) -> Tensor:
        scaled = (value - value.mean(-1, keepdim=True)) / (value.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.{part}.weight"] + state[f"{name}.{part}.bias"]

    query, key, value = linear("attn.qkv", norm("norm1", x)).chunk(3, dim=-1)
    size = x.shape[-1] // HEADS
    heads = []
    for n in range(HEADS):
        q, k, v = (t[..., n * size : (n + 1) * size] for t in (query, key, value))
        heads.append((q @ k.T / size**0.5).softmax(-1) @ v)
    x = x + linear("attn.proj", torch.cat(heads, -1))
    return x + linear("mlp.fc2", F.gelu(linear("mlp.fc1", norm("norm2", x))))


def plain_inpaint(state: State, image: Tensor, removed: Tensor) -> Tensor:
    """One face [3,H,W] with ``removed`` bool [N], as the authors' code does it, in float64."""
    state = {name: tensor.double() for name, tensor in state.items()}

    def norm(part: str, value: Tensor) -> Tensor:
        return F.layer_norm(value, value.shape[-1:], state[f"{part}.weight"], state[f"{part}.bias"], 1e-6)

    pixels = ((image[None] - MEAN) / STD).double()
    patches = F.conv2d(pixels, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=PATCH)
    tokens = patches[0].flatten(1).T + state["pos_embed"][0, 1:]
    x = torch.cat([state["cls_token"][0] + state["pos_embed"][0, :1], tokens[~removed]])
    for n in range(2):
        x = plain_block(x, state, f"blocks.{n}")
    x = norm("norm", x) @ state["decoder_embed.weight"].T + state["decoder_embed.bias"]
    full = state["mask_token"][0].repeat(len(removed), 1)
    full[~removed] = x[1:]
    full = torch.cat([x[:1], full]) + state["decoder_pos_embed"][0]
    full = norm("decoder_norm", plain_block(full, state, "decoder_blocks.0"))
    values = full[1:] @ state["decoder_pred.weight"].T + state["decoder_pred.bias"]
    out = torch.empty(3, GRID * PATCH, GRID * PATCH, dtype=torch.float64)
    for place, patch in enumerate(values):
        row, column = (PATCH * n for n in divmod(place, GRID))
        out[:, row : row + PATCH, column : column + PATCH] = patch.reshape(PATCH, PATCH, 3).permute(2, 0, 1)
    return (out * STD[0] + MEAN[0]).clamp(0, 1).float()


def test_latents_are_those_of_timm(build, tmp_path):
    mae, reference = build(), vision_transformer()
    report = mae.load_foreign(stored(tmp_path, reference.state_dict()))
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = reference.forward_features((image - MEAN) / STD)[:, 1:]
        torch.testing.assert_close(mae.encode(image), expected, atol=1e-5, rtol=0)
    assert isinstance(mae, WeightsLoader)
    assert report.layout == "original, encoder alone"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_layout_paints_as_the_plain_implementation(build, tmp_path, layout, suffix):
    state = original()
    mae = build()
    report = mae.load_foreign(stored(tmp_path, LAYOUTS[layout](state), f"mae_visualize_vit_tiny{suffix}"))
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(2, 3, 32, 32, generator=generator)
    removed = torch.rand(2, 16, generator=generator) < 0.6
    with torch.no_grad():
        painted = mae.inpaint(image, removed.reshape(2, 4, 4))
    expected = torch.stack([plain_inpaint(state, image[n], removed[n]) for n in range(2)])
    torch.testing.assert_close(painted, expected, atol=1e-5, rtol=0)
    assert len(report.matched) == len(state) == len(mae.state_dict()) + 2
    assert (report.untrained, report.ignored, report.must_train) == ((), (), "")


@pytest.mark.parametrize("layout", [dict, classic, in_memory, headless])
def test_an_encoder_alone_paints_only_after_training(build, tiny, tmp_path, layout):
    state = encoder()
    mae, untouched = build(), build()
    report = mae.load_foreign(stored(tmp_path, layout(state)))
    assert "no decoder" in report.must_train
    assert set(report.untrained) == {n for n in mae.state_dict() if n.startswith(("decoder", "mask"))} | {
        "decoder_position"
    }
    torch.testing.assert_close(mae.blocks[1].attn.qkv.weight, state["blocks.1.attn.qkv.weight"], rtol=0, atol=0)
    assert torch.equal(mae.decoder_head.weight, untouched.decoder_head.weight)
    image, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 4, 4, dtype=torch.bool)
    assert mae.encode(image).shape == (1, 16, DIM)
    with pytest.raises(PluginError, match="no decoder"):
        mae.inpaint(image, mask)
    mae.fit(tiny.faces(14, 0), tiny.faces(7, 1), Recipe(epochs=1, batch_size=7, lr=1e-3), 0, tiny.log())
    assert mae.inpaint(image, mask).shape == image.shape


@pytest.mark.parametrize(
    ("name", "declared", "problem"),
    [
        ("mae_visualize_vit_large_ganloss.pth", None, None),
        ("mae_pretrain_vit_base_full.pth", None, "no picture"),
        ("pytorch_model.bin", None, "decoder_target"),
        ("pytorch_model.bin", "pixels", None),
        ("pytorch_model.bin", "normalised", "no picture"),
    ],
)
def test_only_a_decoder_of_pixels_paints(build, tmp_path, name, declared, problem):
    mae = build(**({"decoder_target": declared} if declared else {}))
    report = mae.load_foreign(stored(tmp_path, original(), name))
    image, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 4, 4, dtype=torch.bool)
    if problem is None:
        assert report.must_train == ""
        mae.inpaint(image, mask)
    else:
        assert problem in report.must_train
        with pytest.raises(PluginError, match=problem):
            mae.inpaint(image, mask)


def test_a_name_against_the_declared_target_is_refused(build, tmp_path):
    with pytest.raises(WeightsError, match="paints normalised"):
        build(decoder_target="pixels").load_foreign(stored(tmp_path, original(), "mae_pretrain_vit_base_full.pth"))


def without(state: State, name: str) -> State:
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (dict, "blocks.1.attn.qkv.bias"),
        (dict, "decoder_blocks.0.norm1.weight"),
        (dict, "mask_token"),
        (classic, "vit.encoder.layer.1.attention.attention.key.bias"),
        (in_memory, "vit.layers.0.mlp.fc2.weight"),
        (saved_by_version_5, "decoder.decoder_encoder.layer.0.attention.attention.query.weight"),
        (dict, "pos_embed"),
        (classic, "decoder.decoder_pos_embed"),
    ],
)
def test_a_lost_or_renamed_tensor_is_named(build, tmp_path, layout, name):
    state = layout(original())
    ours = {
        "vit.encoder.layer.1.attention.attention.key.bias": "blocks.1.attn.qkv.bias",
        "vit.layers.0.mlp.fc2.weight": "blocks.0.mlp.fc2.weight",
        "decoder.decoder_encoder.layer.0.attention.attention.query.weight": "decoder_blocks.0.attn.qkv.weight",
        "pos_embed": "position",
        "decoder.decoder_pos_embed": "decoder_position",
    }.get(name, name)
    mae = build()
    before = {key: tensor.clone() for key, tensor in mae.state_dict().items()}
    with pytest.raises(WeightsError, match=f"missing: {ours}"):
        mae.load_foreign(stored(tmp_path, without(state, name)))
    renamed = {**without(state, name), f"{name}s": state[name]}
    with pytest.raises(WeightsError) as caught:
        mae.load_foreign(stored(tmp_path, renamed))
    assert f"{name.removeprefix('decoder.')}s" in str(caught.value) and f"missing: {ours}" in str(caught.value)
    assert all(torch.equal(before[key], tensor) for key, tensor in mae.state_dict().items())


def test_another_shape_is_named(build, tmp_path):
    state = original()
    state["patch_embed.proj.weight"] = torch.zeros(DIM, 3, 16, 16)
    with pytest.raises(WeightsError, match=r"embed\.weight \[16, 768\] instead of \[16, 192\]") as caught:
        build().load_foreign(stored(tmp_path, state))
    assert "image_size 224" in str(caught.value)
    with pytest.raises(WeightsError, match=r"unexpected: blocks\.1\.norm1\.weight"):
        build(depth=1).load_foreign(stored(tmp_path, original()))


def test_two_tensors_for_one_place_are_refused(build, tmp_path):
    state = classic(original())
    state["embeddings.cls_token"] = state["vit.embeddings.cls_token"]
    with pytest.raises(WeightsError, match=r"unexpected: embeddings\.cls_token"):
        build().load_foreign(stored(tmp_path, state))


def test_learned_positions_are_refused_and_half_precision_is_not(build, tmp_path):
    state = original()
    build().load_foreign(stored(tmp_path, {name: tensor.half() for name, tensor in state.items()}))
    state["pos_embed"] = state["pos_embed"] + 0.01
    with pytest.raises(WeightsError, match="position differs"):
        build().load_foreign(stored(tmp_path, state))


def test_what_no_tensor_shows_is_asked_of_the_settings(build, tmp_path):
    with pytest.raises(WeightsError, match="mean and deviation"):
        build(statistics="half").load_foreign(stored(tmp_path, original()))
    with pytest.raises(WeightsError, match="width 768 has 12 heads, not 2"):
        build(dim=768, depth=1).load_foreign(stored(tmp_path, original()))
    with pytest.raises(PluginError, match="statistics='imagnet'"):
        build(statistics="imagnet")


def test_a_classifier_is_ignored_and_other_networks_are_refused(build, tmp_path):
    state = {**original(), "head.weight": torch.zeros(5, DIM), "head.bias": torch.zeros(5)}
    assert build().load_foreign(stored(tmp_path, state)).ignored == ("head.weight", "head.bias")
    with pytest.raises(WeightsError, match="no known layout"):
        build().load_foreign(stored(tmp_path, {"conv1.weight": torch.zeros(1)}))
