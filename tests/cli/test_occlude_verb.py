"""``ofer-bench occlude``: what it says, how it leaves, what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ofer_bench.cli.main import app
from ofer_bench.core.errors import SpecError
from ofer_bench.engine import reference
from ofer_bench.occlusion.manifest import read_manifest
from ofer_bench.plugins.discovery import registry
from ofer_bench.plugins.protocols import RELEVANCE
from tests.conftest import toy_faces


@pytest.fixture
def faces(tmp_path: Path, store_dir: Path) -> Path:
    root = tmp_path / "faces"
    for name, image in zip(("a.png", "sub/b.png", "sub/c.png"), toy_faces(3, size=64).image, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name)
    return root


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["occlude", *map(str, arguments)])


def test_a_manifest_replays_and_its_copy_is_equal(faces: Path, tmp_path: Path) -> None:
    made = call(faces, tmp_path / "out", "--occluder", "irregular", "--size", 56)
    assert made.exit_code == 0, made.output
    assert "3 images in" in made.stdout
    for suffix in ("csv", "parquet"):
        again = call("--from-manifest", tmp_path / "out" / f"manifest.{suffix}", faces, tmp_path / suffix)
        assert again.exit_code == 0, again.output
        assert "bit for bit as in the manifest" in again.stdout
        for name in ("manifest.csv", "manifest.parquet", "image/sub/b.png", "mask/a.png", "sheet.png"):
            assert (tmp_path / suffix / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_a_single_file_replays_from_itself_and_from_its_folder(faces: Path, tmp_path: Path) -> None:
    assert call(faces / "a.png", tmp_path / "out", "--occluder", "random-patch", "--size", 56).exit_code == 0
    manifest = tmp_path / "out" / "manifest.csv"
    for number, src in enumerate((faces / "a.png", faces)):
        assert call("--from-manifest", manifest, src, tmp_path / str(number)).exit_code == 0


def test_all_missing_and_differing_faces_are_told_and_it_leaves_with_3(faces: Path, tmp_path: Path) -> None:
    assert call(faces, tmp_path / "out", "--occluder", "random-patch", "--size", 56).exit_code == 0
    (faces / "a.png").unlink()
    Image.fromarray(toy_faces(1, size=64, seed=5).image[0]).save(faces / "sub/b.png")
    result = call("--from-manifest", tmp_path / "out" / "manifest.parquet", faces, tmp_path / "again")
    assert result.exit_code == 3
    assert "missing  a.png: is not there" in result.stderr
    assert "differs  sub/b.png: is another picture" in result.stderr
    assert "1 image in" in result.stdout and "1 missing, 1 differs" in result.stdout
    (faces / "sub/c.png").unlink()
    (faces / "sub/b.png").unlink()
    result = call("--from-manifest", tmp_path / "out" / "manifest.parquet", faces, tmp_path / "none")
    assert result.exit_code == 3
    assert "nothing is written: 3 missing" in result.stdout
    assert not (tmp_path / "none").exists()


def test_an_unreadable_face_is_a_row_and_leaves_with_1(faces: Path, tmp_path: Path) -> None:
    (faces / "sub/d.png").write_bytes(b"x")
    result = call(faces, tmp_path / "out", "--occluder", "random-patch", "--size", 56)
    assert result.exit_code == 1
    assert "failed   sub/d.png: is not an image that can be read" in result.stderr
    assert {row.sample_id: row.status for row in read_manifest(tmp_path / "out" / "manifest.csv")} == {
        "a.png": "ok",
        "sub/b.png": "ok",
        "sub/c.png": "ok",
        "sub/d.png": "failed",
    }
    again = call("--from-manifest", tmp_path / "out" / "manifest.csv", faces, tmp_path / "again")
    assert again.exit_code == 0
    assert "1 had failed when the manifest was made" in again.stdout


def test_the_occluders_files_may_lie_elsewhere_when_a_manifest_is_replayed(faces: Path, tmp_path: Path) -> None:
    cutouts = tmp_path / "cutouts"
    cutouts.mkdir()
    rgba = np.zeros((40, 40, 4), dtype=np.uint8)
    rgba[5:35, 5:35] = (200, 30, 30, 255)
    Image.fromarray(rgba).save(cutouts / "square.png")
    made = call(faces, tmp_path / "out", "--occluder", "objects", "--set", f"folder={cutouts}", "--size", 56)
    assert made.exit_code == 0, made.output
    cutouts.rename(tmp_path / "moved")
    manifest = tmp_path / "out" / "manifest.parquet"
    assert call("--from-manifest", manifest, faces, tmp_path / "lost").exit_code == 1
    result = call("--from-manifest", manifest, faces, tmp_path / "found", "--set", f"folder={tmp_path / 'moved'}")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--occluder: is not given"),
        (["--from-manifest", "m.csv", "--occluder", "objects"], "--occluder: has no effect with --from-manifest"),
        (["--from-manifest", "m.csv", "--ratio", "0.1", "0.2"], "--ratio: has no effect"),
        (["--from-manifest", "m.csv", "--set", "kinds=seen"], "only folder=DIR"),
        (["--from-manifest", "m.csv", "--preview"], "--preview: has no effect"),
        (["--preview", "--set", "kinds=seen"], "--set: has no effect with --preview"),
        (["--preview"], "takes one image"),
        (["--occluder", "objects", "--set", "kinds"], "not of the form key=value"),
        (["--occluder", "objects", "--set", "kinds=[a"], "not valid YAML"),
        (["--from-manifest", "m.csv"], "can't be read"),
    ],
)
def test_what_would_have_no_effect_is_refused(options: list[str], message: str, faces: Path, tmp_path: Path) -> None:
    result = call(faces, tmp_path / "out", *options)
    assert isinstance(result.exception, SpecError), result.output
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_faces_are_never_written_over(faces: Path, tmp_path: Path) -> None:
    base = ["--occluder", "random-patch", "--size", 56]
    assert call(faces, tmp_path / "out", *base).exit_code == 0
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.png")}
    for src, dst in ((tmp_path / "out" / "image", tmp_path / "out"), (faces, faces)):
        assert isinstance(call(src, dst, *base).exception, SpecError)
    own = call("--from-manifest", tmp_path / "out" / "manifest.csv", faces, tmp_path / "out")
    assert "has the manifest in it" in str(own.exception)
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*.png")} == before


def test_the_preview_is_one_file_with_every_occluder(faces: Path, tmp_path: Path) -> None:
    odd = faces / "<b>a & b.png"
    (faces / "a.png").rename(odd)
    result = call("--preview", odd, tmp_path / "out", "--size", 56)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;a &amp; b.png" in page and "<b>a" not in page
    assert all(url.startswith("data:image/") for url in re.findall(r'src="([^"]*)"', page))
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', page))
    assert "<script" not in page and "@import" not in page
    for entry in registry().of_kind("occluder"):
        assert f'<section class="item" id="{entry.card.id}">' in page
        if RELEVANCE in entry.card.capability:
            assert f"not shown: {entry.card.id}" in result.stderr
    assert "ofer-bench train resnet18" in page
    assert Image.open(tmp_path / "out" / "sheet.png").width > 6 * 160


def test_the_preview_uses_a_trained_reference(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "reference_is_trained", lambda *args: True)
    corner = np.zeros((14, 14), dtype=np.float32)
    corner[:7, :7] = 1
    monkeypatch.setattr(reference, "reference_relevance", lambda *args: lambda image: corner)
    result = call("--preview", faces / "a.png", tmp_path / "out", "--size", 56, "--occluder", "gradcam")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "ofer-bench train" not in page
    assert page.count('class="mask"') == 6


def test_help_fits_a_terminal_of_80_columns(store_dir: Path) -> None:
    result = CliRunner().invoke(app, ["occlude", "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    for option in ("--from-manifest", "--preview", "--occluder", "--ratio", "--set", "--workers"):
        assert option in result.stdout
