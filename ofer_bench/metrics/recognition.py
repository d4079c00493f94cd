"""Expression recognition. A failed sample is predicted as -1 and counts as wrong."""

from __future__ import annotations

import numpy as np

FAILED = -1
"""Predicted class of a sample that got no prediction."""


def recognition_metrics(label: np.ndarray, predicted: np.ndarray, num_classes: int) -> dict[str, float]:
    """Accuracy, balanced accuracy and macro F1 by their metric names; inputs as for the single functions."""
    return {
        "accuracy": accuracy(label, predicted),
        "balanced_accuracy": balanced_accuracy(label, predicted, num_classes),
        "macro_f1": macro_f1(label, predicted, num_classes),
    }


def accuracy(label: np.ndarray, predicted: np.ndarray) -> float:
    """Share of correct samples; ``label`` int [N] >= 0, ``predicted`` int [N] with -1 for failures."""
    _check(label, predicted)
    return float((label == predicted).mean())


def confusion_matrix(label: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Count samples by true class (row) and predicted class (column): int64 [K,K+1], last = failures."""
    _check(label, predicted, num_classes)
    column = np.where(predicted == FAILED, num_classes, predicted)
    counts = np.bincount(label * (num_classes + 1) + column, minlength=num_classes * (num_classes + 1))
    return counts.reshape(num_classes, num_classes + 1)


def per_class_recall(label: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Share of correct samples of each class: float64 [K], NaN for a class without samples."""
    counts = confusion_matrix(label, predicted, num_classes)
    total = counts.sum(axis=1)
    return np.divide(np.diag(counts), total, out=np.full(num_classes, np.nan), where=total > 0)


def balanced_accuracy(label: np.ndarray, predicted: np.ndarray, num_classes: int) -> float:
    """Mean recall over the classes that have samples."""
    return float(np.nanmean(per_class_recall(label, predicted, num_classes)))


def macro_f1(label: np.ndarray, predicted: np.ndarray, num_classes: int) -> float:
    """Mean F1 over the classes that have samples or predictions; a failure is a miss of its true class."""
    counts = confusion_matrix(label, predicted, num_classes)
    hits, support, called = np.diag(counts), counts.sum(axis=1), counts[:, :num_classes].sum(axis=0)
    present = support + called > 0
    return float(np.mean(2 * hits[present] / (support + called)[present]))


def _check(label: np.ndarray, predicted: np.ndarray, num_classes: int | None = None) -> None:
    if label.shape != predicted.shape or label.ndim != 1 or label.size == 0:
        raise ValueError(f"labels {label.shape} and predictions {predicted.shape} must be two equal, non-empty [N]")
    if label.min() < 0 or predicted.min() < FAILED:
        raise ValueError("labels must be known classes; predictions a class or -1 for a failure")
    if num_classes is not None and max(label.max(), predicted.max()) >= num_classes:
        raise ValueError(f"a class index is not below {num_classes}")
