"""Where the files that ship with the package are."""

import os
from functools import lru_cache


@lru_cache
def folder(name: str) -> str:
    """The folder of the shipped files of one kind: `networks`, `published`.

    It is inside an installed package, and beside the package in a checkout.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    inside = os.path.join(package, "configs", name)
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "configs", name)


def names(kind: str) -> list[str]:
    """Names of the shipped YAML files of one kind, sorted. Reads a folder, and no file."""
    return sorted(file.removesuffix(".yaml") for file in os.listdir(folder(kind)) if file.endswith(".yaml"))
