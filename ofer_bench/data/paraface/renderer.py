"""Ray casting of a batch of heads with warp; one code path for CPU and CUDA."""

# No postponed annotations here: warp reads the types of its kernels from the signatures.
from collections.abc import Sequence
from typing import Any

import numpy as np
import warp as wp
from scipy.sparse import csr_matrix

from ofer_bench.data.paraface.model import REGIONS, HeadModel
from ofer_bench.data.paraface.sampling import Shot, Subject
from ofer_bench.data.paraface.shading import (
    Look,
    background,
    diffuse,
    eye_albedo,
    highlight,
    skin_albedo,
    step_up,
)

SUPERSAMPLING = 2
"""Rays along each side of a pixel."""

_FAR = wp.constant(100.0)
_SHADOW_REACH = wp.constant(4.0)
_LAMP_RADIUS = wp.constant(0.16)
_LEAK = wp.constant(0.2)
_SKIN = wp.constant(REGIONS.index("skin"))
_EYE = wp.constant(REGIONS.index("eye"))
_TEETH = wp.constant(REGIONS.index("teeth"))
_TONGUE = wp.constant(REGIONS.index("tongue"))


@wp.func
def _seen(mesh: wp.uint64, point: wp.vec3, light: wp.vec3, jitter: wp.vec3) -> wp.float32:
    """Return 1 where a random point of the lamp around ``light`` is visible from ``point``, else 0."""
    hit = wp.mesh_query_ray(mesh, point, wp.normalize(light + jitter * _LAMP_RADIUS), _SHADOW_REACH)
    return wp.where(hit.result, 0.0, 1.0)


@wp.func
def _shade(
    mesh: wp.uint64,
    look: Look,
    region: wp.int32,
    point: wp.vec3,
    geometric: wp.vec3,
    normal: wp.vec3,
    resting: wp.vec3,
    part: wp.vec3,
    view: wp.vec3,
    lamp: wp.int32,
    jitter: wp.vec3,
) -> wp.vec3:
    """Colour of a visible point under the ambient light and one of the two lamps at double power."""
    albedo = wp.vec3(0.01, 0.009, 0.009) + look.skin * (0.6 * (1.0 - look.lash))
    wrap = wp.vec3(0.0, 0.0, 0.0)
    gloss = wp.float32(0.0)
    sharpness = wp.float32(12.0)
    occlusion = wp.float32(1.0)
    if region == _SKIN:
        albedo = skin_albedo(resting, part, look)
        wrap = wp.vec3(0.30, 0.14, 0.10)
        gloss = 0.035 + 0.05 * part[0]
        occlusion = 1.0 - 0.8 * part[1]
    elif region == _EYE:
        albedo = eye_albedo(resting, look.gaze, look.iris)
        wrap = wp.vec3(0.25, 0.25, 0.25)
        gloss = 0.12
        sharpness = 120.0
        occlusion = 0.85
    elif region == _TEETH:
        albedo = wp.vec3(0.68, 0.63, 0.54) * (0.35 + 0.65 * step_up(1.15, 1.42, resting[2]))
        gloss = 0.05
        occlusion = 0.6
    elif region == _TONGUE:
        albedo = wp.vec3(0.30, 0.09, 0.085)
        occlusion = 0.35
    direction = look.key_direction
    power = look.key
    if lamp == 1:
        direction = look.fill_direction
        power = look.fill
    # Half of a pixel's rays ask for one lamp, half for the other: one shadow ray each instead of two.
    power = power * 2.0
    seen = _seen(mesh, point + geometric * 0.01, direction, jitter)
    # Light scattered inside the skin leaks into cast shadows.
    direct = wp.cw_mul(power, diffuse(normal, direction, wrap)) * (_LEAK * occlusion + (1.0 - _LEAK) * seen)
    ambient = look.ambient * occlusion * (0.75 + 0.25 * normal[1])
    shine = power * (seen * gloss * highlight(normal, direction, view, sharpness))
    return wp.cw_mul(albedo, direct + ambient) + shine


