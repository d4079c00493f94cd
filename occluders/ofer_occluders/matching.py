"""What makes a pasted thing belong to a photograph: its colours, its sharpness and the shadow it throws.

Colour by Reinhard's method (2001): mean and standard deviation per channel of CIELAB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ofer_occluders.colour import bytes_to_linear, from_lab, to_lab
from ofer_occluders.cutouts import Cutout, Lab

FEATHER = 0.6 / 224
"""Standard deviation of the edge feather as a share of the side: a transition of 1-2 px at 224 px."""
LEAST_BLUR, LONGEST_BLUR = 0.5, 6 / 224
"""In pixels, and as a share of the side."""
_PROBE = 1.2
_GREY = 65.0
_VIVID = 11.0

Three = tuple[float, float, float]
Change = tuple[Three, Three]
"""Factor and summand of L, a and b."""
SAME: Change = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a picture is like: ``face`` the colours of its face, ``blur`` px the width of its sharpest edges."""

    face: Lab
    blur: float


def measure(image: np.ndarray) -> Scene:
    """Measure ``image`` uint8 [H,W,3] with an aligned face."""
    return Scene(face=_face(image), blur=_blur(image))


def skin_change(thing: Lab, face: Lab) -> Change:
    """Return the change that gives skin of colours ``thing`` those of ``face``, with milder limits to its contrast."""
    limits = ((0.6, 1.3), (0.0, 1.2), (0.0, 1.2))
    factor = [
        float(np.clip(goal / max(have, 1e-3), *limit))
        for goal, have, limit in zip(face.spread, thing.spread, limits, strict=True)
    ]
    shift = [goal - f * have for goal, f, have in zip(face.mean, factor, thing.mean, strict=True)]
    return ((factor[0], factor[1], factor[2]), (shift[0], shift[1], shift[2]))


def thing_change(face: Lab) -> Change:
    """Return the slight change of brightness and white balance for a thing rendered under white light.

    Skin is dark by nature as well as by light, so the brightness follows it only in part; in a photograph
    without colour things have none either.
    """
    light, a, b = face.mean
    brightness = float(np.clip((max(light, 1.0) / _GREY) ** 0.4, 0.7, 1.15))
    colour = float(np.clip(np.hypot(a, b) / _VIVID, 0.0, 1.0))
    return ((brightness, colour, colour), (0.0, 0.12 * a, 0.12 * b))


def change(light: np.ndarray, by: Change) -> np.ndarray:
    """Apply a change to linear light [N,3]."""
    factor, shift = (np.array(three, dtype=np.float32) for three in by)
    return from_lab(to_lab(light) * factor + shift)


def softening(cutout: Cutout, scale: float, scene: Scene, side: int) -> float:
    """Blur in px that a cut-out shown at ``scale`` times its natural size needs, to be as sharp as the picture.

    Zero where that would hardly be seen.
    """
    # Enlarged, it is soft already; an edge of one pixel has about a third of that as its deviation.
    own = 0.35 * max(1.0, scale * side / cutout.side)
    wanted = float(np.sqrt(max(scene.blur**2 - own**2, 0.0)))
    return 0.0 if wanted < LEAST_BLUR else min(wanted, LONGEST_BLUR * side)


def _face(image: np.ndarray) -> Lab:
    """Colours of the middle of the face, without its darkest (hair, brows, nostrils) and lightest pixels."""
    height, width = image.shape[:2]
    stride = max(1, min(height, width) // 56)
    middle = image[height // 4 : 7 * height // 8 : stride, width // 4 : 3 * width // 4 : stride].reshape(-1, 3)
    lab = to_lab(bytes_to_linear(middle)).astype(np.float64)
    low, high = _quantile(lab[:, 0], 0.3), _quantile(lab[:, 0], 0.95)
    skin = lab[(lab[:, 0] >= low) & (lab[:, 0] <= high)]
    (l0, a0, b0), (l1, a1, b1) = skin.mean(axis=0).tolist(), skin.std(axis=0).tolist()
    return Lab(mean=(l0, a0, b0), spread=(l1, a1, b1))


def _blur(image: np.ndarray) -> float:
    """Standard deviation in px of the sharpest edges of the upper face, where the eyes are.

    Blurring an edge of deviation s once more by p divides its slope by sqrt(1 + (p / s)^2) (Zhuo & Sim, 2011).
    """
    from scipy.ndimage import gaussian_filter

    height, width = image.shape[:2]
    grey = image[height // 4 : 2 * height // 3, width // 6 : 5 * width // 6].astype(np.float32).mean(axis=2)
    before = _slope(grey)
    after = _slope(gaussian_filter(grey, _PROBE, truncate=2.5))
    edges = before >= max(_quantile(before, 0.985), 1e-3)
    if not edges.any():
        return 0.0
    ratio = _quantile(before[edges] / np.maximum(after[edges], 1e-3), 0.7)
    return _PROBE / float(np.sqrt(max(ratio**2 - 1, 1e-2)))


def _slope(grey: np.ndarray) -> np.ndarray:
    down, across = grey[1:, :-1] - grey[:-1, :-1], grey[:-1, 1:] - grey[:-1, :-1]
    steep: np.ndarray = np.hypot(down, across)
    return steep


def _quantile(values: np.ndarray, share: float) -> float:
    """The value at rank ``share`` of all; NumPy's own costs several times as much for interpolating."""
    rank = int(share * (values.size - 1))
    return float(np.partition(values, rank, axis=None)[rank])
