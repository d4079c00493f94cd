from __future__ import annotations

import pytest
import torch

from ofer_bench.core.errors import SpecError
from ofer_bench.engine.device import check_devices, choose_device, choose_profile, full_precision


def test_the_hardware_chooses_device_and_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_profile(choose_device(None), None, None) == "standard"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_profile(choose_device(None), None, None) == "quick"


def test_wishes_come_first_and_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_profile("cuda", "quick", "smoke") == "quick"
    assert choose_profile("cuda", None, "smoke") == "smoke"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SpecError, match="no CUDA device"):
        choose_device("cuda")


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert check_devices("cuda", 2) == 2
    assert check_devices("cuda:1", 1) == 1
    assert check_devices("cpu", 8) == 8
    with pytest.raises(SpecError, match=r"3 GPUs are wanted, and torch sees 2\n.*--devices 2"):
        check_devices("cuda", 3)
    with pytest.raises(SpecError, match=r"cuda:1 is one GPU\n.*--device cuda"):
        check_devices("cuda:1", 2)


def test_full_precision_turns_tf32_off_and_restores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with pytest.raises(RuntimeError), full_precision():
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        raise RuntimeError
    assert torch.backends.cudnn.allow_tf32
