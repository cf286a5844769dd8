"""The records of this package: the work of a kernel, and a kernel that ran."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache, partial
from math import prod
from typing import Any, Final, Literal, NamedTuple

import torch
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


# Of all seven fields. A count makes many; a call of the class takes twice as long.
new_work = partial(tuple.__new__, Work)


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""The answer for a kernel without a rule: its work is not known, which is not the same as none."""

Answer = Work | Literal[Unknown.UNKNOWN] | None


def elements(tensor: Tensor) -> int:
    """Elements in memory: an expanded axis holds one; a sparse tensor holds its entries and their indices."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return _stored(tensor)
    size = 1
    for extent, step in zip(tensor.shape, tensor.stride(), strict=True):
        size *= extent if type(step) is not int or step or extent == 0 else 1
    return size


SPARSE = frozenset({torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc})


class ValuesNeededError(RuntimeError):
    """A forward on the meta device came to something that needs values."""


def values_of(tensor: Tensor) -> Tensor:
    """The values that a sparse tensor stores; a dense tensor itself. Raises ValuesNeededError."""
    if tensor.layout not in SPARSE:
        return tensor
    # `_values` also has those whose places repeat.
    values = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
    if values.device.type == "meta" and not values.numel():
        # Moved to the meta device or copied there, a sparse tensor loses its entries.
        raise ValuesNeededError("the number of entries of a sparse tensor is not known on the meta device")
    return values


def _stored(tensor: Tensor) -> int:
    """Elements of a tensor that has no strides of its own."""
    if tensor.layout is torch.sparse_coo:
        return values_of(tensor).numel() + int(tensor._indices().numel())
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return values_of(tensor).numel() + tensor.crow_indices().numel() + tensor.col_indices().numel()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return values_of(tensor).numel() + tensor.ccol_indices().numel() + tensor.row_indices().numel()
    return tensor.numel()


# Most arguments that are not tensors.
_NUMBERS = frozenset({int, float, bool, type(None), str})


def tensors(values: Any, above: tuple[int, ...] = ()) -> list[Tensor]:
    """All tensors in nested arguments. above: identities of what holds them, which may be among what they hold."""
    if type(values) in _NUMBERS:
        return []
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, list | tuple):
        held: Iterable[Any] = values
    elif isinstance(values, Mapping):
        held = list(values.values())
    elif hasattr(values, "__dataclass_fields__"):
        # A dataclass with slots has no dict.
        fields = {name: getattr(values, name, None) for name in values.__dataclass_fields__}
        held = {**fields, **getattr(values, "__dict__", {})}.values()
    else:
        return []
    if id(values) in above:
        return []
    above = (*above, id(values))
    return [tensor for value in held for tensor in tensors(value, above)]


class _Argument(NamedTuple):
    """An argument of an operator: its place, its default, and whether it is a buffer for the result."""

    position: int
    default: Any
    is_out: bool


@lru_cache(maxsize=4096)
def signature(func: Any) -> Mapping[str, _Argument]:
    """The arguments of an operator, by name."""
    return {
        argument.name: _Argument(
            position, argument.default_value if argument.has_default_value() else None, bool(argument.is_out)
        )
        for position, argument in enumerate(func._schema.arguments)
    }


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
    def first(self) -> Any:
        """The first argument."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()))

    @property
    def result(self) -> Tensor:
        """The first tensor of the output; of a kernel without one, its first argument, which it changed."""
        return next(iter(tensors(self.out) or tensors((self.args, self.kwargs))))

    @property
    def size(self) -> int:
        """Elements of the first tensor of the output."""
        return self.result.numel()

    @property
    def kept(self) -> list[Tensor]:
        """The tensors of the output; of gradients those that are asked for, since the meta device makes others too."""
        mask = self.argument("output_mask")
        if mask is None:
            return tensors(self.out)
        return [one for one, wanted in zip(self.out, mask, strict=False) if wanted and one is not None]

    @property
    def written(self) -> int:
        """Elements of all tensors of the output that are kept."""
        return sum(tensor.numel() for tensor in self.kept)

    def argument(self, name: str, default: Any = None) -> Any:
        """An argument by the name that the operator's schema gives it, whether by position or by name."""
        if name in self.kwargs:
            return self.kwargs[name]
        found = signature(self.func).get(name)
        if found is None:
            return default
        if found.position < len(self.args):
            return self.args[found.position]
        return default if found.default is None else found.default


Rule = Callable[[Kernel], Answer]


def is_complex(value: Any) -> bool:
    """Whether a tensor or a number is complex."""
    return value.is_complex() if isinstance(value, Tensor) else isinstance(value, complex)


def factor(tensor: Tensor) -> int:
    """Real additions in one addition of its elements: two where they are complex."""
    return 2 if tensor.is_complex() else 1


def products(tensor: Tensor) -> int:
    """Real multiply-adds in one multiply-add of its elements: four where they are complex."""
    return 4 if tensor.is_complex() else 1


def ceil_log2(value: int) -> int:
    """The number of times that `value` elements are halved until one is left; 0 for none or one."""
    return max(value - 1, 0).bit_length()


def taps(weight: Tensor) -> int:
    """Products for each output of a convolution, or for each input of a transposed one: c / groups x area."""
    return prod(weight.shape[1:])


def has_values(tensor: Tensor) -> bool:
    """Whether the values of a tensor can be read: not on the meta device, not in a fake tensor."""
    return tensor.device.type != "meta" and type(tensor) in (Tensor, torch.nn.Parameter)
