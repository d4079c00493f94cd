"""Choosing a thing, a pose and a look, and pasting them: what ``objects`` and ``translucent`` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ofer_bench.api import OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_choice, check_image, check_options, check_ratio, check_same_size
from ofer_occluders.cutouts import Cutout
from ofer_occluders.folder import folder_cutout, folder_digests, list_folder
from ofer_occluders.library_cutouts import Entry, entries, library_cutout, library_digest
from ofer_occluders.matching import FEATHER, SAME, change, measure, skin_change, softening, thing_change
from ofer_occluders.placement import COVERED, Layer, Pose, Shadow, backwards, blend, fit_scale, lay

MIN_RATIO, MAX_RATIO = 0.005, 0.8
MAX_ATTEMPTS = 40
CHOOSY_ATTEMPTS = 25
"""So many attempts insist on arms that leave the picture; then a ratio in the bin is enough."""
SURE_WIDTH = 0.02
"""Bins at least this wide are always met; narrower ones are met as nearly as pixels allow."""
MAX_ANGLE, MAX_LEAN, MAX_TILT = 20.0, 8.0, 0.12
FACE = (0.5, 0.52)
"""Middle of the face in an aligned picture, in its sides."""
WORN_SCALE, HELD_SCALE = (0.8, 1.2), (0.45, 2.2)
"""How much smaller and larger than in nature a thing may be: on the face, and before it."""
GROUPS: dict[str, bool | None] = {"seen": True, "unseen": False, "all": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """A cut-out, where it comes from as JSON, and what the library says of it."""

    cutout: Cutout
    source: dict[str, Any]
    entry: Entry | None


def fingerprint(params: Mapping[str, Any]) -> dict[str, Any]:
    """Identify the cut-outs: the user's by name and content, those of the library by its index."""
    return folder_digests(Path(params["folder"])) if "folder" in params else {"library": library_digest()}


def sample_paste(
    image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator, *, opacity: tuple[float, float]
) -> Occlusion:
    """Draw thing, pose and look for ``image`` uint8 [H,W,3]; its alpha is multiplied by a draw from ``opacity``.

    Raises OccluderError for an unknown option, an unusable folder or a ratio that no thing reached.
    """
    check_image(image)
    check_options(request.params, ("kinds", "folder"))
    check_ratio(request.ratio, lowest=MIN_RATIO, highest=MAX_RATIO)
    size = (int(image.shape[0]), int(image.shape[1]))
    side = min(size)
    lo, hi = max(request.ratio[0], MIN_RATIO), request.ratio[1]
    margin = (hi - lo) / 10
    tolerance = max(margin, 0.5 / (size[0] * size[1]))
    scene = measure(image)
    share = float(rng.uniform(*opacity)) if opacity[0] < opacity[1] else opacity[1]
    nearest: tuple[float, Occlusion] | None = None
    for attempt in range(MAX_ATTEMPTS):
        target = float(rng.uniform(lo + margin, hi - margin))
        chosen = _choose(request.params, target, rng)
        pose = _draw_pose(chosen, size, target, rng)
        soften = softening(chosen.cutout, pose.scale, scene, side)
        blur = float(np.hypot(soften, FEATHER * side))
        pose = fit_scale(chosen.cutout, pose, size, blur, target, tolerance)
        if attempt < CHOOSY_ATTEMPTS and not _plausible(chosen, pose, size):
            continue
        skin = chosen.cutout.skin
        shadow = _draw_shadow(side, rng)
        colours = thing_change(scene.face), SAME if skin is None else skin_change(skin, scene.face)
        params = {
            "size": list(size),
            "source": chosen.source,
            "matrix": list(backwards(pose.forward(chosen.cutout, side))),
            "blur": blur,
            "soften": soften,
            "shadow": {**asdict(shadow), "offset": list(shadow.offset)},
            "colour": [[list(part) for part in colour] for colour in colours],
            "opacity": share,
        }
        occlusion = _occlusion(params)
        if lo <= occlusion.ratio <= hi:
            return occlusion
        error = abs(occlusion.ratio - target)
        if nearest is None or error < nearest[0]:
            nearest = (error, occlusion)
        if hi - lo < SURE_WIDTH and nearest[0] < SURE_WIDTH / 2:
            return nearest[1]
    raise OccluderError(
        f"no object reached a ratio in {tuple(request.ratio)} in {MAX_ATTEMPTS} attempts",
        hint="ask for a wider or lower range, for more kinds of things, or for larger images",
    )