@wp.func
def _ray_colour(
    mesh: wp.uint64,
    image: wp.int32,
    look: Look,
    origin: wp.vec3,
    ray: wp.vec3,
    empty: wp.vec3,
    triangles: wp.array[wp.int32],
    region: wp.array[wp.int32],
    rest: wp.array[wp.vec3],
    part: wp.array[wp.vec3],
    normals: wp.array2d[wp.vec3],
    lamp: wp.int32,
    jitter: wp.vec3,
) -> wp.vec3:
    """Follow one ray from the camera."""
    hit = wp.mesh_query_ray(mesh, origin, ray, _FAR)
    if not hit.result:
        return empty
    a = triangles[hit.face * 3]
    b = triangles[hit.face * 3 + 1]
    c = triangles[hit.face * 3 + 2]
    w = 1.0 - hit.u - hit.v
    # Barycentric u belongs to the first corner, v to the second.
    normal = wp.normalize(normals[image, a] * hit.u + normals[image, b] * hit.v + normals[image, c] * w)
    resting = rest[a] * hit.u + rest[b] * hit.v + rest[c] * w
    parts = part[a] * hit.u + part[b] * hit.v + part[c] * w
    geometric = wp.normalize(hit.normal)
    if wp.dot(geometric, ray) > 0.0:
        geometric = -geometric
        normal = -normal
    return _shade(
        mesh,
        look,
        region[hit.face],
        origin + ray * hit.t,
        geometric,
        normal,
        resting,
        parts,
        -ray,
        lamp,
        jitter,
    )


@wp.kernel(enable_backward=False)
def _render(
    meshes: wp.array[wp.uint64],
    looks: wp.array[Look],
    to_plane: wp.array2d[wp.vec3],
    triangles: wp.array[wp.int32],
    region: wp.array[wp.int32],
    rest: wp.array[wp.vec3],
    part: wp.array[wp.vec3],
    normals: wp.array2d[wp.vec3],
    size: wp.int32,
    samples: wp.int32,
    out: wp.array3d[wp.vec3],
) -> None:
    """Average ``samples``² rays per pixel; the rows of ``to_plane`` map picture (u, v, 1) to the plane."""
    image, row, column = wp.tid()  # type: ignore[misc]
    look = looks[image]
    state = wp.rand_init(look.pixel_seed, row * size + column)
    total = wp.vec3(0.0, 0.0, 0.0)
    for i in range(samples):
        for j in range(samples):
            u = (wp.float32(column) + (wp.float32(j) + 0.5) / wp.float32(samples)) / wp.float32(size)
            v = (wp.float32(row) + (wp.float32(i) + 0.5) / wp.float32(samples)) / wp.float32(size)
            picture = wp.vec3(u, v, 1.0)
            x = wp.dot(to_plane[image, 0], picture)
            y = -wp.dot(to_plane[image, 1], picture)
            origin = wp.vec3(0.0, 0.0, look.camera)
            ray = wp.normalize(wp.vec3(x, y, 0.0) - origin)
            jitter = wp.sample_unit_sphere(state)
            total += _ray_colour(
                meshes[image],
                image,
                look,
                origin,
                ray,
                background(look, u, v),
                triangles,
                region,
                rest,
                part,
                normals,
                (i + j) % 2,
                jitter,
            )
    out[image, row, column] = total / wp.float32(samples * samples)


