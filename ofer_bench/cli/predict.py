"""``ofer-bench predict``: one system on your own images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ofer_bench.cli.options import (
    DeviceOption,
    ProfileOption,
    SetOption,
    TrainedOnOption,
    VariantsOption,
    configure,
)

if TYPE_CHECKING:
    import numpy as np

    from ofer_bench.cli.images import Decoded
    from ofer_bench.core.errors import ImageUnreadable
    from ofer_bench.engine.system import System

SOME_FAILED = 1
BATCH = 64


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Image files or folders of aligned faces.")],
    system: Annotated[str, typer.Option("--system", help="System id.")] = "latent-ofer",
    out: Annotated[Path, typer.Option("--out", help="Folder for panels and predictions.csv.")] = Path("predictions"),
    data: TrainedOnOption = "ParaFace",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Training seed.")] = 0,
    suite: VariantsOption = "core",
    profile: ProfileOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
) -> None:
    """Recognise expressions; print label and probabilities and write a panel for every image.

    Faces should be cropped and aligned as in the training data:
    the centre square of the image is used.
    What the system needs and the store has not is trained first.
    """
    from ofer_bench.cli.images import decode_images, find_images, make_folder
    from ofer_bench.cli.live import progress_view
    from ofer_bench.engine.notebook import system_in_memory

    config = configure(suite, [data], None, [system], profile, 1, device, overrides)
    paths = find_images(images)
    make_folder(out, "choose another folder with --out")
    with progress_view() as view:
        loaded = system_in_memory(system, config, data, seed, view)
    decoded = decode_images(paths, loaded.image_size)
    rows: list[tuple[Path, np.ndarray]] = []
    for start in range(0, len(decoded.path), BATCH):
        rows += _predict_batch(loaded, decoded, slice(start, start + BATCH), out)
    _write_csv(rows, decoded.failed, out / "predictions.csv")
    _print(rows, decoded.failed)
    typer.echo(f"{len(rows)} recognised, {len(decoded.failed)} failed; panels and predictions.csv in {out}")
    if decoded.failed:
        raise typer.Exit(SOME_FAILED)


def _predict_batch(system: System, decoded: Decoded, part: slice, out: Path) -> list[tuple[Path, np.ndarray]]:
    import numpy as np

    from ofer_bench.core.expressions import EXPRESSIONS
    from ofer_bench.core.pixels import to_bytes
    from ofer_bench.core.types import FaceSet
    from ofer_bench.engine.restoring import found_pixels
    from ofer_bench.report.panel import Panel, write_panel

    paths, images, names = decoded.path[part], decoded.image[part], decoded.name[part]
    faces = FaceSet(image=np.stack(images), label=np.full(len(paths), -1), sample_id=tuple(map(str, paths)))
    output = system(faces.batch(range(len(paths)), system.device))
    hole = None if output.detection is None else found_pixels(output.detection, system.patch_size)
    probability = output.prediction.logits.double().softmax(dim=1).cpu().numpy()
    for i, path in enumerate(paths):
        best = int(probability[i].argmax())
        found, restored, attention = output.detection, output.reconstruction, output.prediction.attention
        panel = Panel(
            title=f"{path.name}: {EXPRESSIONS[best]} ({probability[i, best]:.0%}), {system.id}",
            image=images[i],
            probability=probability[i],
            score=None if found is None else found.score[i].cpu().numpy(),
            hole=None if hole is None else hole[i, 0].cpu().numpy(),
            reconstruction=None if restored is None else to_bytes(restored.composited[i : i + 1])[0],
            attention=None if attention is None else attention[i].cpu().numpy(),
        )
        write_panel(panel, out / f"{names[i]}.png")
    return list(zip(paths, probability, strict=True))


def _write_csv(rows: list[tuple[Path, np.ndarray]], failed: list[tuple[Path, ImageUnreadable]], target: Path) -> None:
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


def _print(rows: list[tuple[Path, np.ndarray]], failed: list[tuple[Path, ImageUnreadable]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ofer_bench.core.expressions import EXPRESSIONS

    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="ellipsis", no_wrap=True, max_width=24)
    table.add_column("label", no_wrap=True)
    for name in EXPRESSIONS:
        table.add_column(name[:4], justify="right", no_wrap=True)
    for path, probability in rows:
        best = int(probability.argmax())
        cells = [Text(f"{p:.0%}", style="bold" if i == best else "") for i, p in enumerate(probability)]
        table.add_row(Text(path.name), EXPRESSIONS[best], *cells)
    for path, _ in failed:
        table.add_row(Text(path.name), Text("failed", style="red"))
    Console().print(table)
    for _, error in failed:
        typer.secho(str(error), fg="red", err=True)
