"""Folds of the face: where they run on the resting head, how deep age digs them and which actions raise them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree
from scipy.special import expit

from ofer_bench.data.paraface.skin_map import SkinMap

FOLDS: Mapping[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "forehead": (
        ((0.0, 7.60), (0.2, 7.62), (0.42, 7.60), (0.52, 7.56)),
        ((0.0, 7.70), (0.22, 7.72), (0.45, 7.70)),
        ((0.0, 7.80), (0.2, 7.82), (0.40, 7.80)),
    ),
    "glabella": (((0.055, 7.36), (0.065, 7.44), (0.085, 7.53)), ((0.0, 7.33), (0.05, 7.335))),
    "crow": (
        ((0.52, 7.30), (0.60, 7.35), (0.67, 7.40)),
        ((0.53, 7.27), (0.61, 7.28), (0.69, 7.29)),
        ((0.52, 7.24), (0.60, 7.20), (0.67, 7.16)),
    ),
    "nasolabial": (((0.175, 7.00), (0.23, 6.93), (0.30, 6.80), (0.345, 6.68), (0.36, 6.58)),),
    "eyebag": (((0.16, 7.20), (0.24, 7.145), (0.34, 7.13), (0.43, 7.17)),),
    "alar": (((0.12, 7.075), (0.163, 7.03), (0.182, 6.965), (0.174, 6.90), (0.145, 6.865)),),
    "nose": (((0.03, 7.27), (0.075, 7.245), (0.125, 7.20)), ((0.045, 7.205), (0.09, 7.17), (0.145, 7.115))),
    "marionette": (((0.29, 6.60), (0.31, 6.50), (0.30, 6.40)),),
    "corner": (((0.345, 6.72), (0.375, 6.66), (0.37, 6.60)),),
    "chin": (((0.0, 6.47), (0.12, 6.46), (0.2, 6.42)),),
}
"""Name -> curves (|x|, y) on the resting head in decimetres; the other half of the face mirrors them."""

_REST_DEPTH: Mapping[str, float] = {"alar": 1.1, "nasolabial": 0.15, "eyebag": 0.1}
_AGE_DEPTH: Mapping[str, float] = {
    "forehead": 0.55,
    "glabella": 0.4,
    "crow": 0.6,
    "nasolabial": 0.75,
    "eyebag": 0.6,
    "alar": 0.0,
    "nose": 0.0,
    "marionette": 0.6,
    "corner": 0.15,
    "chin": 0.2,
}
_RAISED_BY: Mapping[str, Mapping[str, float]] = {
    "forehead": {"browInnerUp": 0.45, "browOuterUp": 0.45, "eyebrows-inner-up": 0.45, "eyebrows-extern-up": 0.4},
    "glabella": {"browDown": 0.6, "eyebrows-down": 0.6, "noseSneer": 0.3},
    "crow": {"cheekSquint": 0.55, "mouthSmile": 0.25, "eye-slit": 0.35},
    "nasolabial": {
        "mouthSmile": 1.3,
        "cheekSquint": 0.35,
        "mouth-corner-puller": 1.0,
        "mouth-upward-retraction": 0.45,
        "noseSneer": 0.5,
        "mouth-elevation": 0.6,
        "mouthUpperUp": 0.5,
        "mouth-part-later": 0.4,
    },
    "eyebag": {"cheekSquint": 0.6, "eyeSquint": 0.4, "mouthSmile": 0.2},
    "alar": {"noseSneer": 0.2, "nose-elevation": 0.2},
    "nose": {"noseSneer": 0.45, "nose-elevation": 0.2},
    "marionette": {"mouthFrown": 0.5, "mouth-depression": 0.6, "neck-platysma": 0.4},
    "corner": {"mouthSmile": 0.5, "mouth-corner-puller": 0.5, "mouthDimple": 0.6, "mouth-retraction": 0.4},
    "chin": {"mouthShrugLower": 0.7, "mouth-depression": 0.5},
}
_WIDTH = {"nasolabial": 0.030, "eyebag": 0.028, "corner": 0.026, "chin": 0.035, "marionette": 0.026, "nose": 0.022}
_FINE_WIDTH = 0.015
_DEPTH = 0.022
# The nasolabial fold is less a groove than the edge of the cheek, which swells beside it by so many of its depths.
_GROOVE, _SWELLING = 0.9, 2.4

DEEPEST = 1.5 * _DEPTH
"""Where a fold lets in no more light from the sides, in decimetres."""


def fold_sheets(skin: SkinMap) -> np.ndarray:
    """Depth profile of every fold, float32 [F,T,T] in the order of ``FOLDS``.

    Between 0 and 1 but for the nasolabial fold: at most 0.7 in its groove and down to -2.4 where the cheek swells.
    """
    position = skin.position.reshape(-1, 3)
    front = np.flatnonzero((position[:, 2] > 0.6) & (position[:, 1] > 6.2) & (position[:, 1] < 8.0))
    face = np.stack([np.abs(position[front, 0]), position[front, 1]], axis=1)
    sheets = np.zeros((len(FOLDS), skin.size * skin.size), dtype=np.float32)
    for row, (name, curves) in enumerate(FOLDS.items()):
        width = _WIDTH.get(name, _FINE_WIDTH)
        for curve in curves:
            points, taper = _resample(np.array(curve))
            distance, nearest = cKDTree(points).query(face)
            profile = taper[nearest] * np.exp(-((distance / width) ** 2))
            sheets[row, front] = np.maximum(sheets[row, front], profile)
        if name == "nasolabial":
            sheets[row, front] = _GROOVE * sheets[row, front] - _SWELLING * _cheek(face)
    return sheets.reshape(len(FOLDS), skin.size, skin.size)


def fold_depths(actions: Mapping[str, float], age: float) -> np.ndarray:
    """Depth of every fold [F] in decimetres for action weights in [0,1.6] at ``age`` in years.

    Young skin folds while it moves; old skin keeps the fold and deepens it. The groove round the wings of the nose is
    there at every age.
    """
    old = float(np.clip((age - 30.0) / 45.0, 0.0, 1.0))
    depths = []
    for name in FOLDS:
        raised = sum(gain * mean_weight(actions, stem) for stem, gain in _RAISED_BY[name].items())
        depths.append(_REST_DEPTH.get(name, 0.0) + _AGE_DEPTH[name] * old**1.3 + min(raised, 1.3) * (0.55 + 0.6 * old))
    return np.array(depths) * _DEPTH


def _cheek(face: np.ndarray) -> np.ndarray:
    """Swelling of the cheek in [0,1] at (|x|, y) [N,2]: round, and cut off where it meets the nasolabial fold."""
    x, y = face.T
    upwards = np.array(FOLDS["nasolabial"][0])[::-1]
    fold_x = CubicSpline(upwards[:, 1], upwards[:, 0])(np.clip(y, *upwards[[0, -1], 1]))
    swelling: np.ndarray = np.exp(-(((x - 0.36) / 0.20) ** 2) - ((y - 6.90) / 0.17) ** 2)
    return swelling * expit((x - fold_x - 0.025) / 0.02)


def mean_weight(actions: Mapping[str, float], stem: str) -> float:
    """Weight of an action, averaged over its two sides where it has sides."""
    pairs = {stem, f"{stem}Left", f"{stem}Right", stem.replace("-", "-left-", 1), stem.replace("-", "-right-", 1)}
    weights = [actions[name] for name in pairs if name in actions]
    return sum(weights) / (1 if stem in actions else 2) if weights else 0.0


def _resample(curve: np.ndarray, count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Points along a polyline [count,2] and a taper that fades both ends [count]."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0.0, length[-1], count)
    points = np.stack([np.interp(at, length, curve[:, axis]) for axis in range(2)], axis=1)
    share = np.linspace(0.0, 1.0, count)
    open_end = 1.0 if curve[0, 0] == 0.0 else np.clip(share / 0.2, 0.0, 1.0)
    return points, open_end * np.clip((1.0 - share) / 0.35, 0.0, 1.0)
