"""Whether a mutant of an operator changes anything: its record, or its cost on one of many shapes with many options.

A formula may name two sizes that a rule makes equal, or a case that a rule refuses: then a mutant computes the same,
and no test can kill it. Here it is compared with the code as it is, on some thousand points of tests/drawn.py,
with sizes and options that operators refuse among them. A mutant without an effect there is as good as equivalent,
though nothing proves it.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import drawn
import module_witnesses
from mutate import ROOT, forked, module_of

from flopcalc.cost.cost import PREVIOUS, Part
from flopcalc.errors import FlopcalcError
from flopcalc.spec.layer_record import notes
from flopcalc.spec.operator import Operator, Site

PACKAGE = "flopcalc.operators"
NONE, REFUTED, SOME = 0, 1, 2
# Names in `after` that are those of no part.
_NO_PART = re.compile("nothing|input[0-9]+")
# Seconds for a mutant, which may make a formula endless.
LIMIT = 60.0


def _waiting(parts: Sequence[Part]) -> list[Part]:
    """The parts, each with what it waits for by name: without `after`, and with parts left out, it is the same."""
    found: list[Part] = []
    for place, part in enumerate(parts):
        names = {one.name for one in parts[:place]}
        after: tuple[str, ...]
        if part.after is PREVIOUS:
            after = (parts[place - 1].name,) if place else ()
        else:
            # Of parts that are all left out, the layer's input takes the place.
            after = part.after if any(one in names or _NO_PART.fullmatch(one) for one in part.after) else ()
        # Of a copy of trained values, training asks whether `after` is there.
        found.append(part if part.work == "move" and part.params else part._replace(after=after))
    return found


def _result(operator: Operator, point: drawn.Point) -> tuple[Any, ...]:
    """All that the operator says about a shape; of one that it refuses, the refusal."""
    try:
        found = drawn.evaluated(operator, point)
        g, named = found.geometry, found.named
        return (
            *(_waiting(found.cost.parts), found.baseline.parts, found.in_shape, found.out_shape, found.inputs),
            {name: value for name, value in named.items() if isinstance(value, int | str | tuple | None)},
            notes(found),
            [value.why(g, named) for value in operator.derived if value.why],
            [operator.policy.refuses(Site("it", g, first)) for first in (False, True)],
            [one.domain(g, named) for one in operator.equations if one.domain],
            operator.c_in_of and operator.c_in_of(g.c_in, named),
            operator.channel_map and g.c_out < 200 and operator.channel_map(g, named, g.c_out - 1),
        )
    except FlopcalcError as error:
        return (error.code, error.message, error.hint)
    except Exception as error:
        return (type(error), str(error))


def _plain(value: Any) -> Any:
    """A record without its functions, to compare."""
    if callable(value) and not isinstance(value, type):
        return "a function"
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return repr(value)


def _record(operator: Operator) -> list[Any]:
    return [_plain(getattr(operator, field.name)) for field in fields(operator)]


@cache
def _trees() -> dict[str, ast.Module]:
    """Module -> its code, of all operators and of what they share, the shared files first."""
    files = sorted((ROOT / PACKAGE.replace(".", "/")).glob("*.py"), key=lambda path: (path.name[0] != "_", path.name))
    return {f"{PACKAGE}.{path.stem}": ast.parse(path.read_text(encoding="utf-8")) for path in files}


def _uses(tree: ast.Module, modules: set[str]) -> bool:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{one.name}" for node in imports for one in node.names}
    return bool(modules & (names | {str(node.module) for node in imports}))


@cache
def _users(module: str) -> tuple[str, ...]:
    """The modules of operators that use a module, itself first: those to load again."""
    found = [module]
    for name, tree in [*_trees().items(), *_trees().items()]:  # a shared file may use one that comes after it
        if name not in found and _uses(tree, set(found)):
            found.append(name)
    return tuple(found)


def _operators(module: str) -> list[Operator]:
    loaded = [importlib.import_module(name) for name in _users(module)]
    return [one.OPERATOR for one in loaded if hasattr(one, "OPERATOR")]


@cache
def _expected(module: str) -> list[tuple[list[Any], list[tuple[drawn.Point, tuple[Any, ...]]]]]:
    operators = _operators(module)
    # Several operators use what they share: a tenth of the shapes for each of them.
    share = 1 if len(operators) == 1 else 0.1
    return [(_record(one), [(point, _result(one, point)) for point in drawn.points(one, share)]) for one in operators]


def effect(path: str, changed: ast.Module, known: Sequence[module_witnesses.Witness] = ()) -> int:
    """Whether the changed code of a file of operators gives another record or another cost. Works in a fork.

    NONE, SOME, or REFUTED where it contradicts a witness.
    """
    module = module_of(path)
    expected = _expected(module)

    def compare(_: int) -> int:
        for name in _users(module):
            tree = changed if name == module else _trees()[name]
            exec(compile(tree, path, "exec"), sys.modules[name].__dict__)  # noqa: S102 - our own code
        operators = _operators(module)
        for operator, (record, results) in zip(operators, expected, strict=True):
            if _record(operator) != record or any(_result(operator, point) != result for point, result in results):
                return SOME if module_witnesses.agree(known, {one.name: one for one in operators}) else REFUTED
        return NONE

    code = forked(compare, LIMIT)[0]
    return code if code in (NONE, SOME) else REFUTED


def known_of(path: str) -> list[module_witnesses.Witness]:
    """The witnesses of the operators of a file."""
    return module_witnesses.witnesses(tuple(one.name for one in _operators(module_of(path))))
