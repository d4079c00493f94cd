"""What a rendered picture shows, against brute force: visibility, projection, normals, light and shadow."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import warp as wp

from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.alignment import TEMPLATE, picture_to_plane, project
from ofer_bench.data.paraface.geometry import Geometry, merge, smooth_normals, solid
from ofer_bench.data.paraface.model import REGIONS, HeadModel, load_head_model
from ofer_bench.data.paraface.renderer import SUPERSAMPLING, Renderer, Scene
from ofer_bench.data.paraface.sampling import draw_shot, draw_subject
from ofer_bench.data.paraface.shading import Look
from ofer_bench.data.paraface.skin_map import texel_coordinates
from ofer_bench.data.paraface.studio import frame

SIZE, SHEET = 24, 256
CAMERA = 12.0
EMPTY = np.uint64(2**64 - 1)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def bare(head: HeadModel) -> HeadModel:
    """A head without lashes, which cover only a part of their triangles."""
    keep = head.region != REGIONS.index("lash")
    return replace(head, triangles=head.triangles[keep], region=head.region[keep])


@pytest.fixture(scope="module")
def plain(bare: HeadModel) -> Renderer:
    """Renders two bare heads at once."""
    return Renderer(bare, texel_coordinates(bare.rest, SHEET), batch_size=2, image_size=SIZE)


def keys_of(renderer: Renderer) -> np.ndarray:
    """uint64 [B,S,S,4]: distance and triangle of the samples of each pixel of the last pictures."""
    fine = renderer._depth.numpy()
    shape = (len(fine), SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING)
    keys: np.ndarray = fine.reshape(shape).transpose(0, 1, 3, 2, 4).reshape(len(fine), SIZE, SIZE, -1).copy()
    return keys


def look(**light: Sequence[float]) -> Any:
    """No light but the one given; lamps stand at the camera unless told."""
    made = Look()
    made.camera = wp.vec3(0.0, 0.0, CAMERA)
    for name in ("key_direction", "fill_direction", "rim_direction", "gaze"):
        setattr(made, name, wp.vec3(0.0, 0.0, 1.0))
    made.up = wp.vec3(0.0, 1.0, 0.0)
    made.iris, made.teeth, made.lash = wp.vec3(0.05, 0.05, 0.05), wp.vec3(0.6, 0.6, 0.6), wp.vec3(0.01, 0.01, 0.01)
    made.oil, made.mouth, made.pixel_seed = 1.0, 0.0, 7
    for name, value in light.items():
        setattr(made, name, wp.vec3(*(float(each) for each in value)))
    return made


def portrait(head: HeadModel, looks: Sequence[Any], props: Sequence[Geometry | None] = (None, None)) -> Scene:
    """Two resting heads seen from the front, of one even colour, before black; their origin is between the eyes."""
    origin = head.landmarks(head.rest[None])[0, :2].mean(axis=0)
    vertices = (head.rest - origin)[None].repeat(2, axis=0)
    to_plane = picture_to_plane(project(head.landmarks(vertices)[0], CAMERA))
    return Scene(
        vertices=vertices,
        turn=np.eye(3)[None].repeat(2, axis=0),
        camera=np.full(2, CAMERA),
        to_plane=to_plane[None].repeat(2, axis=0),
        albedo=np.full((SHEET, SHEET, 3), 0.4, dtype=np.float32),
        gloss=np.zeros((SHEET, SHEET), dtype=np.float32),
        relief=np.zeros((2, SHEET, SHEET), dtype=np.float32),
        shade=np.zeros((2, SHEET, SHEET), dtype=np.float32),
        backdrop=np.zeros((2, 33, 33, 3), dtype=np.float32),
        hair=None,
        props=props,
        looks=looks,
    )


def slab(centre: tuple[float, float, float], half: tuple[float, float, float]) -> Geometry:
    """A closed white box."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half + centre
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = np.array([t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))])
    return solid(corners, triangles, np.array([0.8, 0.8, 0.8]), "paper")


