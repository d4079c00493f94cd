"""Light and shadow by rays: one a pixel, then smoothed over neighbours on the same surface."""

# No postponed annotations here: warp reads the types of its kernels from the signatures.
import warp as wp

from ofer_bench.data.paraface.raster import NOTHING
from ofer_bench.data.paraface.scene_arrays import ExtraArrays, HeadArrays, camera_ray, find_hit
from ofer_bench.data.paraface.shading import Look

_REACH = wp.constant(5.0)
_OPEN_REACH = wp.constant(0.9)
_LAMP_RADIUS = wp.constant(0.14)


@wp.func
def free_way(
    image: wp.int32, point: wp.vec3, way: wp.vec3, reach: wp.float32, head: HeadArrays, extra: ExtraArrays
) -> wp.float32:
    """Return 1 where nothing lies within ``reach`` of ``point`` in direction ``way``, else 0."""
    if wp.mesh_query_ray_anyhit(head.meshes[image], point, way, reach):
        return 0.0
    # Nested, because warp evaluates both sides of an `and`.
    if extra.hair != wp.uint64(0):  # noqa: SIM102
        if wp.mesh_query_ray_anyhit(extra.hair, point, way, reach):
            return 0.0
    if extra.props[image] != wp.uint64(0):  # noqa: SIM102
        if wp.mesh_query_ray_anyhit(extra.props[image], point, way, reach):
            return 0.0
    return 1.0


@wp.func
def _lamp_of(row: wp.int32, column: wp.int32) -> wp.int32:
    """Which lamp (key 0, fill 1, sky 2) a pixel asks for; any three neighbours in a row ask for all."""
    return (row + column) % 3


@wp.kernel(enable_backward=False)
def cast_light(
    looks: wp.array[Look],
    to_plane: wp.array2d[wp.vec3],
    turn_back: wp.array[wp.mat33],
    distance: wp.array[wp.float32],
    depth: wp.array3d[wp.uint64],
    head: HeadArrays,
    extra: ExtraArrays,
    samples: wp.int32,
    seen: wp.array3d[wp.float32],
    far: wp.array3d[wp.float32],
) -> None:
    """Cast one ray from the first sample of each pixel: to the key lamp, the fill lamp or the sky, in turns."""
    image, row, column = wp.tid()  # type: ignore[misc]
    key = depth[image, row * samples, column * samples]
    if key == NOTHING:
        far[image, row, column] = 0.0
        return
    look = looks[image]
    width = wp.float32(seen.shape[2] * samples)
    u = (wp.float32(column * samples) + 0.5) / width
    v = (wp.float32(row * samples) + 0.5) / width
    ray = camera_ray(to_plane, turn_back[image], distance[image], image, u, v)
    name = wp.int32(key & wp.uint64(0xFFFFFFFF))
    h = find_hit(name, image, look.camera, ray, head, extra)
    state = wp.rand_init(look.pixel_seed, row * seen.shape[2] + column)
    start = h.point + wp.vec3(h.facing * 0.012)
    first = wp.normalize(look.key_direction + wp.sample_unit_sphere(state) * _LAMP_RADIUS)
    second = wp.normalize(look.fill_direction + wp.sample_unit_sphere(state) * (2.0 * _LAMP_RADIUS))
    third = wp.normalize(h.normal + wp.sample_unit_sphere_surface(state) * 0.98)  # type: ignore[operator]
    which = _lamp_of(row, column)
    lit = wp.float32(0.0)
    if which == 2:
        lit = free_way(image, start, third, _OPEN_REACH, head, extra)
    else:
        way = wp.where(which == 0, first, second)
        if wp.dot(h.normal, way) > -0.35:
            lit = free_way(image, start, way, _REACH, head, extra)
    seen[image, row, column] = lit
    far[image, row, column] = wp.dot(h.point - look.camera, wp.normalize(look.camera)) * -1.0


@wp.kernel(enable_backward=False)
def smooth_light(
    seen: wp.array3d[wp.float32],
    far: wp.array3d[wp.float32],
    radius: wp.int32,
    out: wp.array3d[wp.vec3],
) -> None:
    """Average the light of neighbours at about the same depth: one ray a pixel is noise, a dozen are a shadow."""
    image, row, column = wp.tid()  # type: ignore[misc]
    here = far[image, row, column]
    total = wp.vec3(0.0, 0.0, 0.0)
    weight = wp.vec3(0.0, 0.0, 0.0)
    for i in range(-radius, radius + 1):
        for j in range(-radius, radius + 1):
            y = row + i
            x = column + j
            if y >= 0 and x >= 0 and y < seen.shape[1] and x < seen.shape[2]:
                there = far[image, y, x]
                # Where the first sample is empty, the edge of whatever is near borrows from it.
                like = here == 0.0 or wp.abs(there - here) < 0.03 + 0.03 * wp.float32(wp.abs(i) + wp.abs(j))
                if there != 0.0 and like:
                    which = _lamp_of(y, x)
                    total[which] += seen[image, y, x]
                    weight[which] += 1.0
    for which in range(3):
        # A lamp that no like neighbour was asked about: half light is the smallest mistake.
        out[image, row, column][which] = wp.where(weight[which] > 0.0, total[which] / wp.max(weight[which], 1.0), 0.5)


@wp.kernel(enable_backward=False)
def vertex_normals(
    points: wp.array2d[wp.vec3],
    triangles: wp.array[wp.int32],
    first: wp.array[wp.int32],
    around: wp.array[wp.int32],
    out: wp.array2d[wp.vec3],
) -> None:
    """Area-weighted normal of each vertex from the triangles ``around`` it."""
    image, vertex = wp.tid()  # type: ignore[misc]
    total = wp.vec3(0.0, 0.0, 0.0)
    for n in range(first[vertex], first[vertex + 1]):
        face = around[n]
        a = points[image, triangles[face * 3]]
        total += wp.cross(points[image, triangles[face * 3 + 1]] - a, points[image, triangles[face * 3 + 2]] - a)
    out[image, vertex] = wp.normalize(total)
