"""The index of the shipped operators and networks: what `flopcalc list` shows, without loading any of them.

Loading all operators and networks takes a second. `docs/generate.py` writes them to `configs/index.json`, with a
checksum of the files that define them. An index with another checksum is not used: the files are loaded instead.
"""

import json
import os
import zlib
from typing import TYPE_CHECKING, Any

from flopcalc import operators
from flopcalc.catalog import lookup
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Operator
from flopcalc.text import shipped_files

if TYPE_CHECKING:
    from flopcalc.networks.network import Network

FILE = "index.json"
_ROWS = ("operators", "networks")


def operator_row(operator: Operator) -> dict[str, Any]:
    """An operator as `flopcalc/list/1` has it."""
    return {
        "name": operator.name,
        "family": operator.family,
        "title": operator.title,
        "options": {p.name: {"default": p.default_text, "help": p.help} for p in operator.params},
        "needs": [rule.text for rule in operator.rules],
        "replaces": operator.policy.text,
        "paper": operator.paper.short,
        "year": operator.paper.year,
        "source": operator.paper.who,
        "plug_in": operator.origin or None,
    }


def shipped() -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The rows of all shipped operators and networks, from the index if it is up to date.

    With one sentence about each that cannot be used.
    """
    try:
        with open(_path(), encoding="utf-8") as file:
            index = json.load(file)
    except (OSError, ValueError):
        index = None
    if isinstance(index, dict) and index.get("checksum") == checksum() and index.keys() >= set(_ROWS):
        return {key: index[key] for key in _ROWS}, []
    found, problems = lookup.usable()
    # Loads the readers of descriptions, which a look at the index does not need.
    from flopcalc.networks import library

    networks = []
    for name in library.names():
        try:
            networks.append(network_row(library.load(name)))
        except FlopcalcError as error:
            problems.append(f"the network {name} cannot be used: {error.message}")
    return {"operators": list(map(operator_row, found)), "networks": networks}, problems


def network_row(network: "Network") -> dict[str, Any]:
    """A network as `flopcalc/list/1` has it."""
    from flopcalc.networks.options import plain_option

    return {
        "name": network.name,
        "title": network.title,
        "input": list(network.input_shape),
        "options": {name: plain_option(value) for name, value in network.options.items()},
        "params": network.params,
        "macs": network.macs,
    }


def build() -> dict[str, Any]:
    """The index from the operators and networks themselves. Raises FlopcalcError where one cannot be used."""
    from flopcalc.networks import library

    return {
        "checksum": checksum(),
        "operators": [operator_row(operator) for operator in lookup.every()],
        "networks": [network_row(library.load(name)) for name in library.names()],
    }


def index_text() -> str:
    """The text of the index file."""
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


def checksum() -> str:
    """Of the names and contents of all files that define an operator or a network."""
    found = 0
    for folder, suffix in ((_operators(), ".py"), (shipped_files.folder("networks"), ".yaml")):
        for name in sorted(os.listdir(folder)):
            if name.endswith(suffix):
                with open(os.path.join(folder, name), "rb") as file:
                    # A checkout may have other line ends.
                    content = file.read().replace(b"\r\n", b"\n")
                found = zlib.crc32(content, zlib.crc32(name.encode(), found))
    return f"{found:08x}"


def _operators() -> str:
    return str(next(iter(operators.__path__)))


def _path() -> str:
    return os.path.join(os.path.dirname(shipped_files.folder("networks")), FILE)
