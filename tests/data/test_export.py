from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ofer_bench.core.errors import SpecError, StoreError
from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.data.export import ExportPart, claim_folder, export_parts
from ofer_bench.data.folder import FolderReader
from ofer_bench.engine.config import load_profile
from ofer_bench.spec.datasets import DatasetSpec
from tests.conftest import toy_faces

SIZE = 48  # of the profile smoke, so that the folder reader has nothing to resize


def silent(done: float, total: float, unit: str) -> None:
    return None


def part(name: str = "test", count: int = 8, *, occluded: bool = True) -> ExportPart:
    """Toy faces of which the first has no occluder."""
    faces = toy_faces(count, SIZE, prefix=name)
    if occluded:
        mask = np.random.default_rng(0).random(faces.image.shape[:3]) < 0.2
        mask[0] = False
        image = np.where(mask[..., None], np.uint8(9), faces.image)
        faces = replace(faces, image=image, occluded=mask, clean=faces.image)
    attributes = [{"subject": f"s{i}", "ratio": i / 7, "note": 'a, "b"'} for i in range(count)]
    return ExportPart(name=name, faces=faces, attributes=attributes)


def export(root: Path, *parts: ExportPart, force: bool = False) -> int:
    claim_folder(root, force=force)
    return export_parts(root, parts, "toys\n", silent)


def index(root: Path) -> list[dict[str, str]]:
    with (root / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def names(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def test_the_folder_reader_reads_the_same_bytes_back(tmp_path: Path) -> None:
    parts = {name: part(name) for name in ("train", "val", "test")}
    export(tmp_path, *parts.values())
    spec = DatasetSpec(reader="folder", root=str(tmp_path), licence="CC0", alignment="none")
    reader = FolderReader("Mine", spec, load_profile("smoke"))
    for name, written in parts.items():
        assert reader.count(name) == len(written.faces)
        read = reader.read(name, "cpu", silent).faces
        at = {sample: i for i, sample in enumerate(written.faces.sample_id)}
        order = [at[Path(sample).stem] for sample in read.sample_id]
        assert sorted(order) == list(range(len(written.faces)))
        np.testing.assert_array_equal(read.image, written.faces.image[order])
        np.testing.assert_array_equal(read.label, written.faces.label[order])


def test_masks_are_one_bit_and_twins_lossless(tmp_path: Path) -> None:
    given = part()
    files = export(tmp_path, given)
    rows = index(tmp_path)
    assert given.faces.occluded is not None and given.faces.clean is not None
    assert [row["sample_id"] for row in rows] == list(given.faces.sample_id)
    assert rows[0]["mask"] == ""
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / row["clean"])), given.faces.clean[i])
        if row["mask"]:
            with Image.open(tmp_path / row["mask"]) as mask:
                assert mask.mode == "1"
                np.testing.assert_array_equal(np.asarray(mask), given.faces.occluded[i])
    # Index and README; a face and its twin each; a mask for all but the first.
    assert files == len(names(tmp_path)) == 2 + 8 + 8 + 7


def test_the_index_names_files_labels_and_attributes(tmp_path: Path) -> None:
    given = part(occluded=False)
    export(tmp_path, given)
    rows = index(tmp_path)
    assert list(rows[0]) == ["file", "part", "label", "sample_id", "subject", "ratio", "note", "mask", "clean"]
    for row, label, attributes in zip(rows, given.faces.label, given.attributes, strict=True):
        assert row["label"] == EXPRESSIONS[label]
        assert row["file"] == f"test/{row['label']}/{row['sample_id']}.png"
        assert float(row["ratio"]) == attributes["ratio"]
        assert row["note"] == 'a, "b"'
        assert row["mask"] == row["clean"] == ""


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "mine.png").write_text("mine")
    with pytest.raises(SpecError, match="--force"):
        claim_folder(tmp_path)
    assert names(tmp_path) == {"test/mine.png"}


def test_force_replaces_an_export_and_leaves_other_files(tmp_path: Path) -> None:
    export(tmp_path, part(), part("train"))
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SpecError, match="--force"):
        claim_folder(tmp_path)
    export(tmp_path, part(count=3, occluded=False), force=True)
    assert len(names(tmp_path)) == 2 + 3 + 1
    assert not (tmp_path / "train").exists()
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_force_in_a_foreign_folder_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious.png").write_text("mine")
    (tmp_path / "index.csv").write_text("file,mask,clean\nprecious.png,,\n")
    export(tmp_path, part(count=2), force=True)
    assert (tmp_path / "precious.png").read_text() == "mine"


def test_an_edited_index_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "precious.png").write_text("mine")
    root = tmp_path / "out"
    export(root, part(count=2))
    lines = (root / "index.csv").read_text().splitlines(keepends=True)
    escapes = [f"{path}{',' * 8}\n" for path in ("../precious.png", tmp_path / "precious.png")]
    (root / "index.csv").write_text("".join([*lines, *escapes]))
    export(root, part(count=1), force=True)
    assert (tmp_path / "precious.png").read_text() == "mine"


def test_an_interrupted_export_goes_on_without_force(tmp_path: Path) -> None:
    def stop(done: float, total: float, unit: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    claim_folder(tmp_path)
    claim_folder(tmp_path)  # rendering was interrupted: only claimed so far
    with pytest.raises(KeyboardInterrupt):
        export_parts(tmp_path, [part(count=10)], "toys\n", stop)
    assert "README.txt" not in names(tmp_path)
    # With fewer faces than the first time: nothing of that may stay.
    export(tmp_path, part(count=2, occluded=False))
    assert len(names(tmp_path)) == 2 + 2
    assert (tmp_path / "README.txt").read_text() == "Exported by ofer-bench: toys\n"


def test_a_place_that_is_no_folder_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        claim_folder(tmp_path / "file" / "out")
