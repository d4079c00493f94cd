"""No training sees an occluder of the unseen kinds; today none sees an object at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ofer_bench.data.paraface.card import ParaFaceReader
from ofer_bench.data.paraface.part import PROP_SETS, UNSEEN_PROPS
from ofer_bench.engine.config import RunConfig, load_profile, load_suite
from ofer_bench.engine.stages import Plan
from ofer_bench.engine.tasks import plan_run
from ofer_bench.spec.datasets import load_datasets

DATASETS = load_datasets()


def behind(plan: Plan, stage_id: str) -> set[str]:
    """Every stage that ``stage_id`` is made from, itself left out."""
    found: set[str] = set()
    waiting = list(plan.stages[stage_id].inputs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += plan.stages[name].inputs
    return found


@pytest.mark.parametrize("suite", ["core", "smoke"])
def test_training_stands_on_clean_faces_alone(suite: str) -> None:
    config = RunConfig(
        suite=load_suite(suite),
        profile=load_profile("smoke"),
        datasets=("ParaFace",),
        splits=(),
        seeds=1,
        device="cpu",
    )
    for data in DATASETS.datasets:
        plan = plan_run(replace(config, datasets=(data,)), DATASETS).plan
        trained = [stage.id for stage in plan.stages.values() if stage.kind == "train"]
        assert trained
        read = set().union(*(behind(plan, stage_id) for stage_id in trained))
        assert {plan.stages[name].kind for name in read} <= {"split", "train"}
        parts = [name.split("/")[1:] for name in read if plan.stages[name].kind == "split"]
        assert {part for _, part in parts} == {"train", "val"}
        for name, part in parts:
            spec = DATASETS.named(name)
            props = ParaFaceReader(name, spec, config.profile).part(part).props
            assert PROP_SETS[props] == () and not set(PROP_SETS[props]) & set(UNSEEN_PROPS)
