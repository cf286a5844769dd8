"""Some cases of an operator, and random shapes and options, the same on each run, which `cases` does not combine."""

import random
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

from flopcalc.catalog.cases import SHAPES, along_axes, cases, option_sets
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation, Operator

Point = tuple[dict[str, Any], dict[str, Any]]

# Shapes for each set of options, and sets of random options.
SHAPES_OF_A_SET, RANDOM_SETS = 60, 30

_CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 16, 24, 32, 35, 36, 48, 60, 64, 96, 128)
_MAPS = (1, 2, 3, 5, 7, 8, 12, 14, 16, 21, 28, 33, (6, 9), (7, 14), (16, 12), (5, 1))
_NUMBERS = (0, 1, 2, 3, 4, 5, 7, 16, 100)
_FRACTIONS = ("0", "1/4", "1/3", "1/2", "3/4", "1", "3/2", "2")


def points(operator: Operator, share: float = 1) -> Iterator[Point]:
    """Options and sizes, those that the operator refuses among them. share: of the shapes for each set of options."""
    chance = random.Random(operator.name)  # noqa: S311 - no secret
    shapes = [*SHAPES, *operator.shapes, *(_sizes(chance) for _ in range(300))]
    for options in _sets(operator, chance):
        for shape in chance.sample(shapes, max(1, int(SHAPES_OF_A_SET * share))):
            sizes = along_axes(operator, dict(shape))
            if "k" in operator.shape and chance.random() < 0.7:
                sizes = {name: sizes[name] for name in sizes if name not in ("k", "stride", "padding", "dilation")}
            if operator.volume and chance.random() < 0.5:
                sizes["k"] = chance.choice(((2, 3, 3), (1, 3, 5)))
                sizes["stride"] = chance.choice((1, (2, 1, 1), (1, 2, 3)))
            yield options, sizes


def evaluated(operator: Operator, point: Point) -> Evaluation:
    """The operator at a point. Raises FlopcalcError where it refuses the shape or an option."""
    options, sizes = point
    rest = {name: size for name, size in sizes.items() if name not in ("c_in", "c_out")}
    return operator.evaluate(operator.geometry(sizes["c_in"], sizes.get("c_out"), options, **rest), options)


def evaluations(operator: Operator, most: int, elements: int) -> list[Evaluation]:
    """At most that many random points to which the operator applies, of shapes with few elements."""
    drawn = list(points(operator, 0.2))
    random.Random(operator.name).shuffle(drawn)  # noqa: S311 - no secret
    return list(islice((e for point in drawn if (e := _small(operator, point, elements))), most))


def spread(operator: Operator) -> Iterator[Evaluation]:
    """The first sets of options of `cases`, each at another shape."""
    for place, (_, group) in enumerate(islice(groupby(cases(operator), Evaluation.label), 5)):
        every = list(group)
        # What a counter does for each sample of a batch shows at every second one.
        allowed = [one for one in every if place % 2 == 0 or one.geometry.batch > 1] or every
        yield allowed[(7 * place + 3) % len(allowed)]


def _small(operator: Operator, point: Point, elements: int) -> Evaluation | None:
    try:
        e = evaluated(operator, point)
    except FlopcalcError:
        return None
    return e if e.geometry.c_in * e.geometry.c_out * e.geometry.p_out < elements else None


def _sizes(chance: random.Random) -> dict[str, Any]:
    """A random shape; sizes that are left out have their defaults."""
    c = chance.choice(_CHANNELS)
    drawn: tuple[tuple[str, float, tuple[Any, ...]], ...] = (
        ("c_out", 0.5, (c, 2 * c, 3 * c, 4 * c, max(1, c // 2), 16, 24, 48, 64, 5)),
        ("k", 0.5, (1, 2, 3, 4, 5, 7, (1, 3), (3, 1), (5, 3))),
        ("stride", 0.3, (2, 3, (2, 1))),
        ("padding", 0.2, (0, 1, 2, (1, 0))),
        ("dilation", 0.2, (2, 3, (1, 2))),
        ("groups", 0.2, (2, 4, c)),
        ("batch", 0.4, (2, 3, 5)),
    )
    chosen = {name: chance.choice(values) for name, part, values in drawn if chance.random() < part}
    return {"c_in": c, "hw": chance.choice(_MAPS), **chosen}


def _sets(operator: Operator, chance: random.Random) -> Iterator[dict[str, Any]]:
    yield from option_sets(operator)
    values = {param.name: _values(param) for param in operator.params}
    for name, tried in values.items():
        yield from ({name: value} for value in tried)
    for _ in range(RANDOM_SETS if values else 0):
        yield {name: chance.choice(tried) for name, tried in values.items() if chance.random() < 0.5}


def _values(param: Any) -> tuple[Any, ...]:
    """Values of an option, those that it refuses among them."""
    bounds = [bound + step for bound in (param.least, param.most) if bound is not None for step in (-1, 0, 1)]
    by_kind = {"int": _NUMBERS, "fraction": _FRACTIONS, "bool": (False, True), "choice": param.choices}
    return (*param.samples, *by_kind.get(param.kind, ((1,), (2, 3), "0")), *bounds)
