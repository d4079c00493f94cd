"""Nothing may take for granted that tensors lie on the CPU: whole suites run on a device that stands in for a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils import backend_registration

from tests.engine.conftest import ToyRun

pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="this PyTorch has no backends in Python",
)
ROOT = Path(__file__).parents[2]
SUITES = ("core", "ablation-layers", "ablation-expression", "detectors")


def test_no_stage_mixes_devices(toy: ToyRun, tmp_path: Path) -> None:
    faces = toy.datasets.datasets["Toy"].root
    command = [sys.executable, "-m", "tests.engine.run_on_stand_in", faces, tmp_path, *SUITES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert {suite: failures for suite, (failures, _) in told.items()} == {suite: {} for suite in SUITES}
    # A suite that quietly stayed on the CPU would have none there.
    assert all(operations > 1000 for _, operations in told.values())


def test_the_stand_in_refuses_what_a_gpu_refuses() -> None:
    done = subprocess.run([sys.executable, "-c", REFUSED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["refused"] * 5 + ["standin:0"], done.stderr


REFUSED = """
import torch
from tests import stand_in
stand_in.install()
with stand_in.StandIn():
    there = torch.ones(3).to(stand_in.NAME)
    generator = torch.Generator(stand_in.NAME)
    for attempt in (
        lambda: there + torch.ones(3),
        lambda: torch.nn.Linear(3, 2)(there),
        lambda: there.numpy(),
        lambda: torch.rand(3, device=there.device, generator=torch.Generator()),
        lambda: torch.ones(3)[there > 0],
    ):
        try:
            attempt()
        except RuntimeError:
            print("refused")
    print((there * torch.tensor(2.0) + torch.rand(3, device=there.device, generator=generator)).device)
"""
