"""FACS coding of the seven expressions, and faces at rest."""

from pathlib import Path

import numpy as np
import pytest

from ofer_bench.core.expressions import Expression
from ofer_bench.data.paraface.expressions import (
    ACTION_UNITS,
    INTENSITY_RANGE,
    MAX_WEIGHT,
    MOVEMENT,
    NOISE_ACTIONS,
    RESTING_ACTIONS,
    VARIANTS,
    action_weights,
    draw_actions,
    draw_resting,
    lowered_gaze,
)
from ofer_bench.data.paraface.model import SHAPE_CONTROLS, HeadModel, load_head_model
from ofer_bench.data.paraface.sampling import draw_subject

EMOTIONS = [e for e in Expression if e is not Expression.NEUTRAL]

# Typed in again from the published coding, not read from the module under test: what every variant of an emotion
# shows, and what none may show.
PUBLISHED = {
    Expression.HAPPINESS: ({12}, {1, 4, 9, 15, 20}),
    Expression.SADNESS: ({1, 15}, {2, 9, 12, 20, 27}),
    Expression.SURPRISE: ({1, 2}, {4, 9, 12, 15, 20}),
    Expression.FEAR: ({1, 2, 4, 5, 20}, {9, 12, 23, 24}),
    Expression.DISGUST: ({9}, {1, 2, 5, 12, 20}),
    Expression.ANGER: ({4, 7}, {1, 2, 12, 15, 20}),
}


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head_model()


@pytest.fixture(scope="module")
def identity(head: HeadModel) -> np.ndarray:
    shape = [0.0] * len(SHAPE_CONTROLS)
    return head.identity(age=35, masculinity=0.5, weight=0.5, ancestry=(0.2, 0.3, 0.5), shape=shape)


def moved(head: HeadModel, identity: np.ndarray, actions: dict[str, float]) -> float:
    """Mean way of the vertices in decimetres."""
    return float(np.linalg.norm(head.express(identity, [actions])[0] - identity, axis=1).mean())


@pytest.mark.parametrize("expression", EMOTIONS)
def test_variants_show_the_published_units(expression: Expression) -> None:
    always, never = PUBLISHED[expression]
    for units in VARIANTS[expression].values():
        assert always <= set(units)
        assert not never & set(units)


def test_a_variant_is_called_by_its_units() -> None:
    assert set(VARIANTS) == set(Expression)
    assert dict(VARIANTS[Expression.NEUTRAL]) == {"0": {}}
    for expression in EMOTIONS:
        assert len(VARIANTS[expression]) >= 2
        for code, units in VARIANTS[expression].items():
            assert [int(number) for number in code.split("+")] == sorted(units) == list(units)
            assert all(0.0 < weight <= 1.2 for weight in units.values())
            assert set(units) <= set(ACTION_UNITS)
    codes = [code for variants in VARIANTS.values() for code in variants]
    assert len(codes) == len(set(codes))


def test_the_docs_publish_the_coding() -> None:
    card = (Path(__file__).parents[2] / "docs" / "paraface.md").read_text(encoding="utf-8")
    for expression in EMOTIONS:
        codes = [" + ".join(f"{u} ({w:g})" for u, w in units.items()) for units in VARIANTS[expression].values()]
        assert f"| {expression.value} | {'; '.join(codes)} |" in card


def test_slight_smiles_are_slighter_than_other_slight_expressions() -> None:
    """People see a smile as soon as it shows; what is labelled otherwise has to be stronger (MOVEMENT)."""
    share = {e: INTENSITY_RANGE[0] ** MOVEMENT[e] for e in EMOTIONS}
    smile = share[Expression.HAPPINESS]
    assert min(share.values()) == smile < 0.2
    # No person has a smile at rest: corners of the mouth that turn up do so by their shape.
    assert not any(action.startswith("mouthSmile") for action in RESTING_ACTIONS)
    assert all(0.4 < value < 0.6 for e, value in share.items() if e is not Expression.HAPPINESS)


def test_eyes_look_down_where_the_coding_says_so() -> None:
    """Action unit 64 lowers the gaze with the intensity, and nothing else does."""
    lowered = lowered_gaze(Expression.SADNESS, "1+4+15+64", 1.0)
    assert lowered == pytest.approx(12.0)
    assert 0.0 < lowered_gaze(Expression.SADNESS, "1+4+15+64", INTENSITY_RANGE[0]) < lowered
    for expression, variants in VARIANTS.items():
        for code, units in variants.items():
            assert (lowered_gaze(expression, code, 1.0) > 0.0) == (64 in units)


