"""Irregular free-form holes, rejection-sampled into a bin of hole-to-image ratios, or chosen from a user's masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ofer_bench.api import Card, OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_image, check_options, check_ratio, check_same_size
from ofer_occluders.fills import draw_fill, paint
from ofer_occluders.folder import folder_digests
from ofer_occluders.mask_folder import MaskFile, load_mask, measure_folder
from ofer_occluders.strokes import Canvas, draw_stroke, stroke_mask

CARD = Card(
    id="irregular",
    kind="occluder",
    version="2",
    title="Irregular free-form masks",
    load="ofer_occluders.irregular:Irregular",
    capability=("pixel",),
    paper="Latent-OFER, Table 9 (irregular masks); ratio bins of Liu et al. 2018",
    fidelity="reconstructed recipe",
    notes="Strokes of our own drawing in place of the NVIDIA mask files, which may not be redistributed; "
    "who has them can name their folder.",
)
BORDER = 50 / 512
"""Share of the side that the border rule keeps free of holes."""
MAX_STROKES = 60
MAX_ATTEMPTS = 30
Strokes = list[dict[str, Any]]


class Irregular:
    """Fills free-form holes; the achieved ratio lies in (lo, hi], so that a mask is in one bin only.

    Options: ``border`` (bool, default false) keeps a band of 50/512 of the side free of holes; ``folder`` names a
    folder of PNG masks (any size, white = hole) to use in place of strokes; ``fill`` as for ``random-patch``.
    """

    def fingerprint(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Identify the user's masks by name and content."""
        return folder_digests(Path(params["folder"])) if "folder" in params else {}

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw holes for ``image`` uint8 [H,W,3].

        Strokes are added until a ratio drawn in (lo, hi] is reached; those that would leave the bin are dropped. Of
        a folder, one of the masks in the bin is taken. Raises OccluderError for an empty bin, one that no attempt
        reaches, and an unusable folder.
        """
        check_image(image)
        check_options(request.params, ("border", "folder", "fill"))
        border = _border(request)
        check_ratio(request.ratio)
        lo, hi = request.ratio
        if lo == hi:
            raise OccluderError(f"irregular masks need a ratio bin, not the one value {lo}", hint="ask for lo < hi")
        params: dict[str, Any] = {"size": [int(side) for side in image.shape[:2]], "border": border}
        if "folder" in request.params:
            params["source"] = _choose(Path(request.params["folder"]), params, (lo, hi), rng)
            mask = _mask(params)
        else:
            params["strokes"], holes = _draw(params, (lo, hi), rng)
            mask = _placed(params, holes)
        params["fill"] = draw_fill(request, rng)
        return Occlusion(params=params, mask=mask, ratio=np.count_nonzero(mask) / mask.size)

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the holes filled; OccluderError when a mask file has changed."""
        check_image(image)
        check_same_size(image, occlusion.params["size"])
        return paint(image, _mask(occlusion.params), occlusion.params["fill"])


def _border(request: OcclusionRequest) -> bool:
    border = request.params.get("border", False)
    if not isinstance(border, bool):
        raise OccluderError(f"option 'border' can't be {border!r}", hint="use true or false")
    return border


def _draw(
    params: Mapping[str, Any], ratio: tuple[float, float], rng: np.random.Generator
) -> tuple[Strokes, np.ndarray]:
    """Strokes whose holes are in the bin, and those holes."""
    lo, hi = ratio
    pixels = params["size"][0] * params["size"][1]
    for _ in range(MAX_ATTEMPTS):
        strokes, canvas = _grow(params, (lo * pixels, hi * pixels), rng)
        if lo * pixels < canvas.covered() <= hi * pixels:
            return strokes, canvas.mask()
    raise OccluderError(
        f"no irregular mask reached a ratio in ({lo}, {hi}] in {MAX_ATTEMPTS} attempts",
        hint="ask for a wider bin, or one below 0.6 with the border rule",
    )


def _grow(params: Mapping[str, Any], pixels: tuple[float, float], rng: np.random.Generator) -> tuple[Strokes, Canvas]:
    """Strokes up to a number of pixels drawn in ``pixels``."""
    strokes: Strokes = []
    box = _box(params)
    canvas = Canvas(box)
    target = rng.uniform(*pixels)
    for _ in range(MAX_STROKES):
        stroke = draw_stroke(box, min(params["size"]), rng)
        canvas.add(stroke)
        covered = canvas.covered()
        if covered > pixels[1]:
            canvas.undo()
            continue
        strokes.append(stroke)
        if covered >= target:
            break
    return strokes, canvas


def _choose(
    folder: Path, params: Mapping[str, Any], ratio: tuple[float, float], rng: np.random.Generator
) -> dict[str, str]:
    """One of the folder's masks that are in the bin, and clear of the border where that is the rule."""
    size = (params["size"][0], params["size"][1])
    masks = measure_folder(folder, size, _inside(params))
    fitting: list[MaskFile] = [
        mask for mask in masks if ratio[0] < mask.ratio <= ratio[1] and (mask.clear or not params["border"])
    ]
    if not fitting:
        rule = " and are clear of the border" if params["border"] else ""
        raise OccluderError(
            f"none of the {len(masks)} masks in {folder} cover a share in ({ratio[0]}, {ratio[1]}]{rule}",
            hint=f"the masks there cover {min(m.ratio for m in masks):.2f} to {max(m.ratio for m in masks):.2f}",
        )
    chosen = fitting[int(rng.integers(len(fitting)))]
    return {"folder": str(folder), "file": chosen.name, "sha256": chosen.sha256}


def _mask(params: Mapping[str, Any]) -> np.ndarray:
    if "source" in params:
        source = params["source"]
        path = Path(source["folder"]) / source["file"]
        found = load_mask(path, (params["size"][0], params["size"][1]))
        if found.sha256 != source["sha256"]:
            raise OccluderError(f"mask {path} has changed since the occlusion was sampled", hint="restore the file")
        return found.mask
    return _placed(params, stroke_mask(_box(params), params["strokes"]))


def _placed(params: Mapping[str, Any], holes: np.ndarray) -> np.ndarray:
    """Put the holes of the box into the picture."""
    mask = np.zeros(params["size"], dtype=bool)
    mask[_inside(params)] = holes
    return mask


def _inside(params: Mapping[str, Any]) -> tuple[slice, slice]:
    """Rows and columns where holes may be."""
    height, width = params["size"]
    top, left = (round(height * BORDER), round(width * BORDER)) if params["border"] else (0, 0)
    return slice(top, height - top), slice(left, width - left)


def _box(params: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of where holes may be; strokes are drawn in it."""
    rows, columns = _inside(params)
    return rows.stop - rows.start, columns.stop - columns.start
