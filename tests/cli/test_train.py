"""``ofer-bench train --stage``: one stage of a system, on what the store has."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ofer_bench.cli.main import app
from ofer_bench.core.errors import UnknownName, UpstreamMissing, WeightsError
from ofer_bench.engine.config import load_profile, load_suite
from ofer_bench.engine.training_stages import component_of, stage_names
from ofer_bench.spec.suite import Suite
from tests.vgg16_files import write_vgg16

CORE, SMOKE = load_suite("core"), load_profile("smoke")


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
    assert component_of(target, stage, CORE, SMOKE) == component


@pytest.mark.parametrize(
    ("target", "stage", "component"),
    [
        ("latent-ofer/decoder-latents", "classifier", "latent-recognizer/decoder"),
        ("latent-ofer/decoder-latents", "detector", "vit-svdd"),
        ("latent-ofer/contextual-detector", "vit-svdd/contextual", "vit-svdd/contextual"),
        ("vit-svdd/plain", "face-mae", "face-mae"),
    ],
)
def test_systems_and_variants_of_a_suite_have_stages(target: str, stage: str, component: str) -> None:
    assert component_of(target, stage, load_suite("ablation-readings"), SMOKE) == component
    with pytest.raises(UnknownName):
        component_of(target, stage, CORE, SMOKE)


def test_a_variant_on_a_variant_has_that_one_as_a_stage() -> None:
    variants = {
        "wide": {"of": "face-mae", "model": {"dim": 96}},
        "own": {"of": "vit-svdd", "upstream": {"face-mae": "wide"}},
    }
    suite = Suite.model_validate({**CORE.model_dump(mode="json"), "variants": variants})
    assert list(stage_names("own", suite, SMOKE)) == ["wide", "own"]


def test_what_a_setting_names_is_a_stage() -> None:
    profile = load_profile("smoke", ("components.hybrid.model.perceptual=vgg16",))
    for target in ("hybrid", "latent-ofer"):
        assert component_of(target, "vgg16", CORE, profile) == "vgg16"
        with pytest.raises(UnknownName, match="unknown stage"):
            component_of(target, "vgg16", CORE, SMOKE)


def test_an_unknown_stage_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown stage of latent-ofer 'detectr'\n.*'detector'"):
        component_of("latent-ofer", "detectr", CORE, SMOKE)
    with pytest.raises(UnknownName, match="known: face-mae, hybrid, resnet18"):
        component_of("hybrid", "zzz", CORE, SMOKE)
    with pytest.raises(UnknownName, match="'latent-ofer'"):
        component_of("latent-offer", "mae", CORE, SMOKE)


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
def test_a_variant_of_a_suite_is_trained_and_its_weights_copied(store_dir: Path, tmp_path: Path) -> None:
    unknown = train("vit-svdd/plain")
    assert isinstance(unknown.exception, UnknownName)
    command = ("vit-svdd/plain", "vit-svdd", "--suite", "ablation-readings", "--out", str(tmp_path / "weights"))
    result = train(*command)
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "weights").iterdir()}
    assert names == {"vit-svdd-plain-seed0.safetensors", "vit-svdd-seed0.safetensors"}
    assert len(list((store_dir / "artefacts" / "train").iterdir())) == 3


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