def test_every_action_is_known_to_the_head_on_both_sides(head: HeadModel) -> None:
    used = {action for gains in ACTION_UNITS.values() for action in gains} | set(NOISE_ACTIONS)
    for variants in VARIANTS.values():
        used |= {action for units in variants.values() for action in action_weights(units)}
    for seed in range(3):
        used |= set(draw_resting(np.random.default_rng(seed)))
    assert used <= set(head.actions)
    mirror = {"Left": "Right", "Right": "Left", "-left-": "-right-", "-right-": "-left-"}
    for action in used - {"mouthLeft", "mouthRight", "jawLeft", "jawRight"}:
        for side, other in mirror.items():
            if side in action:
                assert action.replace(side, other) in used


def test_left_and_right_actions_mirror_each_other(head: HeadModel) -> None:
    for unit, gains in ACTION_UNITS.items():
        offsets = head.express(head.rest, [dict(gains)])[0] - head.rest
        way = np.linalg.norm(offsets, axis=1)
        left, right = way[head.rest[:, 0] > 0.02].sum(), way[head.rest[:, 0] < -0.02].sum()
        assert left == pytest.approx(right, rel=0.02), unit


def test_units_add_up() -> None:
    for units in ({12: 0.5, 10: 0.5, 24: 1.0}, {1: 0.2, 2: 0.9, 4: 0.4, 9: 1.0, 23: 0.3, 24: 0.7}, {25: 0.7, 26: 0.5}):
        wanted: dict[str, float] = {}
        for unit, weight in units.items():
            for action, gain in ACTION_UNITS[unit].items():
                wanted[action] = wanted.get(action, 0.0) + weight * gain
        assert action_weights(units) == pytest.approx(wanted)
    assert action_weights({}) == {}


@pytest.mark.parametrize(("first", "corner"), [(12, "mouthSmileLeft"), (20, "mouthStretchLeft")])
def test_parted_lips_follow_the_corners(head: HeadModel, identity: np.ndarray, first: int, corner: str) -> None:
    """Lips drawn up or sideways part in another way, but part they do, and the first unit stays as it is."""
    alone, both = action_weights({first: 1.0}), action_weights({first: 1.0, 25: 1.0})
    assert both[corner] == alone[corner]
    assert both != pytest.approx({k: alone.get(k, 0) + ACTION_UNITS[25].get(k, 0) for k in {*alone, *ACTION_UNITS[25]}})
    gap = head.mouth_gap(head.express(identity, [alone, both]))
    assert gap[1] > gap[0] + 0.03


def mouth(head: HeadModel, vertices: np.ndarray) -> dict[str, float]:
    """Width, height of the corners over the seam of the lips, gap and red seen from the front, in pupil distances."""
    eyes = head.landmarks(vertices[None])[0, :2]
    unit = float(np.linalg.norm(eyes[0] - eyes[1]))
    corners, seam = vertices[head.mouth_corners], vertices[list(head.lip_middles)].mean(axis=0)
    red = head.triangles[(head.uv_region[head.triangles, 0] > 0.5).all(axis=1)]
    first, second = (vertices[red[:, i]] - vertices[red[:, 0]] for i in (1, 2))
    return {
        "width": float(np.linalg.norm(corners[0] - corners[1])) / unit,
        "corners": float(corners[:, 1].mean() - seam[1]) / unit,
        "gap": float(head.mouth_gap(vertices[None])[0]) / unit,
        "red": float(np.maximum(np.cross(first, second)[:, 2], 0.0).sum()) / 2 / unit**2,
    }


# What each unit does to the mouth, after the manual of FACS: least and largest change in pupil distances.
SEEN = {
    12: {"width": (0.1, 0.28), "corners": (0.08, 0.2), "gap": (-0.05, 0.02)},
    15: {"corners": (-0.2, -0.05), "width": (-0.05, 0.08)},
    17: {"corners": (-0.1, 0.0), "width": (-0.03, 0.03)},
    20: {"width": (0.1, 0.3), "corners": (-0.05, 0.02)},
    22: {"width": (-0.2, -0.01)},
    23: {"width": (-0.1, 0.0), "corners": (-0.02, 0.02), "gap": (-0.1, 0.0), "red": (-0.1, -0.02)},
    24: {"width": (-0.1, 0.0), "corners": (-0.02, 0.02), "gap": (-0.1, 0.0), "red": (-0.1, -0.02)},
    25: {"gap": (0.03, 0.3), "width": (-0.03, 0.03)},
    27: {"gap": (0.3, 1.0), "width": (-0.2, 0.0)},
}


