"""``ofer-bench occlude``: occlude your own images, make a split again from its manifest, see every occluder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ofer_bench.cli.options import DeviceOption, ProfileOption
from ofer_bench.core.threads import thread_count

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ofer_bench.engine.replay_files import Replayed
    from ofer_bench.occlusion.manifest import ManifestRow

SOME_FAILED = 1
DATA_MISSING = 3
PATCHES = 14
_FROM_MANIFEST = ("from_manifest", "workers", "overrides")
_PREVIEW = ("preview", "occluder", "size", "seed", "profile", "device")
_OCCLUDE = ("occluder", "ratio", "size", "seed", "overrides", "workers", "profile", "device")


def occlude(
    context: typer.Context,
    src: Annotated[Path, typer.Argument(metavar="SRC", help="An image, or a folder with sub-folders.")],
    dst: Annotated[Path, typer.Argument(metavar="DST", help="Folder for the results.")],
    occluder: Annotated[
        str | None, typer.Option("--occluder", metavar="ID", help="Occluder, see `list occluders`.")
    ] = None,
    ratio: Annotated[
        tuple[float, float], typer.Option("--ratio", metavar="LO HI", help="Share of occluded pixels, 0 to 1.")
    ] = (0.1, 0.4),
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed; each image derives its own from it.")] = 0,
    size: Annotated[int, typer.Option("--size", metavar="PX", min=56, max=4096, help="Side of the results.")] = 224,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Option of the occluder, e.g. kinds=unseen or folder=cutouts/; repeatable.",
        ),
    ] = None,
    from_manifest: Annotated[
        Path | None,
        typer.Option("--from-manifest", metavar="FILE", help="Make again what this manifest lists, and verify it."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="One face under every occluder: DST/index.html, DST/sheet.png.")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=0, help="Threads; 0: one per core.", show_default=False)
    ] = 0,
    profile: ProfileOption = None,
    device: DeviceOption = None,
) -> None:
    """Occlude images, or make occluded images again from a manifest.

    DST gets image/NAME.png, mask/NAME.png (1 bit, white = occluded), manifest.parquet and .csv, and sheet.png.
    The manifest is all that others need to make the same images of the same faces: docs/manifest.md.

    Exit codes: 0 all is well, 1 an image failed, 2 usage, 3 a face of the manifest is missing or another one.
    """
    if from_manifest is not None:
        _refuse_unread(context, "--from-manifest", _FROM_MANIFEST)
        _replay(from_manifest, src, dst, _options(overrides), workers)
    elif preview:
        from ofer_bench.cli.preview import show_preview

        _refuse_unread(context, "--preview", _PREVIEW)
        show_preview(src, dst, occluder, _checked_size(size), PATCHES, seed, profile, device)
    else:
        _occlude(src, dst, occluder, ratio, _checked_size(size), seed, _options(overrides), workers, profile, device)


def _refuse_unread(context: typer.Context, mode: str, read: tuple[str, ...]) -> None:
    """What nobody reads is refused, for it would be believed to have an effect."""
    from ofer_bench.core.errors import SpecError

    for name in (*_OCCLUDE, "preview"):
        source = context.get_parameter_source(name)
        if name not in read and source is not None and source.name == "COMMANDLINE":
            option = "--set" if name == "overrides" else f"--{name}"
            raise SpecError(option, f"has no effect with {mode}", hint="leave one of the two out")


def _checked_size(size: int) -> int:
    from ofer_bench.core.errors import SpecError

    if size % PATCHES:
        below = size - size % PATCHES
        near = f"{below} or {below + PATCHES}"
        raise SpecError("--size", f"{size} does not hold {PATCHES} whole patches a side", hint=f"give {near}")
    return size


def _options(overrides: list[str] | None) -> dict[str, Any]:
    """``--set key=value`` as the occluder's options; values are YAML, as everywhere."""
    import yaml

    from ofer_bench.core.errors import SpecError

    params = {}
    for text in overrides or ():
        key, sign, raw = text.partition("=")
        if not sign:
            raise SpecError("--set", f"{text!r} is not of the form key=value")
        try:
            params[key.strip()] = yaml.safe_load(raw)
        except (yaml.YAMLError, ValueError):
            raise SpecError("--set", f"the value of {key!r} is not valid YAML: {raw!r}") from None
    return params


