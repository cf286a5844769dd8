"""Networks by name or by path: the shipped descriptions, and reading any description."""

import os
from typing import Any

from flopcalc.errors import unknown_name
from flopcalc.networks.description import read_description
from flopcalc.networks.like import read_network_file
from flopcalc.networks.network import Network
from flopcalc.text import shipped_files


def folder() -> str:
    """The folder of the shipped descriptions."""
    return shipped_files.folder("networks")


def names() -> list[str]:
    """Names of the shipped networks."""
    return sorted(file.removesuffix(".yaml") for file in os.listdir(folder()) if file.endswith(".yaml"))


def source(name_or_path: str) -> str:
    """The YAML file of a shipped name or a path. Raises FlopcalcError (unknown-network)."""
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        return name_or_path
    if name_or_path not in names():
        how = "`flopcalc list` shows all networks; to use your own description, give a path ending in .yaml"
        raise unknown_name("network", name_or_path, names(), how)
    return os.path.join(folder(), f"{name_or_path}.yaml")


def load(
    name_or_path: str,
    options: dict[str, Any] | None = None,
    input_shape: tuple[int, ...] | None = None,
    batch: int = 1,
) -> Network:
    """A network by name or path, as named layers with shapes and costs.

    options: those that the description declares. input_shape: (channels, height, width).
    Raises FlopcalcError for unknown names, broken files, wrong options and shapes that do not fit.
    """
    data, path = read_network_file(source(name_or_path), source)
    return read_description(data, path, options or {}, input_shape, batch)
