"""The options that say which layers of a network are replaced by what: the same for every command that takes one."""

from collections.abc import Callable
from typing import Any

import click


def _all_of(context: click.Context, option: click.Parameter, clauses: tuple[str, ...]) -> str | None:
    """Several clauses as one, since all must hold."""
    return " and ".join(f"({one})" for one in clauses) if len(clauses) > 1 else next(iter(clauses), None)


def replace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--replace, --where, --keep: which layers of a network are replaced by what."""
    options = (
        click.option(
            "--replace",
            "replace_texts",
            metavar="OPERATOR[:NAME=VALUE,...] [where CLAUSE]",
            multiple=True,
            help="Put this operator in the place of the convolutions that its paper replaced, or of those for which "
            "the clause holds; repeatable, and the first that takes a layer has it.",
        ),
        click.option(
            "--where",
            metavar="CLAUSE",
            multiple=True,
            callback=_all_of,
            help="Replace only layers for which this holds, e.g. 'k == 3 and stage != \"stem\"'; of several "
            "all must hold. It decides in the place of the operator's policy; 'policy and ...' keeps to that.",
        ),
        click.option(
            "--keep",
            metavar="NAME",
            multiple=True,
            help="A layer to leave as it is, all below a name, or a pattern such as 'layer*.conv1'; repeatable.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
