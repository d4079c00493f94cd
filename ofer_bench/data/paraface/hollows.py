"""Where skin lies in hollows that the mesh does not have: how much of the light they keep as the face moves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ofer_bench.data.paraface.skin_map import SkinMap
from ofer_bench.data.paraface.wrinkles import DEEPEST, mean_weight

_RAISED_BY: Mapping[str, Mapping[str, float]] = {
    # Lips that part have no seam.
    "seam": {
        "mouthSmile": 0.85,
        "mouth-corner-puller": 0.3,
        "mouthUpperUp": -0.7,
        "mouthLowerDown": -0.7,
        "jawOpen": -1.0,
    },
    "corner": {"mouthSmile": 0.6, "mouth-corner-puller": 0.3, "mouthDimple": 0.4, "mouthPress": 0.3},
    "upper lip": {"mouthSmile": 0.22, "mouth-corner-puller": 0.1, "noseSneer": 0.15},
}
_IN_FOLDS = 0.3


def hollow_sheets(skin: SkinMap) -> np.ndarray:
    """Shape of every hollow in [0,1], float32 [H,T,T]: the lips' seam, its corners, and what cheeks stand out from."""
    x, y, z = (np.abs(skin.position[..., 0]), skin.position[..., 1], skin.position[..., 2])
    front = z > 1.0
    height = above_seam(x, y)
    beyond, aside = np.maximum(np.abs(height - 0.09) - 0.06, 0), np.maximum(x - 0.2, 0)
    upper_lip = np.exp(-((beyond / 0.06) ** 2) - (aside / 0.08) ** 2)
    shapes = {
        "seam": np.exp(-((height / 0.02) ** 2)) * np.clip((0.3 - x) / 0.05, 0, 1),
        "corner": np.clip(mouth_corner(x, y), 0, 1),
        "upper lip": upper_lip * (1 - skin.lips),
    }
    return np.stack([shapes[name] * front for name in _RAISED_BY]).astype(np.float32)


def hollow_shade(sheets: np.ndarray, actions: Mapping[str, float], folds: np.ndarray) -> np.ndarray:
    """Share of the light that is lost [T,T] in [0,0.9], in ``sheets`` [H,T,T] moved by ``actions`` and in ``folds``.

    ``folds`` [T,T] are depths in decimetres.
    """
    moved = [sum(gain * mean_weight(actions, stem) for stem, gain in raised.items()) for raised in _RAISED_BY.values()]
    shade = np.tensordot(np.maximum(moved, 0).astype(np.float32), sheets, axes=1)
    return np.clip(shade + _IN_FOLDS * np.clip(folds / np.float32(DEEPEST), 0, 1), 0, 0.9).astype(np.float32)


def above_seam(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of (|x|, y) on the resting head above the line where the closed lips meet, in decimetres."""
    height: np.ndarray = y - 6.607 - 0.010 * (np.minimum(x, 0.25) / 0.25) ** 2
    return height


def mouth_corner(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The hollow at the corners of the mouth at (|x|, y): a seam that runs on into the cheek, and shade around it."""
    height = above_seam(x, y)
    inner, outer = np.clip((x - 0.19) / 0.05, 0, 1), np.clip((0.315 - x) / 0.06, 0, 1)
    tail = np.exp(-((height / 0.013) ** 2)) * inner * outer
    shade: np.ndarray = tail + 0.35 * np.exp(-(((x - 0.265) / 0.045) ** 2) - (height / 0.035) ** 2)
    return shade
