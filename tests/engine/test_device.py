from __future__ import annotations

import pytest
import torch

from ofer_bench.core.errors import SpecError
from ofer_bench.engine.device import choose_device, choose_profile, full_precision


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


def test_full_precision_turns_tf32_off_and_restores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with pytest.raises(RuntimeError), full_precision():
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        raise RuntimeError
    assert torch.backends.cudnn.allow_tf32
