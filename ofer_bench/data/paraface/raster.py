"""Which triangle each sample of a picture shows: a z-buffer on warp, one code path for CPU and CUDA.

Primary visibility is rasterised because that costs a few instructions a sample; rays are kept for light.
"""

# No postponed annotations here: warp reads the types of its kernels from the signatures.
import numpy as np
import warp as wp
from scipy.ndimage import gaussian_filter

from ofer_bench.data.paraface.geometry import SURFACES
from ofer_bench.data.paraface.model import REGIONS

EXTRA = wp.constant(1 << 24)
"""Triangle numbers from here on belong to hair and occluders."""

NOTHING = wp.constant(wp.uint64(2**64 - 1))
"""Content of an empty sample."""

_DEPTH_STEPS = wp.constant(1.0e7)
_NEAR = wp.constant(0.5)
_HAIR = wp.constant(SURFACES.index("hair"))
_SKIN = wp.constant(REGIONS.index("skin"))
_LASH = wp.constant(REGIONS.index("lash"))
_WHOLE, _LOCK, _LASHES = wp.constant(0), wp.constant(1), wp.constant(2)


@wp.kernel(enable_backward=False)
def project(
    points: wp.array2d[wp.vec3],
    shared: wp.int32,
    rotation: wp.array[wp.mat33],
    camera: wp.array[wp.float32],
    to_picture: wp.array2d[wp.vec3],
    samples: wp.float32,
    out: wp.array2d[wp.vec3],
) -> None:
    """Sample coordinates (x, y) and distance from the camera's plane of ``points``, row 0 for all if ``shared``."""
    image, vertex = wp.tid()  # type: ignore[misc]
    point = rotation[image] * points[wp.where(shared == 1, 0, image), vertex]
    scale = camera[image] / (camera[image] - point[2])
    plane = wp.vec3(point[0] * scale, -point[1] * scale, 1.0)
    out[image, vertex] = wp.vec3(
        wp.dot(to_picture[image, 0], plane) * samples,
        wp.dot(to_picture[image, 1], plane) * samples,
        camera[image] - point[2],
    )


def fibre_table() -> np.ndarray:
    """Noise that frays locks and lashes, float32 [64,16] in about [-1,1]: fine across, slow along."""
    rng = np.random.Generator(np.random.PCG64(29))
    table = gaussian_filter(rng.standard_normal((64, 16)), (1.1, 2.2), mode="wrap")
    return (table / (2.0 * table.std())).astype(np.float32)


@wp.func
def _fibre(fibres: wp.array2d[wp.float32], across: wp.float32, along: wp.float32) -> wp.float32:
    return fibres[wp.int32(across) & 63, wp.int32(along * 15.0) & 15]


@wp.func
def _lock(fibres: wp.array2d[wp.float32], across: wp.float32, along: wp.float32, strand: wp.int32) -> wp.bool:
    """Tell whether a lock of hair covers a point: dense at its middle, frayed at its sides and its tip."""
    threads = _fibre(fibres, (across + 1.0) * 14.0 + wp.float32(strand % 64) * 17.0, along)
    return (1.0 - wp.abs(across)) * (1.25 - 0.85 * along * along) + 0.55 * threads > 0.45


@wp.func
def _lash(fibres: wp.array2d[wp.float32], place: wp.float32, along: wp.float32) -> wp.bool:
    """Tell whether a lash covers ``place`` of the lid at the share ``along`` of its way to the tip."""
    at = (place + 1.0) * 95.0
    aside = wp.abs(at - wp.floor(at) - 0.5) * 2.0
    length = 0.75 + 0.25 * _fibre(fibres, at, 0.0)
    # Their roots stand so close that they draw a line.
    return aside < wp.max(0.75 * (1.0 - along / length), 1.0 - along / 0.2)


