"""What a forward gives back: where its work comes with the items, they are drawn."""

from itertools import islice
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

import torch
from torch import Tensor

# They compute an item when it is asked for. One without an end would be drawn for ever.
_LAZY = (GeneratorType, map, filter, zip)
MOST_ITEMS = 10_000


def is_trained(out: Tensor) -> bool:
    """Whether a loss can be made of an output."""
    return out.requires_grad and (out.is_floating_point() or out.is_complex())


def summed(out: Tensor) -> Tensor:
    """The sum of an output, a real number also where the output is complex: a loss has no other."""
    return (torch.view_as_real(out) if out.is_complex() else out).sum()


def drawn(out: Any, above: tuple[int, ...] = ()) -> Any:
    """The output of a forward, with all items of what is a generator in it, as its caller would draw them.

    above: identities of what holds it. Raises TypeError for a coroutine, whose work would not be seen, and ValueError
    for a generator that has no end.
    """
    if id(out) in above:
        # It leads back to itself, and is drawn already.
        return None
    if isinstance(out, _LAZY):
        items = [drawn(one, above) for one in islice(out, MOST_ITEMS + 1)]
        if len(items) > MOST_ITEMS:
            raise ValueError(f"it gives more than {MOST_ITEMS:,} items: count a method that gives some of them")
        return items
    inside = (*above, id(out))
    if type(out) is list:
        return [drawn(one, inside) for one in out]
    if type(out) is tuple:
        return tuple(drawn(one, inside) for one in out)
    if type(out) is dict:
        return {name: drawn(one, inside) for name, one in out.items()}
    if isinstance(out, CoroutineType | AsyncGeneratorType):
        if isinstance(out, CoroutineType):
            out.close()
        raise TypeError("it is asynchronous, and nothing awaits its result: count a method that gives the result")
    return out