class Renderer:
    """Renders batches of one fixed size, so that no image depends on how many others are asked for."""

    def __init__(self, head: HeadModel, *, batch_size: int, image_size: int, device: str = "cpu") -> None:
        # Warp otherwise announces itself and every kernel it loads on standard output.
        wp.config.log_level = wp.LOG_ERROR
        wp.init()
        self._head = head
        self._incidence = corner_incidence(head.triangles, len(head.rest))
        self._size = image_size
        self._device = wp.get_device(device)
        # Compiled here, so that threads may render at once; warp keeps the machine code for the next run.
        wp.load_module(__name__, device=self._device)
        self._triangles = wp.array(head.triangles.ravel(), dtype=wp.int32, device=self._device)
        self._region = wp.array(head.region, dtype=wp.int32, device=self._device)
        self._rest = wp.array(head.rest.astype(np.float32), dtype=wp.vec3, device=self._device)
        self._part = wp.array(head.uv_region, dtype=wp.vec3, device=self._device)
        # Every mesh starts from the resting head and is refitted: the tree, and every tie, stays the same.
        self._meshes = [wp.Mesh(points=wp.clone(self._rest), indices=self._triangles) for _ in range(batch_size)]
        self._ids = wp.array([mesh.id for mesh in self._meshes], dtype=wp.uint64, device=self._device)
        self._out = wp.zeros((batch_size, image_size, image_size), dtype=wp.vec3, device=self._device)

    def render(
        self, vertices: np.ndarray, to_plane: np.ndarray, subjects: Sequence[Subject], shots: Sequence[Shot]
    ) -> np.ndarray:
        """Render heads [B,V,3] in decimetres through ``to_plane`` [B,2,3]: linear RGB float32 [B,S,S,3]."""
        for mesh, points in zip(self._meshes, vertices.astype(np.float32), strict=True):
            mesh.points.assign(points)
            mesh.refit()
        normals = vertex_normals(vertices, self._head.triangles, self._incidence).astype(np.float32)
        wp.launch(
            _render,
            dim=self._out.shape,
            inputs=[
                self._ids,
                wp.array(
                    [_look(s, shot) for s, shot in zip(subjects, shots, strict=True)],
                    dtype=Look,
                    device=self._device,
                ),
                wp.array(to_plane.astype(np.float32), dtype=wp.vec3, device=self._device),
                self._triangles,
                self._region,
                self._rest,
                self._part,
                wp.array(normals, dtype=wp.vec3, device=self._device),
                self._size,
                SUPERSAMPLING,
            ],
            outputs=[self._out],
            device=self._device,
        )
        # On the CPU warp hands out its own memory, which the next batch overwrites.
        image: np.ndarray = self._out.numpy().copy()
        return image


def corner_incidence(triangles: np.ndarray, vertex_count: int) -> csr_matrix:
    """Sparse [V,F] matrix that sums over the triangles [F,3] around each vertex."""
    faces = np.repeat(np.arange(len(triangles)), 3)
    return csr_matrix((np.ones(triangles.size), (triangles.ravel(), faces)), shape=(vertex_count, len(triangles)))


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray, incidence: csr_matrix) -> np.ndarray:
    """Area-weighted unit normals [B,V,3] of meshes [B,V,3] that share ``triangles`` [F,3]."""
    a, b, c = (vertices[:, triangles[:, k]] for k in range(3))
    left, right = b - a, c - a
    face = np.stack([left[..., i] * right[..., j] - left[..., j] * right[..., i] for i, j in ((1, 2), (2, 0), (0, 1))])
    normals: np.ndarray = (incidence @ face.reshape(-1, len(triangles)).T).T.reshape(3, len(vertices), -1)
    normals = normals / np.maximum(np.sqrt((normals**2).sum(axis=0)), 1e-12)
    return normals.transpose(1, 2, 0)


def _look(subject: Subject, shot: Shot) -> Any:
    look = Look()
    for name in ("skin", "lips", "hair", "iris", "brow"):
        setattr(look, name, wp.vec3(*getattr(subject, name)))
    for name in ("key_direction", "key", "fill_direction", "fill", "ambient"):
        setattr(look, name, wp.vec3(*getattr(shot, name)))
    look.hairline, look.beard, look.texture_seed = subject.hairline, subject.beard, subject.texture_seed
    look.age = (subject.age - 18.0) / 62.0
    right, up = np.radians(shot.gaze)
    look.gaze = wp.vec3(
        float(np.sin(right)), float(np.sin(up)), float(np.sqrt(1 - np.sin(right) ** 2 - np.sin(up) ** 2))
    )
    look.background00, look.background10, look.background01, look.background11 = (wp.vec3(*c) for c in shot.background)
    look.camera = shot.camera
    look.lash = 1.0 - subject.masculinity
    look.pixel_seed = shot.pixel_seed % 2**31
    return look
