"""Calibration: do the probabilities mean what they say?"""

from __future__ import annotations

import numpy as np

ECE_BINS = 15


def ece(prob: np.ndarray, label: np.ndarray, bins: int = ECE_BINS) -> float:
    """Expected calibration error of the top label in [0,1], equal-width bins open to the left.

    ``prob`` float [N,K], rows summing to 1; ``label`` int [N]. ValueError for other shapes or sums.
    """
    _check(prob, label)
    confidence = prob.max(axis=1)
    correct = prob.argmax(axis=1) == label
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(index, weights=correct, minlength=bins) - np.bincount(index, weights=confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(label))


def brier(prob: np.ndarray, label: np.ndarray) -> float:
    """Mean over samples of the squared error summed over classes, in [0,2]."""
    _check(prob, label)
    one_hot = np.eye(prob.shape[1])[label]
    return float(((prob - one_hot) ** 2).sum(axis=1).mean())


def nll(prob: np.ndarray, label: np.ndarray) -> float:
    """Mean negative log probability of the true class in nat; float64's epsilon is the least probability."""
    _check(prob, label)
    true = prob[np.arange(len(label)), label].astype(np.float64)
    return float(-np.log(np.clip(true, np.finfo(np.float64).eps, 1.0)).mean())


def _check(prob: np.ndarray, label: np.ndarray) -> None:
    if prob.ndim != 2 or label.shape != prob.shape[:1] or len(label) == 0:
        raise ValueError(f"probabilities {prob.shape} must be [N,K] and labels {label.shape} [N], N > 0")
    if not np.allclose(prob.sum(axis=1), 1.0, atol=1e-3) or prob.min() < 0:
        raise ValueError("each row of probabilities must be non-negative and sum to 1")
    if label.min() < 0 or label.max() >= prob.shape[1]:
        raise ValueError(f"labels must lie in [0, {prob.shape[1]})")
