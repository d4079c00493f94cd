"""Copy-pasted objects: drawn cut-outs (or a user's own) placed over the face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ofer_bench.api import Card, OccluderError, Occlusion, OcclusionRequest
from ofer_occluders.checks import check_choice, check_image, check_options, check_ratio, check_same_size
from ofer_occluders.cutouts import ANYWHERE, KINDS, Cutout, draw_cutout
from ofer_occluders.folder import folder_digests, list_folder, load_cutout
from ofer_occluders.placement import Pose, blend, fit_scale

CARD = Card(
    id="objects",
    kind="occluder",
    version="1",
    title="Copy-pasted objects",
    load="ofer_occluders.objects:Objects",
    capability=("pixel", "alpha"),
    paper="Latent-OFER, section 4 (hands, cups and the like, pasted at random)",
    fidelity="reconstructed recipe",
    notes="The paper states no object list, size or placement law: a re-creation with drawn objects. "
    "Results are comparable with the paper's synthetic sets as trends only.",
)
MIN_RATIO, MAX_RATIO = 0.005, 0.8
MAX_ANGLE = 25.0
MAX_ATTEMPTS = 30
SURE_WIDTH = 0.02
"""Bins at least this wide are always met; narrower ones are met as nearly as pixels allow."""
DRAWING_SIDES = (192, 512)
"""Drawings are at least and at most this large, in px; in between, twice the picture's side."""


class Objects:
    """Pastes one object, sized so that its mask covers a share of the picture in [lo, hi].

    Options: ``kinds`` - ``seen``, ``unseen`` or ``all`` (default); ``folder`` - a folder of RGBA PNG cut-outs to
    use in place of the drawings. No system of the suite trains on objects; the types are split so that one who
    trains on the seen can test on the unseen.
    """

    SEEN = ("hand", "mug", "phone", "book", "fruit")
    UNSEEN = ("sunglasses", "surgical-mask", "scarf", "microphone", "bottle")

    def fingerprint(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Identify the user's cut-outs by name and content."""
        return folder_digests(Path(params["folder"])) if "folder" in params else {}

    def sample(self, image: np.ndarray, request: OcclusionRequest, rng: np.random.Generator) -> Occlusion:
        """Draw object, pose and size for ``image`` uint8 [H,W,3].

        The centre is uniform in the object's part of the central face area, the angle in +-25 degrees (hands
        also lean outwards). Raises OccluderError for a ratio outside 0.005-0.8 or an unusable folder.
        """
        check_image(image)
        check_options(request.params, ("kinds", "folder"))
        check_ratio(request.ratio, lowest=MIN_RATIO, highest=MAX_RATIO)
        size = (int(image.shape[0]), int(image.shape[1]))
        lo, hi = max(request.ratio[0], MIN_RATIO), request.ratio[1]
        margin = (hi - lo) / 10
        nearest: tuple[float, Occlusion] | None = None
        for _ in range(MAX_ATTEMPTS):
            source = self._choose(request.params, rng)
            cutout = _cutout(source, size)
            pose = _draw_pose(source, size, rng)
            target = float(rng.uniform(lo + margin, hi - margin))
            pose, mask = fit_scale(cutout, pose, size, target, max(margin, 0.5 / (size[0] * size[1])))
            occlusion = _occlusion(source, pose, mask)
            if lo <= occlusion.ratio <= hi:
                return occlusion
            error = abs(occlusion.ratio - target)
            if nearest is None or error < nearest[0]:
                nearest = (error, occlusion)
            if hi - lo < SURE_WIDTH and nearest[0] < SURE_WIDTH / 2:
                return nearest[1]
        raise OccluderError(
            f"no object reached a ratio in {tuple(request.ratio)} in {MAX_ATTEMPTS} attempts",
            hint="ask for a wider or lower range, or larger images",
        )

    def apply(self, image: np.ndarray, occlusion: Occlusion) -> np.ndarray:
        """Return ``image`` uint8 [H,W,3] with the object blended over it in linear light, edges feathered."""
        check_image(image)
        params = occlusion.params
        check_same_size(image, params["size"])
        pose = Pose(centre=(params["centre"][0], params["centre"][1]), scale=params["scale"], angle=params["angle"])
        return blend(image, _cutout(params["source"], (image.shape[0], image.shape[1])), pose)

    def _choose(self, options: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        if "folder" in options:
            names = list_folder(Path(options["folder"]))
            name = names[int(rng.integers(len(names)))]
            return {
                "folder": str(options["folder"]),
                "file": name,
                "sha256": load_cutout(Path(options["folder"]) / name)[1],
            }
        groups = {"seen": self.SEEN, "unseen": self.UNSEEN, "all": self.SEEN + self.UNSEEN}
        kinds = groups[check_choice("kinds", options.get("kinds", "all"), tuple(groups))]
        return {"kind": kinds[int(rng.integers(len(kinds)))], "seed": int(rng.integers(2**32))}


def _occlusion(source: Mapping[str, Any], pose: Pose, mask: np.ndarray) -> Occlusion:
    params = {
        "size": [int(side) for side in mask.shape],
        "source": dict(source),
        "centre": [float(value) for value in pose.centre],
        "scale": float(pose.scale),
        "angle": float(pose.angle),
    }
    return Occlusion(params=params, mask=mask, ratio=float(mask.mean()))


def _draw_pose(source: Mapping[str, Any], size: tuple[int, int], rng: np.random.Generator) -> Pose:
    kind = KINDS.get(source.get("kind", ""))
    left, top, right, bottom = kind.region if kind else ANYWHERE
    x, y = float(rng.uniform(left, right)), float(rng.uniform(top, bottom))
    angle = float(rng.uniform(-MAX_ANGLE, MAX_ANGLE))
    if kind:
        # To the right of the middle the forearm comes from the right, so the fingers tip to the left.
        angle -= kind.lean * (2 * (x - left) / (right - left) - 1)
    return Pose(centre=(x * size[1], y * size[0]), scale=1.0, angle=angle)


def _cutout(source: Mapping[str, Any], size: tuple[int, int]) -> Cutout:
    if "kind" in source:
        if source["kind"] not in KINDS:
            raise OccluderError(f"unknown object kind {source['kind']!r}", hint=f"known: {', '.join(KINDS)}")
        side = int(np.clip(2 * max(size), *DRAWING_SIDES))
        return draw_cutout(source["kind"], source["seed"], side)
    path = Path(source["folder"]) / source["file"]
    cutout, digest = load_cutout(path)
    if digest != source["sha256"]:
        raise OccluderError(f"cut-out {path} has changed since the occlusion was sampled", hint="restore the file")
    return cutout
