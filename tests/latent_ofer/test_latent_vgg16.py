"""VGG-16 against torchvision's own, and the files that it takes and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import vgg13, vgg16_bn, vgg19
from torchvision.transforms.functional import normalize

from ofer_bench.api import ComponentSettings, Trainable, WeightsError, WeightsLoader, torch_seed
from ofer_bench.latent_ofer.vgg16 import VGG16
from tests.vgg16_files import RELUS, random_features, torchvision_state, unallocated


def ours() -> VGG16:
    with torch_seed(1):
        return VGG16(ComponentSettings(image_size=64, patch_size=8, num_classes=7)).eval()


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    return random_features()


def as_torchvision(features: nn.Module) -> dict[str, Tensor]:
    return torchvision_state(features)


def as_timm(features: nn.Module) -> dict[str, Tensor]:
    state = unallocated(lambda: timm.create_model("vgg16", pretrained=False))
    return state | {f"features.{name}": tensor for name, tensor in features.state_dict().items()}


def without_classifier(features: nn.Module) -> dict[str, Tensor]:
    return {f"features.{name}": tensor for name, tensor in features.state_dict().items()}


@pytest.mark.parametrize(
    ("layout", "told", "ignored"),
    [
        (as_torchvision, "torchvision VGG-16", {"classifier.0.weight", "classifier.3.bias", "classifier.6.weight"}),
        (as_timm, "timm VGG-16", {"pre_logits.fc1.weight", "pre_logits.fc2.bias", "head.fc.weight"}),
        (without_classifier, "VGG-16", set()),
    ],
)
def test_features_are_torchvisions(reference, tmp_path: Path, layout, told: str, ignored: set[str]) -> None:
    torch.save(layout(reference), tmp_path / "vgg16.pth")
    model = ours()
    report = model.load_foreign(tmp_path / "vgg16.pth")
    seen: dict[int, Tensor] = {}
    hooks = [
        reference[place].register_forward_hook(lambda _, given, out, place=place: seen.update({place: out.clone()}))
        for place in RELUS.values()
    ]
    image = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        levels = model.feature_levels(image)
        reference(normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    for hook in hooks:
        hook.remove()
    shapes = [(2, 64, 64, 48), (2, 128, 32, 24), (2, 256, 16, 12), (2, 512, 8, 6)]
    for level, place, shape in zip(levels, RELUS.values(), shapes, strict=True):
        assert level.shape == shape
        assert level.amax() > 1
        torch.testing.assert_close(level, seen[place], atol=1e-4, rtol=1e-4)
    assert (report.layout, len(report.matched), report.untrained, report.must_train) == (told, 20, (), "")
    later = {f"features.{place}.{kind}" for place in (24, 26, 28) for kind in ("weight", "bias")}
    assert later | ignored <= set(report.ignored)
    assert len(report.ignored) == (12 if ignored else 6)


def test_it_is_frozen_and_passes_gradients_to_the_image() -> None:
    model = ours()
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    for level in model.feature_levels(image):
        (gradient,) = torch.autograd.grad(level.square().sum(), image, retain_graph=True)
        assert gradient.abs().sum() > 0
    assert not any(p.requires_grad for p in model.parameters())
    assert isinstance(model, WeightsLoader) and not isinstance(model, Trainable)


def test_other_networks_of_the_family_are_refused(tmp_path: Path) -> None:
    for build, problem in ((vgg16_bn, "batch norm"), (vgg19, "missing: features.17"), (vgg13, "missing: features.14")):
        path = tmp_path / f"{build.__name__}.pth"
        torch.save(unallocated(lambda build=build: build(weights=None, init_weights=False)), path)
        model = ours()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with pytest.raises(WeightsError, match=problem) as caught:
            model.load_foreign(path)
        assert "vgg16-397923af.pth" in str(caught.value) and str(path) in str(caught.value)
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_what_does_not_fit_is_named(reference, tmp_path: Path) -> None:
    path, state = tmp_path / "vgg16.pth", without_classifier(reference) | {"classifier.6.bias": torch.zeros(1000)}
    kernel = state["features.21.weight"]
    nan = torch.tensor(float("nan")).expand(4096)
    cases = {
        r"missing: features\.21\.weight$": {"features.21.weight": None},
        r"of another shape: features\.21\.weight \[512, 512, 1, 1\]": {"features.21.weight": kernel[..., :1, :1]},
        r"unexpected: features\.22\.weight$": {"features.22.weight": kernel},
        r"unexpected: classifer\.0\.bias$": {"classifer.0.bias": nan.nan_to_num()},
        r"classifier\.0\.bias is not finite": {"classifier.0.bias": nan},
    }
    for problem, changes in cases.items():
        torch.save({n: t for n, t in {**state, **changes}.items() if t is not None}, path)
        with pytest.raises(WeightsError) as caught:
            ours().load_foreign(path)
        assert caught.match(problem.replace("$", r"\n"))
    with pytest.raises(WeightsError, match="no such file"):
        ours().load_foreign(tmp_path / "absent.pth")
