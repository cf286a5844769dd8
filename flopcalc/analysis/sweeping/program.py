"""Recorded operations on arrays: block by block, on open grids, with exact ints where 64 bits may not be enough.

Overflow is excluded by bounds, not looked for afterwards. A recording has the bounds of each operation over the whole
sweep; if they all fit, no block needs a check. Otherwise each block is computed with the bounds of its own values: the
bounds of an operation follow from the least and the largest element of its operands, and an operation whose bounds do
not fit is never done on 64 bits. The whole block is then computed on Python's ints.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from flopcalc.analysis.sweeping.node import Book, Node

Array: TypeAlias = Any

# Largest absolute value that a 64-bit integer is trusted with.
LARGEST = 2**63 - 1
# Below this an operation of two operands cannot leave the range by much; nearer to it the elements are looked at.
_NEAR = 2**62


class _Step(NamedTuple):
    """One operation. args: (place of a value) or an int. last: the places that nothing after it reads."""

    place: int
    op: str
    args: tuple[Any, ...]
    node: Node
    last: tuple[int, ...]


class _Place(NamedTuple):
    at: int


class Program:
    """The operations behind some values, and the arrays of one block.

    outputs: nodes, or ints for values that are the same everywhere.
    """

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        self.outputs = dict(outputs)
        needed: dict[int, Node] = {}
        stack = [node for node in outputs.values() if isinstance(node, Node)]
        while stack:
            node = stack.pop()
            if node.number not in needed:
                needed[node.number] = node
                stack += [arg for arg in node.args if isinstance(arg, Node)]
        order = [needed[number] for number in sorted(needed)]
        place = {node.number: index for index, node in enumerate(order)}
        kept = {place[node.number] for node in outputs.values() if isinstance(node, Node)}
        reader = {place[arg.number]: index for index, node in enumerate(order) for arg in node.args if _is_node(arg)}
        dying: dict[int, list[int]] = {}
        for one, index in reader.items():
            if one not in kept:
                dying.setdefault(index, []).append(one)
        self._steps = [
            _Step(
                index,
                node.op,
                tuple(_Place(place[arg.number]) if _is_node(arg) else arg for arg in node.args),
                node,
                tuple(dying.get(index, ())),
            )
            for index, node in enumerate(order)
        ]
        self._place = {name: place[node.number] for name, node in outputs.items() if isinstance(node, Node)}
        self._held: dict[int, tuple[Any, Array]] = {}
        numbers = [arg for node in order for arg in node.args if type(arg) is int and node.op != "axis"]
        self.fits = all(n.low >= -LARGEST and n.high <= LARGEST for n in order) and all(
            abs(number) <= LARGEST for number in numbers
        )

    def run(self, axes: Sequence[Array], keys: Sequence[Any]) -> dict[str, Array]:
        """The values of a block by name: arrays that can be broadcast to its shape, or ints.

        axes: the values of each axis, shaped for broadcasting. keys: equal for axes with the same values as before.
        """
        if all(axis.dtype != object for axis in axes):
            if self.fits:
                return self._named(self._fast(axes, keys))
            found = self._checked(axes)
            if found is not None:
                return self._named(found)
        return self._named(self._exact([axis.astype(object) for axis in axes]))

    def _named(self, values: Sequence[Array]) -> dict[str, Array]:
        places = self._place
        return {name: values[places[name]] if name in places else one for name, one in self.outputs.items()}

    def _fast(self, axes: Sequence[Array], keys: Sequence[Any]) -> list[Array]:
        """Without checks. Values of axes that are the same as in the block before are not computed again."""
        functions, held = _functions(), self._held
        changed = 0
        for index, key in enumerate(keys):
            if held.get(-1 - index, (None, None))[0] != key:
                changed |= 1 << index
                held[-1 - index] = (key, None)
        # Values of the axes that change least are kept, as far as they are small.
        values: list[Array] = [None] * len(self._steps)
        size = max((axis.size for axis in axes), default=1)
        for step in self._steps:
            if not step.node.axes & changed and step.place in held:
                values[step.place] = held[step.place][1]
                continue
            if step.op == "axis":
                found = axes[step.args[0]]
            else:
                found = functions[step.op](*[values[arg.at] if type(arg) is _Place else arg for arg in step.args])
            values[step.place] = found
            if found.size <= size:
                held[step.place] = (None, found)
            else:
                held.pop(step.place, None)
            for one in step.last:
                values[one] = None
        return values

    def _checked(self, axes: Sequence[Array]) -> list[Array] | None:
        """With the bounds of each operation from the elements of its operands; None where one does not fit."""
        functions = _functions()
        values: list[Array] = [None] * len(self._steps)
        bounds: list[tuple[int, int]] = [(0, 0)] * len(self._steps)
        for step in self._steps:
            if step.op == "axis":
                found = axes[step.args[0]]
            else:
                operands = [bounds[arg.at] if type(arg) is _Place else (int(arg), int(arg)) for arg in step.args]
                least, most = _bounds_of(step.op, operands)
                if least < -LARGEST or most > LARGEST or any(abs(end) > LARGEST for pair in operands for end in pair):
                    return None
                found = functions[step.op](*[values[arg.at] if type(arg) is _Place else arg for arg in step.args])
            values[step.place] = found
            if found.dtype == bool:
                bounds[step.place] = (0, 1)
            elif step.op == "axis" or max(-least, most) >= 1 << 31:
                bounds[step.place] = (int(found.min()), int(found.max()))
            else:
                bounds[step.place] = (least, most)
            for one in step.last:
                values[one] = None
        return values

    def _exact(self, axes: Sequence[Array]) -> list[Array]:
        """On Python's ints."""
        functions = {**_functions(), **_exact_functions()}
        values: list[Array] = [None] * len(self._steps)
        for step in self._steps:
            if step.op == "axis":
                found = axes[step.args[0]]
            else:
                found = functions[step.op](*[values[arg.at] if type(arg) is _Place else arg for arg in step.args])
            values[step.place] = found
            for one in step.last:
                values[one] = None
        return values


