"""Draws batches of heads with hair and occluders: z-buffer for what is seen, rays for light and shadow."""

# No postponed annotations here: warp reads the types of its kernels from the signatures.
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp

from ofer_bench.data.paraface.geometry import SURFACES, Geometry, merge
from ofer_bench.data.paraface.model import REGIONS, HeadModel
from ofer_bench.data.paraface.skin_map import texels_per_decimetre
from ofer_bench.data.paraface.raster import EXTRA, NOTHING, draw_extra, draw_head, fibre_table, project
from ofer_bench.data.paraface.shading import (
    Look,
    Surface,
    extra_surface,
    head_surface,
    mix,
    reflect,
    reflect_hair,
)

SUPERSAMPLING = 2
"""Samples along each side of a pixel."""

_REACH = wp.constant(5.0)
_OPEN_REACH = wp.constant(0.9)
_LAMP_RADIUS = wp.constant(0.14)
_HAIR = wp.constant(SURFACES.index("hair"))
_SKIN = wp.constant(REGIONS.index("skin"))
_TEETH = wp.constant(REGIONS.index("teeth"))


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
    """Painted skin: colour and gloss of the subject, relief of each image in decimetres."""

    albedo: wp.array2d[wp.vec3]
    gloss: wp.array2d[wp.float32]
    relief: wp.array3d[wp.float32]
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
def _ray(to_plane: wp.array2d[wp.vec3], turn_back: wp.mat33, camera: wp.float32, image: wp.int32, u: wp.float32, v: wp.float32) -> wp.vec3:
    """Direction of the ray through picture point (u, v), in the head's frame."""
    picture = wp.vec3(u, v, 1.0)
    x = wp.dot(to_plane[image, 0], picture)
    y = -wp.dot(to_plane[image, 1], picture)
    return wp.normalize(turn_back * wp.vec3(x, y, -camera))


@wp.func
def _find(name: wp.int32, image: wp.int32, origin: wp.vec3, ray: wp.vec3, head: HeadArrays, extra: ExtraArrays) -> Hit:
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


@wp.func
def _free(image: wp.int32, point: wp.vec3, way: wp.vec3, reach: wp.float32, head: HeadArrays, extra: ExtraArrays) -> wp.float32:
    """Return 1 where nothing lies within ``reach`` of ``point`` in direction ``way``, else 0."""
    if extra.hair != wp.uint64(0):
        if wp.mesh_query_ray(extra.hair, point, way, reach).result:
            return 0.0
    if extra.props[image] != wp.uint64(0):
        if wp.mesh_query_ray(extra.props[image], point, way, reach).result:
            return 0.0
    return wp.where(wp.mesh_query_ray(head.meshes[image], point, way, reach).result, 0.0, 1.0)


@wp.func
def _lamp_of(row: wp.int32, column: wp.int32) -> wp.int32:
    """Which lamp (key 0, fill 1, sky 2) a pixel asks for; any three neighbours in a row ask for all."""
    return (row + column) % 3