def apply_paste(image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
    """Return ``image`` uint8 [H,W,3] with the thing over it, as the parameters say."""
    check_image(image)
    params = occlusion.params
    check_same_size(image, params["size"])
    thing, skin = params["colour"]

    def recolour(light: np.ndarray, on_skin: np.ndarray) -> np.ndarray:
        if on_skin.all():
            return change(light, skin)
        changed = change(light, thing)
        some = np.flatnonzero(on_skin)
        if some.size:
            before = changed.take(some, axis=0)
            share = on_skin.take(some)[:, None]
            changed[some] = before + share * (change(light.take(some, axis=0), skin) - before)
        return changed

    return blend(image, _layer(params), recolour, params["shadow"]["strength"], params["opacity"])


def _layer(params: Mapping[str, Any]) -> Layer:
    shadow = params["shadow"]
    x, y = shadow["offset"]
    return lay(
        _cutout(params["source"]),
        tuple(params["matrix"]),
        (params["size"][0], params["size"][1]),
        params["blur"],
        params["soften"],
        Shadow(strength=shadow["strength"], offset=(x, y), blur=shadow["blur"]),
    )


def _occlusion(params: dict[str, Any]) -> Occlusion:
    size = (params["size"][0], params["size"][1])
    layer = _layer(params)
    mask = layer.spread(layer.alpha >= COVERED, size)
    touched = layer.spread((layer.alpha > 0) | (layer.shade > 0), size)
    return Occlusion(params=params, mask=mask, ratio=float(mask.mean()), touched=touched)


def _cutout(source: Mapping[str, Any]) -> Cutout:
    if "name" in source:
        return library_cutout(source["name"])
    path = Path(source["folder"]) / source["file"]
    cutout, digest = folder_cutout(path)
    if digest != source["sha256"]:
        raise OccluderError(f"cut-out {path} has changed since the occlusion was sampled", hint="restore the file")
    return cutout


def _choose(options: Mapping[str, Any], target: float, rng: np.random.Generator) -> _Choice:
    """Draw a file of the user's folder, or a kind and then a cut-out of it, among those that suit the ratio."""
    if "folder" in options:
        names = list_folder(Path(options["folder"]))
        name = names[int(rng.integers(len(names)))]
        cutout, digest = folder_cutout(Path(options["folder"]) / name)
        source = {"folder": str(options["folder"]), "file": name, "sha256": digest}
        return _Choice(cutout=cutout, source=source, entry=None)
    seen = GROUPS[check_choice("kinds", options.get("kinds", "all"), tuple(GROUPS))]
    able, low, high = _able(seen)
    fitting = np.flatnonzero((low <= target) & (target <= high)).tolist() or range(len(able))
    kinds = sorted({able[i].kind for i in fitting})
    kind = kinds[int(rng.integers(len(kinds)))]
    same = [able[i] for i in fitting if able[i].kind == kind]
    entry = same[int(rng.integers(len(same)))]
    source = {"kind": entry.kind, "name": entry.name, "sha256": entry.sha256}
    return _Choice(cutout=library_cutout(entry.name), source=source, entry=entry)


@lru_cache(maxsize=3)
def _able(seen: bool | None) -> tuple[list[Entry], np.ndarray, np.ndarray]:
    """Entries of a group with the least and the greatest ratio that each looks natural at."""
    able = [entry for entry in entries() if seen is None or entry.seen is seen]
    scales = np.array([WORN_SCALE if entry.worn else HELD_SCALE for entry in able])
    low, high = (np.array([entry.share for entry in able])[:, None] * scales**2).T
    return able, low, high


def _draw_pose(chosen: _Choice, size: tuple[int, int], target: float, rng: np.random.Generator) -> Pose:
    """Draw a pose: worn things near their place, hands from outside towards the face, others anywhere before it."""
    entry, cutout = chosen.entry, chosen.cutout
    mirrored = bool(rng.random() < 0.5)
    tilt = tuple(float(t) for t in rng.uniform(-MAX_TILT, MAX_TILT, 2))
    angle = float(rng.uniform(-MAX_ANGLE, MAX_ANGLE))
    x, y = float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.34, 0.78))
    if entry is not None and entry.worn:
        x, y = (m + float(rng.normal(0, 0.012)) for m in entry.middle)
        angle, tilt = angle * MAX_LEAN / MAX_ANGLE, (0.3 * tilt[0], 0.3 * tilt[1])
        x = 1 - x if mirrored else x
    elif entry is not None and entry.kind == "hand" and cutout.arm_end is not None:
        # Arms come from below and from the sides; the fingers point from there to the middle of the face.
        bearing = float(rng.uniform(-115, 115))
        reach = float(rng.uniform(0.0, 0.28))
        out = np.array([np.sin(np.radians(bearing)), np.cos(np.radians(bearing))])
        x, y = (float(c) for c in np.array(FACE) + reach * out)
        way = np.array(cutout.arm_end) - np.array(cutout.middle)
        way[0] = -way[0] if mirrored else way[0]
        angle += float(np.degrees(np.arctan2(out[1], out[0]) - np.arctan2(way[1], way[0])))
    known = entry.share if entry is not None else _area(cutout)
    scale = float(np.sqrt(target / max(known, 1e-4)))
    return Pose(centre=(x * size[1], y * size[0]), scale=scale, angle=angle, tilt=(tilt[0], tilt[1]), mirrored=mirrored)


def _area(cutout: Cutout) -> float:
    """Share of the picture that the whole cut-out covers at natural size."""
    return float(np.count_nonzero(np.asarray(cutout.levels[0].alpha) >= COVERED)) / cutout.side**2


def _plausible(chosen: _Choice, pose: Pose, size: tuple[int, int]) -> bool:
    """Tell whether a worn thing still fits the face and the end of an arm lies outside the picture."""
    if chosen.entry is not None and chosen.entry.worn:
        return WORN_SCALE[0] * 0.9 <= pose.scale <= WORN_SCALE[1] * 1.1
    if chosen.cutout.arm_end is None:
        return True
    x, y, w = pose.forward(chosen.cutout, min(size)) @ [*chosen.cutout.arm_end, 1.0]
    return not (0 <= x / w <= size[1] and 0 <= y / w <= size[0])


def _draw_shadow(side: int, rng: np.random.Generator) -> Shadow:
    """Light comes from above: the shadow falls down, a little to one side."""
    right, down = rng.uniform(-0.014, 0.014) * side, rng.uniform(0.006, 0.022) * side
    return Shadow(
        strength=float(rng.uniform(0.25, 0.5)),
        offset=(round(float(right)), round(float(down))),
        blur=float(rng.uniform(0.012, 0.026)) * side,
    )
