"""ParaFace as a plugin: what its parts are, what identifies them, and builds that were interrupted."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ofer_bench.core.errors import SpecError, UnknownName
from ofer_bench.core.types import FaceSet, SplitData
from ofer_bench.data.paraface import build
from ofer_bench.data.paraface.build import SubjectImages, build_paraface
from ofer_bench.data.paraface.card import PARTS, ParaFaceReader
from ofer_bench.data.paraface.model import HeadModel, load_head_model
from ofer_bench.data.paraface.part import Part
from ofer_bench.data.paraface.partial import read_subject, write_subject
from ofer_bench.spec.datasets import DatasetSpec, load_datasets
from ofer_bench.spec.profile import ParaFaceSize, Profile

SIZES = ParaFaceSize(train_subjects=4, val_subjects=1, test_subjects=2, repeats=2, fed_images=9)
PROFILE = Profile(name="tiny", image_size=24, patch_size=4, paraface=SIZES)


class Interrupted(Exception):
    """What a user's Ctrl-C stands for."""


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(autouse=True)
def photographed(head: HeadModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Numbers of the subjects that a test has had rendered; the head model is read once for all tests."""
    numbers: list[int] = []
    photograph = build._photograph

    def counted(studio: Any, part: Part, number: int) -> SubjectImages:
        numbers.append(number)
        return photograph(studio, part, number)

    monkeypatch.setattr(build, "_photograph", counted)
    monkeypatch.setattr(build, "load_head_model", lambda: head)
    yield numbers


def reader(profile: Profile = PROFILE, **params: Any) -> ParaFaceReader:
    spec = DatasetSpec(reader="paraface", licence="CC0", alignment="eyes and mouth", params=params)
    return ParaFaceReader("ParaFace", spec, profile)


def silent(done: float, total: float, what: str) -> None:
    """Progress that nobody looks at."""


def same(a: FaceSet, b: FaceSet) -> bool:
    """Whether two sets are equal byte for byte."""
    pairs = [(getattr(a, name), getattr(b, name)) for name in ("image", "label", "clean", "occluded")]
    return a.sample_id == b.sample_id and all(
        (x is None) == (y is None) and (x is None or (x.dtype == y.dtype and np.array_equal(x, y))) for x, y in pairs
    )


def test_parts_have_the_sizes_of_the_profile() -> None:
    for name, subjects in (("train", 4), ("val", 1), ("test", 2)):
        part = reader().part(name)
        assert part == Part(people=name, image_size=24, subjects=subjects, repeats=2)
    kind: dict[str, Any] = {"seed": 3, "props": "unseen", "domain": "shifted", "views": True, "margin": 0.25}
    assert reader(**kind).part("test") == Part(people="test", image_size=24, subjects=2, repeats=2, **kind)
    fed = reader(people="fed", props="all").part("test")
    assert fed == Part(people="fed", image_size=24, subjects=2, limit=9, props="all")
    assert fed.count == 9
    assert PARTS == ("train", "val", "test")


def test_naming_a_part_loads_no_renderer() -> None:
    code = (
        "import sys; from ofer_bench.data.paraface.card import ParaFaceReader\n"
        "from ofer_bench.spec.datasets import DatasetSpec; from ofer_bench.spec.profile import Profile\n"
        "sizes = dict(train_subjects=1, val_subjects=1, test_subjects=1)\n"
        "profile = Profile(name='p', image_size=24, patch_size=4, paraface=sizes)\n"
        "ParaFaceReader('p', DatasetSpec(reader='', licence='', alignment=''), profile).part('test')\n"
        "print(*sorted({'warp', 'scipy', 'torch', 'ofer_bench.data.paraface.sampling'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_shipped_data_sets_of_paraface_are_understood() -> None:
    shipped = [(n, spec) for n, spec in load_datasets().datasets.items() if spec.reader == "paraface"]
    assert shipped
    digests = []
    for name, spec in shipped:
        digests.append(ParaFaceReader(name, spec, PROFILE).part("test").digest)
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("params", "part", "match"),
    [
        ({}, "training", "part of ParaFace 'training'"),
        ({"props": "some"}, "test", "props of ParaFace 'some'"),
        ({"domain": "dark"}, "test", "domain of ParaFace 'dark'"),
        ({"people": "friends"}, "test", "people of ParaFace 'friends'"),
    ],
)
def test_unknown_values_are_named(params: dict[str, Any], part: str, match: str) -> None:
    with pytest.raises(UnknownName, match=match) as caught:
        reader(**params).part(part)
    assert caught.value.hint is not None and "known: " in caught.value.hint


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seed", "one"),
        ("seed", True),
        ("seed", 1.5),
        ("views", "false"),
        ("margin", "wide"),
        ("margin", True),
        ("margin", -0.1),
        ("margin", 0.6),
    ],
)
def test_params_of_the_wrong_kind_are_named(option: str, value: Any) -> None:
    with pytest.raises(SpecError, match=rf"params\.{option} is {value!r}"):
        reader(**{option: value})


def test_unknown_params_are_named() -> None:
    with pytest.raises(SpecError, match="sead") as caught:
        reader(sead=1)
    assert "seed" in str(caught.value)


def test_fingerprints_tell_parts_apart() -> None:
    assert reader().fingerprint("train") == reader().fingerprint("train")
    bigger = PROFILE.model_copy(update={"paraface": SIZES.model_copy(update={"train_subjects": 5})})
    larger = PROFILE.model_copy(update={"image_size": 32})
    others = [
        reader().fingerprint("val"),
        reader(seed=1).fingerprint("train"),
        reader(props="all").fingerprint("train"),
        reader(domain="shifted").fingerprint("train"),
        reader(views=True).fingerprint("train"),
        reader(people="fed").fingerprint("train"),
        reader(profile=bigger).fingerprint("train"),
        reader(profile=larger).fingerprint("train"),
    ]
    prints = [str(each) for each in (reader().fingerprint("train"), *others)]
    assert len(set(prints)) == len(prints)
    assert set(reader().fingerprint("train")["made_by"]) >= {"anny", "warp-lang"}


def test_reading_is_building_and_leaves_no_scratch(tmp_path: Path) -> None:
    told: list[tuple[float, float, str]] = []
    data = reader(people="fed", props="all").read("test", "cpu", lambda *args: told.append(args), scratch=tmp_path)
    assert isinstance(data, SplitData)
    faces, attributes = build_paraface(reader(people="fed", props="all").part("test"), workers=1)
    assert same(data.faces, faces)
    assert list(data.attributes) == attributes
    assert len(faces.sample_id) == 9
    assert told[-1][:2] == (9, 9)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("props", ["none", "all"])
def test_interrupted_builds_go_on_where_they_stopped(tmp_path: Path, props: str, photographed: list[int]) -> None:
    part = Part(people="train", image_size=24, subjects=4, props=props)
    whole, rows = build_paraface(part, workers=1)
    assert photographed == [1, 2, 3, 4]
    photographed.clear()

    def interrupt(done: int, total: int, what: str) -> None:
        if done >= 7:
            raise Interrupted

    with pytest.raises(Interrupted):
        build_paraface(part, workers=1, progress=interrupt, partial=tmp_path)
    kept = sorted(int(path.stem) for path in (tmp_path / part.folder).glob("0*.npz"))
    assert kept == photographed
    assert kept[0] == 1 and len(kept) < 4
    photographed.clear()
    again, attributes = build_paraface(part, workers=1, partial=tmp_path)
    assert sorted(photographed + kept) == [1, 2, 3, 4]
    assert same(again, whole)
    assert attributes == rows
    photographed.clear()
    assert same(build_paraface(part, workers=2, partial=tmp_path)[0], whole)
    assert photographed == [], "all of it was there"


def test_an_interrupted_read_keeps_its_scratch_and_the_next_clears_it(tmp_path: Path, photographed: list[int]) -> None:
    def interrupt(done: float, total: float, what: str) -> None:
        if done >= 14:
            raise Interrupted

    with pytest.raises(Interrupted):
        reader().read("test", "cpu", interrupt, scratch=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [reader().part("test").folder]
    photographed.clear()
    data = reader().read("test", "cpu", silent, scratch=tmp_path)
    assert 1 not in photographed
    assert len(data.faces.sample_id) == 28
    assert not list(tmp_path.iterdir())
    faces, _ = build_paraface(reader().part("test"), workers=1)
    assert same(data.faces, faces)


def test_more_subjects_go_on_from_fewer_but_not_from_another_seed(tmp_path: Path, photographed: list[int]) -> None:
    build_paraface(Part(people="val", image_size=24, subjects=1), workers=1, partial=tmp_path)
    photographed.clear()
    build_paraface(Part(people="val", image_size=24, subjects=2), workers=1, partial=tmp_path)
    assert photographed == [2]
    build_paraface(Part(people="val", image_size=24, subjects=1, seed=1), workers=1, partial=tmp_path)
    assert photographed == [2, 1]


def test_damaged_subjects_are_rendered_again(tmp_path: Path, photographed: list[int]) -> None:
    part = Part(people="val", image_size=24, subjects=1)
    whole, _ = build_paraface(part, workers=1, partial=tmp_path)
    path = tmp_path / part.folder / "00001.npz"
    content = path.read_bytes()
    for damage in (content[: len(content) // 2], b"", content[:5000] + b"\0" * 9 + content[5009:]):
        path.write_bytes(damage)
        photographed.clear()
        assert same(build_paraface(part, workers=1, partial=tmp_path)[0], whole)
        assert photographed == [1]
        assert path.read_bytes() == content, "and kept again"


@pytest.mark.parametrize("size", [24, 30])
def test_subjects_are_kept_as_they_are(tmp_path: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    images = SubjectImages(
        image=rng.integers(0, 256, (7, size, size, 3), dtype=np.uint8),
        attributes=[{"age": 0.1 + 0.2, "occluder": "", "occluder_seen": True, "ratio": 1 / 3}] * 7,
        sample_id=[f"val-0001-x-{n}" for n in range(7)],
        clean=rng.integers(0, 256, (7, size, size, 3), dtype=np.uint8),
        occluded=rng.random((7, size, size)) < 0.4,
    )
    write_subject(tmp_path / "new", 12, images)
    found = read_subject(tmp_path / "new", 12)
    assert found is not None and found.occluded is not None
    assert found.occluded.dtype == np.bool_
    for name in ("image", "clean", "occluded"):
        np.testing.assert_array_equal(getattr(found, name), getattr(images, name))
    assert list(found.attributes) == list(images.attributes)
    assert list(found.sample_id) == list(images.sample_id)
    assert read_subject(tmp_path / "new", 13) is None
    assert read_subject(tmp_path / "nowhere", 12) is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["00012.npz"]
