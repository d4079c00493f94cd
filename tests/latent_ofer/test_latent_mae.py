import numpy as np
import pytest
import torch

from ofer_bench.api import PluginError, Recipe
from ofer_bench.latent_ofer.mae import FaceMAE, masked_loss
from ofer_bench.latent_ofer.patching import patchify, sincos_positions, unpatchify


@pytest.fixture
def mae(tiny):
    torch.manual_seed(0)
    return FaceMAE(tiny.settings("face-mae"), {}).eval()


def masks_of(*counts: int, grid: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    rank = torch.rand(len(counts), grid * grid, generator=generator).argsort(1).argsort(1)
    return (rank < torch.tensor(counts)[:, None]).reshape(-1, grid, grid)


def test_patches_lie_in_raster_order_and_come_back():
    image = torch.arange(2 * 3 * 6 * 6.0).reshape(2, 3, 6, 6)
    patches = patchify(image, 2)
    assert patches.shape == (2, 9, 12)
    # Patch 5 is row 1, column 2; value 7 of it is row 1, column 0, channel 1.
    assert patches[1, 5, 7] == image[1, 1, 2 * 1 + 1, 2 * 2 + 0]
    assert torch.equal(unpatchify(patches, 2), image)


def test_positions_follow_their_formula():
    positions = sincos_positions(5, 12)
    for row in range(5):
        for column in range(5):
            omega = [10000 ** (-n / 3) for n in range(3)]
            expected = [f(p * w) for p in (column, row) for f in (np.sin, np.cos) for w in omega]
            np.testing.assert_allclose(positions[row * 5 + column], expected, atol=1e-6)
    with pytest.raises(PluginError, match="multiple of 4"):
        sincos_positions(4, 10)


def test_loss_counts_masked_patches_only():
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.randn(2, 3, 4, 5, generator=generator)
    mask = torch.tensor([[True, False, False, True], [False, False, True, False], [False] * 4])
    squares = [
        float((predicted[b, n, v] - target[b, n, v]) ** 2)
        for b in range(3)
        for n in range(4)
        for v in range(5)
        if mask[b, n]
    ]
    assert float(masked_loss(predicted, target, mask)) == pytest.approx(sum(squares) / len(squares), rel=1e-5)
    target[~mask] += 100
    assert float(masked_loss(predicted, target, mask)) == pytest.approx(sum(squares) / len(squares), rel=1e-5)


@pytest.mark.parametrize("counts", [(6, 6, 6), (1, 8, 15)])
def test_hidden_pixels_change_nothing(mae, counts):
    image = torch.rand(3, 3, 32, 32)
    mask = masks_of(*counts)
    hidden = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None]
    with torch.no_grad():
        first = mae.inpaint(image, mask)
        for filler in (torch.rand_like(image), torch.full_like(image, float("nan"))):
            torch.testing.assert_close(mae.inpaint(torch.where(hidden, filler, image), mask), first)
    assert first.shape == image.shape and first.min() >= 0 and first.max() <= 1


def test_decoder_latents_are_what_the_head_paints_whole_faces_from(tiny):
    torch.manual_seed(0)
    mae = FaceMAE(tiny.settings("face-mae", decoder_dim=8), {}).eval()
    image = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        latents = mae.decode_latents(image)
        painted = unpatchify(mae.decoder_head(latents), 8) * mae.std + mae.mean
        nothing_removed = mae.inpaint(image, torch.zeros(3, 4, 4, dtype=torch.bool))
    assert latents.shape == (3, 16, 8)
    torch.testing.assert_close(painted.clamp(0, 1), nothing_removed)


def test_decoder_latents_equal_plain_attention(tiny):
    torch.manual_seed(0)
    mae = FaceMAE(tiny.settings("face-mae", decoder_dim=8), {}).eval()
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        for face, latents in zip(image, mae.decode_latents(image), strict=True):
            patches = [face[:, r : r + 8, c : c + 8] for r in range(0, 32, 8) for c in range(0, 32, 8)]
            rows = torch.stack([patch.permute(1, 2, 0).flatten() for patch in patches]) * 2 - 1
            tokens = torch.cat([mae.cls_token[0], mae.embed(rows) + mae.position])
            for block in mae.blocks:
                tokens = plain_block(block, tokens, heads=2)
            tokens = mae.decoder_embed(mae.norm(tokens))
            tokens = torch.cat([tokens[:1], tokens[1:] + mae.decoder_position])
            for block in mae.decoder_blocks:
                tokens = plain_block(block, tokens, heads=2)
            torch.testing.assert_close(latents, mae.decoder_norm(tokens[1:]), atol=1e-5, rtol=1e-5)