@wp.kernel(enable_backward=False)
def _light(
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
    ray = _ray(to_plane, turn_back[image], distance[image], image, u, v)
    name = wp.int32(key & wp.uint64(0xFFFFFFFF))
    h = _find(name, image, look.camera, ray, head, extra)
    state = wp.rand_init(look.pixel_seed, row * seen.shape[2] + column)
    start = h.point + h.facing * 0.012
    first = wp.normalize(look.key_direction + wp.sample_unit_sphere(state) * _LAMP_RADIUS)
    second = wp.normalize(look.fill_direction + wp.sample_unit_sphere(state) * (2.0 * _LAMP_RADIUS))
    third = wp.normalize(h.normal + wp.sample_unit_sphere_surface(state) * 0.98)
    which = _lamp_of(row, column)
    lit = wp.float32(0.0)
    if which == 2:
        lit = _free(image, start, third, _OPEN_REACH, head, extra)
    else:
        way = wp.where(which == 0, first, second)
        if wp.dot(h.normal, way) > -0.35:
            lit = _free(image, start, way, _REACH, head, extra)
    seen[image, row, column] = lit
    far[image, row, column] = wp.dot(h.point - look.camera, wp.normalize(look.camera)) * -1.0


@wp.kernel(enable_backward=False)
def _smooth(
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
                like = here == 0.0 or wp.abs(there - here) < 0.02 + 0.012 * wp.float32(wp.abs(i) + wp.abs(j))
                if there != 0.0 and like:
                    which = _lamp_of(y, x)
                    total[which] += seen[image, y, x]
                    weight[which] += 1.0
    for which in range(3):
        # A lamp that no like neighbour was asked about: half light is the smallest mistake.
        out[image, row, column][which] = wp.where(weight[which] > 0.0, total[which] / wp.max(weight[which], 1.0), 0.5)


@wp.func
def _bilinear(relief: wp.array3d[wp.float32], image: wp.int32, x: wp.float32, y: wp.float32) -> wp.float32:
    x0 = wp.clamp(wp.int32(wp.floor(x)), 0, relief.shape[2] - 2)
    y0 = wp.clamp(wp.int32(wp.floor(y)), 0, relief.shape[1] - 2)
    fx = wp.clamp(x - wp.float32(x0), 0.0, 1.0)
    fy = wp.clamp(y - wp.float32(y0), 0.0, 1.0)
    top = relief[image, y0, x0] * (1.0 - fx) + relief[image, y0, x0 + 1] * fx
    bottom = relief[image, y0 + 1, x0] * (1.0 - fx) + relief[image, y0 + 1, x0 + 1] * fx
    return top * (1.0 - fy) + bottom * fy


@wp.func
def _texture(albedo: wp.array2d[wp.vec3], x: wp.float32, y: wp.float32) -> wp.vec3:
    x0 = wp.clamp(wp.int32(wp.floor(x)), 0, albedo.shape[1] - 2)
    y0 = wp.clamp(wp.int32(wp.floor(y)), 0, albedo.shape[0] - 2)
    fx = wp.clamp(x - wp.float32(x0), 0.0, 1.0)
    fy = wp.clamp(y - wp.float32(y0), 0.0, 1.0)
    return mix(
        mix(albedo[y0, x0], albedo[y0, x0 + 1], fx), mix(albedo[y0 + 1, x0], albedo[y0 + 1, x0 + 1], fx), fy
    )


@wp.func
def _bump(image: wp.int32, x: wp.float32, y: wp.float32, resting: wp.vec3, normal: wp.vec3, skin: SkinArrays) -> wp.vec3:
    """Tilt ``normal`` by the slope of the relief at texel (x, y)."""
    slope_x = (_bilinear(skin.relief, image, x + 0.5, y) - _bilinear(skin.relief, image, x - 0.5, y)) * skin.texels[0]
    slope_y = (_bilinear(skin.relief, image, x, y + 0.5) - _bilinear(skin.relief, image, x, y - 0.5)) * skin.texels[1]
    sideways = wp.normalize(wp.vec3(resting[2] - 0.25, 0.0, -resting[0]))
    slope = sideways * slope_x + wp.vec3(0.0, -slope_y, 0.0)
    return wp.normalize(normal - (slope - normal * wp.dot(slope, normal)))


@wp.func
def _shade(h: Hit, image: wp.int32, ray: wp.vec3, seen: wp.vec3, look: Look, head: HeadArrays, extra: ExtraArrays, skin: SkinArrays) -> wp.vec3:
    """Colour of a visible point."""
    if h.extra:
        kind = extra.surface[h.face]
        colour = extra.colour[h.i] * h.u + extra.colour[h.j] * h.v + extra.colour[h.k] * h.w
        if kind == _HAIR:
            tangent = wp.normalize(extra.tangent[h.i] * h.u + extra.tangent[h.j] * h.v + extra.tangent[h.k] * h.w)
            return reflect_hair(colour, tangent, h.normal, -ray, seen, look)
        return reflect(extra_surface(kind, colour), h.normal, -ray, seen, look)
    region = head.region[h.face]
    resting = head.rest[h.i] * h.u + head.rest[h.j] * h.v + head.rest[h.k] * h.w
    mouth = head.mouth[h.i] * h.u + head.mouth[h.j] * h.v + head.mouth[h.k] * h.w
    normal = h.normal
    painted = wp.vec3(0.0, 0.0, 0.0)
    gloss = wp.float32(0.0)
    if region == _SKIN:
        texel = head.texel[h.i] * h.u + head.texel[h.j] * h.v + head.texel[h.k] * h.w
        painted = _texture(skin.albedo, texel[0], texel[1])
        gloss = skin.gloss[
            wp.clamp(wp.int32(texel[1] + 0.5), 0, skin.gloss.shape[0] - 1),
            wp.clamp(wp.int32(texel[0] + 0.5), 0, skin.gloss.shape[1] - 1),
        ]
        normal = _bump(image, texel[0], texel[1], resting, normal, skin)
    if region == _TEETH:
        # Light bounces between lips and teeth far more often than one ray shows.
        seen = wp.vec3(0.55, 0.55, 0.6) + seen * 0.4
    surface = head_surface(region, resting, wp.clamp(mouth, 0.0, 1.0), painted, gloss, look)
    return reflect(surface, normal, -ray, seen, look)


@wp.kernel(enable_backward=False)
def _colour(
    looks: wp.array[Look],
    to_plane: wp.array2d[wp.vec3],
    turn_back: wp.array[wp.mat33],
    distance: wp.array[wp.float32],
    depth: wp.array3d[wp.uint64],
    seen: wp.array3d[wp.vec3],
    backdrop: wp.array3d[wp.vec3],
    head: HeadArrays,
    extra: ExtraArrays,
    skin: SkinArrays,
    samples: wp.int32,
    out: wp.array3d[wp.vec3],
    cover: wp.array3d[wp.float32],
) -> None:
    """Colour each pixel: samples of one smooth surface are shaded once, others one by one."""
    image, row, column = wp.tid()  # type: ignore[misc]
    look = looks[image]
    width = wp.float32(out.shape[2] * samples)
    total = wp.vec3(0.0, 0.0, 0.0)
    last = wp.vec3(0.0, 0.0, 0.0)
    last_region = wp.int32(-1)
    last_far = wp.float32(0.0)
    hidden = wp.float32(0.0)
    for i in range(samples):
        for j in range(samples):
            key = depth[image, row * samples + i, column * samples + j]
            if key == NOTHING:
                u = wp.float32(column) / wp.float32(out.shape[2]) * wp.float32(backdrop.shape[2] - 1)
                v = wp.float32(row) / wp.float32(out.shape[1]) * wp.float32(backdrop.shape[1] - 1)
                x0 = wp.int32(u)
                y0 = wp.int32(v)
                fx = u - wp.float32(x0)
                total += mix(
                    mix(backdrop[image, y0, x0], backdrop[image, y0, x0 + 1], fx),
                    mix(backdrop[image, y0 + 1, x0], backdrop[image, y0 + 1, x0 + 1], fx),
                    v - wp.float32(y0),
                )
            else:
                name = wp.int32(key & wp.uint64(0xFFFFFFFF))
                far = wp.float32(key >> wp.uint64(32)) * 1.0e-7
                region = wp.int32(-2)
                if name < EXTRA:
                    region = head.region[name]
                elif extra.surface[name - EXTRA] != _HAIR:
                    region = 100 + extra.surface[name - EXTRA]
                if name >= EXTRA and extra.owner[name - EXTRA] >= 0:
                    hidden += 1.0
                if region == -2 or region != last_region or wp.abs(far - last_far) > 0.03:
                    u = (wp.float32(column * samples + j) + 0.5) / width
                    v = (wp.float32(row * samples + i) + 0.5) / width
                    ray = _ray(to_plane, turn_back[image], distance[image], image, u, v)
                    h = _find(name, image, look.camera, ray, head, extra)
                    last = _shade(h, image, ray, seen[image, row, column], look, head, extra, skin)
                    last_region = region
                    last_far = far
                total += last
    count = wp.float32(samples * samples)
    out[image, row, column] = total / count
    cover[image, row, column] = hidden / count


@wp.kernel(enable_backward=False)
def _normals(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One batch: heads float [B,V,3] about their pivot, unturned, in decimetres.

    ``turn`` [B,3,3] head to camera; ``camera`` [B] distances; ``to_plane`` [B,2,3] picture to the plane through
    the pivot; ``albedo`` float32 [T,T,3], ``gloss`` [T,T], ``relief`` [B,T,T] the painted skin; ``backdrop``
    float32 [B,P,P,3] linear; ``hair`` of the subject, ``props`` one or none per image, in the frame of the heads;
    ``looks`` one per image.
    """

    vertices: np.ndarray
    turn: np.ndarray
    camera: np.ndarray
    to_plane: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    relief: np.ndarray
    backdrop: np.ndarray
    hair: Geometry | None
    props: Sequence[Geometry | None]
    looks: Sequence[Any]


class Renderer:
    """Renders batches of one fixed size, so that no image depends on how many others are asked for."""

    def __init__(
        self, head: HeadModel, texel: np.ndarray, *, batch_size: int, image_size: int, device: str = "cpu"
    ) -> None:
        """Prepare for ``head``; ``texel`` float [V,2] places its vertices on the painted skin, in texels."""
        # Warp otherwise announces itself and every kernel it loads on standard output.
        wp.config.log_level = wp.LOG_ERROR
        wp.init()
        self._size, self._batch = image_size, batch_size
        self._device = wp.get_device(device)
        # Compiled here, so that threads may render at once; warp keeps the machine code for the next run.
        for module in (__name__, project.module.name):
            wp.load_module(module, device=self._device)
        self._triangles = self._array(head.triangles.ravel(), wp.int32)
        first, around = _incidence(head.triangles, len(head.rest))
        self._first, self._around = self._array(first, wp.int32), self._array(around, wp.int32)
        self._lash = self._array(head.region == REGIONS.index("lash"), wp.bool)
        self._grain = self._array(_lash_grain(head), wp.vec2)
        self._fibres = self._array(fibre_table(), wp.float32)
        self._head = HeadArrays()
        self._head.triangles = self._triangles
        self._head.region = self._array(head.region, wp.int32)
        self._head.rest = self._array(head.rest, wp.vec3)
        self._head.mouth = self._array(head.uv_region[:, 1], wp.float32)
        self._head.texel = self._array(texel, wp.vec2)
        shape = (batch_size, image_size, image_size)
        fine = (batch_size, image_size * SUPERSAMPLING, image_size * SUPERSAMPLING)
        self._points = wp.zeros((batch_size, len(head.rest)), dtype=wp.vec3, device=self._device)
        self._head.points = self._points
        self._head.normals = wp.zeros_like(self._points)
        self._screen = wp.zeros_like(self._points)
        # Every mesh starts from the resting head and is refitted: the tree, and every tie, stays the same.
        rest = self._array(head.rest - head.rest.mean(axis=0), wp.vec3)
        self._meshes = [wp.Mesh(points=wp.clone(rest), indices=self._triangles) for _ in range(batch_size)]
        self._head.meshes = wp.array([mesh.id for mesh in self._meshes], dtype=wp.uint64, device=self._device)
        self._depth = wp.zeros(fine, dtype=wp.uint64, device=self._device)
        self._seen = wp.zeros(shape, dtype=wp.float32, device=self._device)
        self._soft = wp.zeros(shape, dtype=wp.vec3, device=self._device)
        self._far = wp.zeros(shape, dtype=wp.float32, device=self._device)
        self._out = wp.zeros(shape, dtype=wp.vec3, device=self._device)
        self._cover = wp.zeros(shape, dtype=wp.float32, device=self._device)

    def render(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Render ``scene``: linear RGB float32 [B,S,S,3] and the share of each pixel that props hide [B,S,S]."""
        self._points.assign(scene.vertices.astype(np.float32))
        for mesh, points in zip(self._meshes, scene.vertices.astype(np.float32), strict=True):
            mesh.points.assign(points)
            mesh.refit()
        self._launch(_normals, self._points.shape, [self._points, self._triangles, self._first, self._around], [self._head.normals])
        turn = self._array(scene.turn, wp.mat33)
        back = self._array(scene.turn.transpose(0, 2, 1), wp.mat33)
        camera = self._array(scene.camera, wp.float32)
        to_plane = self._array(scene.to_plane, wp.vec3)
        full = np.concatenate([scene.to_plane, np.tile([[[0.0, 0.0, 1.0]]], (self._batch, 1, 1))], axis=1)
        to_picture = self._array(np.linalg.inv(full)[:, :2], wp.vec3)
        view = [turn, camera, to_picture, float(self._size * SUPERSAMPLING)]
        self._depth.fill_(NOTHING)
        self._launch(project, self._points.shape, [self._points, 0, *view], [self._screen])
        faces = (self._batch, len(self._triangles) // 3)
        self._launch(draw_head, faces, [self._screen, self._triangles, self._lash, self._grain, self._fibres], [self._depth])
        # The meshes of ``keep`` must outlive the launches that name them by id.
        extra, keep = self._extra(scene)
        self._draw_extra(extra, view)
        looks = wp.array(list(scene.looks), dtype=Look, device=self._device)
        geometry = [looks, to_plane, back, camera, self._depth]
        shape = self._out.shape
        self._launch(_light, shape, [*geometry, self._head, extra, SUPERSAMPLING], [self._seen, self._far])
        radius = 2 if self._size <= 128 else 3
        self._launch(_smooth, shape, [self._seen, self._far, radius], [self._soft])
        skin = SkinArrays()
        skin.albedo = self._array(scene.albedo, wp.vec3)
        skin.gloss = self._array(scene.gloss, wp.float32)
        skin.relief = self._array(scene.relief, wp.float32)
        skin.texels = wp.vec2(*texels_per_decimetre(scene.relief.shape[1]))
        backdrop = self._array(scene.backdrop, wp.vec3)
        self._launch(
            _colour, shape, [*geometry, self._soft, backdrop, self._head, extra, skin, SUPERSAMPLING], [self._out, self._cover]
        )
        # On the CPU warp hands out its own memory, which the next batch overwrites.
        image, cover = self._out.numpy().copy(), self._cover.numpy().copy()
        del keep
        return image, cover

    def _draw_extra(self, extra: ExtraArrays, view: list[Any]) -> None:
        count = len(extra.triangles) // 3
        if not count:
            return
        points = extra.points.reshape((1, -1))
        screen = wp.zeros((self._batch, points.shape[1]), dtype=wp.vec3, device=self._device)
        self._launch(project, screen.shape, [points, 1, *view], [screen])
        self._launch(
            draw_extra,
            (self._batch, count),
            [screen, extra.triangles, extra.owner, extra.surface, extra.strand, extra.grain, self._fibres],
            [self._depth],
        )

    def _extra(self, scene: Scene) -> tuple[ExtraArrays, list[wp.Mesh]]:
        """Put hair and props of all images into one list of triangles, and build the trees for shadow rays."""
        pieces = [(-1, scene.hair), *enumerate(scene.props)]
        present = [(owner, piece) for owner, piece in pieces if piece is not None and len(piece)]
        arrays, meshes = ExtraArrays(), {owner: self._tree(piece) for owner, piece in present}
        joined = merge([piece for _, piece in present]) if present else _NO_GEOMETRY
        owner = np.repeat([owner for owner, _ in present], [len(piece) for _, piece in present]).astype(np.int32)
        for name in ("vertices", "normal", "colour", "tangent"):
            setattr(arrays, {"vertices": "points", "normal": "normals"}.get(name, name), self._array(getattr(joined, name), wp.vec3))
        arrays.grain = self._array(joined.grain, wp.vec2)
        arrays.strand = self._array(_strands(joined), wp.int32)
        arrays.triangles = self._array(joined.triangles.ravel(), wp.int32)
        arrays.surface = self._array(joined.surface, wp.int32)
        arrays.owner = self._array(owner, wp.int32)
        arrays.hair = wp.uint64(meshes[-1].id if -1 in meshes else 0)
        ids = [meshes[image].id if image in meshes else 0 for image in range(self._batch)]
        arrays.props = self._array(np.array(ids, dtype=np.uint64), wp.uint64)
        return arrays, list(meshes.values())

    def _tree(self, piece: Geometry) -> wp.Mesh:
        return wp.Mesh(
            points=self._array(piece.vertices, wp.vec3), indices=self._array(piece.triangles.ravel(), wp.int32)
        )

    def _array(self, values: np.ndarray, dtype: Any) -> Any:
        kind = {wp.int32: np.int32, wp.uint64: np.uint64, wp.bool: np.bool_}.get(dtype, np.float32)
        return wp.array(np.ascontiguousarray(values, dtype=kind), dtype=dtype, device=self._device)

    def _launch(self, kernel: Any, dim: Any, inputs: list[Any], outputs: list[Any]) -> None:
        wp.launch(kernel, dim=dim, inputs=inputs, outputs=outputs, device=self._device)


_NO_GEOMETRY = Geometry(
    vertices=np.zeros((0, 3), np.float32),
    triangles=np.zeros((0, 3), np.int32),
    normal=np.zeros((0, 3), np.float32),
    colour=np.zeros((0, 3), np.float32),
    surface=np.zeros(0, np.int32),
    tangent=np.zeros((0, 3), np.float32),
    grain=np.zeros((0, 2), np.float32),
)


def _incidence(triangles: np.ndarray, vertex_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles around each vertex: start of its run [V+1], numbers of triangles [3F]."""
    order = np.argsort(triangles.ravel(), kind="stable")
    counts = np.bincount(triangles.ravel(), minlength=vertex_count)
    return np.concatenate([[0], np.cumsum(counts)]), order // 3


def _lash_grain(head: HeadModel) -> np.ndarray:
    """Place along the lid and share of the way from the lid to the tip of the lashes, for every vertex [V,2]."""
    eyes = np.stack([head.rest[index].mean(axis=0) for index in head.eye_vertices])
    distance = np.linalg.norm(head.rest[:, None] - eyes, axis=2).min(axis=1)
    return np.stack([head.rest[:, 0], np.clip((distance - 0.165) / 0.08, 0.0, 1.0)], axis=1)


def _strands(piece: Geometry) -> np.ndarray:
    """Number of the strand that each vertex belongs to [V]; a strand begins where ``grain`` returns to the root."""
    root = piece.grain[:, 1] <= 0.0
    return np.cumsum(root & ~np.roll(root, 1)).astype(np.int32)
