"""Modules and parameters that a model holds in several places, and which count once."""

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from flopcalc.pytorch.counting.contents import every_parameter_of, modules_of


def other_names(module: nn.Module) -> dict[str, tuple[str, ...]]:
    """Name of a module -> its other names. What a shared module holds is shared with it, and is not listed."""
    modules = dict(modules_of(module))
    first = {id(child): name for name, child in modules.items()}
    found: dict[str, list[str]] = {}
    for name, child in modules.items():
        for key, held in child._modules.items():
            place = f"{name}.{key}" if name else key
            if held is not None and first.get(id(held), place) != place:
                found.setdefault(first[id(held)], []).append(place)
    return {name: tuple(places) for name, places in found.items()}


def tied_parameters(module: nn.Module) -> Iterator[tuple[str, str]]:
    """The full names of parameters that another module holds as well: each with its first name."""
    first: dict[int, str] = {}
    for place, tensor in every_parameter_of(module):
        if first.setdefault(id(tensor), place) != place:
            yield place, first[id(tensor)]


def sharing_remarks(module: nn.Module, others: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A note for modules, and one for parameters, that have several names."""
    pairs = [f"{place} is {name or 'the model itself'}" for name, places in others.items() for place in places]
    if pairs:
        yield f"shared modules, whose parameters count once: {_few(pairs)}"
    tied = [f"{place} is {name}" for place, name in tied_parameters(module)]
    if tied:
        yield f"shared parameters, which count once: {_few(tied)}"


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - 3
    return ", ".join(texts[:3]) + (f", and {more:,} more" if more > 0 else "")
