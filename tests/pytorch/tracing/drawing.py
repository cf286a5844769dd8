"""Tensors and numbers at random, in every form that they may have, and one wrong argument in a call."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import torch

FORMS = ("last", "turned", "sliced", "expanded", "shifted")
DTYPES = (torch.float16, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64)
META = torch.device("meta")


class Arguments(NamedTuple):
    """Arguments of one call."""

    given: list[Any]
    named: dict[str, Any]


class Draw:
    """Draws at random.

    plain: tensors of one or more elements, of the usual type, and nothing optional; contiguous, but for `formed`.
    """

    def __init__(self, seed: str, plain: bool = False, formed: bool = False) -> None:
        self.random = Random(seed)  # noqa: S311 (not for secrets)
        self.plain = plain
        self.dtype: Any = torch.float32
        if not plain and self.chance(0.35):
            self.dtype = self.one(DTYPES)
        # Most calls have all operands in one form, as a network has.
        self.form = "" if not formed and (plain or self.chance(0.3)) else self.one(FORMS)

    def chance(self, share: float) -> bool:
        """Whether something of this share happens."""
        return self.random.random() < share

    def one(self, values: Sequence[Any]) -> Any:
        """One of several."""
        return self.random.choice(values)

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self.random.randint(low, high)

    def size(self, most: int = 5) -> int:
        """The size of an axis."""
        return 0 if not self.plain and self.chance(0.04) else self.number(1, most)

    def shape(self, least: int = 0, most: int = 5) -> tuple[int, ...]:
        """A shape with a number of axes in this range."""
        return tuple(self.size(4) for _ in range(self.number(least, most)))

    def fitting(self, shape: Sequence[int]) -> tuple[int, ...]:
        """A shape that broadcasts with another."""
        if self.chance(0.4):
            return tuple(shape)
        ones = [1 if self.chance(0.3) else extent for extent in shape]
        ones = ones[self.number(0, len(ones)) :] if self.chance(0.4) else ones
        return (*self.shape(0, 1), *ones) if self.chance(0.1) and len(ones) == len(shape) < 5 else tuple(ones)

    def tensor(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """A tensor of a shape, in some form."""
        form = self.one(("", *FORMS)) if not self.plain and self.chance(0.25) else self.form
        return made(self, tuple(shape), form, self.dtype if dtype is None else dtype)

    def any_tensor(self, least: int = 0, most: int = 5) -> Any:
        """A tensor with a number of axes in this range."""
        return self.tensor(self.shape(least, most))

    def maybe(self, value: Any) -> Any:
        """A value, or None."""
        return None if self.chance(0.4) else value

    def axis(self, rank: int) -> int:
        """An axis of a tensor, from the front or from the end."""
        return self.number(-max(rank, 1), max(rank, 1) - 1)

    def axes(self, rank: int) -> list[int]:
        """Some axes of a tensor."""
        chosen = self.random.sample(range(rank), self.number(min(rank, 1) if self.plain else 0, rank))
        return [one - rank if self.chance(0.3) else one for one in chosen]

    def scalar(self) -> Any:
        """A number."""
        if self.plain:
            return 2 if self.dtype is torch.int64 else self.one((2, 0.5))
        return self.one((2, 0, -1, 0.5, 1.0, True, False)) if self.chance(0.97) else 1j


def made(draw: Draw, shape: tuple[int, ...], form: str, dtype: Any, device: Any = META) -> Any:
    """A tensor of a shape in a form: channels innermost, turned, with gaps, repeated or with an offset."""
    more = {"dtype": dtype, "device": device}
    if form == "last" and len(shape) in (3, 4, 5):
        return torch.empty((shape[0], *shape[2:], shape[1]), **more).movedim(-1, 1)
    if form == "turned" and len(shape) > 1:
        order = draw.random.sample(range(len(shape)), len(shape))
        back = sorted(range(len(shape)), key=order.__getitem__)
        return torch.empty([shape[axis] for axis in order], **more).permute(back)
    if form == "sliced" and shape:
        at = draw.number(0, len(shape) - 1)
        longer = [extent * 2 if axis == at else extent for axis, extent in enumerate(shape)]
        return torch.empty(longer, **more)[(*(slice(None),) * at, slice(None, None, 2))]
    if form == "expanded" and shape:
        at = draw.number(0, len(shape) - 1)
        return torch.empty([1 if axis == at else extent for axis, extent in enumerate(shape)], **more).expand(shape)
    if form == "shifted" and shape:
        return torch.empty([shape[0] + 1, *shape[1:]], **more)[1:]
    return torch.empty(shape, **more)


def shown(value: Any) -> Any:
    """Arguments in words: of tensors the shape, the strides and the type."""
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)} {value.stride()} {value.dtype} {value.device}"
    return [shown(one) for one in value] if isinstance(value, list | tuple) else value


def on_cpu(value: Any) -> Any:
    """The same arguments with values, which are 0."""
    if isinstance(value, torch.Tensor):
        made = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)
        return made.zero_() if 0 not in value.stride() else made
    if isinstance(value, list):
        return [on_cpu(one) for one in value]
    return value


# One wrong argument ------------------------------------------------------------------------------


def spoiled(draw: Draw, value: Any) -> Any:
    """Another value in the place of this one, which may be wrong there."""
    if isinstance(value, torch.Tensor):
        return _other_tensor(draw, value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.one((value + 1, value - 1, -value, 0, 1, 7, -9))
    if isinstance(value, float):
        return draw.one((-value, 0.0, 2, 0.3, 1e9))
    if isinstance(value, list | tuple):
        return type(value)(_other_list(draw, list(value)))
    if value is None:
        return draw.one((1, 0, True, 0.5, torch.float64, [1], draw.any_tensor(0, 2)))
    if isinstance(value, torch.dtype):
        return draw.one((torch.float32, *DTYPES))
    return None


def _other_list(draw: Draw, values: list[Any]) -> list[Any]:
    if not values:
        return [draw.number(-1, 3)]
    at = draw.number(0, len(values) - 1)
    how = draw.number(0, 5)
    if how == 0:
        return values[:at] + values[at + 1 :]
    if how == 1:
        return [*values, values[at]]
    if how == 2 and len(values) > 1:
        return values[:1]
    if how == 3:
        return []
    values[at] = spoiled(draw, values[at])
    return values


def _other_tensor(draw: Draw, x: Any) -> Any:
    shape, dtype = list(x.shape), x.dtype
    how = draw.number(0, 11)
    at = draw.number(0, len(shape) - 1) if shape else 0
    if how < 2:
        return made(draw, tuple(shape), draw.form, draw.one((torch.float32, *DTYPES)))
    if how < 4 and shape:
        shape[at] = draw.one((shape[at] + 1, 2 * shape[at], 1, 0, 2))
    elif how == 4 and shape:
        del shape[at]
    elif how == 5:
        shape.insert(at, draw.number(1, 2))
    elif how == 6 and len(shape) > 1:
        shape[at], shape[at - 1] = shape[at - 1], shape[at]
    elif how == 7:
        return made(draw, tuple(shape), "", dtype, torch.device("cpu"))
    elif how == 8:
        return made(draw, tuple(shape), draw.form, torch.complex64).conj()
    elif how == 9:
        return draw.one((None, 2, 0.5, 1j))
    elif how == 10:
        return torch._neg_view(x) if dtype.is_floating_point else x
    else:
        return made(draw, tuple(shape), draw.one(FORMS), dtype)
    return made(draw, tuple(shape), draw.form, dtype)


def with_one_spoiled(draw: Draw, call: Arguments) -> Arguments:
    """The same call with one argument changed."""
    given, named = list(call.given), dict(call.named)
    places: list[Any] = [*range(len(given)), *named]
    if not places:
        return call
    place = draw.one(places)
    store: Any = given if isinstance(place, int) else named
    store[place] = spoiled(draw, store[place])
    return Arguments(given, named)
