"""What the verbs say of data sets, packages and metrics before anything is run."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ofer_bench.cli.main import app

ABSENT = "  Absent: {reader: folder, root: /no/such, licence: CC0, alignment: none}\n"


@pytest.fixture
def datasets(face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store_dir: Path) -> Path:
    """A data set that is there, and four that are not."""
    path = tmp_path / "d.yaml"
    path.write_text(
        f"datasets:\n  Mine: {{reader: folder, root: {face_folder}, licence: CC0, alignment: none}}\n{ABSENT}"
        "  Rootless: {reader: folder, licence: CC0, alignment: none}\n"
        "  Unknown: {reader: foldr, root: /tmp, licence: CC0, alignment: none}\n"
        f"  Untaught: {{reader: folder, root: {face_folder}, train_on: Mien, licence: CC0, alignment: none}}\n"
    )
    monkeypatch.setenv("OFER_BENCH_DATASETS", str(path))
    return path


def doctor() -> tuple[int, dict[str, str]]:
    """Exit code and the lines that find fault, by what they are about."""
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "400"})
    bad = [
        line.rstrip().removeprefix("!!").split(maxsplit=1)
        for line in result.output.splitlines()
        if line.startswith("!!")
    ]
    data = {f"data {rest.split()[0]}": rest for kind, rest in bad if kind == "data"}
    return result.exit_code, data | {kind: rest for kind, rest in bad if kind != "data"}


def test_doctor_is_content_where_all_is_there(store_dir: Path) -> None:
    assert doctor() == (0, {})


def test_doctor_finds_every_data_set_that_cannot_be_used(datasets: Path) -> None:
    code, bad = doctor()
    assert code == 1
    assert set(bad) == {"data Absent", "data Rootless", "data Unknown", "data Untaught"}
    assert "not found at /no/such" in bad["data Absent"]
    assert "has no root" in bad["data Rootless"]
    assert "'foldr'" in bad["data Unknown"]
    assert "'Mien'" in bad["data Untaught"]


def test_doctor_names_a_broken_data_set_file_and_goes_on(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d.yaml").write_text("datasets:\n  Mine: {raeder: folder}\n")
    monkeypatch.setenv("OFER_BENCH_DATASETS", str(tmp_path / "d.yaml"))
    code, bad = doctor()
    assert code == 1
    assert "d.yaml:2" in bad["data sets"]


def test_doctor_says_what_to_install(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = metadata.version

    def version(name: str) -> str:
        if name == "timm":
            raise metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(metadata, "version", version)
    assert doctor() == (1, {"timm": "not installed: pip install timm"})


@pytest.mark.parametrize(
    ("device", "rendering"), [("cuda", "cuda"), ("cpu", "cpu: warp can't use this GPU or its driver")]
)
def test_doctor_says_what_renders(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch, device: str, rendering: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "H200")
    monkeypatch.setattr("ofer_bench.data.paraface.renderer.rendering_device", lambda wanted: device)
    output = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "400"}).output
    told = dict(line.removeprefix("ok").strip().split(maxsplit=1) for line in output.splitlines() if "!!" not in line)
    assert told["device"] == "cuda (H200)"
    assert told["rendering"] == rendering


def test_splits_of_absent_data_sets_are_not_present(datasets: Path) -> None:
    rows = json.loads(CliRunner().invoke(app, ["list", "splits", "--json"]).stdout)
    assert {row["split"]: row["present"] for row in rows if "-" not in row["split"]} == {
        "Mine": True,
        "Absent": False,
        "Rootless": False,
        "Unknown": False,
        "Untaught": False,
    }


def test_plan_names_the_blocked_data_sets(datasets: Path) -> None:
    command = ["plan", "smoke", "--data", "Mine", "--data", "Absent", "--device", "cpu", "--system", "resnet18"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 3
    assert "train/Mine/resnet18/seed0" in result.output
    assert "data set Absent not found at /no/such" in result.output


def test_a_data_set_or_system_named_twice_is_one(store_dir: Path) -> None:
    from ofer_bench.cli.options import configure

    twice = ["ParaFace", "ParaFace"], None, ["dan", "dan"]
    config = configure("core", *twice, "smoke", 1, "cpu", None)
    assert config.datasets == ("ParaFace",)
    assert config.suite.recognition is not None
    assert config.suite.recognition.systems == ["dan"]