def brute_force(scene: Scene, image: int, head: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """Nearest triangle (-1: none) and distance from the camera's plane per sample [S,S,4], by rays in float64.

    A ray d from the camera passes inside triangle a, b, c when d.(b x c), d.(c x a) and d.(a x b) agree in sign.
    """
    camera = scene.camera[image]
    points = scene.vertices[image] @ scene.turn[image].T - [0.0, 0.0, camera]
    a, b, c = (points[head.triangles[:, k]] for k in range(3))
    away = np.einsum("fc,fc->f", np.cross(b - a, c - a), a) > 0
    usable = np.flatnonzero(~(away & (head.region == REGIONS.index("skin"))))
    a, b, c = a[usable], b[usable], c[usable]
    at = (np.arange(SIZE * SUPERSAMPLING) + 0.5) / (SIZE * SUPERSAMPLING)
    u, v = np.meshgrid(at, at)
    plane = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], axis=1) @ scene.to_plane[image].T
    ray = np.stack([plane[:, 0], -plane[:, 1], np.full(u.size, -camera)], axis=1)
    name, depth = np.full(u.size, -1), np.full(u.size, np.inf)
    volume = np.einsum("fc,fc->f", a, np.cross(b, c))
    edges = [np.cross(b, c).T, np.cross(c, a).T, np.cross(a, b).T]
    for rows in np.array_split(np.arange(u.size), 12):
        w = np.stack([ray[rows] @ edge for edge in edges])
        inside = (w >= 0).all(axis=0) | (w <= 0).all(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(inside, volume / w.sum(axis=0), np.inf)
        t[~(t > 0)] = np.inf
        nearest = t.argmin(axis=1)
        found = t[np.arange(len(rows)), nearest]
        hit = np.isfinite(found)
        name[rows[hit]], depth[rows[hit]] = usable[nearest[hit]], found[hit] * camera
    shape = (SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING)
    return tuple(  # type: ignore[return-value]
        values.reshape(shape).transpose(0, 2, 1, 3).reshape(SIZE, SIZE, -1) for values in (name, depth)
    )


@pytest.fixture(scope="module", params=[(Expression.HAPPINESS, -25.0), (Expression.FEAR, 50.0)], ids=["left", "right"])
def posed(bare: HeadModel, request: pytest.FixtureRequest) -> Scene:
    """Two people who turn, cropped as in the data set."""
    expression, yaw = request.param
    subjects = [draw_subject("train", number, 0) for number in (3, 4)]
    shots = [replace(draw_shot(subject, expression, 0, 0), yaw=yaw) for subject in subjects]
    faces = [
        bare.identity(
            age=subject.age,
            masculinity=subject.masculinity,
            weight=subject.weight,
            ancestry=subject.ancestry,
            shape=subject.shape,
        )
        for subject in subjects
    ]
    vertices = np.stack([bare.express(face, [shot.actions])[0] for face, shot in zip(faces, shots, strict=True)])
    vertices -= bare.landmarks(vertices)[:, :2].mean(axis=1)[:, None] + [0.0, -0.25, -0.9]
    turn, to_plane, _ = frame(bare, vertices, shots, 0.05)
    camera = np.array([shot.scenery.camera for shot in shots])
    return replace(portrait(bare, [look(), look()]), vertices=vertices, turn=turn, to_plane=to_plane, camera=camera)


def test_nearest_triangles_agree_with_rays(plain: Renderer, bare: HeadModel, posed: Scene) -> None:
    plain.render(posed)
    for image, keys in enumerate(keys_of(plain)):
        wanted, distance = brute_force(posed, image, bare)
        found = np.where(keys == EMPTY, -1, (keys & np.uint64(0xFFFFFFFF)).astype(np.int64))
        assert (found == wanted).mean() >= 0.995
        assert ((found >= 0) == (wanted >= 0)).mean() >= 0.998
        same = (found == wanted) & (found >= 0)
        assert same.mean() > 0.5
        far = (keys >> np.uint64(32)).astype(np.float64) * 1e-7
        np.testing.assert_allclose(far[same], distance[same], atol=2e-4)


def test_projection_is_a_pinhole(plain: Renderer, posed: Scene) -> None:
    plain.render(posed)
    screen = plain._screen.numpy()
    for image in range(2):
        points = posed.vertices[image] @ posed.turn[image].T
        camera = posed.camera[image]
        # Where the line from the camera through a point meets the plane z = 0.
        x, y = (points[:, :2] / (1 - points[:, 2:] / camera)).T
        matrix, shift = posed.to_plane[image][:, :2], posed.to_plane[image][:, 2:]
        picture = np.linalg.solve(matrix, np.stack([x, -y]) - shift)
        np.testing.assert_allclose(screen[image, :, :2].T, picture * SIZE * SUPERSAMPLING, atol=2e-2)
        np.testing.assert_allclose(screen[image, :, 2], camera - points[:, 2], atol=1e-4)


def test_vertex_normals(plain: Renderer, bare: HeadModel, head: HeadModel, posed: Scene) -> None:
    plain.render(posed)
    normals = plain._head.normals.numpy()
    used = np.unique(bare.triangles)
    for image in range(2):
        wanted = smooth_normals(posed.vertices[image].astype(np.float32), bare.triangles)
        assert np.einsum("vc,vc->v", normals[image], wanted)[used].min() > 0.999
    centre = head.rest[np.unique(head.triangles[head.region == REGIONS.index("skin")])].mean(axis=0)
    forehead = np.flatnonzero((head.rest[:, 1] > 7.7) & (head.rest[:, 2] > 1.0))
    outward = head.rest[forehead] - centre
    assert (np.einsum("vc,vc->v", smooth_normals(head.rest, head.triangles)[forehead], outward) > 0).all()


def test_smooth_normals_match_a_loop_and_survive_merging(head: HeadModel) -> None:
    normals = smooth_normals(head.rest, head.triangles)
    for vertex in (0, 1234, 3000):
        total = np.zeros(3)
        for a, b, c in head.triangles[(head.triangles == vertex).any(axis=1)]:
            total += np.cross(head.rest[b] - head.rest[a], head.rest[c] - head.rest[a])
        np.testing.assert_allclose(normals[vertex], total / np.linalg.norm(total), atol=1e-5)
    first, second = slab((0, 0, 0), (1, 1, 1)), slab((5, 0, 0), (1, 2, 1))
    both = merge([first, second])
    assert len(both) == len(first) + len(second)
    corners = both.vertices[both.triangles]
    np.testing.assert_array_equal(corners[len(first) :], second.vertices[second.triangles])
    outward = both.vertices - np.repeat([[0, 0, 0], [5, 0, 0]], 8, axis=0)
    assert (np.einsum("vc,vc->v", both.normal, outward) > 0).all()


def test_without_light_all_is_black_but_the_backdrop(plain: Renderer, bare: HeadModel) -> None:
    scene = portrait(bare, [look(), look()])
    light, _ = plain.render(scene)
    assert (light == 0).all()
    backdrop = np.random.default_rng(0).uniform(0.1, 1, (2, 33, 33, 3)).astype(np.float32)
    light, cover = plain.render(replace(scene, backdrop=backdrop))
    empty = (keys_of(plain) == EMPTY).all(axis=-1)
    assert 0.05 < empty.mean() < 0.5
    assert (light[~(keys_of(plain) == EMPTY).any(axis=-1)] == 0).all()
    row, column = np.nonzero(empty[0])
    near = backdrop[0][(row * 32 / SIZE).astype(int), (column * 32 / SIZE).astype(int)]
    around = np.stack([np.roll(backdrop[0], s, (0, 1)) for s in ((0, 0), (-1, 0), (0, -1), (-1, -1))])
    low = around.min(axis=0)[(row * 32 / SIZE).astype(int), (column * 32 / SIZE).astype(int)]
    high = around.max(axis=0)[(row * 32 / SIZE).astype(int), (column * 32 / SIZE).astype(int)]
    assert near.shape == light[0][empty[0]].shape
    assert ((light[0][empty[0]] >= low - 1e-5) & (light[0][empty[0]] <= high + 1e-5)).all()
    assert (cover == 0).all()


def test_light_adds_up(plain: Renderer, bare: HeadModel) -> None:
    key, sky = (0.9, 0.7, 0.5), (0.3, 0.4, 0.5)
    brighter = look(key=(1.8, 1.4, 1.0), sky=(0.6, 0.8, 1.0))
    one, twice = plain.render(portrait(bare, [look(key=key, sky=sky), brighter]))[0]
    np.testing.assert_allclose(twice, 2 * one, rtol=1e-4)
    lamp, ambient = plain.render(portrait(bare, [look(key=key), look(sky=sky)]))[0]
    np.testing.assert_allclose(one, lamp + ambient, rtol=1e-3, atol=1e-5)
    assert lamp.max() > 0.3 * key[0]


def test_light_from_the_left_mirrors_light_from_the_right(plain: Renderer, bare: HeadModel) -> None:
    white = (1.0, 1.0, 1.0)
    sides = [look(key=white, key_direction=(side * 0.8, 0.3, 0.52)) for side in (-1, 1)]
    left, right = plain.render(portrait(bare, sides))[0]
    # One shadow ray a pixel is noise; the rest is mirrored.
    assert np.abs(left - right[:, ::-1]).mean() < 0.2 * np.abs(left - right).mean()
    np.testing.assert_allclose(left.mean(axis=(0, 1)), right.mean(axis=(0, 1)), rtol=0.05)
    half = SIZE // 2
    assert left[:, :half].mean() > 1.5 * left[:, half:].mean()
    front, above = plain.render(portrait(bare, [look(key=white), look(key=white, key_direction=(0.0, 0.8, 0.6))]))[0]
    for picture in (front, above):
        assert np.abs(picture - picture[:, ::-1]).mean() < 0.12 * picture.mean()
    assert (
        above[: SIZE // 4].mean() / above[-SIZE // 4 :].mean()
        > 1.2 * front[: SIZE // 4].mean() / front[-SIZE // 4 :].mean()
    )


def test_sky_lights_what_looks_up(plain: Renderer, bare: HeadModel) -> None:
    sky, ground = plain.render(portrait(bare, [look(sky=(1.0, 1.0, 1.0)), look(ground=(1.0, 1.0, 1.0))]))[0]
    forehead, chin = slice(1, 4), slice(-3, None)
    middle = slice(SIZE // 3, -SIZE // 3)
    assert sky[forehead, middle].mean() > sky[chin, middle].mean()
    assert ground[forehead, middle].mean() < ground[chin, middle].mean()


def test_a_slab_before_the_lamp_throws_a_shadow(plain: Renderer, bare: HeadModel) -> None:
    white = (1.0, 1.0, 1.0)
    to_lamp = np.array([0.8, 0.0, 0.6])
    lamp = look(key=white, key_direction=tuple(to_lamp))
    before, beside = slab(tuple(3.2 * to_lamp), (1.3, 1.3, 0.9)), slab((-3.6, 0.0, 1.8), (1.3, 1.3, 0.9))
    lit, _ = plain.render(portrait(bare, [lamp, lamp]))
    (shadowed, other), cover = plain.render(portrait(bare, [lamp, lamp], [before, beside]))
    assert (cover == 0).all(), "both stand beside the picture"
    # Left of the picture's middle the face turns away from the lamp on its right.
    bright = lit[0].mean(axis=-1) > 0.15
    assert bright.mean() > 0.2
    assert (shadowed[bright] < 0.25 * lit[0][bright]).mean() > 0.97
    np.testing.assert_array_equal(other, lit[1])
    alone, _ = plain.render(portrait(bare, [lamp, lamp], [before, None]))
    np.testing.assert_array_equal(alone[1], lit[1])


def test_a_prop_before_the_face_covers_it_by_the_pixel(plain: Renderer, bare: HeadModel) -> None:
    lamp = look(key=(1.0, 1.0, 1.0))
    # A sheet in the plane z = 2 whose outline is known in the picture.
    scene = portrait(bare, [lamp, lamp])
    edges = np.array([[0.25, 0.5], [0.75, 0.875]])
    x, y = (edges @ scene.to_plane[0][:, :2].T + scene.to_plane[0][:, 2]).T * (CAMERA - 2.0) / CAMERA
    sheet = slab(((x.mean()), -y.mean(), 1.95), (np.ptp(x) / 2, np.ptp(y) / 2, 0.05))
    _, cover = plain.render(replace(scene, props=[sheet, None]))
    wanted = np.zeros((SIZE, SIZE))
    wanted[SIZE // 2 : SIZE * 7 // 8, SIZE // 4 : SIZE * 3 // 4] = 1.0
    np.testing.assert_array_equal(cover[0], wanted)
    assert (cover[1] == 0).all()
    behind = slab((0.0, 0.0, -1.5), (0.5, 0.5, 0.1))
    assert (plain.render(replace(scene, props=[behind, None]))[1] == 0).all()


def test_folds_and_pores_tilt_the_light(plain: Renderer, bare: HeadModel) -> None:
    lamp = look(key=(1.0, 1.0, 1.0), key_direction=(0.0, 0.7, 0.7))
    scene = portrait(bare, [lamp, lamp])
    smooth = plain.render(scene)[0]
    even = plain.render(replace(scene, relief=scene.relief + np.float32(0.05)))[0]
    np.testing.assert_allclose(even, smooth, atol=1e-4)
    rows = np.sin(np.arange(SHEET) * 0.4)[:, None].repeat(SHEET, 1).astype(np.float32) * 0.004
    rough = plain.render(replace(scene, relief=np.stack([rows, 0 * rows])))[0]
    assert np.abs(rough[0] - smooth[0]).mean() > 0.02 * smooth[0].mean()
    np.testing.assert_allclose(rough[1], smooth[1], atol=1e-5)


def test_hollows_lose_light_and_turn_red(plain: Renderer, bare: HeadModel) -> None:
    white = look(key=(1.0, 1.0, 1.0), key_direction=(0.0, 0.0, 1.0))
    scene = portrait(bare, [white, white])
    even = plain.render(scene)[0]
    half = np.stack([np.full((SHEET, SHEET), 0.5), np.zeros((SHEET, SHEET))]).astype(np.float32)
    shaded = plain.render(replace(scene, shade=half))[0]
    np.testing.assert_array_equal(shaded[1], even[1])
    cheek = shaded[0, SIZE * 5 // 8, SIZE // 4] / even[0, SIZE * 5 // 8, SIZE // 4]
    np.testing.assert_allclose(cheek, [1 - 0.85 * 0.5, 0.5, 0.5], rtol=1e-4)


def test_eyes_show_where_the_template_has_them(plain: Renderer, bare: HeadModel) -> None:
    plain.render(portrait(bare, [look(), look()]))
    keys = keys_of(plain)[0]
    head = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    eye = np.where(keys == EMPTY, -1, bare.region[np.minimum(head, len(bare.region) - 1)]) == 1
    row, column = np.nonzero(eye.any(axis=-1))
    for side in (0, 1):
        mine = (column > SIZE / 2) == (side == 1)
        centre = np.array([column[mine].mean() + 0.5, row[mine].mean() + 0.5]) / SIZE
        assert np.abs(centre - TEMPLATE[side]).max() < 0.04
