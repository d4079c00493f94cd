"""Neutral footnotes on published percentages that their test set's size does not explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ofer_bench.report.records import Record, distinct, select
from ofer_bench.report.spec import ReportLayout
from ofer_bench.stats.granularity import consistent_sizes, granularity

_REASONS = "an average over folds or another subset of the test set would explain it"


def granularity_notes(
    reported: Sequence[Record], sizes: Mapping[str, Sequence[int]], layout: ReportLayout
) -> list[str]:
    """Check the published accuracies (percent, one decimal) of each split against its known ``sizes``.

    A note names the values that are not k / n for any of the sizes; when each value fits some size but no
    size fits all, the note says that instead. Splits without a known size get none.
    """
    notes = []
    for split in distinct(reported, "split"):
        values = {
            layout.name(str(r["system"])): f"{r['value']:.1f}"
            for r in select(reported, {"split": split, "metric": "accuracy", "unit": "percent"})
        }
        known = sizes.get(split, ())
        shown = " or ".join(map(str, known))
        odd = {who: value for who, value in values.items() if not any(granularity(value, n).possible for n in known)}
        if known and odd:
            named = ", ".join(f"{value} ({who})" for who, value in odd.items())
            notes.append(f"Granularity check, {split}: {named} is not k/n for n = {shown}; {_REASONS}.")
        elif known and not consistent_sizes(values.values(), known):
            notes.append(f"Granularity check, {split}: no single n of {shown} gives all values; {_REASONS}.")
    return notes