def _is_node(arg: Any) -> bool:
    return isinstance(arg, Node)


def _bounds_of(op: str, operands: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The bounds of an operation, by the rules that the nodes have: the operation on two nodes of these bounds."""
    if op == "select":
        return min(operands[1][0], operands[2][0]), max(operands[1][1], operands[2][1])
    if op in ("equal", "less", "and", "not", "select flag"):
        return 0, 1
    book = Book()
    nodes = [book.axis(index, *ends) for index, ends in enumerate(operands)]
    found = _ON_NODES[op](*nodes)
    return (found.low, found.high) if isinstance(found, Node) else (int(found), int(found))


_ON_NODES: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "negative": lambda a: -a,
    "multiply": lambda a, b: a * b,
    "floor_divide": lambda a, b: a // b,
    "remainder": lambda a, b: a % b,
    "maximum": lambda a, b: a.larger(b) if isinstance(a, Node) else max(a, b) if isinstance(b, int) else b.larger(a),
    "power": lambda a, b: a**b,
    "log2": lambda a: a.log2_floor() if isinstance(a, Node) else a.bit_length() - 1,
}


@cache
def _functions() -> dict[str, Callable[..., Array]]:
    """The function of NumPy for each operation."""
    import numpy as np

    def log2(value: Array) -> Array:
        """floor(log2) of values from 1 to 2^63 - 1."""
        # The cast to float may round a number just below a power of two up to it.
        exponent = np.minimum(np.frexp(value.astype(np.float64))[1] - 1, 62).astype(np.int64)
        return exponent - (np.left_shift(np.int64(1), exponent) > value)

    return {
        "add": np.add,
        "subtract": np.subtract,
        "negative": np.negative,
        "multiply": np.multiply,
        "floor_divide": np.floor_divide,
        "remainder": np.remainder,
        "power": np.power,
        "maximum": np.maximum,
        "log2": log2,
        "equal": np.equal,
        "less": np.less,
        "and": np.logical_and,
        "not": np.logical_not,
        # A constant is 64 bits long on every machine.
        "select": lambda flag, a, b: np.where(flag, np.asarray(a, np.int64), np.asarray(b, np.int64)),
        "select flag": np.where,
    }


@cache
def _exact_functions() -> dict[str, Callable[..., Array]]:
    """The functions that differ on Python's ints. None of them makes an array of 64-bit integers."""
    import numpy as np

    return {
        "log2": np.frompyfunc(lambda value: int(value).bit_length() - 1, 1, 1),
        "power": np.frompyfunc(lambda base, exponent: int(base) ** int(exponent), 2, 1),
        "select": lambda flag, a, b: np.where(flag, np.asarray(a, object), np.asarray(b, object)),
    }
