from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ofer_bench.cli.main import app
from ofer_bench.occlusion.manifest import pixel_digest, read_manifest
from tests.conftest import toy_faces

PROGRAM = [sys.executable, "-c", "from ofer_bench.cli.main import main; main()"]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)


def test_every_verb_of_the_architecture_has_help() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for verb in ("run", "plan", "list", "occlude", "train", "predict", "report", "doctor"):
        assert f" {verb} " in result.stdout
        assert CliRunner().invoke(app, [verb, "--help"]).exit_code == 0


def test_help_tells_defaults_that_depend_on_the_machine() -> None:
    words = CliRunner().invoke(app, ["run", "--help"]).stdout
    for told in ("(ParaFace)", "hardware", "cuda where", "runs/SUITE-PROFILE"):
        assert told in words


def test_help_needs_no_torch() -> None:
    code = (
        "import sys\nfrom ofer_bench.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules)\nsys.exit(bool(heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "cor"], 2, "did you mean 'core'"),
        (["run", "--system", "latent-offer"], 2, "did you mean 'latent-ofer'"),
        (["run", "--profile", "quik"], 2, "did you mean 'quick'"),
        (["run", "--data", "ParaFcae"], 2, "did you mean 'ParaFace'"),
        (["run", "--split", "Sin-ParaFace"], 2, "did you mean 'Syn-ParaFace'"),
        (["run", "--device", "tpu9"], 2, "is no device"),
        (["run", "--set", "image_size=7"], 2, "image_size"),
        (["run", "--seeds", "0"], 2, "--seeds"),
        (["run", "--devices", "2", "--jobs", "2"], 2, "leave out --devices"),
        (["runn"], 2, "No such command"),
        (["report", "/no/such/run"], 2, "is no run directory"),
        (["list", "systms"], 2, "systms"),
    ],
)
def test_usage_errors_name_the_fix_and_leave_with_their_code(
    arguments: list[str], code: int, message: str, store_dir: Path
) -> None:
    result = call(*arguments)
    assert result.returncode == code, result.stderr
    assert message in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr


def test_a_wrong_yaml_names_file_and_line(tmp_path: Path, store_dir: Path) -> None:
    suite = tmp_path / "mine.yaml"
    suite.write_text("name: x\nversion: '1'\ntitle: x\nocclusions:\n  a:\n    occluder: objects\n    ratios: [1.5]\n")
    result = call("run", str(suite))
    assert result.returncode == 2
    assert "mine.yaml:" in result.stderr
    assert "0 < lo <= hi <= 1" in result.stderr


def test_missing_data_leaves_with_3(tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.yaml"
    path.write_text("datasets:\n  Mine: {reader: folder, root: /no/such, licence: CC0, alignment: none}\n")
    monkeypatch.setenv("OFER_BENCH_DATASETS", str(path))
    result = call("run", "smoke", "--data", "Mine", "--out", str(tmp_path / "run"))
    assert result.returncode == 3
    assert "data set Mine not found at /no/such" in result.stderr


def test_an_unwritable_output_is_a_clear_error(tmp_path: Path, store_dir: Path) -> None:
    (tmp_path / "file").write_text("")
    result = call("run", "smoke", "--out", str(tmp_path / "file" / "run"))
    assert result.returncode == 2
    assert "--out" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("what", ["systems", "splits", "occluders", "metrics", "suites", "reports"])
def test_lists_are_json_on_request(what: str, store_dir: Path) -> None:
    result = CliRunner().invoke(app, ["list", what, "--json"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert rows
    assert all(set(row) == set(rows[0]) for row in rows)
    assert any("MS-Celeb-1M" in row["notes"] for row in rows if row.get("id") == "dan") == (what == "systems")


def test_plan_shows_what_is_to_do(store_dir: Path) -> None:
    result = CliRunner().invoke(app, ["plan", "smoke", "--device", "cpu"])
    assert result.exit_code == 0
    assert "train/ParaFace/face-mae/seed0" in result.stdout
    assert "0 cached" in result.stdout


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    faces = toy_faces(3, size=64)
    for name, image in zip("abc", faces.image, strict=True):
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize("occluder", ["random-patch", "objects", "irregular"])
def test_occlude_writes_images_exact_masks_and_a_manifest(
    occluder: str, pictures: Path, tmp_path: Path, store_dir: Path
) -> None:
    out = [tmp_path / "one", tmp_path / "two"]
    for folder in out:
        command = [
            "occlude",
            str(pictures),
            str(folder),
            "--occluder",
            occluder,
            "--ratio",
            "0.1",
            "0.4",
            "--size",
            "112",
        ]
        assert CliRunner().invoke(app, command).exit_code == 0
    rows = read_manifest(out[0] / "manifest.parquet")
    assert rows == read_manifest(out[0] / "manifest.csv")
    assert [row.file for row in rows] == ["a.png", "b.png", "c.png"]
    for row in rows:
        image = np.asarray(Image.open(out[0] / "image" / row.file))
        picture = Image.open(out[0] / "mask" / row.file)
        assert picture.mode == "1"
        mask = np.asarray(picture.convert("L")) > 0
        assert image.shape == (112, 112, 3)
        assert row.ratio is not None
        assert mask.mean() == pytest.approx(row.ratio)
        assert 0.05 < row.ratio <= 0.45
        assert (pixel_digest(image), pixel_digest(mask)) == (row.image_digest, row.mask_digest)
        again = np.asarray(Image.open(out[1] / "image" / row.file))
        np.testing.assert_array_equal(image, again)
    assert Image.open(out[0] / "sheet.png").width > 3 * 2 * 112


def test_occlude_refuses_ratios_out_of_range_and_names_unreadable_files(
    pictures: Path, tmp_path: Path, store_dir: Path
) -> None:
    base = ["occlude", str(pictures), str(tmp_path / "out"), "--occluder", "random-patch"]
    result = call(*base, "--ratio", "0.2", "1.5")
    assert result.returncode == 2
    assert "0 <= LO <= HI <= 1" in result.stderr
    (pictures / "broken.png").write_bytes(b"x")
    result = call(*base, "--ratio", "0.2", "0.2")
    assert result.returncode == 1
    assert "broken.png" in result.stderr
    assert len(list((tmp_path / "out" / "image").iterdir())) == 3


def test_occlude_of_an_empty_folder(tmp_path: Path, store_dir: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call("occlude", str(tmp_path / "empty"), str(tmp_path / "out"), "--occluder", "random-patch")
    assert result.returncode == 2
    assert "holds no images" in result.stderr


def test_one_system_of_a_suite_may_be_its_own_composition_or_variant() -> None:
    from ofer_bench.cli.options import configure
    from ofer_bench.core.errors import UnknownName

    def only(suite: str, name: str) -> list[str]:
        recognition = configure(suite, None, None, [name], "quick", 1, "cpu", None).suite.recognition
        assert recognition is not None
        return recognition.systems

    assert only("ablation-table10", "recon/cnn") == ["recon/cnn"]
    assert only("ablation-table10", "cnn") == ["cnn"]
    with pytest.raises(UnknownName):
        only("core", "cnn")
    with pytest.raises(UnknownName):
        only("ablation-lambda-sc", "lambda_sc=1")


def test_a_name_given_twice_stands_for_one() -> None:
    from ofer_bench.cli.options import configure

    twice = configure("core", ["A", "A"], ["Syn-A", "Syn-A"], ["dan", "dan"], "quick", 1, "cpu", None)
    assert twice == configure("core", ["A"], ["Syn-A"], ["dan"], "quick", 1, "cpu", None)
