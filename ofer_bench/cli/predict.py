"""``ofer-bench predict``: one system on your own images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ofer_bench.cli.options import DeviceOption, ProfileOption

if TYPE_CHECKING:
    import numpy as np

    from ofer_bench.core.errors import OferBenchError
    from ofer_bench.engine.system import System

SOME_FAILED = 1
BATCH = 64


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Image files or folders of aligned faces.")],
    system: Annotated[str, typer.Option("--system", help="System id.")] = "latent-ofer",
    out: Annotated[Path, typer.Option("--out", help="Folder for panels and predictions.csv.")] = Path("predictions"),
    profile: ProfileOption = None,
    device: DeviceOption = None,
) -> None:
    """Recognise expressions; print label and probabilities and write a panel for every image.

    Faces should be cropped and aligned as in the training data: the centre square of the image is used.
    """
    from rich.console import Console

    from ofer_bench.cli.live import progress_view
    from ofer_bench.core.errors import StoreError
    from ofer_bench.engine.notebook import load_system
    from ofer_bench.plugins.discovery import registry

    registry().card(system, kind=("system", "classifier"))
    paths = _expand(images)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{out} can't be written: {error.strerror}", hint="choose another folder with --out") from None
    with progress_view() as view:
        loaded = load_system(system, profile, device, progress=view)
    readable, decoded, failed = _decode(paths, loaded.image_size)
    rows: list[tuple[Path, np.ndarray]] = []
    for start in range(0, len(readable), BATCH):
        part = slice(start, start + BATCH)
        rows += _predict_batch(loaded, readable[part], decoded[part], out)
    _write_csv(rows, failed, out / "predictions.csv")
    _print(rows, failed, Console())
    typer.echo(f"{len(rows)} recognised, {len(failed)} failed; panels and predictions.csv in {out}")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _expand(images: list[Path]) -> list[Path]:
    """Files as they are, folders by their image files."""
    from ofer_bench.core.errors import SpecError
    from ofer_bench.data.decode import image_files

    paths: list[Path] = []
    for path in images:
        found = image_files(path) if path.is_dir() else [path]
        if not found:
            raise SpecError(path, "holds no images", hint="give image files, or a folder that has some")
        paths += found
    return paths


def _decode(paths: list[Path], size: int) -> tuple[list[Path], list[np.ndarray], list[tuple[Path, OferBenchError]]]:
    from ofer_bench.core.errors import ImageUnreadable
    from ofer_bench.data.decode import decode_image

    readable: list[Path] = []
    decoded: list[np.ndarray] = []
    failed: list[tuple[Path, OferBenchError]] = []
    for path in paths:
        try:
            decoded.append(decode_image(path, size))
            readable.append(path)
        except ImageUnreadable as error:
            failed.append((path, error))
    return readable, decoded, failed


def _predict_batch(
    system: System, paths: list[Path], decoded: list[np.ndarray], out: Path
) -> list[tuple[Path, np.ndarray]]:
    import numpy as np

    from ofer_bench.core.expressions import EXPRESSIONS
    from ofer_bench.core.pixels import to_bytes
    from ofer_bench.core.types import FaceSet
    from ofer_bench.report.panel import Panel, write_panel

    faces = FaceSet(
        image=np.stack(decoded), label=np.full(len(paths), -1), sample_id=tuple(str(path) for path in paths)
    )
    output = system(faces.batch(range(len(paths)), system.device))
    probability = output.prediction.logits.double().softmax(dim=1).cpu().numpy()
    for i, path in enumerate(paths):
        best = int(probability[i].argmax())
        found, restored, attention = output.detection, output.reconstruction, output.prediction.attention
        panel = Panel(
            title=f"{path.name}: {EXPRESSIONS[best]} ({probability[i, best]:.0%}), {system.id}",
            image=decoded[i],
            probability=probability[i],
            score=None if found is None else found.score[i].cpu().numpy(),
            mask_patch=None if found is None else found.mask_patch[i].cpu().numpy(),
            reconstruction=None if restored is None else to_bytes(restored.composited[i : i + 1])[0],
            attention=None if attention is None else attention[i].cpu().numpy(),
        )
        write_panel(panel, out / f"{path.stem}.png")
    return list(zip(paths, probability, strict=True))


def _write_csv(rows: list[tuple[Path, np.ndarray]], failed: list[tuple[Path, OferBenchError]], target: Path) -> None:
    import csv

    from ofer_bench.core.expressions import EXPRESSIONS

    with target.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "predicted", *EXPRESSIONS, "error"])
        for path, probability in rows:
            label = EXPRESSIONS[int(probability.argmax())]
            writer.writerow([str(path), label, *(f"{p:.6f}" for p in probability), ""])
        for path, error in failed:
            writer.writerow([str(path), "", *([""] * len(EXPRESSIONS)), str(error).splitlines()[0]])


def _print(rows: list[tuple[Path, np.ndarray]], failed: list[tuple[Path, OferBenchError]], console: object) -> None:
    from rich.console import Console
    from rich.table import Table

    from ofer_bench.core.expressions import EXPRESSIONS

    assert isinstance(console, Console)
    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="ellipsis", no_wrap=True, max_width=24)
    table.add_column("label", no_wrap=True)
    for name in EXPRESSIONS:
        table.add_column(name[:4], justify="right", no_wrap=True)
    for path, probability in rows:
        best = int(probability.argmax())
        cells = [f"[bold]{p:.0%}[/bold]" if i == best else f"{p:.0%}" for i, p in enumerate(probability)]
        table.add_row(path.name, EXPRESSIONS[best], *cells)
    for path, _ in failed:
        table.add_row(path.name, "[red]failed[/red]")
    console.print(table)
    for _, error in failed:
        typer.secho(str(error), fg="red", err=True)
