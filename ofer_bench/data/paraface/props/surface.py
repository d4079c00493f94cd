"""The face as a prop meets it: points that move with it, and its relief as seen from outside.

Props are designed on the resting head; ``Face.at`` carries their points to any face. A relief is a height over a
grid: depth seen from the front, distance from the head's upright axis, or from the middle of the skull.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ofer_bench.data.paraface.model import REGIONS, HeadModel

AXIS_Z = 0.5
"""Depth in decimetres of the upright axis of ``Face.around``."""

SKULL = np.array([0.0, 7.55, 0.55])
"""Centre of ``Face.over``, in decimetres."""

if TYPE_CHECKING:
    from scipy.spatial import KDTree

Clearance = Callable[[np.ndarray], np.ndarray]
"""Distance in decimetres of points [...,3] from what must not be entered; negative inside."""

_CELL = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """Heights float64 [H,W] over a grid with ``origin`` (u, v) and ``step`` (u, v)."""

    height: np.ndarray
    origin: tuple[float, float]
    step: tuple[float, float]

    def at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Read between the grid points; beyond the edge as at the edge."""
        rows, columns = self.height.shape
        x = np.clip((u - self.origin[0]) / self.step[0], 0.0, columns - 1.001)
        y = np.clip((v - self.origin[1]) / self.step[1], 0.0, rows - 1.001)
        j, i = x.astype(np.int64), y.astype(np.int64)
        x, y = x - j, y - i
        top = self.height[i, j] * (1 - x) + self.height[i, j + 1] * x
        bottom = self.height[i + 1, j] * (1 - x) + self.height[i + 1, j + 1] * x
        return top * (1 - y) + bottom * y

    def draped(self, reach: float, *, gap: float = 0.0, smooth: float = 0.06) -> Relief:
        """Lay cloth over the relief: hollows narrower than ``reach`` are bridged, nothing comes nearer than ``gap``.

        Lengths in the units of the grid (``reach``, ``smooth``) and of the height (``gap``).
        """
        from scipy import ndimage

        size = [max(3, 2 * int(0.5 * reach / s) + 1) for s in self.step[::-1]]
        sigma = [smooth / s for s in self.step[::-1]]
        floor = self.height + gap
        cloth = ndimage.grey_closing(floor, size=size, mode="nearest")
        for _ in range(3):
            cloth = np.maximum(ndimage.gaussian_filter(cloth, sigma, mode="nearest"), floor)
        return Relief(height=ndimage.gaussian_filter(cloth, 0.7), origin=self.origin, step=self.step)


@dataclass(frozen=True, kw_only=True)
class Face:
    """A face [V,3] to put things on; ``rest`` is the resting head with the same vertices.

    The reliefs are made when first asked for.
    """

    rest: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray

    def at(self, points: np.ndarray) -> np.ndarray:
        """Carry points [...,3] near the resting face along with the skin nearest to them."""
        distance, near = self._tree.query(np.asarray(points, dtype=np.float64), k=6)
        weight = 1.0 / (distance**2 + 0.02)
        moved = (self.vertices - self.rest)[self._skin[near]]
        return points + (weight[..., None] * moved).sum(axis=-2) / weight.sum(axis=-1)[..., None]

    @cached_property
    def _skin(self) -> np.ndarray:
        used = np.zeros(len(self.rest), dtype=bool)
        used[self.triangles] = True
        return np.flatnonzero(used)

    @cached_property
    def _tree(self) -> KDTree:
        from scipy.spatial import KDTree

        return KDTree(self.rest[self._skin], balanced_tree=False)

    @cached_property
    def front(self) -> Relief:
        """Depth z over x in [-1,1] and y in [5.2,8.6]."""
        x, y, z = self.vertices.T
        return _relief(x, y, z, self.triangles, (-1.02, 1.02), (5.2, 8.6), (_CELL, _CELL), outside=-0.2)

    @cached_property
    def around(self) -> Relief:
        """Distance from the upright axis over the angle in [-2.4,2.4] (0 ahead, positive to the left) and y."""
        x, y, z = self.vertices.T
        angle = np.arctan2(x, z - AXIS_Z)
        return _relief(angle, y, np.hypot(x, z - AXIS_Z), self.triangles, (-2.4, 2.4), (5.2, 8.2), (0.04, _CELL))

    @cached_property
    def over(self) -> Relief:
        """Distance from the middle of the skull over the angle round y and the height angle, in radians."""
        x, y, z = (self.vertices - SKULL).T
        across = np.hypot(x, z)
        angle, height = np.arctan2(x, z), np.arctan2(y, across)
        return _relief(angle, height, np.hypot(across, y), self.triangles, (-3.15, 3.15), (-0.6, 1.55), (0.06, 0.05))

    def clearance(self, relief: Relief) -> Clearance:
        """Distance of points [...,3] from a front ``relief``, negative behind it."""
        rows, columns = np.gradient(relief.height, *relief.step[::-1])
        # Along the line of sight the distance is too long where the skin is steep.
        cosine = Relief(
            height=1.0 / np.sqrt(1.0 + rows**2 + columns**2).clip(1.0, 4.0), origin=relief.origin, step=relief.step
        )

        def distance(points: np.ndarray) -> np.ndarray:
            x, y, z = points[..., 0], points[..., 1], points[..., 2]
            beside = (np.abs(x) > 1.0) | (y < relief.origin[1])
            return np.where(beside, np.inf, (z - relief.at(x, y)) * cosine.at(x, y))

        return distance


