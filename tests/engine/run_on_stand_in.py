"""``run_on_stand_in.py FACES OUT SUITE…``: runs suites with the profile smoke on a device that is not the CPU.

A process of its own, for :mod:`tests.stand_in` changes PyTorch. Prints the failures and the operations as JSON.
"""

import json
import os
import sys
from pathlib import Path

from ofer_bench.engine import pool
from ofer_bench.engine.config import RunConfig, load_profile, load_suite
from ofer_bench.engine.progress import Silent
from ofer_bench.engine.run import run_suite
from ofer_bench.spec.datasets import Datasets, DatasetSpec
from ofer_bench.store.artefacts import Store
from tests import stand_in

SETTINGS = {
    "ablation-layers": (
        "components.hybrid.model.encoder=fer-encoder",
        "components.hybrid.recipe.extra.part_holes=0.5",
        "components.hybrid.recipe.extra.loss_weights.label=0.5",
    )
}
"""By suite: what ``hours`` and ``standard`` switch on, and no suite does."""


def main(faces: str, out: str, *suites: str) -> None:
    """Print ``{suite: [failures, operations on the device]}``."""
    stand_in.install()
    pool.load_file = stand_in.load_file
    datasets = Datasets(datasets={"Toy": DatasetSpec(reader="folder", root=faces, licence="CC0", alignment="none")})
    told = {}
    for suite in suites:
        config = RunConfig(
            suite=load_suite(suite),
            profile=load_profile("smoke", SETTINGS.get(suite, ())),
            datasets=("Toy",),
            splits=(),
            seeds=1,
            device=stand_in.NAME,
        )
        with stand_in.StandIn() as device:
            result = run_suite(config, datasets, Store(Path(out) / "store"), Path(out) / suite, [], Silent())
        told[suite] = [result.execution.failures, device.operations]
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    # The threads that take gradients on another device than the CPU may abort a process that leaves in order.
    os._exit(0)
