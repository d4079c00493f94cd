"""The CSA layer and the released layer against plain loops in float64, written from their step-by-step descriptions."""

import math

import numpy as np
import pytest
import torch

from ofer_bench.latent_ofer.csa import csa
from ofer_bench.latent_ofer.released_layer import released_layer

CASES = [(6, 6, 0.3), (5, 7, 0.6), (4, 4, 0.9), (3, 8, 0.1)]


def unit(v):
    return v / (math.sqrt(float(v @ v)) + 1e-8)


def vectors(x):
    """Rows of a map [C,H,W] in raster order."""
    return [x[:, r, c] for r in range(x.shape[1]) for c in range(x.shape[2])]


def best_known(x, hole, j):
    """Largest inner product of position j with normalised known vectors: (value, where)."""
    value, where = -math.inf, -1
    for q, vector in enumerate(x):
        if not hole[q]:
            product = float(x[j] @ unit(vector))
            if product > value:
                value, where = product, q
    return value, where


def to_map(rows, like):
    return np.stack(rows, axis=1).reshape(like.shape)


def csa_reference(features, hole_map):
    """CSA as written: attention rows that sum to 1, of one map [C,H,W]; negative products count as 0."""
    x, hole = vectors(features), hole_map.flatten()
    count = len(x)
    attention = np.eye(count)
    m = row = None
    for j in range(count):
        if not hole[j]:
            continue
        d_max, k = best_known(x, hole, j)
        one_hot = np.zeros(count)
        one_hot[k] = 1.0
        if m is None:
            m, row = x[k], one_hot
        else:
            d_ad, d_max = max(0.0, float(m @ unit(x[j]))), max(0.0, d_max)
            z = d_ad + d_max
            share = d_ad / z if z > 0 else 0.0
            m, row = share * m + (1 - share) * x[k], share * row + (1 - share) * one_hot
        attention[j] = row
    np.testing.assert_allclose(attention.sum(axis=1), 1.0)
    return to_map([sum(a * v for a, v in zip(line, x, strict=True)) for line in attention], features)


def window_mean(features, j):
    _, height, width = features.shape
    row, column = divmod(j, width)
    inside = [
        features[:, r, c]
        for r in range(row - 1, row + 2)
        for c in range(column - 1, column + 2)
        if 0 <= r < height and 0 <= c < width
    ]
    return sum(inside) / len(inside)


def released_reference(features, flip, hole_map):
    """Steps 1 to 6 of the released layer for one map: output [C,H,W] and the whole matrix A."""
    x, f, hole = vectors(features), vectors(flip), hole_map.flatten()
    count = len(x)
    attention = np.eye(count)
    m = row = None
    for n, h in enumerate(np.nonzero(hole)[0]):
        d_known, k = best_known(x, hole, h)
        d_flip = max(float(f[n] @ unit(v)) for v in x)
        r = window_mean(features, h)
        one_hot = np.zeros(count)
        one_hot[k] = 1.0
        if n == 0:
            m, row = 0.5 * x[k] + 0.5 * r, one_hot
        else:
            d_prev = float(m @ unit(x[h]))
            z = d_prev + d_known + d_flip
            m = (d_prev * m + d_known * x[k] + d_flip * r) / z
            row = (d_prev / z) * row + (d_known / z) * one_hot
        attention[h] = row
    return to_map([sum(a * v for a, v in zip(line, x, strict=True)) for line in attention], features), attention


def random_case(batch, channels, height, width, share=0.4, seed=0):
    """Features, flip features and holes of their own for every map, none of them everything."""
    generator = torch.Generator().manual_seed(seed)
    # Features behind a leaky ReLU lean to the positive side.
    x, f = (torch.randn(2, batch, channels, height, width, generator=generator, dtype=torch.float64) + 0.5).unbind(0)
    hole = torch.rand(batch, 1, height, width, generator=generator) < share
    hole[:, :, 0, -1], hole[:, :, -1, 0] = False, True
    return x, f, hole


