from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ofer_bench.cli.live import PlainLines
from ofer_bench.cli.main import app, main
from ofer_bench.core.types import FaceSet
from ofer_bench.data.folder import FolderReader
from ofer_bench.data.paraface import assets, build
from ofer_bench.data.paraface.part import PARAFACE_VERSION
from ofer_bench.engine.config import load_profile
from ofer_bench.engine.files import read_faces
from ofer_bench.engine.notebook import load_split
from ofer_bench.spec.datasets import DatasetSpec
from ofer_bench.store.artefacts import Store

TINY = ("--size", "32", "--count", "2", "--part", "test", "--device", "cpu")
OCCLUDED = ("--name", "Occlusion-ParaFace", *TINY)
FED = ("--name", "FED-ParaFace", "--profile", "smoke", "--device", "cpu")


def data(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["data", *arguments])


def silent(done: float, total: float, unit: str) -> None:
    return None


def stored(store: Path) -> list[FaceSet]:
    return [read_faces(path) for path in sorted((store / "artefacts" / "split").iterdir())]


def forbidden(*arguments: Any, **options: Any) -> None:
    raise AssertionError("something was rendered")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A store, and the export of the two subjects of Occlusion-ParaFace in it."""
    base = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OFER_BENCH_STORE", str(base / "store"))
        result = data("export", "paraface", str(base / "out"), *OCCLUDED)
        assert result.exit_code == 0, result.output
        yield base / "store", base / "out"


def test_the_export_reads_back_as_it_was_rendered(exported: tuple[Path, Path]) -> None:
    store, out = exported
    (rendered,) = stored(store)
    spec = DatasetSpec(reader="folder", root=str(out), licence="CC0", alignment="none")
    profile = load_profile("smoke").model_copy(update={"image_size": 32})
    read = FolderReader("Mine", spec, profile).read("test", "cpu", silent).faces
    at = {sample: i for i, sample in enumerate(rendered.sample_id)}
    order = [at[Path(sample).stem] for sample in read.sample_id]
    assert sorted(order) == list(range(14))
    np.testing.assert_array_equal(read.image, rendered.image[order])
    np.testing.assert_array_equal(read.label, rendered.label[order])


def test_masks_twins_and_index_fit_the_faces(exported: tuple[Path, Path]) -> None:
    store, out = exported
    (rendered,) = stored(store)
    assert rendered.occluded is not None and rendered.clean is not None
    with (out / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    for i, row in enumerate(rows):
        assert row["sample_id"] == rendered.sample_id[i]
        assert (row["expression"], row["subject"]) == (row["label"], row["sample_id"][:9])
        clean, ratio = np.asarray(Image.open(out / row["clean"])), float(row["ratio"])
        np.testing.assert_array_equal(clean, rendered.clean[i])
        assert bool(row["mask"]) == bool(row["occluder"]) == (ratio > 0)
        if row["mask"]:
            mask = np.asarray(Image.open(out / row["mask"]))
            np.testing.assert_array_equal(mask, rendered.occluded[i])
            assert mask.mean() == pytest.approx(ratio)
            assert (np.asarray(Image.open(out / row["file"])) != clean)[mask].any()


def test_the_readme_says_what_it_is(exported: tuple[Path, Path]) -> None:
    store, out = exported
    (folder,) = (store / "artefacts" / "split").iterdir()
    artefact = Store(store).find("split", folder.name)
    assert artefact is not None
    text = (out / "README.txt").read_text()
    made = f"Occlusion-ParaFace (version {PARAFACE_VERSION}, seed 0) at 32 px"
    for part in (made, "Licence   MIT", str(artefact.meta["digest"])):
        assert part in text
    assert list((store / "partial").iterdir()) == []


def test_a_second_export_renders_nothing_and_needs_force(
    exported: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out = exported
    monkeypatch.setattr(build, "build_paraface", forbidden)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    refused = data("export", "paraface", str(out), *OCCLUDED)
    assert refused.exit_code != 0
    assert "--force" in str(refused.exception)
    again = data("export", "paraface", str(out), *OCCLUDED, "--force")
    assert again.exit_code == 0, again.output
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_a_built_profile_is_what_a_run_uses(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not built" in next(line for line in data("status", *FED[2:]).output.splitlines() if "FED" in line)
    built = data("build", "paraface", *FED)
    assert built.exit_code == 0, built.output
    (faces,) = stored(store_dir)
    assert faces.image.shape == (10, 48, 48, 3)
    monkeypatch.setattr(build, "build_paraface", forbidden)
    planned = CliRunner().invoke(app, ["plan", "smoke", "--data", "FED-ParaFace", *FED[2:]]).output
    assert "cached" in next(line for line in planned.splitlines() if "split/FED-ParaFace/test" in line)
    found = load_split("FED-ParaFace", "smoke", "cpu", data="FED-ParaFace")
    np.testing.assert_array_equal(found.image, faces.image)
    line = next(line for line in data("status", *FED[2:]).output.splitlines() if "FED" in line)
    assert line.split()[:4] == ["FED-ParaFace", "test", "10", "present"]


def test_sizes_of_ones_own_stand_beside_and_are_prefixes(exported: tuple[Path, Path], tmp_path: Path) -> None:
    store, _ = exported
    (two,) = stored(store)
    for options in (("--count", "1"), ("--seed", "5", "--count", "1")):
        assert data("build", "paraface", *OCCLUDED, *options).exit_code == 0
    sets = {len(faces): faces for faces in stored(store) if faces.sample_id == two.sample_id[: len(faces)]}
    assert len(stored(store)) == 3
    one = [f for f in stored(store) if len(f) == 7]
    same = [bool((f.image == two.image[:7]).all()) for f in one]
    assert sorted(same) == [False, True]
    assert set(sets) == {7, 14}


def test_an_interrupted_build_goes_on_where_it_stopped(
    store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["build", "paraface", *TINY, "--count", "5", "--workers", "1"]
    photographed: list[int] = []
    photograph, advance = build._photograph, PlainLines.advance

    def counted(studio: Any, part: build.Part, number: int) -> build.SubjectImages:
        photographed.append(number)
        return photograph(studio, part, number)

    def stop(self: PlainLines, done: float, total: float, unit: str) -> None:
        if done >= 14:
            raise KeyboardInterrupt
        advance(self, done, total, unit)

    monkeypatch.setattr(build, "_photograph", counted)
    with monkeypatch.context() as patch:
        patch.setattr(PlainLines, "advance", stop)
        patch.setattr(sys, "argv", ["ofer-bench", "data", *command])
        with pytest.raises(SystemExit) as leaving:
            main()
    assert leaving.value.code == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    kept = sorted(int(p.stem) for p in (store_dir / "partial").rglob("0*.npz"))
    assert kept == photographed
    assert 2 <= len(kept) < 5
    assert data(*command).exit_code == 0
    assert photographed == [1, 2, 3, 4, 5]
    assert list((store_dir / "partial").iterdir()) == []
    monkeypatch.setenv("OFER_BENCH_STORE", str(tmp_path / "other"))
    assert data(*command).exit_code == 0
    (resumed,), (whole,) = stored(store_dir), stored(tmp_path / "other")
    np.testing.assert_array_equal(resumed.image, whole.image)
    assert resumed.sample_id == whole.sample_id


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "paraface", "--count", "0"], "give 1 or more"),
        (["build", "paraface", "--size", "8"], "give 16 to 1024"),
        (["build", "paraface", "--size", "5000"], "give 16 to 1024"),
        (["build", "paraface", "--name", "Occlusion-PraFace"], "did you mean 'Occlusion-ParaFace'"),
        (["build", "paraface", "--name", "Mine"], "use one of ParaFace, Occlusion-ParaFace"),
        (["build", "paraface", "--name", "FED-ParaFace", "--part", "train"], "use --name ParaFace"),
        (["build", "FED-ParaFace"], "data build paraface --name FED-ParaFace"),
        (["build", "rafdb"], "use ofer-bench data build paraface"),
        (["build", "paraface", "--part", "all"], "--part"),
        (["build", "paraface", "--profile", "quik"], "did you mean 'quick'"),
        (["build", "paraface", "--device", "tpu9"], "use cpu or cuda"),
        (["export", "paraface", "FILE/out"], "choose another folder"),
        (["export", "paraface", "FULL"], "--force replaces"),
    ],
)
def test_bad_requests_name_the_fix_before_anything_is_rendered(
    arguments: list[str],
    message: str,
    store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "FILE").write_text("")
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "mine.txt").write_text("")
    datasets(tmp_path, monkeypatch, f"root: {tmp_path}")
    monkeypatch.setattr(build, "build_paraface", forbidden)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ofer-bench", "data", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("lost", ["files", "package"])
def test_a_missing_head_model_leaves_with_3(
    lost: str, store_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib import metadata

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    if lost == "files":
        monkeypatch.setattr(assets, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(metadata, "version", absent)
    monkeypatch.setattr(sys, "argv", ["ofer-bench", "data", "build", "paraface", *TINY])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 3
    error = capsys.readouterr().err
    assert "anny" in error
    assert "pip install" in error


def test_status_tells_present_from_missing(
    store_dir: Path, face_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    datasets(tmp_path, monkeypatch, f"root: {face_folder}")
    rows = [line.split() for line in data("status", "--device", "cpu").output.splitlines()]
    at = next(i for i, row in enumerate(rows) if row[:1] == ["Mine"])
    assert rows[at][:4] == ["Mine", "train", "28", "present"]
    assert rows[at + 1][:3] == ["val", "14", "present"]
    datasets(tmp_path, monkeypatch, "root: /no/such/folder")
    output = data("status", "--device", "cpu").output
    assert "missing" in output
    assert "Mine: set its root in datasets.yaml" in output
    assert "ParaFace: ofer-bench data build paraface" in output
    datasets(tmp_path, monkeypatch, "train_on: ParFace")
    assert "did you mean 'ParaFace'" in " ".join(data("status", "--device", "cpu").output.split())


def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """The shipped data sets, and a folder data set called Mine."""
    shipped = (Path(__file__).parents[2] / "datasets.yaml").read_text()
    path = tmp_path / "datasets.yaml"
    path.write_text(f"{shipped}  Mine: {{reader: folder, licence: CC0, alignment: none, {option}}}\n")
    monkeypatch.setenv("OFER_BENCH_DATASETS", str(path))
