"""Robustness against occlusion: what accuracy does as the occluded ratio grows, and which samples flip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def auc_occ(ratio: np.ndarray, accuracy: np.ndarray) -> float:
    """Mean height of accuracy over the occluded ratio: trapezoid integral divided by its range.

    ``ratio`` float [M] strictly increasing with M >= 2, ``accuracy`` float [M] in [0,1]; else ValueError.
    """
    _check_curve(ratio, accuracy)
    area = np.sum(np.diff(ratio) * (accuracy[1:] + accuracy[:-1]) / 2)
    return float(area / (ratio[-1] - ratio[0]))


def rel_auc_occ(ratio: np.ndarray, accuracy: np.ndarray) -> float:
    """:func:`auc_occ` divided by the accuracy at ratio 0, which must come first; NaN when that is 0."""
    area = auc_occ(ratio, accuracy)
    _check_clean_first(ratio)
    return area / float(accuracy[0]) if accuracy[0] > 0 else math.nan


def r50(ratio: np.ndarray, accuracy: np.ndarray, chance: float) -> float | None:
    """Smallest ratio at which half the accuracy above ``chance`` is lost (linear interpolation), or None.

    Also None where the clean accuracy (ratio 0, first) is not above chance, so that there is nothing to lose.
    """
    _check_curve(ratio, accuracy)
    _check_clean_first(ratio)
    if accuracy[0] <= chance:
        return None
    half = chance + (accuracy[0] - chance) / 2
    below = np.flatnonzero(accuracy <= half)
    if below.size == 0:
        return None
    right = int(below[0])
    left = right - 1
    share = (accuracy[left] - half) / (accuracy[left] - accuracy[right])
    return float(ratio[left] + share * (ratio[right] - ratio[left]))


def flip_rate(clean: np.ndarray, occluded: np.ndarray) -> float:
    """Share of samples whose predicted class int [N] changes with occlusion; a failure (-1) is a class."""
    if clean.shape != occluded.shape or clean.size == 0:
        raise ValueError(f"predictions {clean.shape} and {occluded.shape} must be equal and not empty")
    return float((clean != occluded).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Shares of all samples: ``harm`` went from right to wrong, ``help`` from wrong to right."""

    harm: float
    help: float


def harm_help(correct_before: np.ndarray, correct_after: np.ndarray) -> Flips:
    """Count correctness flips between two conditions, both bool [N], True = correct."""
    if correct_before.shape != correct_after.shape or correct_before.size == 0:
        raise ValueError(f"{correct_before.shape} and {correct_after.shape} must be equal and not empty")
    before, after = correct_before.astype(bool), correct_after.astype(bool)
    return Flips(harm=float((before & ~after).mean()), help=float((~before & after).mean()))


def recovery(clean: float, occluded: float, reconstructed: float) -> float:
    """Share of the accuracy lost to occlusion that reconstruction wins back; 1 = all, negative = it harms.

    All in [0,1]. NaN when nothing was lost. Report it only where the interval of the loss excludes 0.
    """
    lost = clean - occluded
    return (reconstructed - occluded) / lost if lost != 0 else math.nan


def _check_curve(ratio: np.ndarray, accuracy: np.ndarray) -> None:
    if ratio.shape != accuracy.shape or ratio.ndim != 1 or ratio.size < 2 or not (np.diff(ratio) > 0).all():
        raise ValueError("an accuracy curve needs at least two points at strictly increasing ratios")


def _check_clean_first(ratio: np.ndarray) -> None:
    if ratio[0] != 0:
        raise ValueError(f"the curve must start at ratio 0, not {ratio[0]}")
