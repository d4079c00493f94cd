"""The Triton kernel of the recursion against float64: on CUDA where there is one, else in Triton's interpreter."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from ofer_bench.latent_ofer import hole_order
from ofer_bench.latent_ofer.csa import csa
from ofer_bench.latent_ofer.self_assembly import self_assembly
from tests.latent_ofer.test_latent_hole_layers import csa_reference
from tests.latent_ofer.test_latent_self_assembly import random_case, reference

pytest.importorskip("triton")

LAYERS = [(self_assembly, reference), (csa, csa_reference)]


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Let the kernel run here as well; returns the shapes that it was given."""
    if not torch.cuda.is_available():
        monkeypatch.setattr(hole_order, "has_kernel", lambda values: values.dtype != torch.float64)
    from ofer_bench.latent_ofer import scan_kernel

    shapes: list[tuple[int, ...]] = []
    fused = scan_kernel.fused_scan

    def counted(direction, *rest):
        shapes.append(tuple(direction.shape))
        return fused(direction, *rest)

    monkeypatch.setattr(scan_kernel, "fused_scan", counted)
    return shapes


def here(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.cuda() if torch.cuda.is_available() else tensor


@pytest.mark.parametrize(("layer", "expected"), LAYERS)
@pytest.mark.parametrize(("channels", "share"), [(5, 0.3), (16, 0.6), (33, 0.75)])
def test_equals_the_loop(launches, layer, expected, channels, share):
    features, hole = random_case(2, channels, 4, 5, seed=channels, share=share)
    result = layer(here(features.float()), here(hole)).double().cpu().numpy()
    assert len(launches) == 1 and launches[0][2] == channels
    for n in range(2):
        np.testing.assert_allclose(result[n], expected(features[n].numpy(), hole[n, 0].numpy()), atol=1e-5)


@pytest.mark.parametrize("layer", [self_assembly, csa])
def test_gradient_equals_that_of_the_loop(launches, layer):
    features, hole = random_case(3, 12, 4, 5, seed=7, share=0.5)
    weight = torch.randn(features.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = features.clone().requires_grad_(True)
    layer(exact, hole).backward(weight)
    assert not launches
    given = here(features.float()).requires_grad_(True)
    layer(given, here(hole)).backward(here(weight.float()))
    assert launches and given.grad is not None and exact.grad is not None
    scale = float(exact.grad.abs().max())
    np.testing.assert_allclose(given.grad.cpu().double() / scale, exact.grad / scale, atol=1e-5)


def test_a_position_without_any_similarity_keeps_its_feature_and_its_gradient(launches):
    features = torch.tensor([1.0, -1.0, -1.0]).reshape(1, 1, 1, 3)
    hole = torch.tensor([True, False, False]).reshape(1, 1, 1, 3)
    given = here(features).requires_grad_(True)
    result = self_assembly(given, here(hole))
    result[0, 0, 0, 0].backward()
    assert launches and torch.equal(result.detach().cpu(), features)
    assert given.grad is not None and given.grad.flatten().tolist() == [1.0, 0.0, 0.0]


def test_zero_features_give_no_nan(launches):
    features = torch.zeros(1, 3, 4, 4)
    hole = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hole[..., :2] = True
    given = here(features).requires_grad_(True)
    self_assembly(given, here(hole)).sum().backward()
    assert launches and given.grad is not None and torch.isfinite(given.grad).all()


def test_compiles_for_gpus(tmp_path):
    # Before it, what is to be compiled was described in another way.
    pytest.importorskip("triton", minversion="3.3")
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    script = Path(__file__).with_name("compile_scan_kernel.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    compiled = [line.split() for line in done.stdout.splitlines()]
    assert {(capability, kernel) for capability, kernel, _, _ in compiled} == {
        (capability, kernel) for capability in ("75", "90") for kernel in ("_forward", "_backward")
    }
    assert all(int(size) > 0 for *_, size in compiled)


def test_on_the_cpu_and_in_float64_the_loop_runs():
    assert not hole_order.has_kernel(torch.zeros(1))
    assert not hole_order.has_kernel(torch.zeros(1, dtype=torch.float64))


@pytest.mark.skipif(torch.cuda.is_available(), reason="Triton finds a GPU here")
def test_where_triton_can_start_nothing_the_loop_runs_and_says_why():
    hole_order.triton_works.cache_clear()
    with pytest.warns(RuntimeWarning, match=r"slow loop; it needs a C compiler and Python's headers"):
        assert not hole_order.triton_works()
    # Once is enough.
    with warnings.catch_warnings(action="error"):
        assert not hole_order.triton_works()
