"""Occlusion detection per patch, pooled over all images. NaN marks what is undefined."""

from __future__ import annotations

import math

import numpy as np


def detection_metrics(score: np.ndarray, predicted: np.ndarray, occluded: np.ndarray) -> dict[str, float]:
    """Score a detector over all patches of all images; keys are the names of ``info.detection_info``.

    ``score`` float (higher = more occluded), ``predicted`` (at the detector's own threshold) and ``occluded``
    bool (True = occluded), all of one shape, such as [N,G,G]. ValueError for unequal shapes, no patches or
    scores that aren't numbers.
    """
    if not score.shape == predicted.shape == occluded.shape or score.size == 0:
        raise ValueError(f"shapes differ or are empty: {score.shape}, {predicted.shape}, {occluded.shape}")
    if np.isnan(score).any():
        raise ValueError("detector scores hold NaN")
    guess, truth = predicted.ravel().astype(bool), occluded.ravel().astype(bool)
    values = score.ravel().astype(np.float64)
    return {
        "patch_accuracy": float((guess == truth).mean()),
        **precision_recall_f1(guess, truth),
        "patch_auroc": auroc(values, truth),
        "patch_ap": average_precision(values, truth),
        "patch_fpr95": fpr_at_tpr(values, truth),
        "patch_prevalence": float(truth.mean()),
    }


def precision_recall_f1(guess: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 of bool [N] against bool [N]; NaN where the denominator is zero."""
    hits, false_alarms, misses = (
        int((guess & truth).sum()),
        int((guess & ~truth).sum()),
        int((~guess & truth).sum()),
    )
    return {
        "patch_precision": _share(hits, hits + false_alarms),
        "patch_recall": _share(hits, hits + misses),
        "patch_f1": _share(2 * hits, 2 * hits + false_alarms + misses),
    }


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of ``score`` [N] for ``positive`` bool [N], ties half; NaN with one class."""
    hits, alarms = _cumulative(score, positive)
    if hits[-1] == 0 or alarms[-1] == 0:
        return math.nan
    tpr, fpr = np.r_[0, hits] / hits[-1], np.r_[0, alarms] / alarms[-1]
    return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2))


def average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Step-wise area under precision over recall, without interpolation; NaN without positives."""
    hits, alarms = _cumulative(score, positive)
    if hits[-1] == 0:
        return math.nan
    return float(np.sum(np.diff(np.r_[0, hits]) * hits / (hits + alarms)) / hits[-1])


def fpr_at_tpr(score: np.ndarray, positive: np.ndarray, tpr: float = 0.95) -> float:
    """Smallest false positive rate at a true positive rate of at least ``tpr``; NaN with one class."""
    hits, alarms = _cumulative(score, positive)
    if hits[-1] == 0 or alarms[-1] == 0:
        return math.nan
    return float(alarms[np.argmax(hits >= tpr * hits[-1])] / alarms[-1])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _cumulative(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives when everything from each distinct score upwards is called positive."""
    order = np.argsort(-score, kind="stable")
    ranked, truth = score[order], positive[order]
    last_of_tie = np.r_[np.flatnonzero(np.diff(ranked)), ranked.size - 1]
    return np.cumsum(truth)[last_of_tie], np.cumsum(~truth)[last_of_tie]
