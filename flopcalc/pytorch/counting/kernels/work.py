"""The records of this package: the work of a kernel, and a kernel that ran."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from torch import Tensor


class Work(NamedTuple):
    """The work of one or several kernels; reads and writes in elements."""

    macs: int = 0
    adds: int = 0
    muls: int = 0
    other: int = 0
    activations: int = 0
    reads: int = 0
    writes: int = 0

    @property
    def traffic(self) -> int:
        """Elements read and written."""
        return self.reads + self.writes


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""The answer for a kernel without a rule: its work is not known, which is not the same as none."""

Answer = Work | Literal[Unknown.UNKNOWN] | None


def elements(tensor: Tensor) -> int:
    """Elements in memory: an expanded axis holds one."""
    size = 1
    for extent, step in zip(tensor.shape, tensor.stride(), strict=True):
        size *= extent if step or extent == 0 else 1
    return size


def tensors(values: Any) -> list[Tensor]:
    """All tensors in nested arguments."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in tensors(value)]
    return []


class Kernel(NamedTuple):
    """A kernel that ran: an operator as a dispatch mode sees it, its arguments and its output.

    reads: elements of its tensor arguments in memory, taken before it ran.
    """

    func: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    out: Any
    reads: int

    @property
    def result(self) -> Tensor:
        """The first tensor of the output."""
        return tensors(self.out)[0]

    @property
    def size(self) -> int:
        """Elements of the first tensor of the output."""
        return self.result.numel()

    def argument(self, name: str, default: Any = None) -> Any:
        """An argument by the name that the operator's schema gives it, whether by position or by name."""
        if name in self.kwargs:
            return self.kwargs[name]
        for position, argument in enumerate(self.func._schema.arguments):
            if argument.name == name:
                if position < len(self.args):
                    return self.args[position]
                return argument.default_value if argument.has_default_value() else default
        return default
