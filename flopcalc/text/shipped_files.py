"""Where the files that ship with the package are."""

import os
from functools import lru_cache


def found(path: str) -> str:
    """The path of a file, or of the shipped file of that name where there is no such file here.

    `published/networks/vgg_small.yaml` names a description that comes with the published tables, from any folder.
    """
    first, _, rest = path.partition("/")
    if first not in ("networks", "published") or not rest or os.path.exists(path):
        return path
    shipped = os.path.join(folder(first), rest)
    return shipped if os.path.isfile(shipped) else path


def shown(text: str) -> str:
    """A text in which the paths of shipped files are written as `found` takes them, whatever the installation."""
    for name in ("networks", "published"):
        text = text.replace(os.path.join(folder(name), ""), f"{name}/")
    return text


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
