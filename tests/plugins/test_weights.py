"""Reading foreign files and matching their tensors."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ofer_bench.core.errors import WeightsError
from ofer_bench.plugins.weights import ForeignState, match_weights, read_weights

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_and_the_prefix_of_parallel_training_come_off(
    tmp_path: Path, wrapper: str | None, prefix: str
) -> None:
    state = {f"{prefix}{name}": tensor for name, tensor in STATE.items()}
    path = tmp_path / "weights.pth.tar"
    torch.save({"epoch": 3, "arch": "resnet18", wrapper: state} if wrapper else state, path)
    read = read_weights(path)
    assert list(read) == list(STATE) and all(torch.equal(read[name], STATE[name]) for name in STATE)


def test_old_files_and_safetensors_are_read(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(STATE, tmp_path / "new.safetensors")
    for path in (tmp_path / "old.pth", tmp_path / "new.safetensors"):
        assert torch.equal(read_weights(path)["a.weight"], STATE["a.weight"])


def test_a_prefix_that_not_all_names_have_stays(tmp_path: Path) -> None:
    torch.save({"module.a": STATE["a.bias"], "b": STATE["a.bias"]}, tmp_path / "w.pth")
    assert list(read_weights(tmp_path / "w.pth")) == ["module.a", "b"]


def test_what_is_not_tensors_alone_is_refused(tmp_path: Path) -> None:
    torch.save({"model": STATE, "args": argparse.Namespace(lr=1)}, tmp_path / "args.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    (tmp_path / "empty.pth").touch()
    for name in ("args.pth", "text.pth", "text.safetensors", "empty.pth"):
        with pytest.raises(WeightsError, match="can't be read as tensors alone"):
            read_weights(tmp_path / name)
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="no named tensors"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "absent.pth")


def test_every_miss_is_named_unless_declared() -> None:
    own = {**STATE, "head": torch.zeros(1)}
    foreign = ForeignState(layout="ours", tensors=STATE, ignored=("fc",))
    report = match_weights(Path("w.pth"), foreign, own, may_miss=("head",), hint="none")
    assert report.matched == ("a.weight", "a.bias")
    assert (report.layout, report.untrained, report.ignored, report.must_train) == ("ours", ("head",), ("fc",), "")
    wrong = ForeignState(layout="ours", tensors={"a.weight": torch.zeros(3, 2), "b": torch.zeros(1)})
    with pytest.raises(WeightsError) as caught:
        match_weights(Path("w.pth"), wrong, own, may_miss=("head",), hint="take another")
    text = str(caught.value)
    assert "0 of 3 tensors matched; missing: a.bias; unexpected: b; of another shape: a.weight [3, 2] instead" in text
    assert "fix: take another" in text


def test_long_lists_are_cut() -> None:
    own = {f"n{index}": torch.zeros(1) for index in range(11)}
    with pytest.raises(WeightsError, match="n7 and 3 more"):
        match_weights(Path("w.pth"), ForeignState(layout="x", tensors={}), own, hint="none")
