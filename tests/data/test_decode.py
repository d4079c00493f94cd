from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from ofer_bench.core.errors import ImageUnreadable
from ofer_bench.data.decode import decode_image, image_files


def save(path: Path, array: np.ndarray, mode: str | None = None) -> Path:
    Image.fromarray(array, mode).save(path) if mode else Image.fromarray(array).save(path)
    return path


def test_an_rgb_image_of_the_right_size_comes_back_unchanged(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_image(save(tmp_path / "a.png", array), 32), array)


def test_the_centre_square_is_taken(tmp_path: Path) -> None:
    array = np.zeros((32, 64, 3), dtype=np.uint8)
    array[:, 16:48] = 200
    assert decode_image(save(tmp_path / "a.png", array), 32).min() == 200


def test_grey_rgba_palette_and_16_bit_become_rgb(tmp_path: Path) -> None:
    grey = np.full((20, 20), 128, dtype=np.uint8)
    assert (decode_image(save(tmp_path / "grey.png", grey), 16) == 128).all()
    rgba = np.zeros((20, 20, 4), dtype=np.uint8)
    assert (decode_image(save(tmp_path / "rgba.png", rgba), 16) == 255).all()
    deep = np.full((20, 20), 32768, dtype=np.uint16)
    assert (decode_image(save(tmp_path / "deep.png", deep), 16) == 128).all()
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    assert decode_image(tmp_path / "palette.png", 16).shape == (16, 16, 3)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    array = np.zeros((32, 32, 3), dtype=np.uint8)
    array[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    decoded = decode_image(tmp_path / "a.png", 32)
    assert decoded[:10].max() < 30
    assert decoded[-10:].min() > 220


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_turned_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    array = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png", 32), expected)


@pytest.mark.parametrize("exif", [b"MM\0*\0\0\0\x08\0", b"II*\0\x08\0\0\0\x05\0\x12\x01", b"II*\0", b"no exif at all"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_damaged_exif_costs_the_turn_and_not_the_image(tmp_path: Path, name: str, exif: bytes) -> None:
    image = Image.new("RGB", (32, 32), (90, 90, 90))
    image.save(tmp_path / name, exif=b"Exif\0\0" + exif)
    assert abs(decode_image(tmp_path / name, 32).astype(int) - 90).max() <= 3


def test_a_very_large_image_is_read(tmp_path: Path) -> None:
    Image.new("L", (10_000, 10_000), 90).save(tmp_path / "big.png")
    assert (decode_image(tmp_path / "big.png", 32) == 90).all()


def test_what_cannot_be_read_is_a_typed_error(tmp_path: Path) -> None:
    good = save(tmp_path / "good.jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:400])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    save(tmp_path / "dot.png", np.zeros((1, 1, 3), dtype=np.uint8))
    for name in ("cut.jpg", "text.jpg", "empty.png", "dot.png", "missing.png"):
        with pytest.raises(ImageUnreadable, match=name):
            decode_image(tmp_path / name, 32)


def test_image_files_are_sorted_and_filtered(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "d.png").mkdir()
    assert [p.name for p in image_files(tmp_path)] == ["a.JPG", "b.png"]
