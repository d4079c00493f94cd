"""The main job on ParaFace, through the command line: every verb, from an empty store to a report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

SHADOW_REACH = 9
PROGRAM = [sys.executable, "-c", "from ofer_bench.cli.main import main; main()"]


def call(store: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OFER_BENCH_STORE": str(store)}
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, env=environment, cwd=cwd)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished smoke run; the store lies beside it."""
    base = tmp_path_factory.mktemp("smoke")
    result = call(base / "store", "run", "smoke", "--device", "cpu", cwd=base)
    assert result.returncode == 0, result.stdout + result.stderr
    return base


def test_the_run_directory_is_complete(smoke: Path) -> None:
    run = smoke / "runs" / "smoke-smoke"
    state = json.loads((run / "run.json").read_text())
    assert state["status"] == "done"
    assert {"records.csv", "records.parquet", "env.json"} <= {p.name for p in run.iterdir()}
    assert (run / "report" / "index.html").stat().st_size > 5000
    for folder, suffixes in (("tables", {".csv", ".md", ".tex"}), ("figures", {".png", ".pdf", ".csv"})):
        assert suffixes <= {p.suffix for p in (run / "report" / folder).iterdir()}


def test_all_occluders_and_systems_are_scored(smoke: Path) -> None:
    records = pd.read_csv(smoke / "runs" / "smoke-smoke" / "records.csv", keep_default_na=False)
    assert set(records.status) == {"ok"}
    accuracy = records[(records.metric == "accuracy") & (records.system != "")]
    assert set(accuracy.system) == {"resnet18", "dan", "latent-ofer"}
    assert set(accuracy.occluder) == {"", "objects", "irregular", "random-patch", "gradcam"}
    assert set(accuracy.split) == {"ParaFace", "Syn-ParaFace", "Occlusion-ParaFace"}
    whole = accuracy[accuracy.slice_key == ""]
    assert (whole.n == 14).all()
    # Groups of faces by attribute share out the faces of their cell.
    groups = accuracy[(accuracy.slice_key == "gender") & (accuracy.split == "Occlusion-ParaFace")]
    assert set(groups.groupby("system").n.sum()) <= {14}
    assert len(accuracy[(accuracy.slice_key == "occluder") & (accuracy.system == "dan")]) >= 2


def test_the_same_command_again_makes_nothing(smoke: Path) -> None:
    before = pd.read_parquet(smoke / "runs" / "smoke-smoke" / "records.parquet")
    result = call(smoke / "store", "run", "smoke", "--device", "cpu", cwd=smoke)
    assert result.returncode == 0
    assert "start " not in result.stdout
    after = pd.read_parquet(smoke / "runs" / "smoke-smoke" / "records.parquet")
    pd.testing.assert_frame_equal(before.drop(columns="run_id"), after.drop(columns="run_id"))


@pytest.mark.parametrize("name", ["table1", "table2", "table3", "table8", "table9"])
def test_every_measured_cell_of_the_tables_has_a_value(name: str, smoke: Path) -> None:
    table = pd.read_csv(smoke / "runs" / "smoke-smoke" / "report" / "tables" / f"{name}.csv", keep_default_na=False)
    measured = table[table.source == "measured"]
    assert len(measured) >= 2
    assert set(measured.filter(like=" status").to_numpy().ravel()) == {"ok"}


def test_plan_list_and_doctor_agree_with_the_run(smoke: Path) -> None:
    plan = call(smoke / "store", "plan", "smoke", "--device", "cpu", cwd=smoke)
    assert plan.returncode == 0, plan.stderr
    assert " 0 to do" in plan.stdout
    records = pd.read_csv(smoke / "runs" / "smoke-smoke" / "records.csv")
    listed = json.loads(call(smoke / "store", "list", "metrics", "--json", cwd=smoke).stdout)
    recorded = records[["metric_def", "unit"]].drop_duplicates().itertuples(index=False, name=None)
    assert {(row["definition"], row["unit"]) for row in listed} == {(d, str(unit)) for d, unit in recorded}
    doctor = call(smoke / "store", "doctor", cwd=smoke)
    assert doctor.returncode == 0, doctor.stdout


