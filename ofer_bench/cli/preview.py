"""``ofer-bench occlude --preview``: one face under every occluder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ofer_bench.core.types import Card


def show_preview(
    src: Path,
    dst: Path,
    occluder: str | None,
    size: int,
    patches: int,
    seed: int,
    profile: str | None,
    device: str | None,
) -> None:
    """Write DST/index.html and DST/sheet.png of the image ``src``, ``size`` px with ``patches`` a side."""
    from ofer_bench import __version__
    from ofer_bench.cli.images import make_folder
    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.errors import SpecError, writing
    from ofer_bench.engine.preview import preview_rows
    from ofer_bench.plugins.discovery import registry
    from ofer_bench.report.preview import draw_preview, render_preview

    if not src.is_file():
        raise SpecError(src, "is no image file", hint="--preview takes one image")
    known = registry()
    cards = [known.card(occluder, kind="occluder")] if occluder else [e.card for e in known.of_kind("occluder")]
    make_folder(dst, "choose another folder")
    with progress_view() as view:
        relevance = _stored_relevance(cards, size // patches, profile, device)
        view.stage("preview")
        face, rows = preview_rows(
            src, cards, size=size, patch_size=size // patches, seed=seed, relevance=relevance,
            advance=view.advance,
        )  # fmt: skip
    facts = [("Occluders", str(len(rows))), ("Size", f"{size} px"), ("Seed", str(seed)), ("ofer-bench", __version__)]
    with writing(dst):
        (dst / "index.html").write_text(render_preview(src.name, face, rows, facts), encoding="utf-8")
        draw_preview(src.name, rows).save(dst / "sheet.png")
    typer.echo(f"{len(rows)} occluders of {src.name} in {dst / 'index.html'} and {dst / 'sheet.png'}")
    for row in rows:
        if row.absent:
            typer.secho(f"not shown: {row.card.id}. {row.absent}", fg="yellow", err=True)


def _stored_relevance(
    cards: list[Card], patch_size: int, profile: str | None, device: str | None
) -> Callable[[np.ndarray], np.ndarray] | str:
    """Grad-CAM where the store has the trained reference; a preview trains nothing."""
    from ofer_bench.engine.progress import Silent
    from ofer_bench.plugins.protocols import RELEVANCE

    if not any(RELEVANCE in card.capability for card in cards):
        return "No occluder of these asks for relevance."
    from ofer_bench.engine.reference import reference_id, reference_is_trained, reference_relevance

    if reference_is_trained(profile, device):
        return reference_relevance(profile, device, patch_size, Silent())
    named = f" --profile {profile}" if profile else ""
    command = f"ofer-bench train {reference_id()}{named}"
    return f"It follows what a trained classifier looks at. Run {command}, then this again."
