"""What a forward gives back: where its work comes with the items, they are drawn."""

from types import GeneratorType
from typing import Any

# They compute an item when it is asked for, and come to an end by themselves.
_LAZY = (GeneratorType, map, filter, zip)


def drawn(out: Any) -> Any:
    """The output of a forward; all items of one that is a generator, as its caller would draw them."""
    return list(out) if isinstance(out, _LAZY) else out
