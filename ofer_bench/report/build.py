"""From a run directory to its report."""

from __future__ import annotations

from pathlib import Path

from ofer_bench.core.errors import StoreError
from ofer_bench.report.confusion import draw_confusion
from ofer_bench.report.curve import draw_curve
from ofer_bench.report.drawn import SUFFIXES, digest_inputs, drawn_before, figure_key, forget_drawn, remember_drawn
from ofer_bench.report.figure_files import Drawing, save_drawing
from ofer_bench.report.page import Download, Item, render_page
from ofer_bench.report.records import distinct, to_records
from ofer_bench.report.render import to_csv, to_latex, to_markdown
from ofer_bench.report.reported import reported_records
from ofer_bench.report.run_files import RunFiles, load_run, load_sheet
from ofer_bench.report.spec import (
    ConfusionDefinition,
    CurveDefinition,
    Definition,
    ReportLayout,
    TableDefinition,
    load_definitions,
    load_layout,
)
from ofer_bench.report.table import Table
from ofer_bench.report.tabulate import tabulate

_RENDERERS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
_LABELS = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX", "png": "PNG", "pdf": "PDF"}


def build_report(run_dir: Path) -> Path:
    """Write the report of a run and return the path of its ``report/index.html``.

    Tables go to ``report/tables`` (csv, md, tex), figures to ``report/figures`` (png, pdf, csv), where they are
    kept while what they show is the same. A run that is unfinished or partly failed gives a report that names
    what is missing. Raises ``StoreError`` when ``run_dir`` is no directory, its records or predictions are
    damaged, or the report can't be written.
    """
    run = load_run(run_dir)
    out = run_dir / "report"
    try:
        return _write(run, load_layout(), out)
    except OSError as error:
        hint = f"make it writable; then `ofer-bench report {run_dir}`"
        raise StoreError(f"the report {out} can't be written: {error.strerror}", hint=hint) from error


def _write(run: RunFiles, layout: ReportLayout, out: Path) -> Path:
    reported = to_records(reported_records())
    inputs = digest_inputs(run, layout)
    items = []
    for definition in load_definitions(layout):
        if isinstance(definition, TableDefinition):
            table = tabulate(definition, run.records, reported, layout)
            if table.measured or not definition.optional:
                items.append(_table_item(table, out))
        else:
            items.append(_figure_item(definition, run, layout, out, inputs))
    index = out / "index.html"
    index.write_text(render_page(run, items, layout), encoding="utf-8")
    return index


def summary_tables(run_dir: Path) -> list[Table]:
    """Return the tables for the terminal: those marked ``summary`` that have measured rows.

    Published rows are left to the report. Raises ``StoreError`` like :func:`build_report`.
    """
    layout = load_layout()
    run = load_run(run_dir, with_predictions=False)
    chosen = [d for d in load_definitions(layout) if isinstance(d, TableDefinition) and d.summary]
    tables = [tabulate(d.model_copy(update={"published": []}), run.records, (), layout) for d in chosen]
    return [table for table in tables if table.measured]


def _table_item(table: Table, out: Path) -> Item:
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, renderer in _RENDERERS.items():
        (folder / f"{table.id}.{suffix}").write_text(renderer(table), encoding="utf-8")
    downloads = _downloads("tables", table.id, tuple(_RENDERERS))
    return Item(id=table.id, title=table.title, caption=table.caption, table=table, downloads=downloads)


def _figure_item(definition: Definition, run: RunFiles, layout: ReportLayout, out: Path, inputs: str) -> Item:
    caption = " ".join(definition.caption.split())
    folder, key = out / "figures", figure_key(definition, inputs)
    alt = drawn_before(folder, definition.id, key)
    if alt is None:
        forget_drawn(folder, definition.id)
        try:
            drawing, absent = _draw(definition, run, layout)
        except StoreError as error:
            drawing, absent = None, str(error)
        if drawing is None:
            return Item(id=definition.id, title=definition.title, caption=caption, absent=absent)
        save_drawing(drawing, folder, definition.id)
        remember_drawn(folder, definition.id, key, drawing.alt)
        alt = drawing.alt
    return Item(
        id=definition.id,
        title=definition.title,
        caption=caption,
        image=f"figures/{definition.id}.png",
        alt=alt,
        downloads=_downloads("figures", definition.id, SUFFIXES),
    )


def _draw(definition: Definition, run: RunFiles, layout: ReportLayout) -> tuple[Drawing | None, str]:
    """Draw a figure; beside it stands what to say when there is none."""
    if isinstance(definition, CurveDefinition):
        absent = "This run has no accuracy at several occluded proportions."
        return draw_curve(run.records, definition, layout), absent
    if isinstance(definition, ConfusionDefinition):
        absent = "This run has no stored predictions for it."
        # Trials of single components are stored too; a matrix belongs to a system of the records.
        systems = set(distinct(run.records, "system"))
        chosen = [entry for entry in run.predictions if entry.system in systems]
        return draw_confusion(chosen, definition, layout), absent
    from ofer_bench.report.sheet import draw_sheet

    sheet = load_sheet(run.path)
    assert not isinstance(definition, TableDefinition)
    drawing = None if sheet is None else draw_sheet(sheet, definition, layout)
    return drawing, "samples/qualitative.npz is not there: this run stored no sample images."


def _downloads(folder: str, name: str, suffixes: tuple[str, ...]) -> tuple[Download, ...]:
    return tuple(Download(label=_LABELS[suffix], href=f"{folder}/{name}.{suffix}") for suffix in suffixes)
