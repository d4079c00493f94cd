"""One subject in front of the camera: where the crop has eyes and mouth, exact masks, equal pictures, finite light."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from skimage.transform import SimilarityTransform

from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.alignment import TEMPLATE, fit_similarity, head_rotation, project
from ofer_bench.data.paraface.model import HeadModel, load_head_model
from ofer_bench.data.paraface.part import PROPS
from ofer_bench.data.paraface.raster import EXTRA
from ofer_bench.data.paraface.renderer import SUPERSAMPLING, Renderer, Scene
from ofer_bench.data.paraface.sampling import KDEF_VIEWS, Shot, Subject, draw_shot, draw_subject
from ofer_bench.data.paraface.skin_map import SkinMap
from ofer_bench.data.paraface.studio import Prop, Studio, frame
from ofer_bench.data.paraface.wrinkles import fold_sheets

SIZE, SHEET = 24, 256
LANDMARK_NOISE = 0.02


class Recorder:
    """A renderer that remembers its last scene, light, cover and z-buffer."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.scene: Scene
        self.linear: np.ndarray
        self.cover: np.ndarray

    def render(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        self.scene = scene
        self.linear, self.cover = self.renderer.render(scene)
        return self.linear, self.cover

    @property
    def keys(self) -> np.ndarray:
        """uint64 [B,S,S,4]: distance and triangle of the samples of each pixel."""
        fine = self.renderer._depth.numpy()
        shape = (len(fine), SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING)
        return fine.reshape(shape).transpose(0, 1, 3, 2, 4).reshape(len(fine), SIZE, SIZE, -1).copy()


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def studio(head: HeadModel) -> Studio:
    skin = SkinMap(head, SHEET)
    studio = Studio(head, skin, fold_sheets(skin), batch_size=7, image_size=SIZE)
    studio._renderer = Recorder(studio._renderer)  # type: ignore[assignment]
    return studio


def shots_of(subject: Subject, repeat: int = 0, **options: Any) -> list[Shot]:
    return [draw_shot(subject, expression, repeat, 0, **options) for expression in Expression]


def recorded(studio: Studio) -> Recorder:
    recorder = studio._renderer
    assert isinstance(recorder, Recorder)
    return recorder


def posed_landmarks(
    head: HeadModel, subject: Subject, shots: list[Shot], margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks of a subject's shots in picture sides, as cropped [7,3,2], and in the plane of projection."""
    identity = head.identity(
        age=subject.age,
        masculinity=subject.masculinity,
        weight=subject.weight,
        ancestry=subject.ancestry,
        shape=subject.shape,
        asymmetry=subject.asymmetry,
    )
    origin = head.landmarks(identity[None])[0, :2].mean(axis=0)
    vertices = head.express(identity, [shot.actions for shot in shots]) - origin
    turn, to_plane, places = frame(head, vertices, shots, margin)
    flat, picture = [], []
    for points, rotation, matrix, shot in zip(head.landmarks(vertices), turn, to_plane, shots, strict=True):
        np.testing.assert_allclose(rotation, head_rotation(shot.yaw, shot.pitch, shot.roll))
        plane = project(points @ rotation.T, shot.scenery.camera)
        flat.append(plane)
        picture.append(np.linalg.solve(matrix[:, :2], (plane - matrix[:, 2]).T).T)
    np.testing.assert_allclose(picture, places, atol=1e-9)
    return np.array(picture), np.array(flat)


def test_eyes_and_mouth_lie_at_the_template(head: HeadModel) -> None:
    off, worst = [], []
    for number in range(1, 21):
        subject = draw_subject("train", number, 0)
        shots = shots_of(subject)
        still = [replace(shot, landmark_noise=((0.0, 0.0),) * 3) for shot in shots]
        picture, flat = posed_landmarks(head, subject, still, 0.0)
        for found, plane in zip(picture, flat, strict=True):
            reference = SimilarityTransform.from_estimate(plane, TEMPLATE)
            np.testing.assert_allclose(found, reference(plane), atol=1e-6)
            worst.append(np.abs(found - TEMPLATE).max())
        noisy, _ = posed_landmarks(head, subject, shots, 0.0)
        # Noise of the three points moves them by no more than a similarity through them can.
        off.append(np.abs(noisy - picture).max())
    # One similarity can't bring three points of every face home; what is left is the face's own proportions.
    assert np.mean(worst) < 0.04
    assert max(worst) < 0.09
    assert np.mean(off) > 0.004
    assert max(off) < 2.5 * LANDMARK_NOISE


def test_noise_of_the_landmarks_is_in_picture_sides(head: HeadModel) -> None:
    subject = draw_subject("train", 4, 0)
    shots = shots_of(subject)
    still = [replace(shot, landmark_noise=((0.0, 0.0),) * 3) for shot in shots]
    aside = [replace(shot, landmark_noise=((0.02, -0.01),) * 3) for shot in shots]
    at, moved = (posed_landmarks(head, subject, each, 0.0)[0] for each in (still, aside))
    # The crop follows the detector's error, so the face moves the other way; profiles differ in scale by a little.
    np.testing.assert_allclose(moved - at, np.broadcast_to([-0.02, 0.01], at.shape), atol=0.004)


@pytest.mark.parametrize("margin", [0.1, 0.4])
def test_margin_widens_the_crop_on_every_side(head: HeadModel, margin: float) -> None:
    subject = draw_subject("train", 5, 0)
    tight, _ = posed_landmarks(head, subject, shots_of(subject), 0.0)
    wide, _ = posed_landmarks(head, subject, shots_of(subject), margin)
    np.testing.assert_allclose(wide, (tight + margin) / (1 + 2 * margin), atol=1e-9)


def test_similarity_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 5, 2))
    reference = SimilarityTransform.from_estimate(source, target).params[:2]
    assert np.allclose(fit_similarity(source, target), reference)


