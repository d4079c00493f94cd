"""Draws batches of heads with hair and occluders: z-buffer for what is seen, rays for light and shadow."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import warp as wp

from ofer_bench.data.paraface.colouring import colour_pixels
from ofer_bench.data.paraface.geometry import Geometry, merge
from ofer_bench.data.paraface.lighting import cast_light, smooth_light, vertex_normals
from ofer_bench.data.paraface.model import HeadModel
from ofer_bench.data.paraface.raster import NOTHING, draw_extra, draw_head, fibre_table, project
from ofer_bench.data.paraface.scene_arrays import ExtraArrays, HeadArrays, SkinArrays
from ofer_bench.data.paraface.shading import Look
from ofer_bench.data.paraface.skin_map import texels_per_decimetre

SUPERSAMPLING = 2
"""Samples along each side of a pixel."""

# Warp guards neither its start against threads nor, on a GPU, its register of meshes (NVIDIA/warp#1491).
_WARP = threading.Lock()


def rendering_device(wanted: str) -> str:
    """``wanted`` (``cpu``, ``cuda`` or ``cuda:N``), or ``cpu`` where warp can't use that GPU though torch can.

    Its driver may be older than warp's CUDA, it may be older than what warp compiles for, or of another make.
    """
    # Warp otherwise announces itself and every kernel it loads on standard output.
    wp.config.log_level = wp.LOG_ERROR
    # Its library complains of missing GPU drivers, also to those who want none.
    with _WARP, _no_stderr() if wanted == "cpu" else nullcontext():
        wp.init()
    try:
        device = wp.get_device(wanted)
    except (RuntimeError, ValueError):
        return "cpu"
    return wanted if device.is_cpu or device.arch >= min(wp.get_cuda_supported_archs()) else "cpu"


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Drop what libraries write to the process's standard error; Python's own ``sys.stderr`` is one writer of it."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One batch: heads float [B,V,3] about their pivot, unturned, in decimetres.

    ``turn`` [B,3,3] head to camera; ``camera`` [B] distances; ``to_plane`` [B,2,3] picture to the plane through
    the pivot; ``albedo`` float32 [T,T,3] and ``gloss`` [T,T] of the painted skin, ``relief`` and ``shade`` [B,T,T]
    of each image; ``backdrop`` float32 [B,P,P,3] linear; ``hair`` of the subject, ``props`` one or none per image,
    in the frame of the heads; ``looks`` one per image.
    """

    vertices: np.ndarray
    turn: np.ndarray
    camera: np.ndarray
    to_plane: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    relief: np.ndarray
    shade: np.ndarray
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
        self._size, self._batch = image_size, batch_size
        self._device = wp.get_device(rendering_device(device))
        self._alone = _WARP if self._device.is_cuda else nullcontext()
        # Compiled here, so that threads may render at once; warp keeps the machine code for the next run.
        for kernel in (project, vertex_normals, colour_pixels):
            wp.load_module(kernel.module, device=self._device)
        self._triangles = self._array(head.triangles.ravel(), wp.int32)
        first, around = _incidence(head.triangles, len(head.rest))
        self._first, self._around = self._array(first, wp.int32), self._array(around, wp.int32)
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
        """Render ``scene``: linear RGB float32 [B,S,S,3] and the share of each pixel that props hide [B,S,S].

        Several renderers may be called at once by threads of their own; on a GPU they take turns.
        """
        with self._alone:
            return self._render(scene)

    def _render(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        self._points.assign(scene.vertices.astype(np.float32))
        for mesh, points in zip(self._meshes, scene.vertices.astype(np.float32), strict=True):
            mesh.points.assign(points)
            mesh.refit()
        self._launch(
            vertex_normals,
            self._points.shape,
            [self._points, self._triangles, self._first, self._around],
            [self._head.normals],
        )
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
        self._launch(
            draw_head,
            faces,
            [self._screen, self._triangles, self._head.region, self._grain, self._fibres],
            [self._depth],
        )
        # The meshes of ``keep`` must outlive the launches that name them by id.
        extra, keep = self._extra(scene)
        self._draw_extra(extra, view)
        looks = wp.array(list(scene.looks), dtype=Look, device=self._device)
        geometry = [looks, to_plane, back, camera, self._depth]
        shape = self._out.shape
        self._launch(cast_light, shape, [*geometry, self._head, extra, SUPERSAMPLING], [self._seen, self._far])
        radius = 2 if self._size <= 128 else 3
        self._launch(smooth_light, shape, [self._seen, self._far, radius], [self._soft])
        skin = SkinArrays()
        skin.albedo = self._array(scene.albedo, wp.vec3)
        skin.gloss = self._array(scene.gloss, wp.float32)
        skin.relief = self._array(scene.relief, wp.float32)
        skin.shade = self._array(scene.shade, wp.float32)
        skin.texels = wp.vec2(*texels_per_decimetre(scene.relief.shape[1]))
        backdrop = self._array(scene.backdrop, wp.vec3)
        self._launch(
            colour_pixels,
            shape,
            [*geometry, self._soft, backdrop, self._head, extra, skin, SUPERSAMPLING],
            [self._out, self._cover],
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
            setattr(
                arrays,
                {"vertices": "points", "normal": "normals"}.get(name, name),
                self._array(getattr(joined, name), wp.vec3),
            )
        arrays.grain = self._array(joined.grain, wp.vec2)
        # Counted piece by piece: how a lock frays may not depend on what else is in the picture.
        strands = [_strands(piece) for _, piece in present]
        arrays.strand = self._array(np.concatenate([np.zeros(0, np.int32), *strands]), wp.int32)
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
    return np.cumsum(root & ~np.concatenate([[False], root[:-1]])).astype(np.int32)
