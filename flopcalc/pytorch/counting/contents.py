"""The modules and tensors of a module, read from where torch keeps them.

Not by the methods of the module: a class may override `parameters`, to sort them into groups, and an instance may have
an attribute of that name, such as `self.buffers = []`. torch itself runs and saves such a module.
"""

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn


def modules_of(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules with their names, as `named_modules` gives them, each once; in one pass, and faster."""
    return list(_walk(module))


def _walk(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    seen: set[int] = set()
    waiting = [("", module)]
    while waiting:
        name, one = place = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield place
            if inner := one._modules:
                prefix = f"{name}." if name else ""
                waiting += [(prefix + key, child) for key, child in reversed(inner.items()) if child is not None]


def named_parameters_of(module: nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters with their full names, each once."""
    return _tensors(module, "_parameters")


def named_buffers_of(module: nn.Module) -> list[tuple[str, Tensor]]:
    """The buffers with their full names, each once."""
    return _tensors(module, "_buffers")


def every_parameter_of(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The parameters with their full names, a tied one under each of its names."""
    return _walk_tensors(module, "_parameters")


def parameters_of(module: nn.Module) -> list[Tensor]:
    """The parameters, each once."""
    return [one for _, one in named_parameters_of(module)]


def buffers_of(module: nn.Module) -> list[Tensor]:
    """The buffers, each once."""
    return [one for _, one in named_buffers_of(module)]


def dtype_of(module: nn.Module) -> torch.dtype:
    """The floating type in which a module computes: that of its first parameter or buffer, or else the default.

    Types of one byte, such as float8, only hold weights: hardly anything is computed in them.
    """
    # Read as far as the first one.
    held = (_walk_tensors(module, holder) for holder in ("_parameters", "_buffers"))
    types = (one.dtype for _, one in chain.from_iterable(held))
    return next((one for one in types if one.is_floating_point and one.itemsize > 1), torch.get_default_dtype())


def _tensors(module: nn.Module, holder: str) -> list[tuple[str, Tensor]]:
    found: dict[int, tuple[str, Tensor]] = {}
    for place in _walk_tensors(module, holder):
        found.setdefault(id(place[1]), place)
    return list(found.values())


def _walk_tensors(module: nn.Module, holder: str) -> Iterator[tuple[str, Tensor]]:
    for name, one in _walk(module):
        prefix = f"{name}." if name else ""
        for key, tensor in getattr(one, holder).items():
            if tensor is not None:
                yield prefix + key, tensor
