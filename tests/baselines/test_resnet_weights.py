"""ResNet-18 checkpoints in the layouts of MS-Celeb-1M, against torchvision's own network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import resnet18

from ofer_baselines.resnet18 import ResNet18
from ofer_bench.api import ComponentSettings, WeightsError, WeightsLoader, torch_seed


def ours(**model: object) -> ResNet18:
    with torch_seed(1):
        settings = ComponentSettings(image_size=64, patch_size=8, num_classes=7, model={"width": 64, **model})
        return ResNet18(settings).eval()


@pytest.fixture(scope="module")
def reference() -> torch.nn.Module:
    with torch_seed(0):
        model = resnet18(num_classes=1000)
        model.train()
        model(torch.rand(4, 3, 64, 64))
    return model.eval()


def as_msceleb(state: dict[str, Tensor]) -> dict[str, object]:
    return {"epoch": 60, "state_dict": state}


def as_ijba(state: dict[str, Tensor]) -> dict[str, object]:
    """Data-parallel and from before batch norm counted."""
    return {"state_dict": {f"module.{n}": t for n, t in state.items() if not n.endswith("num_batches_tracked")}}


@pytest.mark.parametrize("layout", [dict, as_msceleb, as_ijba])
def test_features_are_torchvisions(reference, tmp_path: Path, layout) -> None:
    torch.save(layout(reference.state_dict()), tmp_path / "resnet18.pth")
    model, untouched = ours(), ours()
    report = model.load_foreign(tmp_path / "resnet18.pth")
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    trunk = torch.nn.Sequential(*list(reference.children())[:-2])
    with torch.no_grad():
        torch.testing.assert_close(model.feature_map(image), trunk(model.normalise(image)), atol=1e-4, rtol=0)
    assert torch.equal(model.fc.weight, untouched.fc.weight)
    assert report.untrained == ("fc.weight", "fc.bias")
    assert set(report.ignored) == {"fc.weight", "fc.bias"}
    assert len(report.matched) == 120
    assert "expressions" in report.must_train
    assert isinstance(model, WeightsLoader)


def test_a_miss_is_named_and_changes_nothing(reference, tmp_path: Path) -> None:
    path = tmp_path / "resnet18.pth"
    state = reference.state_dict()
    model = ours()
    before = model.trunk.net.conv1.weight.clone()
    lost = state.pop("layer2.0.downsample.0.weight")
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"missing: trunk\.net\.layer2\.0\.downsample\.0\.weight"):
        model.load_foreign(path)
    torch.save({**state, "layer2.0.shortcut.0.weight": lost}, path)
    with pytest.raises(WeightsError, match=r"unexpected: trunk\.net\.layer2\.0\.shortcut\.0\.weight"):
        model.load_foreign(path)
    assert torch.equal(model.trunk.net.conv1.weight, before)


def test_another_width_or_stem_is_refused_with_the_settings_that_fit(reference, tmp_path: Path) -> None:
    torch.save(reference.state_dict(), tmp_path / "resnet18.pth")
    for model in (ours(width=8), ours(stem="small")):
        with pytest.raises(WeightsError, match=r"of another shape: trunk\.net\..* \[64.*\] instead of") as caught:
            model.load_foreign(tmp_path / "resnet18.pth")
        assert "width: 64, stem: imagenet" in str(caught.value)
