"""A device that is not the CPU, for machines without a GPU: PyTorch keeps its tensors apart, the CPU computes.

What a GPU refuses fails here as well: operations on tensors of both devices, the CPU's random generator, ``numpy()``.
Importing this renames PyTorch's spare backend, for the whole life of the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

NAME = "standin"
aten = torch.ops.aten
BETWEEN_DEVICES = frozenset({aten.copy_.default, aten._to_copy.default})
INDEXED = frozenset({aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default})
"""A tensor of any device may be indexed by one of the CPU."""


class _Module(backend_registration._DummyBackendModule):
    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        pass

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def _is_in_bad_fork(self) -> bool:
        return False


backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
DEVICE = torch.device(NAME, 0)


class There(Tensor):
    """A tensor of the stand-in; ``here`` is the CPU's that holds its numbers."""

    here: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        made = Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            layout=here.layout,
            device=DEVICE,
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(
        cls, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _compute(operation, args, kwargs or {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made: Tensor = There(self.here.detach().clone())
        made = nn.Parameter(made, self.requires_grad) if isinstance(self, nn.Parameter) else made
        return memo.setdefault(id(self), made)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return There, (self.here,)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"There({self.here!r})"

    def tolist(self) -> Any:
        """PyTorch has none for subclasses."""
        return self.here.tolist()


class StandIn(TorchDispatchMode):
    """Within it tensors may be made on :data:`DEVICE`; counts the ``operations`` there."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.operations += any(isinstance(leaf, There) for leaf in tree_leaves((args, kwargs)))
        return _compute(operation, args, kwargs or {})


def _compute(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    leaves = tree_leaves((args, kwargs))
    there = any(isinstance(leaf, There) for leaf in leaves)
    if operation in INDEXED:
        there = isinstance(args[0], There)
        _refuse_mixture(operation, [args[0], *args[2:]] if there else leaves)
    elif operation not in BETWEEN_DEVICES:
        _refuse_mixture(operation, leaves)
    wanted = kwargs.get("device")
    if wanted is not None:
        there = torch.device(wanted).type == NAME
        kwargs = {**kwargs, "device": "cpu"}
    if any(isinstance(leaf, torch._C.Generator) and (leaf._cdata in _generators) != there for leaf in leaves):
        raise RuntimeError(f"{operation}: the generator is of another device than the result")
    if operation is aten.copy_.default:
        _here(args[0]).copy_(_here(args[1]))
        return args[0]
    result = operation(*tree_map_only(There, _here, args), **tree_map_only(There, _here, kwargs))
    if not there:
        return result
    result = tree_map_only(Tensor, There, result)
    return return_and_correct_aliasing(operation, args, kwargs, result) if wanted is None else result


def _refuse_mixture(operation: Any, leaves: Sequence[Any]) -> None:
    # As with CUDA a single number of the CPU may meet all.
    kinds = {
        isinstance(leaf, There) for leaf in leaves if isinstance(leaf, Tensor) and (leaf.dim() or type(leaf) is There)
    }
    if len(kinds) == 2:
        raise RuntimeError(f"{operation}: expected all tensors to be on the same device")


def _here(tensor: Tensor) -> Tensor:
    return tensor.here if isinstance(tensor, There) else tensor


_generators: dict[int, _Generator] = {}
"""Those of the stand-in by their address, all that PyTorch passes on; held, so that none is given out again."""


class _Generator(torch.Generator):
    """Tells the device that it was made for."""

    def __new__(cls, device: torch.device | str = "cpu") -> _Generator:
        made = super().__new__(cls)
        made._kind = torch.device(device).type
        if made._kind == NAME:
            _generators[made._cdata] = made
        return made

    def __init__(self, device: torch.device | str = "cpu") -> None: ...

    @property
    def device(self) -> torch.device:
        return torch.device(self._kind)


def load_file(path: Any, device: Any = "cpu") -> dict[str, Tensor]:
    """As safetensors', whose own list of devices lacks this one."""
    return {name: value.to(device) for name, value in safetensors.torch.load_file(path).items()}


def install() -> None:
    """Let PyTorch make tensors, generators and modules on the stand-in."""
    tensor = torch.tensor

    def made(data: Any, *, device: Any = None, **options: Any) -> Tensor:
        return tensor(data, **options) if device is None else tensor(data, **options).to(device)

    torch.tensor = made
    torch.Generator = _Generator
    # Else a module keeps its parameters, and gives them data that they can't hold.
    torch.__future__.set_overwrite_module_params_on_conversion(True)
