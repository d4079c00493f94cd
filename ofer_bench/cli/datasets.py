"""Whether a data set can be read, for the verbs that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ofer_bench.spec.datasets import Datasets


def dataset_problem(name: str, datasets: Datasets) -> str | None:
    """Say why a data set can't be used, or None. Its reader looks for the test faces without opening any."""
    from ofer_bench.core.errors import OferBenchError
    from ofer_bench.engine.config import load_profile
    from ofer_bench.plugins.discovery import load_class, registry

    spec = datasets.named(name)
    try:
        if spec.train_on is not None:
            datasets.named(spec.train_on)
        reader = load_class(registry().card(spec.reader, kind="dataset"))(name, spec, load_profile("quick"))
        reader.fingerprint("test")
    except OferBenchError as error:
        return str(error)
    return None
