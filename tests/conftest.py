"""Fixtures that several test packages share: small drawn faces, and a store of their own for every test."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ofer_bench.core.types import FaceSet

if not torch.cuda.is_available():
    # Triton's kernels run in Python then. It reads this once, when it is first imported.
    os.environ["TRITON_INTERPRET"] = "1"

MOUTHS = ((20, 20, 20), (230, 30, 30), (30, 200, 30), (30, 30, 230), (230, 230, 30), (230, 30, 230), (30, 230, 230))


def draw_face(label: int, rng: np.random.Generator, size: int) -> np.ndarray:
    """A toy face whose mouth tells the label by place, width and colour: uint8 [size,size,3]."""
    image = np.full((size, size, 3), rng.integers(120, 200, 3), dtype=np.float64)
    unit = size / 32
    for x in (9, 20):
        image[int(9 * unit) : int(12 * unit), int(x * unit) : int((x + 3) * unit)] = 20
    top = int((18 + label) * unit)
    image[top : top + int(3 * unit), int((6 + label) * unit) : int((26 - label) * unit)] = MOUTHS[label]
    return (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)


def toy_faces(count: int, size: int = 32, seed: int = 0, prefix: str = "toy") -> FaceSet:
    """``count`` toy faces with labels in turn."""
    rng = np.random.default_rng(seed)
    label = np.arange(count, dtype=np.int64) % 7
    return FaceSet(
        image=np.stack([draw_face(int(k), rng, size) for k in label]),
        label=label,
        sample_id=tuple(f"{prefix}-{i:03d}" for i in range(count)),
    )


@pytest.fixture
def faces() -> FaceSet:
    """Fourteen toy faces of 32 px."""
    return toy_faces(14)


@pytest.fixture
def store_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store that the command line will use."""
    path = tmp_path / "store"
    monkeypatch.setenv("OFER_BENCH_STORE", str(path))
    return path


@pytest.fixture
def face_folder(tmp_path: Path) -> Path:
    """A folder data set: ROOT/{train,val,test}/EXPRESSION/*.png of toy faces."""
    from PIL import Image

    from ofer_bench.core.expressions import EXPRESSIONS

    root = tmp_path / "faces"
    for seed, (part, count) in enumerate((("train", 28), ("val", 14), ("test", 14))):
        faces = toy_faces(count, seed=seed, prefix=part)
        for image, label, name in zip(faces.image, faces.label, faces.sample_id, strict=True):
            folder = root / part / EXPRESSIONS[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{name}.png")
    return root
