"""The entries of a list of layers, checked: the layers of a block are read often, and checked once."""

import re
from functools import lru_cache
from typing import NamedTuple

from flopcalc.errors import clip
from flopcalc.networks.blocks import is_alike
from flopcalc.networks.tape import names_of
from flopcalc.text.yaml_file import File, Map, Seq, line_of

# Whether a text can be the name of a layer.
is_layer_name = lru_cache(maxsize=4096)(re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*").fullmatch)
# Names of entries with a meaning: the next number of the container; no name, so that the layers go to the container.
NEXT, SPLICE = "+", "_"
PREVIOUS = "previous"

# Keys that decide which layers an entry is.
_STRUCTURE = frozenset(("layers", "repeat", "each", "stage", "weights_of"))
# Those whose text is no expression, but may have some in braces.
_KINDS = ("op", "block")


class Item(NamedTuple):
    """An entry of a list of layers. is_plain: at most one layer or block of that name.

    names: those in its expressions; None if they are not known. alike: its repetitions are calls of one block with
    the same arguments.
    """

    name: str
    spec: Map
    is_plain: bool
    names: frozenset[str] | None
    alike: bool


def checked(file: File, items: Seq, index: int, prefix: str) -> Item:
    """An entry of a list of layers. Raises FlopcalcError (bad-network). prefix: of the names of its layers."""
    item = items[index]
    if not isinstance(item, Map) or len(item) != 1:
        raise file.error(items, index, "each layer is written `- name: what`")
    name, what = next(iter(item.items()))
    spec = what
    if isinstance(what, str):
        # Stored in the description itself, since the layers of a block are read several times.
        spec = item[name] = Map(op=what)
        spec.line, spec.lines = line_of(item, name), {}
    if not isinstance(spec, Map):
        raise file.error(item, name, f"layer {prefix}{name} is {clip(what)}, not a name or a mapping")
    if ("op" in spec) + ("block" in spec) + ("layers" in spec) != 1:
        raise file.error(spec, None, f"layer {prefix}{name} needs one of op, block or layers")
    is_plain = _STRUCTURE.isdisjoint(spec) and is_layer_name(name) and name != SPLICE
    texts = [what for key, what in spec.items() if key != "from" and (key not in _KINDS or "{" in str(what))]
    found = names_of(texts)
    names = None if found is None else frozenset(found)
    alike = "block" in spec and "{" not in name and is_alike(spec)
    return Item(name, spec, bool(is_plain), names, alike)
