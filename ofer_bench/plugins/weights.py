"""Weights made elsewhere: reading their files, and matching their tensors without a silent miss."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ofer_bench.core.errors import WeightsError
from ofer_bench.plugins.protocols import LoadReport

WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which training scripts store the state among other things."""

_PARALLEL = "module."
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignState:
    """A foreign state in a component's own names.

    ``tensors`` that have none keep the name they have in the file; ``ignored`` are names of the file that the
    layout is known to hold and the component to have no use for.
    """

    layout: str
    tensors: Mapping[str, Tensor]
    ignored: tuple[str, ...] = ()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of ``path`` to the CPU; the prefix of data-parallel training is taken off.

    ``.safetensors`` or what ``torch.save`` wrote, of which nothing but tensors and plain values is unpickled. Raises
    WeightsError for a file that is not there or is anything else.
    """
    if not path.is_file():
        raise WeightsError(f"weights {path}: no such file", hint="correct 'weights' in the profile, or leave it out")
    try:
        content: Any = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise WeightsError(
            f"weights {path} can't be read as tensors alone: {str(error).strip().partition(chr(10))[0]}",
            hint="where you trust the file, torch.load it yourself and torch.save its state dict alone",
        ) from None
    named = _named_tensors(content)
    if not named:
        raise WeightsError(f"weights {path} hold no named tensors", hint="give a file with a state dict")
    if all(name.startswith(_PARALLEL) for name in named):
        named = {name.removeprefix(_PARALLEL): tensor for name, tensor in named.items()}
    return named


def match_weights(
    path: Path, foreign: ForeignState, own: Mapping[str, Tensor], *, may_miss: Collection[str] = (), hint: str
) -> LoadReport:
    """Compare ``foreign`` with the state ``own`` of a component, name by name and shape by shape.

    Only ``may_miss`` of the own names may be missing. Raises WeightsError that names what is missing, unexpected or
    of another shape; ``hint`` tells which settings fit public files.
    """
    theirs = foreign.tensors
    missing = [name for name in own if name not in theirs and name not in may_miss]
    unexpected = [name for name in theirs if name not in own]
    matched = [name for name in own if name in theirs]
    shapes = [
        f"{name} {list(theirs[name].shape)} instead of {list(own[name].shape)}"
        for name in matched
        if theirs[name].shape != own[name].shape
    ]
    problems = [
        f"{kind}: {_listing(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if problems:
        found = f"{len(matched) - len(shapes)} of {len(own)} tensors matched"
        raise WeightsError(f"weights {path} ({foreign.layout}): {found}; {'; '.join(problems)}", hint=hint)
    untrained = tuple(name for name in own if name not in theirs)
    return LoadReport(
        layout=foreign.layout, matched=tuple(matched), untrained=untrained, ignored=tuple(foreign.ignored)
    )


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _named_tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    return {str(name): value for name, value in inner.items() if isinstance(value, Tensor)}


def _listing(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