@pytest.mark.parametrize("unit", SEEN)
def test_units_move_the_mouth_as_the_manual_says(head: HeadModel, identity: np.ndarray, unit: int) -> None:
    """Lips that tighten and press (23, 24) narrow the mouth; drawn wide, they would look like a smile."""
    rest, seen = mouth(head, identity), mouth(head, head.express(identity, [action_weights({unit: 1.0})])[0])
    for name, (low, high) in SEEN[unit].items():
        assert low <= seen[name] - rest[name] <= high, name


@pytest.mark.parametrize("expression", EMOTIONS)
def test_expressions_grow_with_intensity(head: HeadModel, identity: np.ndarray, expression: Expression) -> None:
    steps = np.linspace(*INTENSITY_RANGE, 4)
    for units in VARIANTS[expression].values():
        ways = [moved(head, identity, action_weights({u: w * s for u, w in units.items()})) for s in steps]
        assert (np.diff(ways) > 0).all()
    drawn = [
        [moved(head, identity, draw_actions(expression, s, np.random.default_rng(seed))[0]) for seed in range(6)]
        for s in (0.0, 0.5, 1.0)
    ]
    # Noise moves a face at intensity 0, too, so single draws may cross; their means may not.
    means = np.mean(drawn, axis=1)
    assert means[0] < 0.75 * means[2]
    assert means[0] < means[1] < means[2]


def test_weakest_expressions_move_more_than_neutral_noise() -> None:
    def total(expression: Expression, intensity: float, seed: int) -> float:
        return sum(draw_actions(expression, intensity, np.random.default_rng(seed))[0].values())

    neutral = np.mean([total(Expression.NEUTRAL, 0.0, seed) for seed in range(50)])
    for expression in EMOTIONS:
        assert np.mean([total(expression, INTENSITY_RANGE[0], seed) for seed in range(50)]) > 1.5 * neutral > 0.0


def test_weights_are_bounded_and_reproducible() -> None:
    for expression in Expression:
        seen = set()
        for seed in range(40):
            weights, variant = draw_actions(expression, 1.0, np.random.default_rng(seed))
            assert (weights, variant) == draw_actions(expression, 1.0, np.random.default_rng(seed))
            assert all(0.0 <= weight <= MAX_WEIGHT for weight in weights.values())
            seen.add(variant)
        assert seen == set(VARIANTS[expression])


def test_halves_of_the_face_differ_a_little() -> None:
    ratios = []
    for seed in range(40):
        weights, _ = draw_actions(Expression.HAPPINESS, 0.5, np.random.default_rng(seed))
        ratios.append(weights["mouthSmileLeft"] / weights["mouthSmileRight"])
    assert len(set(ratios)) == len(ratios)
    assert 0.5 < min(ratios) < 1.0 < max(ratios) < 2.0
    assert np.mean(np.log(ratios)) == pytest.approx(0.0, abs=0.08)


def test_faces_at_rest_differ(head: HeadModel, identity: np.ndarray) -> None:
    faces = [draw_resting(np.random.default_rng(seed)) for seed in range(20)]
    assert faces[3] == draw_resting(np.random.default_rng(3))
    for face in faces:
        for action, (low, high) in RESTING_ACTIONS.items():
            values = {face[name] for name in face if name.startswith(action)}
            assert len(values) == 1, "a face rests symmetrically"
            assert low <= values.pop() <= high
    vertices = head.express(identity, faces)
    apart = np.linalg.norm(vertices[:, None] - vertices[None], axis=-1).max(axis=-1)
    assert apart[~np.eye(len(faces), dtype=bool)].min() > 0.001


def test_corners_of_mouths_at_rest_differ_by_shape(head: HeadModel) -> None:
    """On photographs they lie -.02 +- .04 pupil distances above the seam of the lips (docs/paraface.md)."""
    shape, rest = [], []
    for number in range(1, 61):
        person = draw_subject("train", number, 0)
        traits = {"age": person.age, "masculinity": person.masculinity, "weight": person.weight}
        face = head.identity(**traits, ancestry=person.ancestry, shape=person.shape, asymmetry=person.asymmetry)
        shape.append(mouth(head, face)["corners"])
        rest.append(mouth(head, head.express(face, [person.resting])[0])["corners"])
    assert np.mean(rest) == pytest.approx(-0.02, abs=0.015)
    assert 0.025 < np.std(rest) < 0.045
    assert np.std(shape) > 0.8 * np.std(rest)
