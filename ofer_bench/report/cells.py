"""From the records behind one place of a table to the cell printed there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ofer_bench.report.records import FAULTS, Record
from ofer_bench.report.spec import ColumnSpec
from ofer_bench.report.table import Cell, Footnote

MISSING_TEXT = "-"
_AVERAGED = {
    "seed": "seeds",
    "ratio_lo": "occluded proportions from",
    "occluder": "occluders",
    "split": "splits",
    "detector": "detectors",
    "classifier": "classifiers",
    "device": "devices",
    "precision": "precisions",
}


# Metrics in which a failed face can't count as wrong: there is nothing to measure.
_WITHOUT_WRONG = ("patch_", "psnr", "ssim")


@dataclass(slots=True)
class FootnoteBook:
    """Collects the footnotes of one table; the same text keeps its mark."""

    marks: dict[str, str] = field(default_factory=dict)

    def mark(self, text: str) -> str:
        """Return the mark of a footnote: a, b, ..., z, aa, ..."""
        if text not in self.marks:
            number, letters = len(self.marks), ""
            while True:
                letters = chr(ord("a") + number % 26) + letters
                number = number // 26 - 1
                if number < 0:
                    break
            self.marks[text] = letters
        return self.marks[text]

    def footnotes(self) -> tuple[Footnote, ...]:
        """Return the marked footnotes in order."""
        return tuple(Footnote(text=text, mark=mark) for text, mark in self.marks.items())


def cell_of(records: Sequence[Record], column: ColumnSpec, book: FootnoteBook) -> Cell:
    """Make the cell of the records that belong to one row and column.

    Several records are averaged and a footnote says over what; the interval is then the mean of the
    intervals, which is conservative because all of them saw the same faces. Records without a value show
    their status.
    """
    usable = [r for r in records if r["status"] == "ok" and math.isfinite(r["value"])]
    if not usable:
        return _fault(records, book)
    values = [float(r["value"]) for r in usable]
    value = math.fsum(values) / len(values)
    ci = _interval(usable)
    notes = [_averaged(usable)] if len(usable) > 1 else []
    if len(usable) < len(records):
        notes.append(f"{len(records) - len(usable)} of {len(records)} measurements are blocked or failed.")
    failed = math.fsum(r["n_failed"] for r in usable if math.isfinite(r["n_failed"]))
    if failed:
        total = math.fsum(r["n"] for r in usable if math.isfinite(r["n"]))
        wrong = not str(usable[0]["metric"]).startswith(_WITHOUT_WRONG)
        notes.append(
            f"{failed:.0f} of {total:.0f} predictions failed and count as wrong."
            if wrong
            else f"{failed:.0f} measurements failed beside the {total:.0f} that count."
        )
    if usable[0]["source"] == "measured":
        notes += list(dict.fromkeys(str(r["note"]) for r in usable if r["note"]))
    return Cell(
        text=format(value, column.format),
        value=value,
        ci=ci,
        ci_text=f"{format(ci[0], column.format)}, {format(ci[1], column.format)}" if ci else "",
        higher_is_better=bool(usable[0]["higher_is_better"]),
        marks=tuple(book.mark(note) for note in notes),
    )


def difference(start: Cell, end: Cell, column: ColumnSpec) -> Cell:
    """Return ``end`` minus ``start``; without both values the fault of the one that lacks it."""
    if start.value is None or end.value is None:
        broken = start if start.value is None else end
        return Cell(text=broken.text, status=broken.status)
    value = end.value - start.value
    return Cell(text=format(value, column.format), value=value)


def _fault(records: Sequence[Record], book: FootnoteBook) -> Cell:
    for status in FAULTS:
        notes = [str(r["note"]) for r in records if r["status"] == status]
        if notes:
            marks = tuple(book.mark(note) for note in dict.fromkeys(notes) if note)
            return Cell(text=status, status=status, marks=marks)
    return Cell(text=MISSING_TEXT, status="missing")


def _interval(records: Sequence[Record]) -> tuple[float, float] | None:
    lows, highs = [float(r["ci_lo"]) for r in records], [float(r["ci_hi"]) for r in records]
    if not all(map(math.isfinite, (*lows, *highs))):
        return None
    return math.fsum(lows) / len(lows), math.fsum(highs) / len(highs)


def _averaged(records: Sequence[Record]) -> str:
    """Say over what the records were averaged."""
    parts = []
    for column, word in _AVERAGED.items():
        values = [value for value in dict.fromkeys(r[column] for r in records) if value == value]
        if len(values) > 1:
            numeric = column == "ratio_lo"
            shown = f"{min(values):.2f} to {max(values):.2f}" if numeric else ", ".join(map(str, values))
            parts.append(f"{word} {shown}")
    return f"Mean of {len(records)} measurements ({'; '.join(parts) or 'repeated'})."
