"""The sheet that skin is painted on: the resting head unrolled from a cylinder round its vertical axis."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import Delaunay, cKDTree

from ofer_bench.data.paraface.model import REGIONS, HeadModel

_AXIS_Z = 0.25
_HALF_ANGLE = np.radians(130.0)
_TOP, _BOTTOM = 8.6, 4.9
_RADIUS = 1.15


def texel_coordinates(rest: np.ndarray, size: int) -> np.ndarray:
    """Texel (x, y) of resting points [...,3] in decimetres on a sheet of ``size`` x ``size``: [...,2].

    The back of the head falls on the outermost columns.
    """
    angle = np.arctan2(rest[..., 0], rest[..., 2] - _AXIS_Z)
    x = np.clip(0.5 + angle / (2 * _HALF_ANGLE), 0.0, 1.0)
    y = np.clip((_TOP - rest[..., 1]) / (_TOP - _BOTTOM), 0.0, 1.0)
    return np.stack([x, y], axis=-1) * (size - 1)


def texels_per_decimetre(size: int) -> tuple[float, float]:
    """Resolution of the sheet across and along the face."""
    return (size - 1) / (2 * _HALF_ANGLE * _RADIUS), (size - 1) / (_TOP - _BOTTOM)


def sheet_size(image_size: int) -> int:
    """Side of the sheet that is as fine as the samples of an aligned image."""
    return 256 if image_size <= 128 else 512


class SkinMap:
    """Resting position [T,T,3] and regions [T,T] (lips, eyelids) under every texel of the sheet."""

    def __init__(self, head: HeadModel, size: int) -> None:
        self.size = size
        skin = np.unique(head.triangles[head.region == REGIONS.index("skin")])
        # Of the folds inside mouth, nostrils and ears only the outer skin is painted.
        skin = skin[head.uv_region[skin, 1] < 0.2]
        x, y = np.meshgrid(np.arange(size), np.arange(size))
        corners, self._weights = _locate(texel_coordinates(head.rest[skin], size), np.stack([x.ravel(), y.ravel()], 1))
        self._vertices = skin[corners]
        sheet = np.stack([self.spread(values) for values in (*head.rest.T, *head.uv_region.T)], axis=-1)
        self.position = sheet[..., :3]
        self.lips = np.clip(sheet[..., 3], 0.0, 1.0)
        self.eyelids = np.clip(sheet[..., 5], 0.0, 1.0)
        left = (sheet[..., 0] > 0.0) & (sheet[..., 2] > 0.7) & (np.abs(sheet[..., 1] - 7.5) < 0.4)
        self._rows, self._columns = np.nonzero(left)
        self._front = cKDTree(sheet[..., :2][left])

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Interpolate one value per vertex of the head [V] over the sheet: float32 [T,T]."""
        flat = (values[self._vertices] * self._weights).sum(axis=1)
        return flat.reshape(self.size, self.size).astype(np.float32)

    def texel_at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the texel nearest to brow points (x, y) of the resting head; x < 0 is mirrored."""
        nearest = self._front.query(np.stack([np.abs(x), y], axis=-1))[1]
        column = self._columns[nearest]
        return self._rows[nearest], np.where(x < 0, self.size - 1 - column, column)


def _locate(points: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Three of ``points`` [P,2] around each of ``queries`` [Q,2], and their weights, both [Q,3]; else the nearest."""
    mesh = Delaunay(points)
    simplex = mesh.find_simplex(queries)
    transform = mesh.transform[simplex]
    first = np.einsum("qij,qj->qi", transform[:, :2], queries - transform[:, 2])
    weights = np.concatenate([first, 1.0 - first.sum(axis=1, keepdims=True)], axis=1)
    corners = mesh.simplices[simplex].astype(np.int64)
    outside = (simplex < 0) | ~np.isfinite(weights).all(axis=1)
    corners[outside] = cKDTree(points).query(queries[outside])[1][:, None]
    weights[outside] = 1.0 / 3.0
    return corners, weights


@lru_cache(maxsize=4)
def noise_bank(size: int) -> np.ndarray:
    """Band-limited noise of unit variance, float32 [5,size,size], periodic; finest band last."""
    rng = np.random.Generator(np.random.PCG64(20231))
    bands = []
    for sigma in np.array([0.09, 0.035, 0.014, 0.006, 0.0025]) * size:
        band = gaussian_filter(rng.standard_normal((size, size)), max(float(sigma), 0.5), mode="wrap")
        bands.append(band / band.std())
    return np.stack(bands).astype(np.float32)


def noise(rng: np.random.Generator, size: int, band: int) -> np.ndarray:
    """One drawing of a band of :func:`noise_bank`: [size,size]."""
    shift = rng.integers(size, size=2)
    turned = np.roll(noise_bank(size)[band], shift, axis=(0, 1))
    return turned[:, ::-1] if rng.random() < 0.5 else turned
