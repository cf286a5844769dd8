"""Sizes of tensors that know how they were computed.

In a trace by torch.jit a size is a tensor, and a product of two sizes is an operator like any other, if something
uses it. A counter that reads traces counts it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch

# The products that a size was computed from, by number.
Origins = frozenset[int]


class TracedInt(int):
    """An int that is, or was computed from, a size of a tensor. With other numbers it behaves as an int."""

    origins: Origins
    products: "Products"

    def __mul__(self, other: Any) -> Any:
        """A product, which a trace records."""
        return self.products.product(int.__mul__(self, other), self, other)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        return self.products.made(int.__add__(self, other), self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self.products.made(int.__sub__(self, other), self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.products.made(int.__rsub__(self, other), self, other)

    def __floordiv__(self, other: Any) -> Any:
        return self.products.made(int.__floordiv__(self, other), self, other)

    def __mod__(self, other: Any) -> Any:
        return self.products.made(int.__mod__(self, other), self, other)

    def __neg__(self) -> Any:
        return self.products.made(int.__neg__(self), self)

    def __truediv__(self, other: Any) -> Any:
        self.products.lost = True
        return int.__truediv__(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        self.products.lost = True
        return int.__rtruediv__(self, other)

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        self.products.lost = True
        return int.__pow__(self, other, modulus)

    def __float__(self) -> float:
        self.products.lost = True
        return int.__float__(self)

    def __int__(self) -> int:
        self.products.use((self,))
        return int.__add__(self, 0)

    # As a key or in a message it is the number.
    __hash__ = int.__hash__

    def __reduce__(self) -> Any:
        return int, (int.__add__(self, 0),)


class Products:
    """The products of sizes in one pass. used: tells of one that a function needs, once.

    lost: sizes went into numbers with fractions, which are not followed.
    """

    lost = False

    def __init__(self, used: Callable[[], None]) -> None:
        self._used = used
        self._count = 0
        self._seen: set[int] = set()

    def sizes(self, shape: torch.Size) -> torch.Size:
        """A shape of sizes that know how they were computed."""
        return torch.Size([self._new(size, frozenset()) for size in shape])

    def size(self, size: int) -> int:
        """One size."""
        return self._new(size, frozenset())

    def product(self, value: Any, one: Any, other: Any) -> Any:
        """The result of a product."""
        if type(value) is not int:
            return value
        self._count += 1
        return self._new(value, _origins((one, other)) | {self._count})

    def made(self, value: Any, *given: Any) -> Any:
        """The result of another operation."""
        return self._new(value, _origins(given)) if type(value) is int else value

    def use(self, values: Iterable[Any]) -> None:
        """Note that a function needs these values."""
        for value in values:
            if type(value) is TracedInt:
                for one in value.origins - self._seen:
                    self._seen.add(one)
                    self._used()
            elif isinstance(value, list | tuple):
                self.use(value)
            elif isinstance(value, slice):
                self.use((value.start, value.stop, value.step))

    def _new(self, value: int, origins: Origins) -> TracedInt:
        made = TracedInt.__new__(TracedInt, value)
        made.origins, made.products = origins, self
        return made


def _origins(values: Iterable[Any]) -> Origins:
    return frozenset().union(*[value.origins for value in values if type(value) is TracedInt])
