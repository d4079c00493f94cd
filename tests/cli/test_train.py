"""``ofer-bench train --stage``: one stage of a system, on what the store has."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ofer_bench.cli.main import app
from ofer_bench.core.errors import UnknownName, UpstreamMissing, WeightsError
from ofer_bench.engine.config import load_profile
from ofer_bench.engine.training_stages import component_of
from tests.vgg16_files import write_vgg16


@pytest.mark.parametrize(
    ("target", "stage", "component"),
    [
        ("latent-ofer", "mae", "face-mae"),
        ("latent-ofer", "detector", "vit-svdd"),
        ("latent-ofer", "reconstruction", "hybrid"),
        ("latent-ofer", "recognizer", "latent-recognizer"),
        ("latent-ofer", "classifier", "latent-recognizer"),
        ("latent-ofer", "resnet18", "resnet18"),
        ("hybrid", "hybrid", "hybrid"),
        ("hybrid", "face-mae", "face-mae"),
    ],
)
def test_stages_go_by_name_role_and_id(target: str, stage: str, component: str) -> None:
    assert component_of(target, stage) == component


def test_what_a_setting_names_is_a_stage() -> None:
    profile = load_profile("smoke", ("components.hybrid.model.perceptual=vgg16",))
    for target in ("hybrid", "latent-ofer"):
        assert component_of(target, "vgg16", profile) == "vgg16"
        with pytest.raises(UnknownName, match="unknown stage"):
            component_of(target, "vgg16", load_profile("smoke"))


def test_an_unknown_stage_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown stage of latent-ofer 'detectr'\n.*'detector'"):
        component_of("latent-ofer", "detectr")
    with pytest.raises(UnknownName, match="known: face-mae, hybrid, resnet18"):
        component_of("hybrid", "zzz")
    with pytest.raises(UnknownName, match="'latent-ofer'"):
        component_of("latent-offer", "mae")


@pytest.fixture
def mine(face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "d.yaml"
    path.write_text(f"datasets:\n  Mine: {{reader: folder, root: {face_folder}, licence: CC0, alignment: none}}\n")
    monkeypatch.setenv("OFER_BENCH_DATASETS", str(path))
    return "Mine"


def train(*arguments: str) -> Result:
    command = ["train", *arguments, "--data", "Mine", "--profile", "smoke", "--device", "cpu"]
    return CliRunner().invoke(app, command)


@pytest.mark.usefixtures("mine")
def test_a_stage_is_trained_alone_on_what_is_there(store_dir: Path) -> None:
    missing = train("latent-ofer", "--stage", "detector")
    assert isinstance(missing.exception, UpstreamMissing)
    assert "train/Mine/face-mae/seed0 is not in the store" in str(missing.exception)
    assert "ofer-bench train face-mae" in str(missing.exception)
    assert not (store_dir / "artefacts" / "train").exists()
    assert train("latent-ofer", "--stage", "mae").exit_code == 0
    assert len(list((store_dir / "artefacts" / "train").iterdir())) == 1
    result = train("latent-ofer", "--stage", "detector")
    assert result.exit_code == 0, result.output
    assert "vit-svdd-seed0" in result.stdout and "face-mae-seed0" not in result.stdout
    assert len(list((store_dir / "artefacts" / "train").iterdir())) == 2
    # A second seed stands on a second autoencoder.
    assert "face-mae/seed1" in str(train("latent-ofer", "--stage", "detector", "--seeds", "2").exception)
    assert "resnet18" in str(train("latent-ofer", "--stage", "reconstruction").exception)


@pytest.mark.usefixtures("mine")
def test_a_network_with_weights_of_the_users_is_a_stage(store_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "vgg16.pth"
    write_vgg16(path)
    perceptual = ("--set", "components.hybrid.model.perceptual=vgg16")
    without = train("hybrid", "--stage", "vgg16", *perceptual)
    assert isinstance(without.exception, WeightsError)
    assert "set components.vgg16.weights to a file of yours" in str(without.exception)
    result = train("hybrid", "--stage", "vgg16", *perceptual, "--set", f"components.vgg16.weights={path}")
    assert result.exit_code == 0, result.output
    assert "vgg16-seed0  7.64 M parameters" in result.stdout
    told = "vgg16 from vgg16.pth (torchvision VGG-16): 20 tensors matched, 0 not in the file, 12 ignored"
    assert f"{told}; used as they are" in result.stdout
    assert len(list((store_dir / "artefacts" / "train").iterdir())) == 1
