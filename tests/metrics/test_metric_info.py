"""Metric metadata fits the metrics."""

from __future__ import annotations

import numpy as np
import pytest

from ofer_bench.core.errors import UnknownName
from ofer_bench.metrics.detection import detection_metrics
from ofer_bench.metrics.info import METRICS, PSNR_HOLE, detection_info, metric_info
from ofer_bench.metrics.recognition import recognition_metrics


def test_definitions_are_unique_and_found() -> None:
    definitions = [info.definition for info in METRICS]
    assert len(set(definitions)) == len(definitions)
    assert all(metric_info(info.definition) is info for info in METRICS)
    assert metric_info(PSNR_HOLE).unit == "dB" and metric_info("psnr").definition == "psnr/whole/rgb"
    assert metric_info("ece").higher_is_better is False
    with pytest.raises(UnknownName, match="accuracy"):
        metric_info("acuracy")


def test_every_computed_metric_has_its_metadata() -> None:
    truth = np.array([[True, False], [False, True]])
    names = detection_metrics(truth.astype(float), truth, truth)
    assert list(names) == [info.name for info in detection_info()]
    assert all("tau0.1" in info.definition for info in detection_info(0.1))
    for name in recognition_metrics(np.array([0, 1]), np.array([0, 1]), 2):
        assert metric_info(name).name == name
