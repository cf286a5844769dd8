"""Networks derived from others: `like: resnet50`, `set: {blocks: [3, 4, 23, 3]}`."""

import os
from collections.abc import Callable
from typing import Any

from flopcalc.errors import FlopcalcError
from flopcalc.networks.options import known_options, read_option
from flopcalc.networks.values import Values
from flopcalc.text.yaml_file import Map, Seq, read_file

MAX_CHAIN = 5
_OWN = ("name", "title", "mirrors", "source", "input", "reference")
OF_DERIVED = ("like", "set", *_OWN)


def read_network_file(path: str, find: Callable[[str], str], depth: int = 0) -> tuple[Any, str]:
    """The data of a description and the file that holds its layers, for errors.

    A file with `like` has the layers of another and its own defaults of the options. find: a name or
    path -> the path of a description. Raises FlopcalcError (bad-network, bad-yaml, unreadable-file).
    """
    data = read_file(path, "network")
    if not isinstance(data, Map) or "like" not in data:
        return data, path
    values = Values(path)
    values.known_keys("(top level)", data, OF_DERIVED)
    if depth >= MAX_CHAIN:
        raise values.error(data, "like", f"more than {MAX_CHAIN} descriptions, each like another; is one like itself?")
    target = str(data["like"])
    if target.endswith((".yaml", ".yml")):
        target = os.path.join(os.path.dirname(path), target)
    try:
        base, base_path = read_network_file(find(target), find, depth + 1)
    except FlopcalcError as error:
        if error.code in ("unknown-network", "unreadable-file"):
            raise values.error(data, "like", error.message, error.hint) from None
        raise
    if not isinstance(base, Map):
        return base, base_path
    merged = _copy(base)
    for key in _OWN:
        if key in data:
            merged[key] = data[key]
    if "name" not in data:
        merged["name"] = os.path.basename(path).rsplit(".", 1)[0]
    if "reference" not in data:
        merged.pop("reference", None)
    merged["options"] = _defaults(values, data, base)
    return merged, base_path


def _copy(base: Map) -> Map:
    new = Map(base)
    new.line, new.lines = base.line, dict(base.lines)
    return new


def _defaults(values: Values, data: Map, base: Map) -> Map:
    """The options of the base with the defaults that `set` gives."""
    given = data.get("set") or Map()
    declared = base.get("options") or Map()
    if not isinstance(given, Map) or not isinstance(declared, Map):
        raise values.error(data, "set", "set maps options of the other network to their defaults here")
    options = _copy(declared)
    for option, value in given.items():
        try:
            known_options(str(data["like"]), declared, given)
            read_option(option, declared[option], given)
        except FlopcalcError as error:
            raise values.error(given, option, error.message, error.hint) from None
        options[option] = _copy(declared[option])
        options[option]["default"] = value if isinstance(value, Seq) else _same_kind(declared[option]["default"], value)
    return options


def _same_kind(default: Any, value: Any) -> Any:
    """A decimal option stays one when a whole number is set."""
    return float(value) if isinstance(default, float) and type(value) is int else value
