"""Weights are the same for all samples: what decides their number in an operator file must not read the batch."""

import ast
from collections.abc import Iterable
from typing import Any

from flopcalc.errors import FlopcalcError
from flopcalc.text.expression import parse
from flopcalc.text.yaml_file import File, Map

_BATCH = frozenset(("batch", "n"))
# The key of a part without `op` that says how many weights it has.
_WEIGHTS = ("params",)
# Keys of a part with `op` on which its weights do not depend.
_NOT_OF_WEIGHTS = frozenset(("op", "from", "stride", "padding", "dilation"))


def check_weights(file: File, derived: Map, parts: Iterable[tuple[str, Map]]) -> None:
    """Raise FlopcalcError where the weights of a part depend on the batch, directly or through a derived value."""
    of_batch = set(_BATCH)
    # Each can use the values above it.
    for name, expression in derived.items():
        if _names(expression) & of_batch:
            of_batch.add(name)
    for name, spec in parts:
        for key in spec:
            of_weights = key not in _NOT_OF_WEIGHTS if "op" in spec else key in _WEIGHTS
            if of_weights and (found := _names(spec[key]) & of_batch):
                why = f"part {name}: {key} depends on the batch ({', '.join(sorted(found))})"
                raise file.error(spec, key, why, "weights are the same for all samples: leave the batch out of them")


def _names(expression: Any) -> set[str]:
    """The names in an expression; none in anything else, and where it cannot be read, which is reported elsewhere."""
    if not isinstance(expression, str):
        return set()
    try:
        tree = parse(expression)
    except FlopcalcError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
