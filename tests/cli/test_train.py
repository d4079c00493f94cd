"""``ofer-bench train --stage``: one stage of a system, on what the store has."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ofer_bench.cli.main import app
from ofer_bench.core.errors import UnknownName, UpstreamMissing
from ofer_bench.engine.training_stages import component_of


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
