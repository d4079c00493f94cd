"""The published numbers as records, so that "paper beside ours" is a selection."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from ofer_bench.report.records import NUMERIC_COLUMNS, RECORD_COLUMNS
from ofer_bench.report.spec import read_resource
from ofer_bench.spec.yaml_io import parse_yaml

if TYPE_CHECKING:
    import pandas as pd

PAPER = "Lee et al., Latent-OFER (2023)"
"""Short reference that opens every citation."""

_DETECTION = {"accuracy": "patch_accuracy", "precision": "patch_precision", "recall": "patch_recall"}
_LOWER_IS_BETTER = ("flops", "parameters")


class _Vocabulary(BaseModel):
    """``published.yaml``: what the printed row names stand for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    components: dict[str, str]
    ids: dict[str, str]
    compositions: dict[str, dict[str, str]]
    occluders: dict[str, str]


def citation(table: str) -> str:
    """Return the reference of a table id of ``published.csv``: ``Lee et al., ... (2023), Table 3``."""
    if table.startswith("supp-table"):
        return f"{PAPER}, Supplement Table {table.removeprefix('supp-table')}"
    return f"{PAPER}, Table {table.removeprefix('table')}"


def reported_records() -> pd.DataFrame:
    """Return the published numbers with the columns of the records table.

    ``split`` is the data set as printed, ``source`` is ``reported``; ``n`` and the interval are missing
    because the paper gives none, ``metric_def`` is empty because it does not define its metrics. Values keep
    their printed unit (percent, dB, 1, GFLOPs, million). Source: tables 1-10, supplement tables 1 and 2.
    """
    import pandas as pd

    vocabulary = parse_yaml(read_resource("published.yaml"), _Vocabulary, "published.yaml")
    published = pd.read_csv(StringIO(read_resource("published.csv")), keep_default_na=False)
    rows = [
        _identity(vocabulary, row["table"], row["system"], row["note"])
        | {
            "split": row["dataset"],
            "occluder": next((o for part, o in vocabulary.occluders.items() if part in row["dataset"]), ""),
            "metric": _DETECTION[row["metric"]] if row["table"] == "table1" else row["metric"],
            "value": float(row["value"]),
            "unit": row["unit"],
            "higher_is_better": row["metric"] not in _LOWER_IS_BETTER,
            "status": "ok",
            "source": "reported",
            "citation": citation(row["table"]),
        }
        for row in published.to_dict("records")
    ]
    frame = pd.DataFrame(rows, columns=list(RECORD_COLUMNS))
    for column in NUMERIC_COLUMNS:
        frame[column] = frame[column].astype(float)
    texts = [c for c in RECORD_COLUMNS if c not in (*NUMERIC_COLUMNS, "higher_is_better")]
    frame[texts] = frame[texts].fillna("").astype(str)
    return frame


def _identity(vocabulary: _Vocabulary, table: str, system: str, note: str) -> dict[str, str]:
    """Say which component or system a printed row name stands for."""
    opening, _, classifier = system.partition("+")
    if opening in vocabulary.compositions:
        return {**vocabulary.compositions[opening], "classifier": classifier, "note": note}
    return {vocabulary.components.get(table, "system"): vocabulary.ids.get(system, system), "note": note}
