"""The names of the parts that a layer can have, by its operator or primitive."""

from collections.abc import Iterator, Mapping
from typing import Any

from flopcalc.catalog.cases import cases
from flopcalc.catalog.lookup import get
from flopcalc.catalog.registry import named
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.primitives.shapes import Shape, ShapeError

# Inputs on which each primitive works with its defaults: maps, tokens and vectors, and several of them.
_MAP, _TOKENS = (32, 8, 8), (32, 1, 16)
_INPUTS: tuple[tuple[Shape, ...], ...] = ((_MAP,), (_MAP, _MAP), (_MAP, _MAP, _MAP), (_MAP, (4,)), (_TOKENS,), ((32,),))


def has_names(kind: str) -> bool:
    """Whether `op` names an operator or a primitive, and is no expression and no file."""
    return kind in PRIMITIVES or named(kind) is not None


def part_names(kind: str) -> Iterator[str]:
    """The parts of an operator or a primitive at any options, the usual ones first; a name can come several times."""
    primitive = PRIMITIVES.get(kind)
    if primitive is not None:
        yield from _of_primitive(primitive)
        return
    for evaluation in cases(get(kind)):
        for part in evaluation.cost:
            yield part.name


def _of_primitive(primitive: Primitive) -> Iterator[str]:
    for settings in _variants(primitive):
        for shapes in _INPUTS:
            try:
                _, parts = primitive.shape_and_parts(shapes, 1, **settings)
            except ShapeError:
                continue
            for part in parts:
                yield part.name


def _variants(primitive: Primitive) -> Iterator[Mapping[str, Any]]:
    """The defaults, then each flag the other way, and each number doubled."""
    yield {}
    for name, value in primitive.settings.items():
        if isinstance(value, bool):
            yield {name: not value}
        elif isinstance(value, int):
            yield {name: 2 * value}
