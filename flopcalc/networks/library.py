"""Networks by name or by path: the shipped descriptions, and reading any description."""

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple, SupportsIndex, TypeAlias

from flopcalc.catalog import lookup
from flopcalc.errors import as_name, unknown_name
from flopcalc.networks.collector import paused
from flopcalc.networks.description import Description
from flopcalc.networks.inputs import InputLike, as_inputs, one_shape
from flopcalc.networks.like import Files, read_files
from flopcalc.networks.network import Network
from flopcalc.text import shipped_files

# An option's value as callers in Python write it; text as on the command line.
Option: TypeAlias = SupportsIndex | float | Fraction | str | Sequence[SupportsIndex]


def folder() -> str:
    """The folder of the shipped descriptions."""
    return shipped_files.folder("networks")


def names() -> list[str]:
    """Names of the shipped networks."""
    return shipped_files.names("networks")


def source(name_or_path: str) -> str:
    """The YAML file of a shipped name or a path. Raises FlopcalcError (unknown-network)."""
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        return shipped_files.found(name_or_path)
    file = f"{name_or_path}.yaml"
    path = os.path.join(folder(), file)
    if file in _listed(folder()) and os.path.isfile(path):
        return path
    if name_or_path not in names():
        how = "`flopcalc list` shows all networks; to use your own description, give a path ending in .yaml"
        name = name_or_path.partition(":")[0]
        if name in lookup.names() or name in lookup.plug_ins():
            how = f"{name} is an operator: see flopcalc layer, in Python flopcalc.layer; {how}"
        elif name != name_or_path:
            how = f"flopcalc.count counts a PyTorch model in Python; {how}"
        raise unknown_name("network", name_or_path, names(), how)
    return path


@lru_cache(maxsize=4)
def _listed(folder: str) -> frozenset[str]:
    """Its files at the first call. It only decides whether the folder must be listed again."""
    return frozenset(os.listdir(folder))


def compiled(name_or_path: str) -> Description:
    """A description by name or path, read once, to be evaluated with many inputs, batches and options.

    It is what the files contain at this call. A description whose files have the same content as before is not read
    again. Raises FlopcalcError for unknown names and broken files.
    """
    path = source(name_or_path)
    held = _held.get(path)
    if held is not None and held.files.unchanged():
        return held.description
    files = Files(source)
    with paused():
        data, base = read_files(path, files)
    description = Description(data, base)
    with _lock:
        _held.pop(path, None)
        _held[path] = _Held(files, description)
        # The one that was read first goes first.
        while len(_held) > MAX_HELD or (len(_held) > 1 and sum(one.size for one in _held.values()) > MAX_SIZE):
            del _held[next(iter(_held))]
    return description


class _Held(NamedTuple):
    files: Files
    description: Description

    @property
    def size(self) -> int:
        return self.description.size + sum(map(len, self.files.contents.values())) // 50


# Descriptions that were read. Limits: their number, and the layers, steps and 50-byte pieces of text of all.
MAX_HELD = 256
MAX_SIZE = 400_000
_held: dict[str, _Held] = {}
_lock = Lock()


def load(
    name_or_path: str,
    options: Mapping[str, Any] | None = None,
    input_shape: Sequence[int] | None = None,
    batch: SupportsIndex = 1,
) -> Network:
    """A network by name or path, as named layers with shapes and costs.

    options: those that the description declares. input_shape: (channels, height, width).
    Raises FlopcalcError for unknown names, broken files, wrong options and shapes that do not fit.
    """
    return compiled(name_or_path).at(options, input_shape, batch)


def network(
    name: str | os.PathLike[str],
    /,
    *,
    input: InputLike | None = None,
    batch: SupportsIndex = 1,
    **options: Option,
) -> Network:
    """A described network, as `flopcalc model` shows it: `network("mobilenet_v2", width=0.75, input=(3, 160, 160))`.

    name: a network that `flopcalc list` shows, or the path of a YAML description. input: (channels, height, width) or
    text such as "3x160x160", or one number for height and width; without it the network's own. options: those of the
    network, as in `flopcalc model --set`.

    The result offers every kind of cost as an exact int (`.macs`, `.params`, `.total(kind)`), and its layers with
    their shapes and costs as `.layers`. Raises FlopcalcError for unknown names, wrong options, broken files, and
    shapes that do not fit.

    >>> from flopcalc import network
    >>> network("resnet50", classes=10).params
    23528522
    """
    return load(as_name(name, "network"), options, one_shape(as_inputs(input)), batch)
