"""Hair as ribbons: up to two and a half thousand locks grown over the scalp of one head."""

from __future__ import annotations

import numpy as np

from ofer_bench.core.errors import UnknownName
from ofer_bench.data.paraface.geometry import SURFACES, Geometry
from ofer_bench.data.paraface.hair_growth import grow_paths, grow_tail, tangents, unit
from ofer_bench.data.paraface.hair_scalp import Scalp, fit_scalp, from_capsule, hairline_depth, to_capsule
from ofer_bench.data.paraface.hair_styles import HAIR_STYLES, STYLES, Hair, Strands, Style, smooth
from ofer_bench.data.paraface.model import HeadModel

__all__ = ["HAIR_STYLES", "Hair", "grow_hair", "scalp_depth"]


def grow_hair(head: HeadModel, identity: np.ndarray, hair: Hair) -> Geometry | None:
    """Grow ``hair`` on the neutral head ``identity`` [V,3]; None when it is bald.

    The same ``hair`` on the same head gives the same ribbons: at most 30,000 triangles of surface "hair", two per
    segment, with ``tangent`` and ``grain`` filled in. The first call for a ``head`` takes about a second longer.
    Raises :class:`UnknownName` for an unknown style.
    """
    if hair.style == "bald":
        return None
    style = _style(hair)
    rng = np.random.default_rng(hair.seed)
    scalp = fit_scalp(head, identity)
    strands = _plant(scalp, style, hair, rng)
    path = grow_paths(scalp, style, strands, rng)
    if style.tail:
        path, strands = grow_tail(path, scalp, style, strands, rng)
    return _ribbons(path, scalp, style, strands, rng)


def scalp_depth(head: HeadModel, hair: Hair) -> np.ndarray:
    """Decimetres inside the hairline, float32 [V], negative on the face and everywhere when bald.

    Where a renderer paints the skin in the colour of ``hair``, so that nothing shines through between the locks.
    """
    if hair.style == "bald":
        return np.full(len(head.rest), -1.0, dtype=np.float32)
    return hairline_depth(head.rest, _recession(_style(hair), hair)).astype(np.float32)


def _style(hair: Hair) -> Style:
    if hair.style not in STYLES:
        raise UnknownName("hair style", hair.style, HAIR_STYLES)
    return STYLES[hair.style]


def _recession(style: Style, hair: Hair) -> float:
    """Thin hair recedes further, and no two hairlines are alike."""
    return style.recession * (1.0 - 0.6 * hair.volume) + 0.18 * (hair.seed * 0.618034 % 1.0)


def _plant(scalp: Scalp, style: Style, hair: Hair, rng: np.random.Generator) -> Strands:
    """Choose the roots and move each a little, so that no two heads share a pattern."""
    depth = hairline_depth(scalp.rest, _recession(style, hair))
    rooted = np.flatnonzero(depth > 0.03 * rng.random(len(depth)))[: style.count]
    root = scalp.roots[rooted]
    root = root + 0.012 * rng.standard_normal(root.shape)
    noise = rng.random((len(root), 4)) * 2.0 - 1.0
    # The parting is no ruler's line, and ends at the whorl.
    line = 0.42 * hair.parting * smooth(-0.3, 0.3, root[:, 2]) + 0.02 * np.sin(9.0 * root[:, 2]) + 0.015 * noise[:, 3]
    side = np.sign(root[:, 0] - line)
    return Strands(root=root, depth=depth[rooted], side=np.where(side == 0, side + 1, side), noise=noise, hair=hair)


def _ribbons(path: np.ndarray, scalp: Scalp, style: Style, strands: Strands, rng: np.random.Generator) -> Geometry:
    """Give each path [N,K,3] a width, a normal that shades it as a round lock, and a colour of its own."""
    count, nodes, _ = path.shape
    outward = from_capsule(*to_capsule(path))[1]
    path = path * scalp.scale + scalp.shift
    tangent = tangents(path)
    across = unit(np.cross(tangent, outward))
    normal = np.cross(across, tangent)
    tilt = 0.2 * rng.standard_normal((count, 1, 1))
    across, normal = across * np.cos(tilt) + normal * np.sin(tilt), normal * np.cos(tilt) - across * np.sin(tilt)
    along = np.linspace(0.0, 1.0, nodes)
    reach = 0.5 * _widths(strands, along, rng)[..., None] * (style.width * across)
    vertices = np.stack([path - reach, path + reach], axis=2)
    middle = normal + 0.25 * outward
    bent = unit(np.stack([middle - 0.55 * across, middle + 0.55 * across], axis=2))
    grain = np.empty((count, nodes, 2, 2))
    grain[..., 0] = (-1.0, 1.0)
    grain[..., 1] = along[:, None]
    triangles = _strips(count, nodes)
    colour = np.repeat(_colours(strands, along, rng), 2, axis=1)
    # Grown in double precision: a last bit that differs between machines would otherwise move a strand by a pixel.
    return Geometry(
        vertices=vertices.reshape(-1, 3).astype(np.float32),
        triangles=triangles,
        normal=bent.reshape(-1, 3).astype(np.float32),
        colour=colour.reshape(-1, 3).astype(np.float32),
        surface=np.full(len(triangles), SURFACES.index("hair"), dtype=np.int32),
        tangent=np.repeat(tangent, 2, axis=1).reshape(-1, 3).astype(np.float32),
        grain=grain.reshape(-1, 2).astype(np.float32),
    )


def _widths(strands: Strands, along: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Width [N,K] as a share of the style's: fine hair along the hairline, tapering tips everywhere."""
    inner = smooth(0.0, 0.22, strands.depth)[:, None]
    root = 0.1 + 0.5 * inner
    taper = np.minimum(root + (1.0 - root) * along / 0.25, 1.0) * np.minimum(0.12 + 2.2 * (1.0 - along), 1.0)
    width: np.ndarray = taper * (0.65 + 0.35 * inner) * (0.7 + 0.6 * rng.random((len(inner), 1)))
    return width


def _colours(strands: Strands, along: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Albedo [N,K,3]: darker roots, every lock its own shade, some bleached by the sun."""
    count = len(strands.root)
    shade = np.exp(0.16 * rng.standard_normal(count))
    shade[rng.random(count) < 0.08] *= 1.45
    warm = 0.03 * rng.standard_normal(count)
    tone = shade[:, None] * np.stack([1.0 + warm, np.ones_like(warm), 1.0 - warm], axis=1)
    tone = tone * np.asarray(strands.hair.colour)
    ramp = 0.6 + 0.4 * np.minimum(along / 0.3, 1.0) + 0.12 * along
    return np.clip(tone[:, None] * ramp[:, None], 0.0, 1.0)


def _strips(count: int, nodes: int) -> np.ndarray:
    """Triangles int32 [F,3] of ``count`` ribbons with two vertices at each of ``nodes`` nodes."""
    node = np.arange(nodes - 1, dtype=np.int32)[:, None] * 2
    one = (node + np.array([0, 1, 3, 0, 3, 2], dtype=np.int32)).reshape(-1, 3)
    start = np.arange(count, dtype=np.int32)[:, None, None] * (2 * nodes)
    return (start + one).reshape(-1, 3)