@pytest.mark.parametrize(("height", "width", "share"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_csa_equals_the_loop(height, width, share, dtype):
    x, _, hole = random_case(4, 6, height, width, share, seed=height * width)
    result = csa(x.to(dtype), hole).double().numpy()
    for n in range(4):
        np.testing.assert_allclose(result[n], csa_reference(x[n].numpy(), hole[n, 0].numpy()), atol=1e-5)


@pytest.mark.parametrize(("height", "width", "share"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_released_layer_equals_the_loop(height, width, share, dtype):
    x, f, hole = random_case(4, 6, height, width, share, seed=height * width)
    result = released_layer(x.to(dtype), f.to(dtype), hole).double().numpy()
    for n in range(4):
        expected, _ = released_reference(x[n].numpy(), f[n].numpy(), hole[n, 0].numpy())
        np.testing.assert_allclose(result[n], expected, atol=1e-5)


def test_the_released_weights_of_a_hole_sum_to_less_than_1():
    x, f, hole = random_case(1, 6, 6, 6)
    x, f = x.abs(), f.abs()
    ones = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    _, attention = released_reference(x[0].numpy(), f[0].numpy(), hole[0, 0].numpy())
    inside = attention[hole.flatten().numpy()].sum(axis=1)
    assert inside[0] == 1 and (inside[1:] < 1).all()
    assert released_layer(ones, ones, hole)[0, -1][hole[0, 0]][1:].max() < 1


def test_csa_has_the_gradient_of_its_equations():
    x, _, hole = random_case(2, 3, 4, 4, seed=3)
    assert torch.autograd.gradcheck(lambda v: csa(v, hole), (x.requires_grad_(True),), atol=1e-5)


def test_the_released_layer_has_the_gradient_of_the_release():
    x, f, hole = random_case(3, 6, 5, 5, seed=4)
    # Negative weights make others larger than 1, of which something is left in integers.
    x[2], f[2] = x[2].abs(), -x[2].abs()
    x.requires_grad_(True)
    f.requires_grad_(True)
    grad = torch.randn(x.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    released_layer(x, f, hole).backward(grad)
    assert x.grad is not None and f.grad is None
    for n in range(3):
        given = np.stack(vectors(grad[n].numpy()))
        _, attention = released_reference(x[n].detach().numpy(), f[n].detach().numpy(), hole[n, 0].numpy())
        whole = np.trunc(attention)
        of_holes = whole[hole[n].flatten().numpy()]
        assert of_holes[0].sum() == 1 and of_holes[1:].any() == (n == 2)
        expected = given + whole.T @ given
        np.testing.assert_allclose(np.stack(vectors(x.grad[n].numpy())), expected, atol=1e-5)


def test_the_release_routes_no_hole_but_the_first():
    x, f, hole = random_case(1, 6, 6, 6, seed=6)
    x, f = x.abs().requires_grad_(True), f.abs()
    first = int(hole.flatten().nonzero()[0])
    _, k = best_known(vectors(x[0].detach().numpy()), hole.flatten().numpy(), first)
    released_layer(x, f, hole).sum().backward()
    times = torch.ones(36, dtype=torch.float64) + ~hole.flatten()
    times[k] += 1
    assert torch.equal(x.grad[0], times.reshape(6, 6).expand(6, 6, 6))


@pytest.mark.parametrize("layer", [csa, lambda x, hole: released_layer(x, x.flip(1), hole)], ids=["csa", "released"])
class TestBoth:
    def test_holes_may_be_absent_or_everything(self, layer):
        x, _, hole = random_case(3, 4, 5, 5)
        hole[0], hole[1] = False, True
        x.requires_grad_(True)
        result = layer(x, hole)
        assert torch.equal(result[:2], x[:2])
        assert torch.equal(layer(x, torch.zeros_like(hole)), x)
        result.square().sum().backward()
        assert torch.isfinite(x.grad).all()
        torch.testing.assert_close(x.grad[1], 2 * x[1])

    def test_known_positions_are_copied_bit_for_bit(self, layer):
        x, _, hole = random_case(3, 4, 6, 6)
        known = ~hole.expand_as(x)
        assert torch.equal(layer(x, hole)[known], x[known])

    def test_maps_of_a_batch_do_not_mix(self, layer):
        x, _, hole = random_case(5, 4, 6, 6)
        together = layer(x, hole)
        for n in range(5):
            torch.testing.assert_close(layer(x[n : n + 1], hole[n : n + 1])[0], together[n])

    def test_memory_layout_does_not_matter(self, layer):
        x, _, hole = random_case(2, 4, 6, 5)
        torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last), hole), layer(x, hole))

    def test_zero_features_give_no_nan(self, layer):
        x = torch.zeros(1, 3, 4, 4, requires_grad=True)
        hole = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
        hole[..., :2] = True
        result = layer(x, hole)
        result.sum().backward()
        assert torch.equal(result, torch.zeros_like(result))
        assert torch.isfinite(x.grad).all()
