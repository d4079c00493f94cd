from __future__ import annotations

from pathlib import Path

import pytest

from ofer_bench.core.errors import DatasetMissing, SpecError
from ofer_bench.core.expressions import EXPRESSIONS
from ofer_bench.data.folder import FolderReader
from ofer_bench.engine.config import load_profile
from ofer_bench.spec.datasets import DatasetSpec


def reader(root: Path | None, **params: str) -> FolderReader:
    place = str(root) if root else None
    spec = DatasetSpec(reader="folder", root=place, licence="CC0", alignment="none", params=dict(params))
    return FolderReader("Mine", spec, load_profile("smoke"))


def silent(done: float, total: float, unit: str) -> None:
    return None


def test_parts_and_labels_come_from_the_folders(face_folder: Path) -> None:
    data = reader(face_folder).read("test", "cpu", silent)
    assert len(data.faces) == 14
    assert data.faces.image.shape == (14, 48, 48, 3)
    for sample, label in zip(data.faces.sample_id, data.faces.label, strict=True):
        assert sample.startswith(f"test/{EXPRESSIONS[label]}/")


def test_an_unreadable_image_is_listed_and_not_dropped(face_folder: Path) -> None:
    broken = face_folder / "test" / "anger" / "broken.png"
    broken.write_bytes(b"no image")
    data = reader(face_folder).read("test", "cpu", silent)
    assert len(data.faces) == 14
    assert [u.sample_id for u in data.unreadable] == ["test/anger/broken.png"]
    assert data.unreadable[0].label == EXPRESSIONS.index("anger")


def test_without_parts_everything_is_test_data(face_folder: Path) -> None:
    flat = reader(face_folder / "test")
    assert len(flat.read("test", "cpu", silent).faces) == 14
    with pytest.raises(DatasetMissing, match="train_on"):
        flat.read("train", "cpu", silent)


def test_the_fingerprint_changes_with_the_files(face_folder: Path) -> None:
    before = reader(face_folder).fingerprint("test")
    assert reader(face_folder).fingerprint("test") == before
    next((face_folder / "test" / "anger").glob("*.png")).unlink()
    assert reader(face_folder).fingerprint("test") != before


@pytest.mark.parametrize("root", [None, Path("/no/such/folder")])
def test_a_missing_root_is_a_typed_error(root: Path | None) -> None:
    with pytest.raises(DatasetMissing, match=r"datasets\.yaml"):
        reader(root).fingerprint("test")


def test_a_folder_without_expressions(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(DatasetMissing, match="named like the expressions"):
        reader(tmp_path).read("test", "cpu", silent)


def test_a_misspelt_class_folder_is_not_passed_over(face_folder: Path) -> None:
    (face_folder / "test" / "happiness").rename(face_folder / "test" / "hapiness")
    with pytest.raises(SpecError, match="did you mean 'happiness'"):
        reader(face_folder).fingerprint("test")


def test_folders_of_other_faces_are_ignored_by_name(face_folder: Path) -> None:
    (face_folder / "test" / "anger").rename(face_folder / "test" / "contempt")
    (face_folder / "test" / "fear").rename(face_folder / "test" / "uncertain")
    with pytest.raises(SpecError, match="params: ignore"):
        reader(face_folder, ignore="uncertain").fingerprint("test")
    data = reader(face_folder, ignore="contempt, uncertain").read("test", "cpu", silent)
    assert len(data.faces) == 10


def test_a_folder_without_images_is_nobodys_class(face_folder: Path) -> None:
    (face_folder / "test" / "notes").mkdir()
    assert len(reader(face_folder).read("test", "cpu", silent).faces) == 14
