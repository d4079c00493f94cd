"""sRGB, linear light and CIELAB against their definitions and scikit-image."""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2lab

from ofer_bench.api import derive_rng
from ofer_occluders.colour import bytes_to_linear, from_lab, linear_to_bytes, to_lab, to_linear, to_srgb

COLOURS = derive_rng("colours").integers(0, 256, (500, 3)).astype(np.uint8)


def test_srgb_round_trip() -> None:
    values = np.arange(256, dtype=np.float32) / 255
    assert np.array_equal(np.rint(to_srgb(to_linear(values)) * 255), np.arange(256))


def test_tables_agree_with_the_formulas() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(linear_to_bytes(bytes_to_linear(every)), every)
    light = derive_rng("light").random(1000)
    assert np.abs(linear_to_bytes(light) - to_srgb(light) * 255).max() <= 0.53
    assert np.array_equal(linear_to_bytes(np.array([-0.1, 1.2])), [0, 255])


def test_lab_agrees_with_scikit_image() -> None:
    lab = to_lab(bytes_to_linear(COLOURS))
    assert np.abs(lab - rgb2lab(COLOURS[None])[0]).max() < 0.1
    assert np.array_equal(linear_to_bytes(from_lab(lab)), COLOURS)
