"""Grad-CAM relevance against plain autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ofer_bench.api import torch_seed
from ofer_bench.occlusion.cam import patch_relevance


def small_net() -> nn.Sequential:
    with torch_seed(3):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 6, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 8 * 8, 7),
        )  # fmt: skip


def images() -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def min_max(cam: Tensor) -> Tensor:
    cam = cam - cam.amin(dim=(1, 2), keepdim=True)
    return cam / (1e-7 + cam.amax(dim=(1, 2), keepdim=True))


def reference(net: nn.Sequential, x: Tensor, labels: Tensor, patch: int) -> np.ndarray:
    activation = net[:4](x)
    activation.retain_grad()
    net[4:](activation).gather(1, labels[:, None]).sum().backward()
    assert activation.grad is not None
    weight = activation.grad.mean(dim=(2, 3), keepdim=True)
    cam = min_max((weight * activation).sum(dim=1).clamp(min=0)).detach()
    large = F.interpolate(cam[:, None], size=32, mode="bilinear", align_corners=False)[:, 0]
    return F.avg_pool2d(min_max(large)[:, None], patch)[:, 0].numpy()


def test_equals_autograd_and_leaves_the_model_alone() -> None:
    net, labels = small_net(), torch.tensor([0, 3, 6, 2])
    expected = reference(net.eval(), images(), labels, 4)
    net.train()
    net[1].eval()
    net.zero_grad()
    kept = torch.ones_like(net[0].weight)
    net[0].weight.grad = kept
    source = images()
    with torch.no_grad():
        got = patch_relevance(net, net[3], source, labels, 4)
    assert got.shape == (4, 8, 8) and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert net.training and net[0].training and not net[1].training
    assert net[0].weight.grad is kept and net[3].weight.grad is None
    assert not source.requires_grad and source.grad is None
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())


def test_frozen_models_can_be_explained() -> None:
    net, labels = small_net().eval(), torch.tensor([1, 1, 1, 1])
    expected = reference(net, images(), labels, 8)
    net.requires_grad_(False)
    np.testing.assert_allclose(patch_relevance(net, net[3], images(), labels, 8), expected, atol=1e-5)


def test_a_wrong_label_is_not_swallowed_and_hooks_go() -> None:
    net = small_net()
    with pytest.raises(IndexError):
        patch_relevance(net, net[3], images(), torch.tensor([0, 1, 2, 9]), 4)
    assert not net[3]._forward_hooks and net.training
    with pytest.raises(ValueError, match="tile"):
        patch_relevance(net, net[3], images(), torch.zeros(4, dtype=torch.int64), 5)


def test_without_labels_the_predicted_classes_are_explained() -> None:
    net = small_net().eval()
    predicted = net(images()).argmax(1)
    assert predicted.any()
    expected = patch_relevance(net, net[3], images(), predicted, 4)
    np.testing.assert_array_equal(patch_relevance(net, net[3], images(), None, 4), expected)


def test_no_gradient_goes_below_the_target_layer() -> None:
    net = small_net()
    reached = []
    net[1].register_full_backward_hook(lambda *_: reached.append("below"))
    net[4].register_full_backward_hook(lambda *_: reached.append("above"))
    patch_relevance(net, net[3], images(), torch.tensor([0, 1, 2, 3]), 4)
    assert reached == ["above"]
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_a_face_does_not_depend_on_its_batch() -> None:
    net, labels = small_net(), torch.tensor([0, 3, 6, 2])
    together = patch_relevance(net, net[3], images(), labels, 4)
    alone = [patch_relevance(net, net[3], images()[i : i + 1], labels[i : i + 1], 4)[0] for i in range(4)]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)


def test_what_works_in_place_after_the_layer_changes_nothing() -> None:
    net, labels = small_net().eval(), torch.tensor([0, 3, 6, 2])
    net[4] = nn.ReLU()
    expected = patch_relevance(net, net[3], images(), labels, 4)
    net[4] = nn.ReLU(inplace=True)
    np.testing.assert_array_equal(patch_relevance(net, net[3], images(), labels, 4), expected)
    np.testing.assert_allclose(expected, reference(net_with_relu(net), images(), labels, 4), atol=1e-5)


def net_with_relu(net: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*net[:4], nn.ReLU(), *net[5:])
