"""Rows of a data set that is not there: it stays visible in every table that it would have been in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ofer_bench.engine.config import RunConfig, system_spec
from ofer_bench.engine.plan import compositions
from ofer_bench.spec.suite import ORACLE

HEADLINE = {
    "detection": "patch_auroc",
    "reconstruction": "psnr",
    "recognition": "accuracy",
    "part": "restored_expression",
}
"""The metric that stands for a task where there is no number."""


def blocked_rows(config: RunConfig, data: str, family: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Yield one row per cell and contestant of every task of the suite, or of one ``family`` only.

    Families that are another data set's faces are left out unless asked for: nobody knows whether ``data`` has any.
    """
    suite = config.suite
    common = {
        "suite": f"{suite.name}-{suite.version}",
        "profile": config.profile.name,
        "device": config.device_type,
        "status": "blocked",
    }
    for kind, contestant, families in _contests(config):
        for cell in _cells(config, data, [f for f in families if _listed(config, f, family)]):
            yield {**common, "metric": HEADLINE[kind], **contestant, **cell}


def _contests(config: RunConfig) -> Iterator[tuple[str, Mapping[str, str], list[str]]]:
    """Kind, identity of the row, and families; the family of the faces as they are has no name."""
    suite = config.suite
    if suite.detection:
        for detector in suite.detection.detectors:
            yield "detection", {"detector": detector}, suite.detection.families
    if suite.reconstruction:
        for reconstructor in suite.reconstruction.reconstructors:
            oracle = {"detector": ORACLE, "reconstructor": reconstructor}
            yield "reconstruction", oracle, suite.reconstruction.families
            judged = {**oracle, "classifier": suite.reconstruction.classifier}
            yield "recognition", judged, suite.reconstruction.families
            if suite.reconstruction.part_classifier:
                part = {**oracle, "classifier": suite.reconstruction.part_classifier}
                yield "part", part, suite.reconstruction.families
        if suite.reconstruction.part_classifier:
            yield "part", {"classifier": suite.reconstruction.part_classifier}, suite.reconstruction.families
    if suite.recognition:
        for system in suite.recognition.systems:
            parts = system_spec(suite, system, compositions()).recorded
            yield "recognition", {"system": system, **parts}, ["", *suite.recognition.families]


def _listed(config: RunConfig, name: str, wanted: str | None) -> bool:
    spec = config.suite.occlusions.get(name)
    return name == wanted if wanted is not None else spec is None or not spec.data


def _cells(config: RunConfig, data: str, families: list[str]) -> Iterator[Mapping[str, Any]]:
    for family in families:
        spec = config.suite.occlusions.get(family)
        for split, low, high in spec.cells(data) if spec else [(data, 0.0, 0.0)]:
            if not config.splits or split in config.splits:
                yield {"split": split, "occluder": spec.recorded if spec else "", "ratio_lo": low, "ratio_hi": high}
