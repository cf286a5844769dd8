"""The options that replace layers of a network."""

from collections.abc import Callable
from typing import Any

import click

from flopcalc.cli.completion import complete_operators


def _all_of(context: click.Context, option: click.Parameter, clauses: tuple[str, ...]) -> str | None:
    return all_of(clauses)


def all_of(clauses: tuple[str, ...]) -> str | None:
    """Several clauses as one clause: all must hold."""
    return " and ".join(f"({one})" for one in clauses) if len(clauses) > 1 else next(iter(clauses), None)


def replace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --replace, --where and --keep to a command."""
    options = (
        click.option(
            "--replace",
            "replace_texts",
            metavar="OPERATOR[:NAME=VALUE,...] [where CLAUSE]",
            multiple=True,
            shell_complete=complete_operators,
            help="Replace convolutions with this operator. By default it replaces those that its paper replaced; with "
            "a clause, those that the clause selects. Repeatable; if several match a layer, the first one wins.",
        ),
        click.option(
            "--where",
            metavar="CLAUSE",
            multiple=True,
            callback=_all_of,
            help="Replace the layers that this clause selects, e.g. 'k == 3 and stage != \"stem\"'. Repeatable; all "
            "clauses must hold. It overrides the operator's default policy. Write 'policy and ...' to narrow "
            "the policy instead.",
        ),
        click.option(
            "--keep",
            metavar="NAME",
            multiple=True,
            help="Keep this layer, all layers below this name, or all that match a pattern such as 'layer*.conv1'; "
            "repeatable.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
