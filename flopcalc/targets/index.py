"""The index of the shipped operators and networks: what `flopcalc list` shows, without loading any of them.

Loading all operators and networks takes a second. `docs/generate.py` writes them to `configs/index.json`, with a
checksum of the files that define them. An index with another checksum is not used: the files are loaded instead.
"""

import json
import os
import zlib
from typing import Any

from flopcalc import operators
from flopcalc.catalog import lookup
from flopcalc.spec.operator import Operator
from flopcalc.text import shipped_files

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


def shipped() -> dict[str, list[dict[str, Any]]]:
    """The rows of all shipped operators and networks, from the index if it is up to date."""
    try:
        with open(_path(), encoding="utf-8") as file:
            index = json.load(file)
    except (OSError, ValueError):
        index = None
    if not isinstance(index, dict) or index.get("checksum") != checksum() or not index.keys() >= set(_ROWS):
        index = build()
    return {key: index[key] for key in _ROWS}


def build() -> dict[str, Any]:
    """The index from the operators and networks themselves."""
    # Loads the readers of descriptions, which a look at the index does not need.
    from flopcalc.networks import library
    from flopcalc.networks.options import plain_option

    networks = [library.load(name) for name in library.names()]
    return {
        "checksum": checksum(),
        "operators": [operator_row(operator) for operator in lookup.every()],
        "networks": [
            {
                "name": n.name,
                "title": n.title,
                "input": list(n.input_shape),
                "options": {name: plain_option(value) for name, value in n.options.items()},
                "params": n.params,
                "macs": n.macs,
            }
            for n in networks
        ],
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
