"""Which directory a run gets: one for the plain run, others for whatever differs from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ofer_bench.engine.config import RunConfig, load_profile, load_suite, restrict
from ofer_bench.engine.run import default_out

CORE = RunConfig(
    suite=load_suite("core"),
    profile=load_profile("quick"),
    datasets=("ParaFace",),
    splits=(),
    seeds=1,
    device="cpu",
)
OTHERS = {
    "system": replace(CORE, suite=restrict(CORE.suite, ("dan",))),
    "another system": replace(CORE, suite=restrict(CORE.suite, ("resnet18",))),
    "set": replace(CORE, profile=load_profile("quick", ("components.dan.recipe.epochs=1",))),
    "set otherwise": replace(CORE, profile=load_profile("quick", ("components.dan.recipe.epochs=2",))),
    "device": replace(CORE, device="cuda"),
    "data": replace(CORE, datasets=("Mine",)),
    "split": replace(CORE, splits=("ParaFace",)),
    "seeds": replace(CORE, seeds=2),
    "own suite of the same name": replace(CORE, suite=CORE.suite.model_copy(update={"version": "mine"})),
    "own suite": replace(CORE, suite=CORE.suite.model_copy(update={"name": "mine"})),
}


def test_the_plain_run_has_the_plain_name() -> None:
    assert default_out(CORE) == Path("runs/core-quick")
    standard = replace(CORE, profile=load_profile("standard"), device="cuda")
    assert default_out(standard) == Path("runs/core-standard")
    assert default_out(replace(CORE, profile=load_profile("hours"))) == Path("runs/core-hours")
    smoke = replace(CORE, suite=load_suite("smoke"), profile=load_profile("smoke"))
    assert default_out(smoke) == Path("runs/smoke-smoke")


def test_every_other_run_has_a_directory_of_its_own_and_finds_it_again() -> None:
    names = {default_out(config) for config in OTHERS.values()}
    assert len(names | {default_out(CORE)}) == len(OTHERS) + 1
    assert {default_out(replace(config)) for config in OTHERS.values()} == names


def test_which_gpu_makes_no_difference() -> None:
    assert default_out(replace(CORE, device="cuda:1")) == default_out(OTHERS["device"])
    assert default_out(replace(CORE, device="cpu:0")) == default_out(CORE)


def test_a_changed_profile_says_so_in_its_name() -> None:
    assert load_profile("quick", ("components.dan.recipe.epochs=1",)).name.startswith("quick-")
    same = load_profile("quick", (f"image_size={CORE.profile.image_size}",))
    assert same == CORE.profile
    assert load_profile("quick", ("image_size=128", "name=large")).name == "large"


@pytest.mark.parametrize("name", ["core", "smoke"])
def test_shipped_suites_bear_the_name_of_their_file(name: str) -> None:
    assert load_suite(name).name == name
