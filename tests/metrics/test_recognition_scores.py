"""Recognition metrics against scikit-learn, failures counted as wrong."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from ofer_bench.metrics.recognition import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    per_class_recall,
    recognition_metrics,
)


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.choice(7, size=300, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    return label, np.where(rng.random(300) < 0.6, label, rng.integers(0, 7, 300))


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_scikit_learn(seed: int) -> None:
    label, predicted = sample(seed)
    assert recognition_metrics(label, predicted, 7) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(label, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(label, predicted),
            "macro_f1": sk.f1_score(label, predicted, average="macro"),
        },
        abs=1e-12,
    )
    assert np.array_equal(confusion_matrix(label, predicted, 7)[:, :7], sk.confusion_matrix(label, predicted))
    np.testing.assert_allclose(per_class_recall(label, predicted, 7), sk.recall_score(label, predicted, average=None))


def test_failures_are_wrong_in_every_metric() -> None:
    label, predicted = sample(9)
    predicted[:30] = -1
    assert accuracy(label, predicted) == pytest.approx((label[30:] == predicted[30:]).sum() / 300)
    matrix = confusion_matrix(label, predicted, 7)
    assert matrix[:, 7].sum() == 30 and matrix.sum() == 300
    np.testing.assert_allclose(
        per_class_recall(label, predicted, 7),
        sk.recall_score(label, predicted, average=None, labels=range(7)),
    )
    expected = sk.f1_score(label, predicted, average="macro", labels=range(7))
    assert macro_f1(label, predicted, 7) == pytest.approx(expected, abs=1e-12)


def test_absent_classes_do_not_count() -> None:
    label, predicted = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2])
    assert np.isnan(per_class_recall(label, predicted, 5)[[1, 3, 4]]).all()
    assert balanced_accuracy(label, predicted, 5) == pytest.approx(0.75)
    assert macro_f1(label, predicted, 5) == pytest.approx((2 / 3 + 0.8) / 2)


def test_bad_input_is_an_error() -> None:
    with pytest.raises(ValueError, match="non-empty"):
        accuracy(np.array([], dtype=int), np.array([], dtype=int))
    with pytest.raises(ValueError, match="known classes"):
        accuracy(np.array([-1, 0]), np.array([0, 0]))
    with pytest.raises(ValueError, match="not below 2"):
        macro_f1(np.array([0, 1]), np.array([0, 2]), 2)
