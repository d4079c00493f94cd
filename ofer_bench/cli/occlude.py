"""``ofer-bench occlude``: occlude your own images, with exact masks and a manifest to replay them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ofer_bench.cli.options import DeviceOption, ProfileOption

if TYPE_CHECKING:
    import numpy as np

    from ofer_bench.cli.images import Decoded
    from ofer_bench.core.types import FaceSet

SOME_FAILED = 1
PATCHES = 14


def occlude(
    src: Annotated[Path, typer.Argument(metavar="SRC", help="An image, or a folder of images.")],
    dst: Annotated[Path, typer.Argument(metavar="DST", help="Folder for images, masks and manifest.jsonl.")],
    occluder: Annotated[str, typer.Option("--occluder", help="Occluder id, see `list occluders`.")],
    ratio: Annotated[
        tuple[float, float], typer.Option("--ratio", metavar="LO HI", help="Share of occluded pixels, 0 to 1.")
    ] = (0.1, 0.4),
    seed: Annotated[int, typer.Option("--seed", help="Seed; each image derives its own from it.")] = 0,
    size: Annotated[int, typer.Option("--size", min=56, max=4096, help="Side of the results in pixels.")] = 224,
    objects: Annotated[
        Path | None, typer.Option("--objects", help="Folder of RGBA cut-outs for the occluder `objects`.")
    ] = None,
    profile: ProfileOption = None,
    device: DeviceOption = None,
) -> None:
    """Occlude images. Results are PNG: DST/image/NAME.png, DST/mask/NAME.png (white = occluded), DST/manifest.jsonl."""
    from ofer_bench.cli.images import decode_images, find_images, make_folder
    from ofer_bench.core.errors import OccluderError, SpecError
    from ofer_bench.occlusion.apply import occlude_set
    from ofer_bench.plugins.discovery import load_class, registry
    from ofer_bench.plugins.protocols import RELEVANCE, OcclusionRequest

    card = registry().card(occluder, kind="occluder")
    low, high = ratio
    if not 0 < low <= high <= 1:
        raise OccluderError(f"ratio {low:g} {high:g} is out of range", hint="give 0 < LO <= HI <= 1")
    if size % PATCHES:
        below = size - size % PATCHES
        near = f"{below} or {below + PATCHES}"
        raise SpecError("--size", f"{size} does not hold {PATCHES} whole patches a side", hint=f"give {near}")
    decoded = decode_images(find_images([src]), size)
    faces = _faces(decoded, src)
    for folder in ("image", "mask"):
        make_folder(dst / folder, "choose another folder")
    relevance = _relevance(faces, profile, device) if RELEVANCE in card.capability else None
    red, green, blue = (int(c) for c in faces.image.reshape(-1, 3).mean(axis=0).round())
    params: dict[str, Any] = {} if objects is None else {"folder": str(objects)}

    def request_for(index: int) -> OcclusionRequest:
        return OcclusionRequest(
            ratio=ratio,
            patch_size=size // PATCHES,
            fill=(red, green, blue),
            relevance=None if relevance is None else relevance[index],
            params=params,
        )

    image, mask, made = occlude_set(
        load_class(card)(), faces, request_for=request_for, seed_parts=("occlude", occluder, seed)
    )
    common = {"occluder": card.id, "version": card.version, "seed": seed}
    manifest = [
        {"name": name, "source": source, **common, "ratio": o.ratio, "params": dict(o.params)}
        for name, source, o in zip(decoded.name, faces.sample_id, made, strict=True)
    ]
    _write(dst, image, mask, manifest)
    share, lost = float(mask.mean()), decoded.failed
    typer.echo(f"{len(faces)} images in {dst}, {share:.1%} of the pixels occluded, {len(lost)} failed")
    for _, problem in lost:
        typer.secho(str(problem), fg="red", err=True)
    if lost:
        raise typer.Exit(SOME_FAILED)


def _faces(decoded: Decoded, src: Path) -> FaceSet:
    import numpy as np

    from ofer_bench.core.errors import SpecError
    from ofer_bench.core.types import FaceSet

    if not decoded.image:
        raise SpecError(src, f"no image can be read; the first problem is: {decoded.failed[0][1]}")
    # The whole file name is the id: it decides the seed, and a.jpg is not a.png.
    names = tuple(path.name for path in decoded.path)
    return FaceSet(image=np.stack(decoded.image), label=np.full(len(names), -1), sample_id=names)


def _relevance(faces: FaceSet, profile: str | None, device: str | None) -> np.ndarray:
    """Grad-CAM of the reference classifier for its own prediction; it is trained first where the store has none."""
    import numpy as np
    import torch.nn.functional as F

    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.types import FaceBatch
    from ofer_bench.engine.config import load_suite
    from ofer_bench.engine.notebook import load_system
    from ofer_bench.occlusion.cam import patch_relevance

    with progress_view() as view:
        system = load_system(load_suite("core").reference, profile, device, progress=view)
    side = system.image_size
    patch = faces.image_size // PATCHES
    maps = []
    for batch in faces.batches(32, system.device):
        small = F.interpolate(batch.image, side, mode="bilinear", antialias=True)
        label = system.classifier.predict(FaceBatch(image=small, sample_id=batch.sample_id)).logits.argmax(1)
        fine = F.interpolate(small, faces.image_size, mode="bilinear")
        maps.append(patch_relevance(system.classifier, system.classifier.cam_layer, fine, label, patch))
    return np.concatenate(maps).astype(np.float32)


def _write(dst: Path, image: np.ndarray, mask: np.ndarray, manifest: list[dict[str, Any]]) -> None:
    from PIL import Image

    from ofer_bench.core.errors import StoreError
    from ofer_bench.core.hashing import canonical_json

    try:
        for i, entry in enumerate(manifest):
            Image.fromarray(image[i]).save(dst / "image" / f"{entry['name']}.png")
            Image.fromarray(mask[i]).save(dst / "mask" / f"{entry['name']}.png")
        lines = (canonical_json(entry) + "\n" for entry in manifest)
        (dst / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{dst} can't be written: {error.strerror}", hint="choose another folder") from None
