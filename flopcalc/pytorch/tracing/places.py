"""Where a condition on sizes comes from: the running module, a parameter of this size, the line of the user's code."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from flopcalc.pytorch.counting.contents import named_buffers_of, named_parameters_of
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.recorder import Recorder

# Code of torch and of this package.
_OUTSIDE = (f"{Path(torch.__file__).parent}{os.sep}", f"{Path(__file__).parents[2]}{os.sep}", "<")
# Packages that forwards and torch call to put tensors in another shape: their lines say nothing of the model.
_BETWEEN = tuple(f"{os.sep}{package}{os.sep}" for package in ("einops", "opt_einsum"))
_LONGEST_STACK = 200
# As layers name the outermost module.
_ROOT = "(model)"


class Place(NamedTuple):
    """module: its name. parameter: the name of a parameter or buffer with a fixed size that took part; or "".

    number: whether the code asked for a size as a number. line: the user's code, as `file.py:12`; or "".
    """

    module: str
    parameter: str
    number: bool
    line: str


class Places:
    """Asked for the place of each condition; keeps what it found, one for each condition."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.found: list[Place] = []
        self._names: dict[int, str] = {}

    def __call__(self) -> str:
        """The name of the running module; the rest is kept."""
        module = self.recorder.module if self.recorder is not None else ""
        self.found.append(self._place(module))
        return module or _ROOT

    @contextmanager
    def watching(self, copy: nn.Module, running: Callable[[], str]) -> Iterator[None]:
        """Know the parameters of the copy that runs."""
        for name, tensor in (*named_buffers_of(copy), *named_parameters_of(copy)):
            self._names[_memory(tensor)] = name
        yield

    def _place(self, module: str) -> Place:
        frame: FrameType | None = sys._getframe()
        parameter, line, number = "", "", False
        for _ in range(_LONGEST_STACK):
            if frame is None or line:
                break
            code = frame.f_code
            if not parameter and code.co_name in _RUNNERS and "args" in frame.f_locals:
                parameter = self._parameter(frame.f_locals["args"])
            number = number or code.co_name in _NUMBERS
            file = code.co_filename
            if not file.startswith(_OUTSIDE) and not any(one in file for one in _BETWEEN):
                line = f"{Path(file).name}:{frame.f_lineno}"
            frame = frame.f_back
        return Place(module, parameter, number, line)

    def _parameter(self, args: Any) -> str:
        """The first parameter among the arguments of a function."""
        held = [one for arg in args if isinstance(arg, nn.Module) for one in arg._parameters.values()]
        for tensor in tensors([*args, held]):
            name = self._names.get(_memory(tensor))
            if name is not None:
                return name
        return ""


def _memory(tensor: Tensor) -> int:
    """The address of a tensor's storage, which its views share; its own where it has none of its own.

    A sparse tensor has none, and one inside of `torch.vmap` or `torch.func.grad` does not show it.
    """
    try:
        place: int = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return id(tensor)
    return place


# Of the tracer and the net: they run a function or a kernel with its arguments.
_RUNNERS = frozenset({"ran", "__torch_dispatch__", "__torch_function__"})
# Of the nodes: what torch and Python call for a plain number.
_NUMBERS = frozenset({"int_", "guard_int", "guard_float", "_to_whole"})
