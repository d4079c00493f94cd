"""``ofer-bench occlude``: occlude your own images, with exact masks and a manifest to replay them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ofer_bench.cli.options import DeviceOption, ProfileOption

if TYPE_CHECKING:
    import numpy as np

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
    from ofer_bench.core.errors import OccluderError
    from ofer_bench.occlusion.apply import occlude_set
    from ofer_bench.plugins.discovery import load_class, registry
    from ofer_bench.plugins.protocols import RELEVANCE, OcclusionRequest

    card = registry().card(occluder, kind="occluder")
    low, high = ratio
    if not 0 < low <= high <= 1:
        raise OccluderError(f"ratio {low:g} {high:g} is out of range", hint="give 0 < LO <= HI <= 1")
    side = size - size % PATCHES
    faces, failed = _read(src, side)
    relevance = _relevance(faces, profile, device) if RELEVANCE in card.capability else None
    red, green, blue = (int(c) for c in faces.image.reshape(-1, 3).mean(axis=0).round())
    params: dict[str, Any] = {} if objects is None else {"folder": str(objects)}

    def request_for(index: int) -> OcclusionRequest:
        return OcclusionRequest(
            ratio=ratio,
            patch_size=side // PATCHES,
            fill=(red, green, blue),
            relevance=None if relevance is None else relevance[index],
            params=params,
        )

    image, mask, made = occlude_set(
        load_class(card)(), faces, request_for=request_for, seed_parts=("occlude", occluder, seed)
    )
    _write(dst, faces.sample_id, image, mask, [{"ratio": o.ratio, "params": dict(o.params)} for o in made])
    typer.echo(f"{len(faces)} images in {dst}, {float(mask.mean()):.1%} of the pixels occluded, {len(failed)} failed")
    for problem in failed:
        typer.secho(problem, fg="red", err=True)
    if failed:
        raise typer.Exit(SOME_FAILED)


def _read(src: Path, side: int) -> tuple[FaceSet, list[str]]:
    import numpy as np

    from ofer_bench.core.errors import ImageUnreadable, SpecError
    from ofer_bench.core.types import FaceSet
    from ofer_bench.data.decode import decode_image, image_files

    paths = image_files(src) if src.is_dir() else [src]
    if not paths:
        raise SpecError(src, "holds no images", hint="give an image file, or a folder that has some")
    images, names, failed = [], [], []
    for path in paths:
        try:
            images.append(decode_image(path, side))
            names.append(path.stem)
        except ImageUnreadable as error:
            failed.append(str(error))
    if not images:
        raise SpecError(src, f"no image can be read; the first problem is: {failed[0]}")
    return FaceSet(image=np.stack(images), label=np.full(len(images), -1), sample_id=tuple(names)), failed


def _relevance(faces: FaceSet, profile: str | None, device: str | None) -> np.ndarray:
    """Grad-CAM of the reference classifier for its own prediction; it is trained first where the store has none."""
    import numpy as np
    import torch.nn.functional as F

    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.types import FaceBatch
    from ofer_bench.engine.notebook import load_system
    from ofer_bench.occlusion.cam import patch_relevance

    with progress_view() as view:
        system = load_system("resnet18", profile, device, progress=view)
    side = system.image_size
    patch = faces.image_size // PATCHES
    maps = []
    for batch in faces.batches(32, system.device):
        small = F.interpolate(batch.image, side, mode="bilinear", antialias=True)
        label = system.classifier.predict(FaceBatch(image=small, sample_id=batch.sample_id)).logits.argmax(1)
        fine = F.interpolate(small, faces.image_size, mode="bilinear")
        maps.append(patch_relevance(system.classifier, system.classifier.cam_layer, fine, label, patch))
    return np.concatenate(maps).astype(np.float32)


def _write(
    dst: Path, names: tuple[str, ...], image: np.ndarray, mask: np.ndarray, manifest: list[dict[str, Any]]
) -> None:
    from PIL import Image

    from ofer_bench.core.errors import StoreError
    from ofer_bench.core.hashing import canonical_json

    try:
        for folder in ("image", "mask"):
            (dst / folder).mkdir(parents=True, exist_ok=True)
        for i, name in enumerate(names):
            Image.fromarray(image[i]).save(dst / "image" / f"{name}.png")
            Image.fromarray(mask[i]).save(dst / "mask" / f"{name}.png")
        lines = (canonical_json({"name": n, **entry}) + "\n" for n, entry in zip(names, manifest, strict=True))
        (dst / "manifest.jsonl").write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{dst} can't be written: {error.strerror}", hint="choose another folder") from None