def plain_block(block, tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """A pre-norm transformer block on tokens [N,D], head by head."""
    q, k, v = block.attn.qkv(block.norm1(tokens)).chunk(3, dim=1)
    width = q.shape[1] // heads
    seen = []
    for n in range(0, q.shape[1], width):
        part = slice(n, n + width)
        seen.append(torch.softmax(q[:, part] @ k[:, part].T / width**0.5, dim=1) @ v[:, part])
    tokens = tokens + block.attn.proj(torch.cat(seen, dim=1))
    return tokens + block.mlp.fc2(torch.nn.functional.gelu(block.mlp.fc1(block.norm2(tokens))))


@pytest.mark.parametrize("fused", [True, False])
def test_masks_of_different_counts_equal_single_faces(mae, fused):
    for block in mae.blocks:
        block.attn.fused_attn = fused
    image, mask = torch.rand(5, 3, 32, 32), masks_of(0, 3, 9, 15, 16)
    with torch.no_grad():
        together = mae.inpaint(image, mask)
        alone = torch.cat([mae.inpaint(image[n : n + 1], mask[n : n + 1]) for n in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_dropping_tokens_equals_masked_attention(mae):
    """An independent route: run all tokens, forbid attention to removed ones, read the kept ones."""
    image, mask = torch.rand(2, 3, 32, 32), masks_of(7, 7)
    with torch.no_grad():
        tokens = mae._tokens(image)
        allowed = torch.cat([torch.ones(2, 1, dtype=torch.bool), ~mask.flatten(1)], 1)[:, None, None]
        encoded = mae._encode_tokens(tokens, allowed)
        width = mae.mask_token.shape[2]
        blank = mae.mask_token.expand(2, 16, width)
        full = torch.where(mask.flatten(1)[:, :, None], blank, mae.decoder_embed(encoded)[:, 1:])
        full = torch.cat([mae.decoder_embed(encoded)[:, :1], full + mae.decoder_position], 1)
        for block in mae.decoder_blocks:
            full = block(full)
        expected = unpatchify(mae.decoder_head(mae.decoder_norm(full))[:, 1:], 8) * 0.5 + 0.5
        torch.testing.assert_close(mae.inpaint(image, mask), expected.clamp(0, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("fused", [True, False])
def test_local_latents_do_not_leak(mae, fused):
    for block in mae.blocks:
        block.attn.fused_attn = fused
    image = torch.rand(1, 3, 32, 32)
    changed = image.clone()
    changed[..., :8, :8] = 0
    with torch.no_grad():
        local = (mae.encode_local(image) - mae.encode_local(changed)).abs().amax(2)[0]
        contextual = (mae.encode(image) - mae.encode(changed)).abs().amax(2)[0]
    assert local[0] > 1e-3 and float(local[1:].max()) == 0
    assert (contextual > 0).all()
    assert mae.encode(image).shape == (1, 16, mae.dim)


def test_gradients_reach_every_parameter(mae):
    mae.loss(torch.rand(2, 3, 32, 32), masks_of(5, 9)).backward()
    assert [n for n, p in mae.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_training_lowers_the_loss_and_repeats(tiny):
    recipe = Recipe(epochs=8, batch_size=16, lr=2e-3)
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        mae, log = FaceMAE(tiny.settings("face-mae"), {}), tiny.log()
        mae.fit(tiny.faces(64, 0), tiny.faces(16, 1), recipe, 3, log)
        states.append(mae.state_dict())
    assert log.rows[-1]["score"] > 0.7 * log.rows[0]["score"]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not any("position" in name for name in states[0])


def test_mixed_precision_changes_little(tiny):
    def trained(precision):
        torch.manual_seed(0)
        mae, log = FaceMAE(tiny.settings("face-mae"), {}), tiny.log()
        recipe = Recipe(epochs=2, batch_size=8, lr=1e-3, precision=precision)
        mae.fit(tiny.faces(16, 0), tiny.faces(8, 1), recipe, 0, log)
        return log.rows[-1]

    exact, mixed = trained("32-true"), trained("bf16-mixed")
    assert mixed != exact
    assert mixed == pytest.approx(exact, rel=0.02)
