"""Sizes of tensors that know how they were computed.

In a trace by torch.jit a size is a tensor of one number, and so is what is computed from it. A product of such numbers
is an operator like any other, if something uses it, and a counter that reads traces counts it. `int(...)`,
`float(...)` and the functions of `math` make a constant, so that nothing before them is used.
"""

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import torch

# The products that a size was computed from, by number, and the storages of tensors, by their number below 0.
Origins = frozenset[int]


class _Traced:
    """A number that is a size of a tensor, or was computed from one. In all else it behaves as its type does."""

    origins: Origins
    products: "Products"
    _plain: Any

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The type. `isinstance(size, Tensor)` asks for it, which is true in a trace and false here."""
        frame = sys._getframe(1)
        if _asks_for_tensor(frame):
            self.products.asks(str(frame.f_globals.get("__name__")), frame.f_code.co_name)
        return type(self)

    # As a key or in a message it is the number.
    def __reduce__(self) -> Any:
        return self._plain, (self._plain.__add__(self, 0),)


def _asks_for_tensor(frame: FrameType) -> bool:
    """Whether a model's code, and not torch or flopcalc, looks at the class of a size to find out if it is a tensor."""
    own = str(frame.f_globals.get("__name__", "")).partition(".")[0] in ("torch", "flopcalc")
    return "Tensor" in frame.f_code.co_names and (not own or frame.f_code.co_name == "is_tensor")


# Functions of libraries that compute otherwise with a tensor, and the products that a trace of them has more.
_BRANCHES = {("timm.layers.padding", "get_same_padding"): 1}


def _follow(plain: type, name: str, products: int) -> Callable[..., Any]:
    """The method `name` of a number's type, whose result remembers what it was computed from."""
    method, with_fractions = getattr(plain, name), getattr(float, name, None)

    def followed(self: Any, *others: Any) -> Any:
        value = method(self, *others)
        if value is NotImplemented and with_fractions is not None:
            value = with_fractions(float(self), *others)
        return self.products.made(value, (self, *others), products)

    followed.__name__, followed.__doc__ = name, f"As {plain.__name__}.{name}."
    return followed


# The products in each operation. torch computes `2 / size` as the reciprocal of the size times 2.
_OPERATIONS = {
    **dict.fromkeys(("__mul__", "__rmul__", "__rtruediv__"), 1),
    **dict.fromkeys(("__add__", "__radd__", "__sub__", "__rsub__", "__truediv__", "__pow__", "__rpow__"), 0),
    **dict.fromkeys(("__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__neg__", "__abs__"), 0),
}


class TracedInt(_Traced, int):
    """A whole number."""

    _plain = int
    __hash__ = int.__hash__


class TracedFloat(_Traced, float):
    """A number with a fraction."""

    _plain = float
    __hash__ = float.__hash__


for _cls, _plain in ((TracedInt, int), (TracedFloat, float)):
    for _name, _products in _OPERATIONS.items():
        setattr(_cls, _name, _follow(_plain, _name, _products))
_CLASSES: dict[type, Any] = {int: TracedInt, float: TracedFloat}


class Products:
    """The products of sizes in one pass. used: tells of one that a function needs, once.

    asked: a model's function looked at the class of a size, so that it may compute otherwise in a trace.
    """

    asked = False

    def __init__(self, used: Callable[[], None]) -> None:
        self._used = used
        self._count = 0
        self._seen: set[int] = set()

    def sizes(self, shape: torch.Size, storages: Iterable[int]) -> torch.Size:
        """A shape of sizes that know how they were computed. storages: of the tensor."""
        return torch.Size([self.size(size, storages) for size in shape])

    def size(self, size: int, storages: Iterable[int]) -> int:
        """One size."""
        found: int = self._new(size, frozenset([-one for one in storages]))
        return found

    def asks(self, module: str, function: str) -> None:
        """Note that a function looked at the class of a size."""
        products = _BRANCHES.get((module, function))
        self.asked = self.asked or products is None
        for _ in range(products or 0):
            self._used()

    def made(self, value: Any, given: Iterable[Any], products: int) -> Any:
        """The result of an operation with this number of products."""
        if type(value) not in _CLASSES:
            return value
        origins = Origins().union(*[one.origins for one in given if type(one) in (TracedInt, TracedFloat)])
        # A trace has a product of its own for each operation, also where another one has the same numbers.
        if products:
            self._count += 1
            origins |= {self._count}
        return self._new(value, origins)

    def use(self, values: Iterable[Any]) -> set[int]:
        """Note that a function needs these values; returns the storages of the tensors whose sizes they came from."""
        storages: set[int] = set()
        for value in values:
            kind = type(value)
            if kind is TracedInt or kind is TracedFloat:
                storages |= {-one for one in value.origins if one < 0}
                for one in value.origins - self._seen:
                    if one > 0:
                        self._seen.add(one)
                        self._used()
            elif kind is slice:
                storages |= self.use((value.start, value.stop, value.step))
            elif isinstance(value, list | tuple):
                storages |= self.use(value)
        return storages

    def _new(self, value: Any, origins: Origins) -> Any:
        cls = _CLASSES[type(value)]
        made = cls.__new__(cls, value)
        made.origins, made.products = origins, self
        return made