def test_predict_writes_panels_and_probabilities(smoke: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (80, 60, 3), dtype=np.uint8)).save(tmp_path / "face.png")
    Image.fromarray(rng.integers(0, 256, (80, 60), dtype=np.uint8)).save(tmp_path / "grey.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    out = tmp_path / "out"
    files = [str(tmp_path / name) for name in ("face.png", "grey.png", "broken.jpg")]
    result = call(
        smoke / "store", "predict", *files, "--profile", "smoke", "--device", "cpu", "--out", str(out), cwd=tmp_path
    )
    assert result.returncode == 1, result.stderr
    assert "broken.jpg" in result.stderr
    table = pd.read_csv(out / "predictions.csv")
    assert table.file.map(lambda f: Path(f).name).tolist() == ["face.png", "grey.png", "broken.jpg"]
    assert table.loc[:1, "neutral":"anger"].sum(axis=1).to_numpy() == pytest.approx([1.0, 1.0], abs=1e-4)
    with Image.open(out / "face.png") as panel:
        assert panel.width > 3 * panel.height


def test_train_finds_everything_in_the_store(smoke: Path, tmp_path: Path) -> None:
    command = ["train", "hybrid", "--profile", "smoke", "--device", "cpu", "--out", str(tmp_path / "weights")]
    result = call(smoke / "store", *command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "start " not in result.stdout
    assert (tmp_path / "weights" / "hybrid-seed0.safetensors").exists()


def test_report_can_be_built_again(smoke: Path) -> None:
    index = smoke / "runs" / "smoke-smoke" / "report" / "index.html"
    index.unlink()
    result = call(smoke / "store", "report", "runs/smoke-smoke", cwd=smoke)
    assert result.returncode == 0, result.stderr
    assert index.exists()


def test_gradcam_occludes_the_users_own_images(smoke: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "in" / "a.png")
    command = ["occlude", "in", "out", "--occluder", "gradcam", "--ratio", "0.25", "0.25", "--size", "112"]
    result = call(smoke / "store", *command, "--profile", "smoke", "--device", "cpu", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert np.asarray(Image.open(tmp_path / "out" / "mask" / "a.png")).mean() == pytest.approx(0.25)


def test_splits_and_systems_for_notebooks(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ofer_bench.api import load_split, load_system

    monkeypatch.setenv("OFER_BENCH_STORE", str(smoke / "store"))
    faces = load_split("Syn-ParaFace", profile="smoke", device="cpu")
    assert faces.occluded is not None
    assert faces.clean is not None
    # Feather and shadow reach a little beyond the mask, nothing reaches further.
    near = np.array([binary_dilation(mask, np.ones((3, 3)), iterations=SHADOW_REACH) for mask in faces.occluded])
    assert not near.all()
    np.testing.assert_array_equal(faces.image[~near], faces.clean[~near])
    system = load_system("latent-ofer", profile="smoke", device="cpu")
    output = system(faces.batch(range(4)))
    assert output.prediction.logits.shape == (4, 7)
    assert output.detection is not None
    assert output.detection.score.shape == (4, 6, 6)


def test_a_killed_run_goes_on_with_the_same_command(smoke: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    command = ["run", "smoke", "--device", "cpu", "--out", str(tmp_path / "run"), "--system", "resnet18"]
    environment = {**os.environ, "OFER_BENCH_STORE": str(store)}
    process = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    done = store / "artefacts" / "split"
    deadline = time.monotonic() + 300
    while not (done.exists() and any(done.iterdir())) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    kept = {p.name for p in done.iterdir()}
    assert kept
    result = call(store, *command, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 cached" in result.stdout or "2 cached" in result.stdout
    assert kept <= {p.name for p in done.iterdir()}
