"""Shell completion: the names that an argument or an option takes. Loads no operator and no network.

Imports are inside the functions: every command refers to this module, and only a shell that completes needs them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def complete_operators(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Operators, plug-ins included; files too, since an operator may be the path of a YAML file."""
    return _names(_operators(), incomplete)


def complete_networks(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Described networks, and the places of Python models; files too, since a network may be the path of a file."""
    if incomplete.startswith("hf:"):
        return _after(incomplete, "hf:")
    return _names([*_networks(), *_PLACES] if incomplete else _networks(), incomplete)


def complete_targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Operators and described networks."""
    return _names([*_operators(), *_networks()], incomplete)


def complete_devices(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Shipped devices; files too, since a device may be the path of a YAML file."""
    from flopcalc.text import shipped_files

    return _names(shipped_files.names("devices"), incomplete)


def complete_papers(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Papers with tables, and operators."""
    from flopcalc.text import shipped_files

    return _names([*_operators(), *shipped_files.names("published")], incomplete)


def complete_conventions(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Conventions, with what they count."""
    from click.shell_completion import CompletionItem

    from flopcalc.cost.convention import CONVENTIONS

    return [CompletionItem(name, help=one.text) for name, one in CONVENTIONS.items() if name.startswith(incomplete)]


_PLACES = ("hf:", "timm:", "torchvision:")


def _after(incomplete: str, place: str) -> "list[CompletionItem]":
    """JSON files and folders after `hf:`. A name of transformers is not known without loading it."""
    import os

    from click.shell_completion import CompletionItem

    start = incomplete.removeprefix(place)
    folder = os.path.dirname(start)
    try:
        found = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    paths = [os.path.join(folder, one) for one in found]
    shown = [f"{one}/" if os.path.isdir(one) else one for one in paths]
    return [CompletionItem(place + one) for one in shown if one.startswith(start) and one.endswith(("/", ".json"))]


def _operators() -> list[str]:
    from flopcalc.catalog import lookup

    return [*lookup.names(), *lookup.plug_ins()]


def _networks() -> list[str]:
    from flopcalc.text import shipped_files

    return shipped_files.names("networks")


def _names(known: Iterable[str], incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    found = [CompletionItem(name) for name in sorted(known) if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]
