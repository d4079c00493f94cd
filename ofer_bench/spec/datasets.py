"""``datasets.yaml``: where data sets lie and who reads them."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ofer_bench.core.errors import UnknownName
from ofer_bench.core.naming import close_names
from ofer_bench.spec.yaml_io import load_yaml


class DatasetSpec(BaseModel):
    """One data set. ``root`` may use ``~`` and environment variables; readers get ``params`` as they are.

    ``train_on`` names another data set for training and validation: the cross-data-set protocol.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reader: str
    root: str | None = None
    train_on: str | None = None
    licence: str
    alignment: str
    source: str = ""
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """The expanded root."""
        return Path(os.path.expandvars(self.root)).expanduser() if self.root else None


class Datasets(BaseModel):
    """All known data sets by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    datasets: dict[str, DatasetSpec]

    def named(self, name: str) -> DatasetSpec:
        """Look up a data set; an unknown name raises with the nearest known one."""
        if name not in self.datasets:
            raise UnknownName("data set", name, self.datasets, close_names(name, self.datasets))
        return self.datasets[name]


def load_datasets(path: Path | None = None) -> Datasets:
    """Read ``path``, else ``$OFER_BENCH_DATASETS``, else the file shipped with the project."""
    if path is None and "OFER_BENCH_DATASETS" in os.environ:
        path = Path(os.environ["OFER_BENCH_DATASETS"]).expanduser()
    return load_yaml(path or _shipped(), Datasets)


def _shipped() -> Path:
    installed = Path(str(resources.files("ofer_bench").joinpath("datasets.yaml")))
    return installed if installed.exists() else installed.parent.parent / "datasets.yaml"