def face_of(head: HeadModel, vertices: np.ndarray) -> Face:
    """Wrap ``vertices`` [V,3] of ``head``, any identity and expression."""
    outside = (head.region == REGIONS.index("skin")) | (head.region == REGIONS.index("eye"))
    return Face(rest=head.rest, vertices=np.asarray(vertices, np.float64), triangles=head.triangles[outside])


def contact(vertices: np.ndarray, clearance: Clearance, away: np.ndarray) -> float:
    """Shift in decimetres along ``away`` [3] at which ``vertices`` [V,3], coming in from there, just touch.

    At most 0.6 inwards; what would still be free there stays apart.
    """
    # Skin gives way a little; every second vertex is near enough to every other.
    give, thinned = 0.015, vertices[::2]
    low, high = -0.6, 1.2
    for _ in range(2):
        offsets = np.linspace(high, low, 10)
        free = clearance(thinned + offsets[:, None, None] * away).min(axis=1) > -give
        stop = len(offsets) - 1 if free.all() else int(np.argmin(free))
        high, low = offsets[max(stop - 1, 0)], offsets[stop]
    return float(high)


def _relief(
    u: np.ndarray,
    v: np.ndarray,
    height: np.ndarray,
    triangles: np.ndarray,
    u_range: tuple[float, float],
    v_range: tuple[float, float],
    step: tuple[float, float],
    outside: float | None = None,
) -> Relief:
    """Greatest height in each cell, from points scattered over the triangles; cells off the head are ``outside``."""
    from scipy import ndimage

    columns = round((u_range[1] - u_range[0]) / step[0]) + 1
    rows = round((v_range[1] - v_range[0]) / step[1]) + 1
    x, y = (u - u_range[0]) / step[0], (v - v_range[0]) / step[1]
    # Reductions over short axes are slow: corners stay apart.
    xs, ys = ([a[triangles[:, k]] for k in range(3)] for a in (x, y))
    # Only what faces outwards can be outermost; a triangle across the seam of an angle spans the whole grid.
    outer = (xs[1] - xs[0]) * (ys[2] - ys[0]) > (xs[2] - xs[0]) * (ys[1] - ys[0])
    wide = np.maximum(np.maximum(xs[0], xs[1]), xs[2]) - np.minimum(np.minimum(xs[0], xs[1]), xs[2])
    tall = np.maximum(np.maximum(ys[0], ys[1]), ys[2]) - np.minimum(np.minimum(ys[0], ys[1]), ys[2])
    extent = np.where(outer & (wide < columns / 2) & (ys[0] > -20) & (ys[0] < rows + 20), np.maximum(wide, tall), -1.0)
    flat = np.full(rows * columns, -np.inf)
    for low, high in pairwise((0, 1, 2, 3, 5, 8, 13, 40)):
        some = triangles[(extent >= low) & (extent < high)]
        share = _barycentric(high).T
        column, row = (np.rint(a[some] @ share).astype(np.int64).ravel() for a in (x, y))
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        np.maximum.at(flat, (row * columns + column)[inside], (height[some] @ share).ravel()[inside])
    grid = flat.reshape(rows, columns)
    distance, nearest = ndimage.distance_transform_edt(np.isneginf(grid), return_indices=True)
    grid = grid[tuple(nearest)]
    if outside is not None:
        grid[distance > 2.0] = outside
    return Relief(height=grid, origin=(u_range[0], v_range[0]), step=step)


def _barycentric(cuts: int) -> np.ndarray:
    """Weights [N,3] of points spread evenly over a triangle."""
    i, j = (index.ravel() for index in np.meshgrid(np.arange(cuts + 1), np.arange(cuts + 1), indexing="ij"))
    a, b = (index[i + j <= cuts] / cuts for index in (i, j))
    return np.stack([a, b, 1.0 - a - b], axis=1)
