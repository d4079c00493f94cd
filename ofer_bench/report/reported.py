"""The published numbers as records, so that "paper beside ours" is a selection."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from ofer_bench.report.records import NUMERIC_COLUMNS, RECORD_COLUMNS, base_dataset
from ofer_bench.report.spec import read_resource

if TYPE_CHECKING:
    import pandas as pd

PAPER = "Lee et al., Latent-OFER (2023)"
"""Short reference that opens every citation."""

_DETECTION = {"accuracy": "patch_accuracy", "precision": "patch_precision", "recall": "patch_recall"}
_COMPONENT_OF_TABLE = {"table1": "detector", "table2": "reconstructor", "table8": "reconstructor"} | {
    "table9": "reconstructor",
    "supp-table1": "reconstructor",
}
# The paper calls the hybrid network with this layer by the layer's name in Tables 2 and 8.
_IDS = {"self-assembly": "hybrid"}
_LOWER_IS_BETTER = ("flops", "parameters")


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

    published = pd.read_csv(StringIO(read_resource("published.csv")), keep_default_na=False)
    rows = [
        _identity(row["table"], row["system"], row["note"])
        | {
            "split": row["dataset"],
            "occluder": _occluder(row["dataset"]),
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


def _identity(table: str, system: str, note: str) -> dict[str, str]:
    """Say which component or system a printed row name stands for."""
    if table == "supp-table1":
        return {"reconstructor": "hybrid", "note": f"{system}; {note}"}
    if table == "supp-table2" and system.startswith("deocclusive+"):
        classifier = system.removeprefix("deocclusive+")
        return {"detector": "vit-svdd", "reconstructor": "hybrid", "classifier": classifier, "note": note}
    return {_COMPONENT_OF_TABLE.get(table, "system"): _IDS.get(system, system), "note": note}


def _occluder(dataset: str) -> str:
    """Name the occluder of a printed data set in our vocabulary; real occlusions have none."""
    if "irregular" in dataset:
        return "irregular"
    if "grad-occlusion" in dataset:
        return "gradcam"
    return "objects" if base_dataset(dataset)[1] == "Syn" else ""
