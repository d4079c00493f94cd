"""Image files to aligned 8-bit RGB: the one decoder and resizer of the project, version :data:`DECODER`."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from ofer_bench.core.errors import ImageUnreadable

DECODER = "pil-centre-square-lanczos-1"
MIN_SIDE = 16
MAX_PIXELS = 150_000_000
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to the turn that undoes it."""


def decode_image(path: Path, size: int) -> np.ndarray:
    """Read an image as uint8 [size,size,3] sRGB: EXIF turned, alpha on white, centre square, Lanczos.

    Grey, palette, RGBA and 16-bit images are converted. Raises ImageUnreadable for a file that is missing,
    truncated or no image, has a side under 16 px, or more than 150 megapixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(path, image.size)
                image.draft("RGB", (2 * size, 2 * size))
                rgb = _to_rgb(_turned(image))
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise ImageUnreadable(path, "is not an image that can be read") from None
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ImageUnreadable(path, f"can't be decoded: {error}") from None
    side = min(rgb.size)
    left, top = (rgb.width - side) // 2, (rgb.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(rgb.resize((size, size), Image.Resampling.LANCZOS, box=box))


def image_files(folder: Path) -> list[Path]:
    """Image files directly in ``folder``, sorted by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS and p.is_file())


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if min(size) < MIN_SIDE:
        raise ImageUnreadable(path, f"is {size[0]}x{size[1]} px; a face needs at least {MIN_SIDE} px a side")
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageUnreadable(path, f"has {size[0]}x{size[1]} px, more than {MAX_PIXELS // 1_000_000} megapixels")


def _turned(image: Image.Image) -> Image.Image:
    """Apply the orientation of the EXIF data; damaged EXIF data say nothing of the pixels, which stay as they are."""
    image.load()
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except (OSError, SyntaxError, ValueError, TypeError, struct.error):
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        value = np.asarray(image).astype(np.float64)
        # 16-bit pictures use the whole range by definition; wider integers and floats by their own maximum.
        full = 65535.0 if value.max() <= 65535 and image.mode != "F" else float(max(value.max(), 1e-9))
        return Image.fromarray((value / full * 255).clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")
