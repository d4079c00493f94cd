"""The tasks of a suite, planned for every data set and seed."""

from __future__ import annotations

from typing import Any

from ofer_bench.core.errors import DatasetMissing, SpecError
from ofer_bench.engine.blueprint import Blueprint, CellInfo, Outcome
from ofer_bench.engine.config import RunConfig, system_spec
from ofer_bench.engine.plan import Planner, compositions
from ofer_bench.spec.datasets import Datasets
from ofer_bench.spec.suite import ORACLE, RecognitionTask, ReconstructionTask


def plan_run(config: RunConfig, datasets: Datasets) -> Blueprint:
    """Plan everything that ``config`` asks for.

    Of several data sets one that is missing is blocked and stays visible, and none of its stages is planned;
    DatasetMissing is raised when none is there.
    """
    blueprint = Blueprint()
    for data in config.datasets:
        own = Blueprint()
        try:
            for seed in range(config.seeds):
                _plan_tasks(Planner(config, data, datasets, seed, own))
        except DatasetMissing as missing:
            blueprint.blocked[data] = str(missing)
            if len(blueprint.blocked) == len(config.datasets):
                raise
        else:
            blueprint.merge(own)
    return blueprint


def _plan_tasks(planner: Planner) -> None:
    suite, outcomes = planner.config.suite, planner.blueprint.outcomes
    if suite.detection:
        for cell in _cells(planner, suite.detection.families):
            for detector in suite.detection.detectors:
                outcomes.append(
                    Outcome(
                        kind="detection",
                        stage=planner.detect(detector, cell),
                        cell=cell,
                        seed=planner.seed,
                        components=planner.trained(detector),
                        detector=detector,
                    )
                )
    if suite.reconstruction:
        for cell in _cells(planner, suite.reconstruction.families):
            for reconstructor in suite.reconstruction.reconstructors:
                _plan_reconstruction(planner, suite.reconstruction, reconstructor, cell)
            if suite.reconstruction.part_classifier:
                _plan_part(planner, suite.reconstruction.part_classifier, cell)
    if suite.recognition:
        _plan_recognition(planner, suite.recognition)


def _plan_recognition(planner: Planner, task: RecognitionTask) -> None:
    """Every system meets the same faces, but for those made from its own classifier's relevance."""
    wanted = not planner.config.splits or planner.data in planner.config.splits
    own = [name for name in task.families if planner.white_box(name)]
    cells = [planner.clean_cell()] if wanted else []
    for cell in cells + _cells(planner, [name for name in task.families if name not in own]):
        for system in task.systems:
            _plan_system(planner, system, cell)
    for name in own:
        for system in task.systems:
            attacked = system_spec(planner.config.suite, system, compositions()).classifier
            for cell in planner.family(name, attacked):
                _plan_system(planner, system, cell)


def _cells(planner: Planner, families: list[str]) -> list[CellInfo]:
    """Plan the cells of families that are the same for all systems."""
    for name in families:
        if planner.white_box(name):
            raise SpecError(
                "suite",
                f"{name} attacks every system with its own classifier, and detectors and reconstructors have none",
                hint=f"name {name} among the families of recognition alone",
            )
    return [cell for name in families for cell in planner.family(name)]


def _plan_reconstruction(planner: Planner, task: ReconstructionTask, reconstructor: str, cell: CellInfo) -> None:
    restored = planner.reconstruct(reconstructor, cell, detector=None, tau=task.tau)
    identity: dict[str, Any] = {
        "cell": cell,
        "seed": planner.seed,
        "detector": ORACLE,
        "reconstructor": reconstructor,
    }
    planner.blueprint.outcomes.append(
        Outcome(kind="reconstruction", stage=restored, components=planner.trained(reconstructor), **identity)
    )
    name = f"{ORACLE}+{reconstructor}+{task.classifier}"
    predicted = planner.predict(task.classifier, cell, restored=restored, name=name)
    planner.blueprint.outcomes.append(
        Outcome(
            kind="recognition",
            stage=predicted,
            components=planner.trained(reconstructor, task.classifier),
            classifier=task.classifier,
            **identity,
        )
    )
    if task.part_classifier:
        _plan_part(planner, task.part_classifier, cell, restored=restored, reconstructor=reconstructor)


def _plan_part(
    planner: Planner, classifier: str, cell: CellInfo, *, restored: str | None = None, reconstructor: str = ""
) -> None:
    """What the hidden part shows by itself, restored or, as a reference, unoccluded."""
    by = f"{ORACLE}+{reconstructor}" if reconstructor else "unoccluded"
    name = f"{by}+{classifier}@part"
    planner.blueprint.outcomes.append(
        Outcome(
            kind="part",
            stage=planner.predict(classifier, cell, restored=restored, name=name, part_alone=True),
            cell=cell,
            seed=planner.seed,
            components=planner.trained(*filter(None, (reconstructor, classifier))),
            detector=ORACLE if reconstructor else "",
            reconstructor=reconstructor,
            classifier=classifier,
        )
    )


def _plan_system(planner: Planner, system: str, cell: CellInfo) -> None:
    spec = system_spec(planner.config.suite, system, compositions())
    restored = None
    # The data set's own faces count as unoccluded, here as everywhere: an oracle finds nothing to restore there.
    unoccluded = cell.occlude_stage is None and cell.split_stage == planner.split("test")
    if spec.reconstructor and not (spec.mask == ORACLE and unoccluded):
        restored = planner.reconstruct(spec.reconstructor, cell, detector=spec.detector, tau=spec.tau)
    planner.blueprint.outcomes.append(
        Outcome(
            kind="recognition",
            stage=planner.predict(spec.classifier, cell, restored=restored, name=system),
            cell=cell,
            seed=planner.seed,
            components=planner.trained(*spec.parts.values()),
            system=system,
            **spec.recorded,
        )
    )
