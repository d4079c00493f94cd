"""Variants of components, and systems that are given the true mask."""

from __future__ import annotations

import pytest

from ofer_bench.core.errors import SpecError
from ofer_bench.spec.suite import Suite, SystemSpec
from ofer_bench.spec.yaml_io import parse_yaml

SUITE = """
name: tiny
version: "1"
title: Tiny
occlusions:
  patches: {occluder: random-patch, ratios: [0.25]}
variants:
  small: {of: face-mae, model: {dim: 24}}
  mine: {of: hybrid, extra: {loss_weights: {semantic_consistency: 10.0}}, upstream: {face-mae: small}}
  strict: {of: vit-svdd, false_alarms: 0.01}
systems:
  whole: {detector: strict, reconstructor: mine, classifier: dan}
recognition:
  systems: [whole]
  families: [patches]
"""


def test_a_variant_has_a_training_of_its_own_unless_it_only_moves_the_threshold() -> None:
    suite = parse_yaml(SUITE, Suite, "tiny.yaml")
    assert {name: v.trained_apart for name, v in suite.variants.items()} == {
        "small": True,
        "mine": True,
        "strict": False,
    }
    assert [suite.component_of(name) for name in ("mine", "strict", "dan")] == ["hybrid", "vit-svdd", "dan"]


@pytest.mark.parametrize(
    ("change", "line", "problem"),
    [
        (("face-mae: small", "face-mae: smal"), 2, "upstream 'smal' is no variant of face-mae; known: small"),
        (("face-mae: small", "resnet18: small"), 2, "upstream 'small' is no variant of resnet18; known: (none)"),
        (("  whole:", "  mine:"), 2, "'mine' is the name of a system and of a variant"),
        (("false_alarms: 0.01", "false_alarms: 0.01, model: {nu: 0.1}"), 10, "false_alarms belong to a detector"),
        (("false_alarms: 0.01", "false_alarms: 1"), 10, "less than 1"),
        (("false_alarms: 0.01", "thresold: 1"), 10, "thresold"),
        (("{of: face-mae, ", "{"), 8, "Field required"),
    ],
)
def test_mistakes_in_variants_are_reported_with_file_and_line(change: tuple[str, str], line: int, problem: str) -> None:
    with pytest.raises(SpecError, match=r"tiny\.yaml") as caught:
        parse_yaml(SUITE.replace(*change), Suite, "tiny.yaml")
    assert problem in str(caught.value)
    assert caught.value.line == line


def _system(fields: str) -> SystemSpec:
    return parse_yaml(f"classifier: dan\n{fields}\n", SystemSpec, "s.yaml")


def test_an_oracle_stands_for_the_detector() -> None:
    given = _system("reconstructor: mae\nmask: oracle")
    assert given.parts == {"reconstructor": "mae", "classifier": "dan"}
    assert given.recorded == {"detector": "oracle", "reconstructor": "mae", "classifier": "dan"}
    found = _system("reconstructor: mae\ndetector: vit-svdd")
    assert found.parts == found.recorded == {"detector": "vit-svdd", "reconstructor": "mae", "classifier": "dan"}
    assert _system("").recorded == {"classifier": "dan"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("reconstructor: mae", "unless the mask is given"),
        ("detector: vit-svdd", "go together"),
        ("mask: oracle", "needs a reconstructor"),
        ("mask: oracle\nreconstructor: mae\ndetector: vit-svdd", "leaves nothing to a detector"),
        ("mask: true\nreconstructor: mae", "'detected' or 'oracle'"),
        ("tau: 0.5\nreconstructor: mae\ndetector: vit-svdd", "tau belongs to mask: oracle"),
    ],
)
def test_a_mask_comes_from_one_place(fields: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        _system(fields)
