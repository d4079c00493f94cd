"""A small drawing board for cut-outs: signed distances give anti-aliased edges, height fields give shading.

Coordinates are units of the board's side, x to the right and y down; a distance is negative inside a shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ofer_occluders.colour import to_linear

Point = tuple[float, float]
Colour = Sequence[float] | np.ndarray
_LIGHT = np.array([-0.45, -0.6, 0.66], dtype=np.float32) / np.float32(np.linalg.norm([-0.45, -0.6, 0.66]))
_HALFWAY = (_LIGHT + np.array([0, 0, 1], dtype=np.float32)) / np.linalg.norm(_LIGHT + np.array([0, 0, 1]))


def smooth_union(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Join two signed distances with a fillet of about ``blend`` units, as skin does between fingers."""
    overlap = np.maximum(blend - np.abs(a - b), 0.0) / blend
    return np.minimum(a, b) - overlap * overlap * blend / 4


def dome(distance: np.ndarray, radius: float) -> np.ndarray:
    """Height of a rounded body over its outline: zero at the edge, ``radius`` from that depth on."""
    depth = np.clip(-distance / radius, 0.0, 1.0)
    return np.sqrt(1.0 - (1.0 - depth) ** 2) * np.float32(radius)


class Board:
    """A square picture in the making: premultiplied linear-light RGBA float32 [S,S,4]."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.rgba = np.zeros((side, side, 4), dtype=np.float32)
        axis = (np.arange(side, dtype=np.float32) + 0.5) / side
        self.x, self.y = np.meshgrid(axis, axis)

    def capsule(self, start: Point, end: Point, radius: float, end_radius: float | None = None) -> np.ndarray:
        """Signed distance to a thick segment, tapering to ``end_radius``."""
        px, py = self.x - start[0], self.y - start[1]
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
        width = radius if end_radius is None else radius + (end_radius - radius) * along
        return _length(px - along * dx, py - along * dy) - width

    def box(self, centre: Point, half: Point, radius: float) -> np.ndarray:
        """Signed distance to an upright rectangle of half sizes ``half`` with rounded corners."""
        qx = np.abs(self.x - centre[0]) - (half[0] - radius)
        qy = np.abs(self.y - centre[1]) - (half[1] - radius)
        return _length(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - radius

    def ellipse(self, centre: Point, radii: Point) -> np.ndarray:
        """Signed distance (first order) to an upright ellipse."""
        qx, qy = (self.x - centre[0]) / radii[0], (self.y - centre[1]) / radii[1]
        gradient = _length(qx / radii[0], qy / radii[1])
        norm = _length(qx, qy)
        return norm * (norm - 1.0) / np.maximum(gradient, 1e-6)

    def outline(self, points: Sequence[Point], *, smooth: bool = True) -> np.ndarray:
        """Signed distance to a closed outline through ``points``, rounded (Catmull-Rom) or straight."""
        from PIL import Image, ImageDraw
        from scipy.ndimage import distance_transform_edt, gaussian_filter

        curve = _closed_curve(points) if smooth else np.asarray(points, dtype=np.float64)
        # Distances vary slowly, so half the resolution is enough and four times faster.
        side = self.side // 2
        canvas = Image.new("L", (4 * side, 4 * side))
        # Pillow rounds corners to whole pixels, hence the fourfold canvas; 0.5 leads to pixel centres.
        ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in curve * 4 * side - 0.5], fill=255)
        inside = np.asarray(canvas.reduce(4)) >= 128
        outwards, inwards = distance_transform_edt(~inside), distance_transform_edt(inside)
        # Pixel centres lie half a pixel off the outline; smoothing takes out the staircase.
        distance = gaussian_filter(np.where(inside, 0.5 - inwards, outwards - 0.5).astype(np.float32), 1.2) / side
        large = Image.fromarray(distance).resize((self.side, self.side), Image.Resampling.BICUBIC)
        return np.asarray(large)

    def noise(self, rng: np.random.Generator, cells: tuple[int, int]) -> np.ndarray:
        """Smooth noise in about [-1, 1] with ``cells`` (rows, columns) of detail, float32 [S,S]."""
        from PIL import Image

        values = rng.uniform(-1, 1, size=cells).astype(np.float32)
        return np.asarray(Image.fromarray(values).resize((self.side, self.side), Image.Resampling.BICUBIC))

    def lighting(self, height: np.ndarray, *, ambient: float = 0.4, soften: float = 0.004) -> np.ndarray:
        """Return the brightness factor of a height field lit from the upper left; 1 where it is flat."""
        diffuse = np.maximum(self._normals(height, soften) @ _LIGHT, 0.0) / _LIGHT[2]
        return ambient + (1.0 - ambient) * diffuse

    def gloss(self, height: np.ndarray, *, sharpness: float = 40.0, soften: float = 0.004) -> np.ndarray:
        """Return the highlight of a height field lit from the upper left, in [0, 1]."""
        return np.maximum(self._normals(height, soften) @ _HALFWAY, 0.0) ** sharpness

    def paint(
        self,
        distance: np.ndarray,
        colour: Colour,
        light: np.ndarray | float = 1.0,
        *,
        gloss: np.ndarray | float = 0.0,
        opacity: float = 1.0,
    ) -> None:
        """Cover the shape with sRGB ``colour`` (0-255) times ``light`` plus ``gloss``, in linear light."""
        window = _window(distance * self.side < 0.5)
        shape = distance.shape
        alpha = np.clip(0.5 - distance[window] * self.side, 0.0, 1.0) * np.float32(opacity)
        linear = to_linear(np.asarray(colour, dtype=np.float32) / 255)
        body = np.multiply.outer(np.broadcast_to(np.asarray(light, dtype=np.float32), shape)[window], linear)
        body += np.broadcast_to(np.asarray(gloss, dtype=np.float32), shape)[window][..., None]
        target = self.rgba[window]
        target *= 1.0 - alpha[..., None]
        target[..., :3] += np.clip(body, 0, 1, out=body) * alpha[..., None]
        target[..., 3] += alpha

    def shadow(self, distance: np.ndarray, *, blur: float, strength: float) -> None:
        """Darken what is painted so far within ``blur`` units of a shape, as the shape's contact shadow."""
        self.rgba[..., :3] *= (1.0 - strength * np.clip(1.0 - distance / blur, 0.0, 1.0) ** 2)[..., None]

    def _normals(self, height: np.ndarray, soften: float) -> np.ndarray:
        """Unit normals [S,S,3] of a height field in board units."""
        from scipy.ndimage import gaussian_filter

        smooth = gaussian_filter(height.astype(np.float32), soften * self.side)
        slope_y, slope_x = np.gradient(smooth * self.side)
        length = np.sqrt(slope_x**2 + slope_y**2 + 1)
        return np.stack([-slope_x / length, -slope_y / length, 1 / length], axis=-1)


def _length(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Like ``np.hypot``, whose guard against overflow costs five times the time."""
    return np.sqrt(x * x + y * y)


def _window(covered: np.ndarray) -> tuple[slice, slice]:
    """Bounding rows and columns of a mask; most parts of a drawing are small."""
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if rows.size == 0:
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _closed_curve(points: Sequence[Point], steps: int = 12) -> np.ndarray:
    """Catmull-Rom curve through closed ``points``: float64 [len(points) * steps, 2]."""
    p1 = np.asarray(points, dtype=np.float64)
    p0, p2, p3 = np.roll(p1, 1, axis=0), np.roll(p1, -1, axis=0), np.roll(p1, -2, axis=0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (p[:, None] for p in (p0, p1, p2, p3))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return curve.reshape(-1, 2)
