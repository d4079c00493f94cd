"""The user's own images: names that never collide, mistakes found before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ofer_bench.cli import predict as predict_verb
from ofer_bench.cli.images import decode_images, find_images, result_names
from ofer_bench.cli.main import app
from ofer_bench.core.errors import OferBenchError, SpecError, StoreError, UnknownName
from ofer_bench.core.types import Prediction
from ofer_bench.engine import execute, notebook
from ofer_bench.engine.config import RunConfig
from ofer_bench.engine.system import System, SystemOutput
from ofer_bench.occlusion.manifest import read_manifest
from ofer_bench.plugins.discovery import registry
from tests.conftest import toy_faces


@pytest.fixture
def face(tmp_path: Path) -> Path:
    """A folder with one face under three names that are easily taken for one another."""
    image = Image.fromarray(toy_faces(1, size=64).image[0])
    for name in ("face.jpg", "face.png", "other/face.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "in" / name)
    return tmp_path / "in"


def test_results_are_named_apart(tmp_path: Path) -> None:
    assert result_names([Path("a.jpg"), Path("b.jpg")]) == ["a", "b"]
    assert result_names([Path("a.jpg"), Path("a.png")]) == ["a.jpg", "a.png"]
    assert result_names([Path("a.jpg"), Path("A.png")]) == ["a.jpg", "A.png"]
    assert result_names([Path("/a/1.jpg"), Path("/b/1.jpg")]) == ["a-1.jpg", "b-1.jpg"]
    with pytest.raises(SpecError, match="the same name"):
        result_names([Path("/a/b-1.jpg"), Path("/a-b/1.jpg"), Path("/a/b/1.jpg"), Path("/c/b-1.jpg")])


def test_an_image_given_twice_is_one(face: Path) -> None:
    assert find_images([face, face / "face.jpg"]) == [face / "face.jpg", face / "face.png"]


def test_occlude_keeps_images_of_one_stem_apart_and_seeds_them_apart(
    face: Path, tmp_path: Path, store_dir: Path
) -> None:
    command = [
        "occlude",
        str(face),
        str(tmp_path / "out"),
        "--occluder",
        "random-patch",
        "--size",
        "112",
        "--seed",
        "5",
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    rows = read_manifest(tmp_path / "out" / "manifest.parquet")
    assert [(row.sample_id, row.file) for row in rows] == [
        ("face.jpg", "face.jpg.png"),
        ("face.png", "face.png.png"),
        ("other/face.png", "other/face.png"),
    ]
    masks = [np.asarray(Image.open(tmp_path / "out" / "mask" / row.file)) for row in rows]
    assert not np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[1], masks[2])
    card = registry().card("random-patch")
    assert {(row.occluder, row.occluder_version, row.seed) for row in rows} == {("random-patch", card.version, 5)}


def test_an_images_occlusion_does_not_depend_on_its_company(face: Path, tmp_path: Path, store_dir: Path) -> None:
    masks = []
    for out, source in (("both", face), ("alone", face / "face.png")):
        command = ["occlude", str(source), str(tmp_path / out), "--occluder", "irregular", "--size", "112"]
        assert CliRunner().invoke(app, command).exit_code == 0
        name = "face.png.png" if out == "both" else "face.png"
        masks.append(np.asarray(Image.open(tmp_path / out / "mask" / name)))
    np.testing.assert_array_equal(*masks)


def test_occlude_refuses_a_size_off_the_grid(face: Path, tmp_path: Path, store_dir: Path) -> None:
    command = ["occlude", str(face), str(tmp_path / "out"), "--occluder", "random-patch", "--size", "100"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, SpecError)
    assert "give 98 or 112" in str(result.exception)
    assert not (tmp_path / "out").exists()


class Uniform:
    """A classifier that knows nothing."""

    id, image_size, device = "uniform", 32, "cpu"

    def __call__(self, batch: object) -> SystemOutput:
        import torch

        names = batch.sample_id  # type: ignore[attr-defined]
        prediction = Prediction(logits=torch.zeros(len(names), 7), sample_id=names)
        return SystemOutput(detection=None, reconstruction=None, prediction=prediction)


def test_predict_writes_a_panel_for_every_image(face: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "system_in_memory", lambda *args, **kwargs: Uniform())
    image = face / "[bold]odd[end].png"
    (face / "face.png").rename(image)
    command = ["predict", str(face), str(face / "other"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "[bold]odd[end].png" in result.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "predictions.csv",
        "face.jpg.png",
        "face.png.png",
        "[bold]odd[end].png.png",
    }


def test_predict_takes_settings_seed_and_the_systems_of_a_suite(
    face: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, RunConfig, str, int]] = []

    def remember(system: str, config: RunConfig, data: str, seed: int, progress: object) -> Uniform:
        asked.append((system, config, data, seed))
        return Uniform()

    monkeypatch.setattr(notebook, "system_in_memory", remember)
    options = ["--suite", "ablation-readings", "--seed", "2", "--set", "components.hybrid.recipe.epochs=7"]
    command = ["predict", str(face), "--system", "latent-ofer/fixed-positions", "--profile", "smoke"]
    result = CliRunner().invoke(app, [*command, *options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    ((system, config, data, seed),) = asked
    assert (system, data, seed) == ("latent-ofer/fixed-positions", "ParaFace", 2)
    assert config.suite.name == "ablation-readings"
    recipe = config.profile.components["hybrid"].recipe
    assert recipe is not None and recipe.epochs == 7
    unknown = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert isinstance(unknown.exception, UnknownName)


@pytest.mark.parametrize(
    ("system", "problem"),
    [("latent-ofer/true-mask", "needs the true mask"), ("latent-ofer/false-alarms=0.1", "threshold in a run")],
)
def test_what_single_images_cannot_have_is_refused_before_any_training(
    system: str, problem: str, store_dir: Path
) -> None:
    with pytest.raises(SpecError, match=problem):
        notebook.load_system(system, "smoke", "cpu", suite="ablation-masks")
    assert not (store_dir / "artefacts").exists()


@pytest.mark.parametrize("command", ["predict", "occlude"])
def test_a_mistyped_path_is_found_before_any_training(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **kwargs: object) -> System:
        raise AssertionError("work was begun")

    monkeypatch.setattr(notebook, "system_in_memory", never)
    options = ["--out", str(tmp_path)] if command == "predict" else [str(tmp_path), "--occluder", "gradcam"]
    result = CliRunner().invoke(app, [command, str(tmp_path / "fcae.jpg"), *options])
    assert isinstance(result.exception, SpecError)
    assert "fcae.jpg: is not there" in str(result.exception)


def test_an_unwritable_folder_is_found_before_any_training(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(execute, "execute", never)
    (tmp_path / "file").write_text("")
    command = ["train", "mean-fill", "--profile", "smoke", "--device", "cpu", "--out", str(tmp_path / "file" / "x")]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, StoreError)
    assert "--out" in str(result.exception)


def test_unreadable_images_are_kept_with_their_error(face: Path) -> None:
    (face / "broken.png").write_bytes(b"x")
    decoded = decode_images(find_images([face]), 32)
    assert decoded.name == ["face.jpg", "face.png"]
    assert [path.name for path, _ in decoded.failed] == ["broken.png"]
    assert isinstance(decoded.failed[0][1], OferBenchError)
    assert predict_verb.SOME_FAILED == 1
