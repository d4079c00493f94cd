"""What a batch is made of, as warp sees it: meshes, hair and occluders, painted skin, and a point on them."""

# No postponed annotations here: warp reads the types of its structs and functions from the signatures.
import warp as wp

from ofer_bench.data.paraface.raster import EXTRA


@wp.struct
class HeadArrays:
    """The head's mesh: one row of ``points`` and ``normals`` per image, the rest shared."""

    points: wp.array2d[wp.vec3]
    normals: wp.array2d[wp.vec3]
    triangles: wp.array[wp.int32]
    region: wp.array[wp.int32]
    rest: wp.array[wp.vec3]
    mouth: wp.array[wp.float32]
    texel: wp.array[wp.vec2]
    meshes: wp.array[wp.uint64]


@wp.struct
class ExtraArrays:
    """Hair and occluders of all images in one list of triangles; ``owner`` -1 is in every image."""

    points: wp.array[wp.vec3]
    normals: wp.array[wp.vec3]
    colour: wp.array[wp.vec3]
    tangent: wp.array[wp.vec3]
    grain: wp.array[wp.vec2]
    strand: wp.array[wp.int32]
    triangles: wp.array[wp.int32]
    surface: wp.array[wp.int32]
    owner: wp.array[wp.int32]
    hair: wp.uint64
    props: wp.array[wp.uint64]


@wp.struct
class SkinArrays:
    """Painted skin: colour and gloss of the subject, of each image relief in decimetres and the share of lost light."""

    albedo: wp.array2d[wp.vec3]
    gloss: wp.array2d[wp.float32]
    relief: wp.array3d[wp.float32]
    shade: wp.array3d[wp.float32]
    texels: wp.vec2


@wp.struct
class Hit:
    """A visible point in the head's frame: corners ``i j k`` with weights ``u v w``, ``extra`` for hair and props."""

    i: wp.int32
    j: wp.int32
    k: wp.int32
    u: wp.float32
    v: wp.float32
    w: wp.float32
    face: wp.int32
    extra: wp.bool
    point: wp.vec3
    normal: wp.vec3
    facing: wp.vec3


@wp.func
def camera_ray(
    to_plane: wp.array2d[wp.vec3],
    turn_back: wp.mat33,
    camera: wp.float32,
    image: wp.int32,
    u: wp.float32,
    v: wp.float32,
) -> wp.vec3:
    """Direction of the ray through picture point (u, v), in the head's frame."""
    picture = wp.vec3(u, v, 1.0)
    x = wp.dot(to_plane[image, 0], picture)
    y = -wp.dot(to_plane[image, 1], picture)
    return wp.normalize(turn_back * wp.vec3(x, y, -camera))


@wp.func
def find_hit(
    name: wp.int32, image: wp.int32, origin: wp.vec3, ray: wp.vec3, head: HeadArrays, extra: ExtraArrays
) -> Hit:
    """Meet ``ray`` with the plane of triangle ``name``."""
    h = Hit()
    h.extra = name >= EXTRA
    a = wp.vec3(0.0, 0.0, 0.0)
    b = wp.vec3(0.0, 0.0, 0.0)
    c = wp.vec3(0.0, 0.0, 0.0)
    if h.extra:
        h.face = name - EXTRA
        h.i = extra.triangles[h.face * 3]
        h.j = extra.triangles[h.face * 3 + 1]
        h.k = extra.triangles[h.face * 3 + 2]
        a = extra.points[h.i]
        b = extra.points[h.j]
        c = extra.points[h.k]
    else:
        h.face = name
        h.i = head.triangles[h.face * 3]
        h.j = head.triangles[h.face * 3 + 1]
        h.k = head.triangles[h.face * 3 + 2]
        a = head.points[image, h.i]
        b = head.points[image, h.j]
        c = head.points[image, h.k]
    flat = wp.cross(b - a, c - a)
    det = wp.dot(flat, ray)
    det = wp.where(wp.abs(det) < 1.0e-12, 1.0e-12, det)
    t = wp.dot(flat, a - origin) / det
    h.point = origin + ray * t
    area = wp.max(wp.dot(flat, flat), 1.0e-20)
    h.v = wp.dot(wp.cross(h.point - a, c - a), flat) / area
    h.w = wp.dot(wp.cross(b - a, h.point - a), flat) / area
    # A triangle seen edge-on meets the ray far outside itself.
    h.v = wp.clamp(h.v, 0.0, 1.0)
    h.w = wp.clamp(h.w, 0.0, 1.0 - h.v)
    h.u = 1.0 - h.v - h.w
    h.point = a * h.u + b * h.v + c * h.w
    h.facing = wp.normalize(flat)
    if h.extra:
        h.normal = extra.normals[h.i] * h.u + extra.normals[h.j] * h.v + extra.normals[h.k] * h.w
    else:
        h.normal = head.normals[image, h.i] * h.u + head.normals[image, h.j] * h.v + head.normals[image, h.k] * h.w
    h.normal = wp.normalize(h.normal)
    if wp.dot(h.facing, ray) > 0.0:
        h.facing = -h.facing
    if wp.dot(h.normal, h.facing) < 0.0 and h.extra:
        h.normal = -h.normal
    return h
