"""Eq. 2 and 3 against a plain loop in float64."""

import math

import numpy as np
import pytest
import torch

from ofer_bench.latent_ofer.self_assembly import self_assembly


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    product = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return max(0.0, float(a @ b) / product) if product > 0 else 0.0


def mirrored_mean(x: np.ndarray, row: int, column: int) -> np.ndarray:
    _, height, width = x.shape
    total, count = np.zeros(len(x)), 0
    for r in range(max(0, row - 1), min(height, row + 2)):
        for c in range(max(0, column - 1), min(width, column + 2)):
            total += x[:, r, width - 1 - c]
            count += 1
    return total / count


def reference(x: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One map [C,H,W] and its hole [H,W], Eq. 3 written out."""
    out = x.copy()
    known = [x[:, r, c] for r, c in zip(*np.nonzero(~hole), strict=True)]
    previous = None
    for row, column in zip(*np.nonzero(hole), strict=True):
        p = x[:, row, column]
        p_s = mirrored_mean(x, row, column)
        s_sym = cosine(p, p_s)
        s_prev = 0.0 if previous is None else cosine(p, previous)
        p_k, s_known = np.zeros_like(p), 0.0
        if known:
            raw = [float(p @ k) / math.sqrt(float(p @ p) * float(k @ k)) for k in known]
            p_k = known[int(np.argmax(raw))]
            s_known = max(0.0, max(raw))
        total = s_sym + s_known + s_prev
        last = np.zeros_like(p) if previous is None else previous
        result = p if total == 0 else (s_sym * p_s + s_known * p_k + s_prev * last) / total
        out[:, row, column] = previous = result
    return out


def random_case(batch: int, channels: int, height: int, width: int, seed: int, share: float = 0.4):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)
    hole = torch.rand(batch, 1, height, width, generator=generator) < share
    return features, hole


@pytest.mark.parametrize(("height", "width", "share"), [(6, 6, 0.3), (5, 7, 0.6), (4, 4, 0.95), (3, 8, 0.1)])
def test_equals_the_loop(height, width, share):
    features, hole = random_case(4, 5, height, width, seed=height * width, share=share)
    result = self_assembly(features, hole).numpy()
    for n in range(4):
        expected = reference(features[n].numpy(), hole[n, 0].numpy())
        np.testing.assert_allclose(result[n], expected, atol=1e-6)


def test_float32_agrees_with_the_loop():
    features, hole = random_case(2, 16, 8, 8, seed=3)
    result = self_assembly(features.float(), hole).double().numpy()
    for n in range(2):
        np.testing.assert_allclose(result[n], reference(features[n].numpy(), hole[n, 0].numpy()), atol=1e-5)


def test_holes_may_be_absent_or_everything():
    features, hole = random_case(3, 4, 5, 5, seed=1)
    hole[0], hole[1] = False, True
    result = self_assembly(features, hole)
    assert torch.equal(result[0], features[0])
    np.testing.assert_allclose(result[1].numpy(), reference(features[1].numpy(), hole[1, 0].numpy()), atol=1e-6)
    assert torch.equal(self_assembly(features, torch.zeros_like(hole)), features)


def test_known_positions_are_copied_bit_for_bit():
    features, hole = random_case(3, 4, 6, 6, seed=2)
    result = self_assembly(features, hole)
    known = ~hole.expand_as(features)
    assert torch.equal(result[known], features[known])


def test_without_any_similarity_the_feature_stays():
    # Mirror average and the only known feature both point away from the hole's feature.
    features = torch.tensor([1.0, 0.0, -1.0]).reshape(1, 1, 1, 3).double()
    features[0, 0, 0, 1] = -1.0
    hole = torch.tensor([True, False, False]).reshape(1, 1, 1, 3)
    assert torch.equal(self_assembly(features, hole), features)


def test_zero_features_give_no_nan():
    features = torch.zeros(1, 3, 4, 4, requires_grad=True)
    hole = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hole[..., :2] = True
    result = self_assembly(features, hole)
    result.sum().backward()
    assert torch.equal(result, torch.zeros_like(result))
    assert features.grad is not None and torch.isfinite(features.grad).all()


def test_weights_are_convex():
    features, hole = random_case(2, 1, 6, 6, seed=5, share=0.5)
    features = features.abs() + 0.1
    result = self_assembly(features, hole)
    for n in range(2):
        assert result[n].min() >= features[n].min() - 1e-9
        assert result[n].max() <= features[n].max() + 1e-9


def test_a_constant_map_is_a_fixed_point():
    generator = torch.Generator().manual_seed(0)
    vector = torch.rand(1, 6, 1, 1, generator=generator, dtype=torch.float64) + 0.1
    features = vector.expand(1, 6, 6, 6).clone()
    hole = torch.zeros(1, 1, 6, 6, dtype=torch.bool)
    hole[..., 2:4, :2] = True
    torch.testing.assert_close(self_assembly(features, hole), features, atol=1e-7, rtol=0)


def test_a_one_sided_hole_in_a_symmetric_map_is_restored_from_weak_coarse_features():
    width = 8
    features = torch.zeros(1, 2, 5, width, dtype=torch.float64)
    features[:, 0] = 1.0
    features[:, :, :, :3] = torch.tensor([0.0, 2.0], dtype=torch.float64)[:, None, None]
    features[:, :, :, -3:] = torch.tensor([0.0, 2.0], dtype=torch.float64)[:, None, None]
    hole = torch.zeros(1, 1, 5, width, dtype=torch.bool)
    hole[..., 1:4, :2] = True
    coarse = torch.where(hole, features * 0.5, features)
    restored = self_assembly(coarse, hole)
    torch.testing.assert_close(restored, features, atol=1e-7, rtol=0)


def test_batch_order_does_not_matter():
    features, hole = random_case(5, 4, 6, 6, seed=8)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(self_assembly(features[order], hole[order]), self_assembly(features, hole)[order])


def test_gradient_matches_finite_differences():
    features, hole = random_case(2, 3, 4, 4, seed=11)
    features.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: self_assembly(x, hole), (features,), atol=1e-5)


def test_gradient_reaches_every_channel():
    features, hole = random_case(1, 7, 5, 5, seed=4)
    features.requires_grad_(True)
    self_assembly(features, hole)[hole.expand_as(features)].square().sum().backward()
    assert features.grad is not None
    assert (features.grad.abs().sum(dim=(0, 2, 3)) > 0).all()
