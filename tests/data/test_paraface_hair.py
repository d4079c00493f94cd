"""Hair grows outside the head, off the eyes, and the same way every time."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from ofer_bench.core.errors import UnknownName
from ofer_bench.data.paraface.geometry import SURFACES, Geometry, smooth_normals
from ofer_bench.data.paraface.hair import HAIR_STYLES, Hair, grow_hair, scalp_depth
from ofer_bench.data.paraface.model import REGIONS, SHAPE_CONTROLS, HeadModel, load_head_model

GROWN = [style for style in HAIR_STYLES if style != "bald"]
FACES = ("plain", "old-wide", "young-narrow")


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def faces(head: HeadModel) -> dict[str, np.ndarray]:
    shape = np.clip(np.random.default_rng(5).normal(0, 0.45, len(SHAPE_CONTROLS)), -1, 1).tolist()
    flat = [0.0] * len(SHAPE_CONTROLS)
    return {
        "plain": head.identity(age=30, masculinity=0.5, weight=0.5, ancestry=(0.1, 0.2, 0.7), shape=flat),
        "old-wide": head.identity(age=80, masculinity=1.0, weight=1.0, ancestry=(0.0, 0.0, 1.0), shape=shape),
        "young-narrow": head.identity(
            age=20, masculinity=0.0, weight=0.1, ancestry=(0.9, 0.1, 0.0), shape=[-value for value in shape]
        ),
    }


def hair_of(style: str, seed: int = 3, length: float = 0.6, volume: float = 0.5, parting: float = 0.5) -> Hair:
    return Hair(
        style=style, colour=(0.2, 0.1, 0.05), length=length, volume=volume, parting=parting, curl=0.7, seed=seed
    )


def grown(head: HeadModel, identity: np.ndarray, hair: Hair) -> Geometry:
    geometry = grow_hair(head, identity, hair)
    assert geometry is not None
    return geometry


def test_bald_has_no_hair(head: HeadModel) -> None:
    assert grow_hair(head, head.rest, hair_of("bald")) is None
    assert (scalp_depth(head, hair_of("bald")) < 0).all()


def test_unknown_style_is_refused(head: HeadModel) -> None:
    with pytest.raises(UnknownName):
        grow_hair(head, head.rest, hair_of("mohawk"))


@pytest.mark.parametrize("style", GROWN)
def test_geometry_is_well_formed(head: HeadModel, faces: dict[str, np.ndarray], style: str) -> None:
    geometry = grown(head, faces["plain"], hair_of(style))
    count = len(geometry.vertices)
    assert 1_000 < len(geometry) <= 30_000
    assert geometry.triangles.dtype == np.int32
    assert geometry.triangles.min() == 0
    assert geometry.triangles.max() == count - 1
    assert (geometry.surface == SURFACES.index("hair")).all()
    for name, width in (("vertices", 3), ("normal", 3), ("colour", 3), ("tangent", 3), ("grain", 2)):
        values = getattr(geometry, name)
        assert values.shape == (count, width), name
        assert values.dtype == np.float32, name
        assert np.isfinite(values).all(), name
    assert np.linalg.norm(geometry.normal, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert np.linalg.norm(geometry.tangent, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert geometry.colour.min() >= 0
    assert geometry.colour.max() <= 1
    assert set(np.unique(geometry.grain[:, 0])) == {-1.0, 1.0}
    assert (geometry.grain[:, 1].min(), geometry.grain[:, 1].max()) == (0.0, 1.0)


@pytest.mark.parametrize("style", GROWN)
def test_equal_hair_is_equal_and_another_seed_is_not(head: HeadModel, faces: dict[str, np.ndarray], style: str) -> None:
    first, again, other = (grown(head, faces["plain"], hair_of(style, seed=seed)) for seed in (3, 3, 4))
    for name in ("vertices", "triangles", "normal", "colour", "tangent", "grain"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.vertices.shape != other.vertices.shape or np.abs(first.vertices - other.vertices).mean() > 0.005


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("style", GROWN)
def test_eyes_stay_free_and_nothing_is_inside_the_head(
    head: HeadModel, faces: dict[str, np.ndarray], style: str, face: str
) -> None:
    identity = faces[face]
    skin = head.triangles[head.region == REGIONS.index("skin")]
    vertices = np.unique(skin)
    normals = smooth_normals(identity, skin)
    wing = head.shape[2 * SHAPE_CONTROLS.index("ears/*ear-wing-decr|incr") + 1].reshape(-1, 3)
    ear = np.linalg.norm(wing, axis=1) > 0.01
    for extreme in (0.0, 1.0):
        points = grown(head, identity, hair_of(style, length=extreme, volume=extreme, parting=2 * extreme - 1)).vertices
        for eye in (identity[index].mean(axis=0) for index in head.eye_vertices):
            offset = np.abs(points - eye)
            over = (offset[:, 0] < 0.2) & (offset[:, 1] < 0.16) & (points[:, 2] > eye[2] - 0.2)
            assert not over.any()
        nearest = vertices[cKDTree(identity[vertices]).query(points)[1]]
        height = np.einsum("nc,nc->n", points - identity[nearest], normals[nearest])[~ear[nearest]]
        assert (height < -0.05).mean() < 0.01, "some tips end in a shoulder, no more"
        skull = points[~ear[nearest], 1] > identity[np.concatenate(head.eye_vertices), 1].mean()
        assert height[skull].min() > -0.06


@pytest.mark.parametrize("style", GROWN)
def test_the_scalp_is_covered_and_the_face_is_not(head: HeadModel, faces: dict[str, np.ndarray], style: str) -> None:
    identity = faces["plain"]
    hair = hair_of(style)
    points = grown(head, identity, hair).vertices
    depth = scalp_depth(head, hair)
    inside = (depth > 0.1) & (head.rest[:, 1] > 7.6) & np.isin(np.arange(len(depth)), head.triangles[head.region == 0])
    gap = cKDTree(points).query(identity[inside])[0]
    assert np.percentile(gap, 99) < 0.25
    nose_to_chin = (np.abs(points[:, 0]) < 0.4) & (points[:, 1] < 7.3) & (points[:, 1] > 6.2) & (points[:, 2] > 1.0)
    assert not nose_to_chin.any()


def test_hair_moves_and_grows_with_the_head(head: HeadModel, faces: dict[str, np.ndarray]) -> None:
    hair = hair_of("side-part")
    plain = grown(head, faces["plain"], hair)
    moved = grown(head, faces["plain"] * [1.1, 1.0, 1.0] + [0.0, 0.5, 0.0], hair)
    np.testing.assert_allclose(moved.vertices, plain.vertices * [1.1, 1.0, 1.0] + [0, 0.5, 0], atol=0.02)


def test_parameters_matter(head: HeadModel, faces: dict[str, np.ndarray]) -> None:
    face = faces["plain"]
    short, long = (grown(head, face, hair_of("long-straight", length=length)).vertices for length in (0.0, 1.0))
    assert long[:, 1].min() < short[:, 1].min() - 0.5
    flat, full = (grown(head, face, hair_of("curly", volume=volume)).vertices for volume in (0.0, 1.0))
    assert full[:, 1].max() > flat[:, 1].max() + 0.2
    for parting in (-0.8, 0.8):
        hair = grown(head, face, hair_of("side-part", parting=parting))
        roots = (hair.grain[:, 1] == 0) & (hair.vertices[:, 2] > 0.6) & (np.abs(hair.vertices[:, 0]) < 0.15)
        assert np.sign(hair.tangent[roots, 0].mean()) == -np.sign(parting)
