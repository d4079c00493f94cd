"""PNG files in a folder of the user's, and the cut-outs among them (RGBA)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ofer_bench.api import OccluderError
from ofer_occluders.colour import to_linear
from ofer_occluders.cutouts import Cutout


def list_folder(folder: Path) -> list[str]:
    """Return the names of the PNG files in ``folder``, sorted, so that no file system decides the order."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() == ".png")
    except OSError as error:
        raise OccluderError(
            f"folder {folder} can't be read: {error.strerror}", hint="name a folder of PNG files"
        ) from error
    if not names:
        raise OccluderError(f"folder {folder} holds no PNG file", hint="put PNG files there")
    return names


def folder_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every PNG file in ``folder`` by name."""
    names = list_folder(folder)
    try:
        return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    except OSError as error:
        raise OccluderError(f"folder {folder} can't be read: {error}", hint="mend its files") from error


def load_cutout(path: Path) -> tuple[Cutout, str]:
    """Load a PNG with alpha; return it with the SHA-256 of its bytes. OccluderError when unusable."""
    from PIL import Image

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as opened:
            if "A" not in opened.getbands() and "transparency" not in opened.info:
                raise OccluderError(f"cut-out {path} has no alpha channel", hint="save it as an RGBA PNG")
            pixels = np.asarray(opened.convert("RGBA")).astype(np.float32) / 255
    except (OSError, SyntaxError) as error:
        raise OccluderError(f"cut-out {path} can't be read: {error}", hint="replace or remove the file") from error
    if not (pixels[..., 3] > 0).any():
        raise OccluderError(f"cut-out {path} is fully transparent", hint="replace or remove the file")
    rgba = np.concatenate([to_linear(pixels[..., :3]) * pixels[..., 3:], pixels[..., 3:]], axis=-1)
    height, width = rgba.shape[:2]
    rgba.setflags(write=False)
    return Cutout(rgba=rgba, unit=float(max(height, width)), anchor=(width / 2, height / 2)), digest
