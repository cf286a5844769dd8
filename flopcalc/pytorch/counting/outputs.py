"""What a forward gives back: where its work comes with the items, they are drawn."""

from itertools import islice
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

# They compute an item when it is asked for. One without an end would be drawn for ever.
_LAZY = (GeneratorType, map, filter, zip)
MOST_ITEMS = 10_000


def drawn(out: Any) -> Any:
    """The output of a forward, with all items of what is a generator in it, as its caller would draw them.

    Raises TypeError for a coroutine, whose work would not be seen, and ValueError for a generator that has no end.
    """
    if isinstance(out, _LAZY):
        items = [drawn(one) for one in islice(out, MOST_ITEMS + 1)]
        if len(items) > MOST_ITEMS:
            raise ValueError(f"it gives more than {MOST_ITEMS:,} items: count a method that gives some of them")
        return items
    if type(out) is list:
        return [drawn(one) for one in out]
    if type(out) is tuple:
        return tuple(map(drawn, out))
    if type(out) is dict:
        return {name: drawn(one) for name, one in out.items()}
    if isinstance(out, CoroutineType | AsyncGeneratorType):
        if isinstance(out, CoroutineType):
            out.close()
        raise TypeError("it is asynchronous, and nothing awaits its result: count a method that gives the result")
    return out