def test_rotation_directions() -> None:
    nose = np.array([0.0, 0.0, 1.0])
    assert (head_rotation(10, 0, 0) @ nose)[0] > 0
    assert (head_rotation(0, 10, 0) @ nose)[1] < 0
    assert (head_rotation(0, 0, 10) @ np.array([0.0, 1.0, 0.0]))[0] < 0
    assert np.allclose(head_rotation(20, -10, 5) @ head_rotation(20, -10, 5).T, np.eye(3))


@pytest.mark.parametrize("kinds", [PROPS[:7], PROPS[-7:]])
def test_masks_are_exact(studio: Studio, kinds: tuple[str, ...]) -> None:
    subject = draw_subject("val", 2, 0)
    shots = shots_of(subject, domain="shifted")
    recorder = recorded(studio)
    clean = studio.photograph(subject, shots)
    light, keys = recorder.linear, recorder.keys
    assert not clean.occluded.any()
    made = studio.photograph(subject, shots, [Prop(kind=kind, seed=11) for kind in kinds])
    assert [drawn["kind"] for drawn in made.props] == list(kinds)
    changed = recorder.keys != keys
    np.testing.assert_array_equal(made.occluded, changed.any(axis=-1))
    np.testing.assert_allclose(recorder.cover, changed.mean(axis=-1), atol=1e-6)
    assert ((recorder.keys[changed] & np.uint64(0xFFFFFFFF)) >= EXTRA).all()
    assert made.occluded.any(axis=(1, 2)).all()
    assert 0.03 < made.occluded.mean() < 0.8
    # Light is averaged over two neighbours; further from a prop it can do nothing but take light away.
    away = ~binary_dilation(made.occluded, np.ones((1, 5, 5), dtype=bool))
    assert (recorder.linear[away] <= light[away] + 1e-5).all()
    assert (recorder.linear[away] < light[away] - 1e-3).any(), "props throw shadows"
    # A mask is that of its own image: without the others' props it is the same.
    alone = studio.photograph(subject, shots, [Prop(kind=kinds[0], seed=11), *[None] * 6])
    np.testing.assert_array_equal(alone.image[0], made.image[0])
    np.testing.assert_array_equal(alone.occluded[0], made.occluded[0])
    np.testing.assert_array_equal(alone.image[1:], clean.image[1:])


