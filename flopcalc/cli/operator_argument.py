"""The operator of a command: an argument with options behind its name, and `--set`."""

from collections.abc import Sequence
from typing import Any

from flopcalc.catalog import lookup
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.operator import Operator

METAVAR = "OPERATOR[:NAME=VALUE,...]"


def read_operator(
    argument: str | None, option: str | None, settings: Sequence[str], command: str
) -> tuple[Operator, dict[str, Any]]:
    """The operator that the argument or `--type` names, and its options from there and from `--set`.

    Raises FlopcalcError (bad-usage) where neither or both name it, (bad-option) where an option is given twice.
    """
    if argument is not None and option is not None:
        raise FlopcalcError(
            "bad-usage",
            f"the operator is given twice: {clip(argument)} and --type {clip(option)}",
            f"write flopcalc {command} OPERATOR, or --type OPERATOR",
        )
    text = argument if argument is not None else option
    if text is None:
        raise FlopcalcError(
            "bad-usage",
            "the operator is missing: give it as an argument or by --type",
            f"write for example flopcalc {command} ghost --cin 64; `flopcalc list` shows all operators",
        )
    return lookup.parse(text, settings)
