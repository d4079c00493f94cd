"""The layouts in which ResNet-18 checkpoints of faces go round, in the names of :mod:`ofer_baselines.resnet18`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ofer_bench.api import ForeignState

CLASSIFIER = "fc."


def to_resnet18(state: Mapping[str, Tensor]) -> ForeignState:
    """Rename a state in torchvision's names (torchvision, timm, ``resnet18_msceleb``, ``ijba_res18_naive``).

    The classifier knows identities or objects, and is left out whatever its width: the order of its classes stands
    in no file. Files older than PyTorch 0.4.1 lack the counters of batch norm, which nothing reads at a fixed momentum.
    """
    ignored = tuple(name for name in state if name.startswith(CLASSIFIER))
    tensors = {f"trunk.net.{name}": tensor for name, tensor in state.items() if name not in ignored}
    for name in list(tensors):
        if name.endswith(".running_mean"):
            counter = f"{name.removesuffix('running_mean')}num_batches_tracked"
            tensors.setdefault(counter, torch.zeros((), dtype=torch.int64))
    return ForeignState(layout="torchvision ResNet", tensors=tensors, ignored=ignored)