def test_photographs_repeat_and_do_not_depend_on_their_place(studio: Studio) -> None:
    subject = draw_subject("val", 3, 0)
    shots = shots_of(subject)
    first, again = (studio.photograph(subject, shots).image for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert first.shape == (7, SIZE, SIZE, 3)
    turned = studio.photograph(subject, shots[::-1]).image
    np.testing.assert_array_equal(turned[::-1], first)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_light_is_finite_for_everyone_everywhere(studio: Studio, number: int) -> None:
    subject = draw_subject("test", number, 1)
    domain = ("plain", "shifted")[number % 2]
    props = [Prop(kind=PROPS[(number * 3 + i) % len(PROPS)], seed=i) if i % 2 else None for i in range(7)]
    recorder = recorded(studio)
    shots = [
        draw_shot(subject, expression, repeat, 1, domain=domain, views=KDEF_VIEWS)
        for repeat, expression in enumerate(Expression)
    ]
    assert {shot.yaw for shot in shots} == set(KDEF_VIEWS)
    made = studio.photograph(subject, shots, props)
    assert np.isfinite(recorder.linear).all()
    assert recorder.linear.min() >= 0.0
    assert recorder.linear.max() < 50.0
    assert (made.image.reshape(7, -1).std(axis=1) > 5).all()
    assert np.isfinite(recorder.scene.to_plane).all()


def test_expressions_change_the_right_part_of_the_picture(studio: Studio) -> None:
    subject = draw_subject("train", 2, 0)
    subject = replace(
        subject, appearance=replace(subject.appearance, hair=replace(subject.appearance.hair, style="bald"))
    )
    still = replace(shots_of(subject)[0], actions={}, yaw=0.0, pitch=0.0, roll=0.0)
    smile = {f"mouthSmile{side}": 1.0 for side in ("Left", "Right")}
    frown = {f"browDown{side}": 1.0 for side in ("Left", "Right")}
    shots = [replace(still, actions=actions) for actions in ({}, smile, frown, {}, {}, {}, {})]
    recorder = recorded(studio)
    studio.photograph(subject, shots)
    # One crop for all, so that only the skin moves.
    scene = recorder.scene
    light, _ = recorder.render(replace(scene, to_plane=scene.to_plane[:1].repeat(7, axis=0)))
    change = np.abs(light - light[0]).mean(axis=-1)
    assert (change[3:] == 0).all()
    upper, lower = change[:, : SIZE // 2].mean(axis=(1, 2)), change[:, SIZE * 5 // 8 :].mean(axis=(1, 2))
    assert lower[1] > 2 * upper[1]
    assert upper[2] > 2 * lower[2]


def test_smiles_shade_the_corners_of_the_mouth_and_nothing_else_does(studio: Studio) -> None:
    subject = draw_subject("test", 2, 0)
    resting = [replace(shot, actions=subject.resting) for shot in shots_of(subject)]
    smile = {f"mouthSmile{side}": 0.6 + subject.resting.get(f"mouthSmile{side}", 0.0) for side in ("Left", "Right")}
    resting[1] = replace(resting[1], actions=subject.resting | smile)
    studio.photograph(subject, resting)
    shade = recorded(studio).scene.shade
    assert (shade[2:] == shade[0]).all()
    position = studio._skin.position
    corner = np.hypot(np.abs(position[..., 0]) - 0.27, position[..., 1] - 6.617) < 0.02
    corner &= position[..., 2] > 1.0
    assert shade[1][corner].mean() > shade[0][corner].mean() + 0.25
    above = position[..., 1] > 7.45
    np.testing.assert_allclose(shade[1][above], shade[0][above], atol=0.02)
