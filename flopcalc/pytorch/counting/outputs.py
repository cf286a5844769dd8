"""What a forward gives back: where its work comes with the items, they are drawn."""

from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

# They compute an item when it is asked for, and come to an end by themselves.
_LAZY = (GeneratorType, map, filter, zip)


def drawn(out: Any) -> Any:
    """The output of a forward, with all items of what is a generator in it, as its caller would draw them.

    Raises TypeError for a coroutine, whose work would not be seen.
    """
    if isinstance(out, _LAZY) or type(out) is list:
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
