"""Builds a split of ParaFace: a fixed number of images per subject, each of them reproducible on its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
from scipy.ndimage import gaussian_filter

from ofer_bench.core.expressions import Expression
from ofer_bench.core.types import FaceSet
from ofer_bench.data.paraface.alignment import TEMPLATE, head_rotation, picture_to_plane, project
from ofer_bench.data.paraface.model import HeadModel, load_head_model
from ofer_bench.data.paraface.renderer import Renderer
from ofer_bench.data.paraface.sampling import (
    PARAFACE_VERSION,
    Shot,
    Subject,
    dominant_ancestry,
    draw_shot,
    draw_subject,
)

__all__ = ["PARAFACE_VERSION", "build_paraface", "pose_and_align"]

_CLASSES = tuple(Expression)
_MAX_WORKERS = 8


def build_paraface(
    split: str,
    *,
    image_size: int,
    subjects: int,
    repeats: int,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[FaceSet, list[dict[str, object]]]:
    """Render ``subjects`` x 7 expressions x ``repeats`` aligned faces.

    ``split`` names the subjects (``train-0001`` ...), so different splits share none. Returns the faces,
    uint8 [N,S,S,3], ordered by subject, expression in canonical order and repeat, and one dict of attributes
    per face. An image depends on ``split``, ``seed``, its own id and ``image_size`` only, so that fewer
    subjects are a prefix of more.
    ``progress(done, total, what)`` is called as work goes on.

    Raises :class:`~ofer_bench.core.errors.DatasetMissing` when the head model is not installed.
    """
    tell = progress or (lambda done, total, what: None)
    total = subjects * len(_CLASSES) * repeats
    tell(0, total, "loading the head model")
    head = load_head_model()
    tell(0, total, "compiling the renderer")
    idle: SimpleQueue[Renderer] = SimpleQueue()
    workers = _workers(device)
    for _ in range(workers):
        idle.put(Renderer(head, batch_size=len(_CLASSES), image_size=image_size, device=device))

    def work(number: int) -> tuple[np.ndarray, list[dict[str, object]], list[str]]:
        renderer = idle.get()
        try:
            return _render_subject(head, renderer, draw_subject(split, number, seed), split, number, repeats, seed)
        finally:
            idle.put(renderer)

    parts = []
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(work, range(1, subjects + 1)):
            parts.append(part)
            tell(len(parts) * len(_CLASSES) * repeats, total, "rendering faces")
    images, attributes, ids = zip(*parts, strict=True)
    label = np.tile(np.repeat(np.arange(len(_CLASSES), dtype=np.int64), repeats), subjects)
    faces = FaceSet(image=np.concatenate(images), label=label, sample_id=tuple(i for part in ids for i in part))
    return faces, [row for part in attributes for row in part]


def pose_and_align(head: HeadModel, identity: np.ndarray, shots: Sequence[Shot]) -> tuple[np.ndarray, np.ndarray]:
    """Express, turn and frame one subject: vertices [B,V,3], picture-to-plane matrices [B,2,3]."""
    vertices = head.express(identity, [shot.actions for shot in shots])
    # The middle of the skull is the pivot and stays in front of the camera.
    vertices = vertices - identity.mean(axis=0)
    turn = np.stack([head_rotation(shot.yaw, shot.pitch, shot.roll) for shot in shots])
    vertices = vertices @ turn.transpose(0, 2, 1)
    landmarks = head.landmarks(vertices)
    to_plane = []
    for points, shot in zip(landmarks, shots, strict=True):
        flat = project(points, shot.camera)
        width = np.linalg.norm(flat[1] - flat[0]) / (TEMPLATE[1, 0] - TEMPLATE[0, 0])
        to_plane.append(picture_to_plane(flat + width * np.array(shot.landmark_noise)))
    return vertices, np.stack(to_plane)


def _identity(head: HeadModel, subject: Subject) -> np.ndarray:
    return head.identity(
        age=subject.age,
        masculinity=subject.masculinity,
        weight=subject.weight,
        ancestry=subject.ancestry,
        shape=subject.shape,
    )


def _workers(device: str) -> int:
    """Threads that render; warp releases the interpreter, and a GPU is busy with one."""
    return 1 if device.startswith("cuda") else max(1, min(_MAX_WORKERS, os.cpu_count() or 1))


def _render_subject(
    head: HeadModel, renderer: Renderer, subject: Subject, split: str, number: int, repeats: int, seed: int
) -> tuple[np.ndarray, list[dict[str, object]], list[str]]:
    """All images of one subject, uint8 [7*repeats,S,S,3], their attributes and ids."""
    rows = [[draw_shot(subject, split, number, e, r, seed) for r in range(repeats)] for e in _CLASSES]
    identity = _identity(head, subject)
    columns = []
    for repeat in range(repeats):
        shots = [row[repeat] for row in rows]
        vertices, to_plane = pose_and_align(head, identity, shots)
        linear = renderer.render(vertices, to_plane, [subject] * len(shots), shots)
        columns.append(np.stack([_develop(image, shot) for image, shot in zip(linear, shots, strict=True)]))
    images = np.stack(columns, axis=1)
    shots = [shot for row in rows for shot in row]
    flat = images.reshape(-1, *images.shape[2:])
    return flat, [_attributes(subject, shot) for shot in shots], [shot.sample_id for shot in shots]


def _develop(linear: np.ndarray, shot: Shot) -> np.ndarray:
    """Turn linear light [S,S,3] into an 8-bit sRGB photograph with lens blur and sensor grain."""
    sigma = shot.blur * len(linear) / 64.0
    soft = gaussian_filter(linear, sigma=(sigma, sigma, 0.0))
    srgb = np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * np.power(np.maximum(soft, 1e-6), 1 / 2.4) - 0.055)
    grain = np.random.Generator(np.random.PCG64(shot.pixel_seed)).standard_normal(srgb.shape, dtype=np.float32)
    return np.clip(np.rint(srgb * 255.0 + shot.grain * grain), 0, 255).astype(np.uint8)


def _attributes(subject: Subject, shot: Shot) -> dict[str, object]:
    return {
        "subject": subject.id,
        "expression": shot.expression.value,
        "intensity": shot.intensity,
        "age": subject.age,
        "gender": subject.gender,
        "ancestry": dominant_ancestry(subject),
        "yaw": shot.yaw,
        "pitch": shot.pitch,
    }