def _occlude(
    src: Path,
    dst: Path,
    occluder: str | None,
    ratio: tuple[float, float],
    size: int,
    seed: int,
    params: dict[str, Any],
    workers: int,
    profile: str | None,
    device: str | None,
) -> None:
    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.errors import OccluderError, SpecError
    from ofer_bench.engine.occlude_files import OcclusionJob, occlude_files
    from ofer_bench.engine.occluded_folder import OccludedFolder, check_apart, find_sources
    from ofer_bench.plugins.discovery import registry
    from ofer_bench.plugins.protocols import RELEVANCE

    if occluder is None:
        known = ", ".join(entry.card.id for entry in registry().of_kind("occluder"))
        raise SpecError("--occluder", "is not given", hint=f"name one: {known}; or --from-manifest, or --preview")
    card = registry().card(occluder, kind="occluder")
    low, high = ratio
    if not 0 <= low <= high <= 1:
        raise OccluderError(f"ratio {low:g} {high:g} is out of range", hint="give 0 <= LO <= HI <= 1")
    sources = find_sources(src, dst)
    check_apart(src, dst, [source.path for source in sources])
    with OccludedFolder(dst) as folder:
        with progress_view() as view:
            relevance: Callable[[np.ndarray], np.ndarray] | None = None
            if RELEVANCE in card.capability:
                from ofer_bench.engine.reference import reference_relevance

                relevance = reference_relevance(profile, device, size // PATCHES, view)
            job = OcclusionJob(
                card=card,
                ratio=ratio,
                size=size,
                patch_size=size // PATCHES,
                seed=seed,
                params=params,
                relevance=relevance,
            )
            rows = occlude_files(job, sources, folder, view, thread_count(workers))
        folder.finish(rows)
    _sheet(rows, src, dst)
    failed = [row for row in rows if row.status == "failed"]
    _tell_result(rows, dst, f"{len(failed)} failed" if failed else "")
    for row in failed:
        typer.secho(f"failed   {row.sample_id}: {row.error}", fg="red", err=True)
    if failed:
        raise typer.Exit(SOME_FAILED)


def _replay(manifest: Path, src: Path, dst: Path, params: dict[str, Any], workers: int) -> None:
    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.errors import SpecError
    from ofer_bench.engine.occluded_folder import OccludedFolder, check_apart
    from ofer_bench.engine.replay_files import Verdict, replay_files
    from ofer_bench.occlusion.manifest import read_manifest

    if set(params) - {"folder"}:
        raise SpecError(
            "--set", "the manifest has the occluder's options", hint="only folder=DIR may be given: where its files are"
        )
    rows = read_manifest(manifest)
    if not src.exists():
        raise SpecError(src, "is not there", hint="name the folder of the faces that the manifest lists")
    if manifest.resolve().is_relative_to(dst.resolve()):
        raise SpecError(dst, "has the manifest in it", hint="give another folder: a verified copy goes there")
    check_apart(src, dst, [src / row.sample_id for row in rows])
    files = str(params["folder"]) if "folder" in params else None
    with OccludedFolder(dst) as folder:
        with progress_view() as view:
            made = replay_files(rows, src, folder, view, thread_count(workers), files)
        count = {verdict: sum(each.verdict == verdict for each in made) for verdict in Verdict}
        if count[Verdict.same]:
            folder.finish([each.row for each in made])
    if count[Verdict.same]:
        _sheet([each.row for each in made], src, dst)
    _tell_replayed(made, dst, {verdict.value: n for verdict, n in count.items()})
    if count[Verdict.missing] or count[Verdict.differs]:
        raise typer.Exit(DATA_MISSING)
    if count[Verdict.failed]:
        raise typer.Exit(SOME_FAILED)


def _tell_replayed(made: list[Replayed], dst: Path, count: dict[str, int]) -> None:
    from ofer_bench.engine.replay_files import Verdict

    ok = [each.row for each in made if each.verdict == Verdict.same]
    wrong = ", ".join(f"{n} {verdict}" for verdict, n in count.items() if n and verdict != Verdict.same)
    if ok:
        _tell_result(ok, dst, f"bit for bit as in the manifest; {wrong}" if wrong else "bit for bit as in the manifest")
    else:
        typer.echo(f"nothing is written: {wrong}")
    for each in made:
        if each.verdict not in (Verdict.same, Verdict.skipped):
            typer.secho(f"{each.verdict.value:8} {each.row.sample_id}: {each.problem}", fg="red", err=True)


def _tell_result(rows: list[ManifestRow], dst: Path, more: str) -> None:
    ratios = [row.ratio for row in rows if row.status == "ok" and row.ratio is not None]
    share = f"{sum(ratios) / len(ratios):.1%} of the pixels occluded ({min(ratios):.1%} to {max(ratios):.1%})"
    number = "1 image" if len(ratios) == 1 else f"{len(ratios)} images"
    typer.echo(f"{number} in {dst}, {share}" + (f"\n{more}" if more else ""))


def _sheet(rows: list[ManifestRow], src: Path, dst: Path) -> None:
    from ofer_bench.engine.occluded_folder import IMAGE, SHEET
    from ofer_bench.report.occlusion_sheet import write_occlusion_sheet

    shown = [
        (row, src if src.is_file() else src / row.sample_id, dst / IMAGE / row.file)
        for row in rows
        if row.status == "ok"
    ]
    write_occlusion_sheet(shown, dst / SHEET)