@wp.func
def _draw(
    screen: wp.array2d[wp.vec3],
    image: wp.int32,
    i: wp.int32,
    j: wp.int32,
    k: wp.int32,
    two_sided: wp.bool,
    grain: wp.array[wp.vec2],
    fibres: wp.array2d[wp.float32],
    cover: wp.int32,
    strand: wp.int32,
    name: wp.int32,
    depth: wp.array3d[wp.uint64],
) -> wp.int32:
    """Write triangle ``name`` wherever it is nearest; returns the number of samples it covers."""
    a = screen[image, i]
    b = screen[image, j]
    c = screen[image, k]
    height = depth.shape[1]
    width = depth.shape[2]
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if wp.abs(area) < 1.0e-9 or (area > 0.0 and not two_sided) or wp.min(a[2], wp.min(b[2], c[2])) < _NEAR:
        return 0
    x0 = wp.max(wp.int32(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])) - 0.5)), 0)
    x1 = wp.min(wp.int32(wp.floor(wp.max(a[0], wp.max(b[0], c[0])) - 0.5)), width - 1)
    y0 = wp.max(wp.int32(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])) - 0.5)), 0)
    y1 = wp.min(wp.int32(wp.floor(wp.max(a[1], wp.max(b[1], c[1])) - 0.5)), height - 1)
    inverse = 1.0 / area
    covered = wp.int32(0)
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            px = wp.float32(x) + 0.5
            py = wp.float32(y) + 0.5
            u = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) * inverse
            v = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) * inverse
            w = 1.0 - u - v
            if u >= 0.0 and v >= 0.0 and w >= 0.0:
                far = 1.0 / (u / a[2] + v / b[2] + w / c[2])
                key = (wp.uint64(far * _DEPTH_STEPS) << wp.uint64(32)) | wp.uint64(name)
                shown = key < depth[image, y, x]
                if shown and cover != _WHOLE:
                    g = grain[i] * u + grain[j] * v + grain[k] * w
                    if cover == _LOCK:  # noqa: SIM108 (warp evaluates both sides of a ternary)
                        shown = _lock(fibres, g[0], g[1], strand)
                    else:
                        shown = _lash(fibres, g[0], g[1])
                if shown:
                    wp.atomic_min(depth, image, y, x, key)
                    covered += 1
    return covered


@wp.kernel(enable_backward=False)
def draw_head(
    screen: wp.array2d[wp.vec3],
    triangles: wp.array[wp.int32],
    region: wp.array[wp.int32],
    grain: wp.array[wp.vec2],
    fibres: wp.array2d[wp.float32],
    depth: wp.array3d[wp.uint64],
) -> None:
    """Draw triangle ``face`` of head ``image``; of the skin only the front shows."""
    image, face = wp.tid()  # type: ignore[misc]
    _draw(
        screen,
        image,
        triangles[face * 3],
        triangles[face * 3 + 1],
        triangles[face * 3 + 2],
        region[face] != _SKIN,
        grain,
        fibres,
        wp.where(region[face] == _LASH, _LASHES, _WHOLE),
        0,
        face,
        depth,
    )


@wp.kernel(enable_backward=False)
def draw_extra(
    screen: wp.array2d[wp.vec3],
    triangles: wp.array[wp.int32],
    owner: wp.array[wp.int32],
    surface: wp.array[wp.int32],
    strand: wp.array[wp.int32],
    grain: wp.array[wp.vec2],
    fibres: wp.array2d[wp.float32],
    depth: wp.array3d[wp.uint64],
) -> None:
    """Draw triangle ``face`` of the hair (``owner`` -1: in every image) or of the occluder of one image."""
    image, face = wp.tid()  # type: ignore[misc]
    if owner[face] != -1 and owner[face] != image:
        return
    _draw(
        screen,
        image,
        triangles[face * 3],
        triangles[face * 3 + 1],
        triangles[face * 3 + 2],
        True,
        grain,
        fibres,
        wp.where(surface[face] == _HAIR, _LOCK, _WHOLE),
        strand[triangles[face * 3]],
        face + EXTRA,
        depth,
    )
