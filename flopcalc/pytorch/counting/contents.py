"""The modules and tensors of a module, read from where torch keeps them.

Not by the methods of the module: a class may override `parameters`, to sort them into groups, and an instance may have
an attribute of that name, such as `self.buffers = []`. torch itself runs and saves such a module.
"""

from itertools import chain

import torch
from torch import Tensor, nn


def modules_of(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules with their names, as `named_modules` gives them, each once; in one pass, and faster."""
    found: list[tuple[str, nn.Module]] = []
    seen: set[int] = set()
    waiting = [("", module)]
    while waiting:
        name, one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            found.append((name, one))
            prefix = f"{name}." if name else ""
            children = [(prefix + key, child) for key, child in one._modules.items() if child is not None]
            children.reverse()
            waiting += children
    return found


def named_parameters_of(module: nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters with their full names, each once."""
    return _tensors(module, "_parameters")


def named_buffers_of(module: nn.Module) -> list[tuple[str, Tensor]]:
    """The buffers with their full names, each once."""
    return _tensors(module, "_buffers")


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
    held = chain(parameters_of(module), buffers_of(module))
    floats = (one.dtype for one in held if one.dtype.is_floating_point and one.dtype.itemsize > 1)
    return next(floats, torch.get_default_dtype())


def _tensors(module: nn.Module, holder: str) -> list[tuple[str, Tensor]]:
    found: dict[int, tuple[str, Tensor]] = {}
    for name, one in modules_of(module):
        prefix = f"{name}." if name else ""
        for key, tensor in getattr(one, holder).items():
            if tensor is not None:
                found.setdefault(id(tensor), (prefix + key, tensor))
    return list(found.values())
