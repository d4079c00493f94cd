"""Detection metrics against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from ofer_bench.metrics.detection import auroc, average_precision, detection_metrics, fpr_at_tpr


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), levels=st.sampled_from([3, 20, 10_000]))
def test_equal_to_scikit_learn(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((5, 4, 4)) < 0.3
    truth[0, 0, 0], truth[0, 0, 1] = True, False
    # Few levels make many ties.
    score = (rng.integers(0, levels, truth.shape) / levels + 0.3 * truth).astype(np.float32)
    predicted = score > 0.6
    got = detection_metrics(score, predicted, truth)
    flat, guess, values = truth.ravel(), predicted.ravel(), score.ravel().astype(float)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(flat, guess, average="binary", zero_division=np.nan)
    false_rate, true_rate, _ = sk.roc_curve(flat, values, drop_intermediate=False)
    expected = {
        "patch_accuracy": sk.accuracy_score(flat, guess),
        "patch_precision": precision,
        "patch_recall": recall,
        "patch_f1": f1,
        "patch_auroc": sk.roc_auc_score(flat, values),
        "patch_ap": sk.average_precision_score(flat, values),
        "patch_fpr95": false_rate[true_rate >= 0.95].min(),
        "patch_prevalence": flat.mean(),
    }
    assert got == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_undefined_values_are_nan_and_bad_input_is_an_error() -> None:
    score, none = np.array([0.1, 0.9]), np.zeros(2, dtype=bool)
    assert math.isnan(auroc(score, none)) and math.isnan(auroc(score, ~none))
    assert math.isnan(average_precision(score, none)) and math.isnan(fpr_at_tpr(score, none))
    got = detection_metrics(score, none, none)
    assert math.isnan(got["patch_precision"]) and math.isnan(got["patch_f1"]) and got["patch_accuracy"] == 1
    with pytest.raises(ValueError, match="shapes differ"):
        detection_metrics(score, none, none[:1])
    with pytest.raises(ValueError, match="NaN"):
        detection_metrics(np.array([np.nan, 1]), none, none)
