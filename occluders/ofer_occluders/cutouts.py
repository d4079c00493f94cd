"""A cut-out ready to be placed, from the library or from a user's file."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from ofer_bench.api import OccluderError
from ofer_occluders.colour import bytes_to_linear, to_lab

if TYPE_CHECKING:
    from PIL.Image import Image

Point = tuple[float, float]
REDUCTIONS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """Mean and standard deviation of L, a and b over some pixels."""

    mean: tuple[float, float, float]
    spread: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Level:
    """One resolution of a cut-out, 8 bits: ``look`` holds sRGB and, in its fourth channel, alpha; ``alpha``; ``skin``.

    Colours go on beyond the edge, so that they can be interpolated; ``skin`` is 255 on hand and arm.
    """

    look: Image
    alpha: Image
    skin: Image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cutout:
    """A picture of one thing, and how it meets a face; lengths in pixels, x to the right, y down.

    ``levels`` are reduced by 1, 2, 4 and 8. ``side`` is as long as an aligned picture of the face
    at natural size. ``middle`` is what goes to a chosen place, ``arm_end`` where an arm is cut off, or None.
    ``skin`` are the colours of its skin, or None; ``mixed`` says that it is skin only in part.
    """

    levels: tuple[Level, ...]
    side: float
    middle: Point
    arm_end: Point | None
    skin: Lab | None
    mixed: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.levels[0].alpha.size


def make_cutout(
    rgba: np.ndarray,
    skin: np.ndarray,
    *,
    side: float,
    middle: Point,
    arm_end: Point | None = None,
) -> Cutout:
    """Prepare ``rgba`` uint8 [h,w,4] with straight alpha, and ``skin`` bool [h,w]; points are in its pixels."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt

    # Without an empty border the edge of the picture would be a hard edge of the thing, at every reduction.
    border = REDUCTIONS[-1]
    rgba = np.pad(rgba, ((border, border), (border, border), (0, 0)))
    skin = np.pad(skin, border)
    nearest = distance_transform_edt(rgba[..., 3] < 128, return_distances=False, return_indices=True)
    colour = np.where(rgba[..., 3:] < 128, rgba[..., :3][tuple(nearest)], rgba[..., :3])
    alpha, hand = (Image.fromarray(np.ascontiguousarray(plane)) for plane in (rgba[..., 3], skin * np.uint8(255)))
    # RGBX, for pictures of the mode RGBA are multiplied by alpha where they are warped.
    look = Image.merge("RGBX", (*Image.fromarray(colour).split(), alpha))
    levels = [Level(look=look.reduce(n), alpha=alpha.reduce(n), skin=hand.reduce(n)) for n in REDUCTIONS]
    inside = rgba[..., 3] > 128
    return Cutout(
        levels=tuple(levels),
        side=side,
        middle=(middle[0] + border, middle[1] + border),
        arm_end=None if arm_end is None else (arm_end[0] + border, arm_end[1] + border),
        skin=lab_of(rgba[..., :3][inside & skin]) if (inside & skin).any() else None,
        mixed=bool(skin[inside].any() and not skin[inside].all()),
    )


def lab_of(pixels: np.ndarray) -> Lab:
    """Summarise sRGB ``pixels`` uint8 [N,3]."""
    lab = to_lab(bytes_to_linear(pixels)).astype(np.float64)
    (l0, a0, b0), (l1, a1, b1) = lab.mean(axis=0).tolist(), lab.std(axis=0).tolist()
    return Lab(mean=(l0, a0, b0), spread=(l1, a1, b1))


def decode_png(content: bytes, name: str) -> np.ndarray:
    """Decode a PNG with alpha to uint8 [h,w,4]; OccluderError with ``name`` when it is unusable."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as opened:
            if "A" not in opened.getbands() and "transparency" not in opened.info:
                raise OccluderError(f"cut-out {name} has no alpha channel", hint="save it as an RGBA PNG")
            rgba = np.asarray(opened.convert("RGBA"))
    except (OSError, SyntaxError) as error:
        raise OccluderError(f"cut-out {name} can't be read: {error}", hint="replace or remove the file") from error
    if not (rgba[..., 3] >= 128).any():
        raise OccluderError(f"cut-out {name} is fully transparent", hint="replace or remove the file")
    return rgba
