"""Recorded integers: a formula runs once on them, and what it computed is repeated on whole arrays.

A `Node` is one operation on other nodes, on the axes of a sweep and on ints. It has the bounds of its values over the
whole sweep, as exact ints: operations whose bounds fit 64 bits cannot overflow. Equal operations are one node, so that
parts of a formula share what they have in common. Where a formula branches on a node, both branches are recorded; see
`flopcalc.analysis.sweeping.branches`.

Nothing here imports NumPy.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from flopcalc.cost.arith import Recorded

# A sum with more terms is computed value by value.
_MAX_TERMS = 64


class NeedsNumberError(Exception):
    """A formula needs the number itself, as `range` does. axes: those that it depends on, one bit for each."""

    def __init__(self, axes: int) -> None:
        super().__init__(axes)
        self.axes = axes


class Book:
    """The nodes of one recording, in the order in which they were made.

    decide: says which branch a formula takes where it asks for the truth of a node.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._made: dict[tuple[Any, ...], Node] = {}
        self.decide: Callable[[Node], bool] = _undecided

    def axis(self, index: int, low: int, high: int) -> Any:
        """The values of an axis; an int where there is only one."""
        return self.node("axis", (index,), low, high, 1 << index)

    def node(self, op: str, args: tuple[Any, ...], low: int, high: int, axes: int, *, flag: bool = False) -> Any:
        """The node of this operation, the one that was made before where there is one; an int if its value is known."""
        if low == high:
            return bool(low) if flag else low
        key = (op, *[("node", arg.number) if isinstance(arg, Node) else arg for arg in args])
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Node(self, op, args, low, high, axes, len(self.nodes), flag)
            self.nodes.append(found)
        return found

    def join(self, op: str, args: tuple[Any, ...], low: int, high: int, *, flag: bool = False) -> Any:
        """The node of an operation on nodes and ints."""
        axes = 0
        for arg in args:
            if isinstance(arg, Node):
                axes |= arg.axes
        return self.node(op, args, low, high, axes, flag=flag)


def _undecided(node: "Node") -> bool:
    raise NeedsNumberError(node.axes)


class Node(Recorded):  # noqa: PLW1641 - a formula that needs a hash needs the number
    """One operation. low, high: bounds of its values. axes: those that it depends on, one bit for each.

    number: its place in the book. flag: whether it is true or false (then the bounds are 0 and 1).
    """

    __slots__ = ("args", "axes", "book", "flag", "high", "low", "number", "op")

    def __init__(
        self, book: Book, op: str, args: tuple[Any, ...], low: int, high: int, axes: int, number: int, flag: bool
    ) -> None:
        self.book = book
        self.op = op
        self.args = args
        self.low = low
        self.high = high
        self.axes = axes
        self.number = number
        self.flag = flag

    # What a recorded value cannot be ------------------------------------------------------------

    def _needs_number(self, *_: Any) -> NoReturn:
        raise NeedsNumberError(self.axes)

    __hash__ = __index__ = __int__ = __float__ = __iter__ = __truediv__ = __rtruediv__ = _needs_number
    __round__ = __floor__ = __ceil__ = __len__ = __getitem__ = _needs_number

    def __repr__(self) -> str:
        return f"<{self.op} from {self.low} to {self.high}>"

    def __format__(self, spec: str) -> str:
        # Part of an error that is not shown: its text is made again for one combination, with numbers.
        return "N"

    __str__ = __repr__

    def __bool__(self) -> bool:
        known = self if self.flag else self != 0
        return known if isinstance(known, bool) else self.book.decide(known)

    # Arithmetic ---------------------------------------------------------------------------------

    def _number(self) -> Any:
        """A flag as 0 or 1."""
        return self.book.join("select", (self, 1, 0), 0, 1) if self.flag else self

    def __add__(self, other: Any) -> Any:
        a, b = self._number(), _number(other)
        if b is NotImplemented:
            return b
        if type(b) is int and b == 0:
            return a
        return self.book.join("add", _ordered(a, b), low(a) + low(b), high(a) + high(b))

    __radd__ = __add__

    def __neg__(self) -> Any:
        a = self._number()
        return self.book.join("negative", (a,), -high(a), -low(a))

    def __sub__(self, other: Any) -> Any:
        a, b = self._number(), _number(other)
        if b is NotImplemented:
            return b
        if type(b) is int and b == 0:
            return a
        if a is b:
            return 0
        return self.book.join("subtract", (a, b), low(a) - high(b), high(a) - low(b))

    def __rsub__(self, other: Any) -> Any:
        a, b = _number(other), self._number()
        if a is NotImplemented:
            return a
        if type(a) is int and a == 0:
            return -b
        return self.book.join("subtract", (a, b), low(a) - high(b), high(a) - low(b))

    def __mul__(self, other: Any) -> Any:
        a, b = self._number(), _number(other)
        if b is NotImplemented:
            return b
        if type(b) is int and b in (0, 1, -1):
            return {0: 0, 1: a, -1: -a}[b]
        ends = [x * y for x in (low(a), high(a)) for y in (low(b), high(b))]
        least = 0 if a is b and low(a) < 0 < high(a) else min(ends)
        return self.book.join("multiply", _ordered(a, b), least, max(ends))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return _divided(self._number(), _number(other), self.book)

    def __rfloordiv__(self, other: Any) -> Any:
        return _divided(_number(other), self._number(), self.book)

    def __mod__(self, other: Any) -> Any:
        return _remainder(self._number(), _number(other), self.book)

    def __rmod__(self, other: Any) -> Any:
        return _remainder(_number(other), self._number(), self.book)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, exponent: Any) -> Any:
        a = self._number()
        if type(exponent) is not int:
            return _power(a, exponent) if isinstance(exponent, Node) else Unusable(self.axes)
        if exponent < 0:
            self._needs_number()
        found: Any = 1
        for _ in range(exponent):
            found = a * found
        return found

    def __rpow__(self, base: Any) -> Any:
        return _power(base, self._number())

    # Comparisons --------------------------------------------------------------------------------

    def __eq__(self, other: object) -> Any:
        b = _number(other)
        if b is NotImplemented:
            # As a number is not equal to None or to a text; but a fraction may be whole.
            return False if other is None or isinstance(other, str | tuple) else self._needs_number()
        return equal(self._number(), b, self.book)

    def __ne__(self, other: object) -> Any:
        return negation(self.__eq__(other))

    def __lt__(self, other: Any) -> Any:
        return _compared(self._number(), _number(other), self.book)

    def __gt__(self, other: Any) -> Any:
        return _compared(_number(other), self._number(), self.book)

    def __ge__(self, other: Any) -> Any:
        return negation(self < other)

    def __le__(self, other: Any) -> Any:
        return negation(self > other)

    # The helpers of formulas --------------------------------------------------------------------

    def larger(self, other: Any) -> Any:
        """The larger of the two."""
        a, b = self._number(), _number(other)
        if a is b or low(a) >= high(b):
            return a
        if low(b) >= high(a):
            return b
        return self.book.join("maximum", _ordered(a, b), max(low(a), low(b)), max(high(a), high(b)))

    def log2_floor(self) -> Any:
        """floor(log2(self)), for values of at least 1."""
        a = self._number().larger(1)
        if isinstance(a, int):
            return a.bit_length() - 1
        return self.book.join("log2", (a,), a.low.bit_length() - 1, a.high.bit_length() - 1)

    def each(self, function: Callable[[int], int]) -> Any:
        """A function that is not arithmetic needs the numbers."""
        self._needs_number()

    def sum_up_to(self, term: Callable[[Any], Any], first: int) -> Any:
        """Sum of term(i) for i = first..self."""
        if self.high - first > _MAX_TERMS:
            self._needs_number()
        total: Any = 0
        for i in range(first, self.high + 1):
            total = total + select(i <= self, term(i), 0)
        return total


class Unusable(Recorded):
    """A value that cannot be recorded, such as a root. It may be handed on, but not used."""

    __slots__ = ("axes",)

    def __init__(self, axes: int) -> None:
        self.axes = axes

    def _needs_number(self, *_: Any) -> NoReturn:
        raise NeedsNumberError(self.axes)

    __bool__ = __hash__ = __index__ = __int__ = __float__ = __iter__ = __truediv__ = __rtruediv__ = _needs_number
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __rfloordiv__ = _needs_number
    __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __eq__ = __ne__ = __lt__ = __gt__ = __le__ = _needs_number
    __ge__ = _needs_number


def low(value: Any) -> int:
    """The least value of a node or an int."""
    return value.low if isinstance(value, Node) else int(value)


def high(value: Any) -> int:
    """The largest value of a node or an int."""
    return value.high if isinstance(value, Node) else int(value)


def _number(value: Any) -> Any:
    """An operand as a node or an int; NotImplemented for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, Node):
        return value._number()
    if isinstance(value, bool):
        return int(value)
    # NumPy's integers, which options of a user may be.
    return int(value.__index__()) if hasattr(value, "__index__") else NotImplemented


def _ordered(a: Any, b: Any) -> tuple[Any, Any]:
    """The operands of a commutative operation in one order: nodes by number, ints last."""
    if isinstance(a, Node) and isinstance(b, Node):
        return (a, b) if a.number <= b.number else (b, a)
    return (a, b) if isinstance(a, Node) else (b, a)


def _nonzero(divisor: Any, book: Book) -> Any:
    """The divisor, with 1 in the place of 0: combinations that divide by 0 are not used."""
    if low(divisor) > 0 or high(divisor) < 0:
        return divisor
    if low(divisor) == 0 and isinstance(divisor, Node):
        return divisor.larger(1)
    return select(equal(divisor, 0, book), 1, divisor)


def _divided(a: Any, b: Any, book: Book) -> Any:
    if a is NotImplemented or b is NotImplemented:
        return NotImplemented
    if type(b) is int and b == 1:
        return a
    if type(b) is int and b == 0:
        raise ZeroDivisionError
    if low(b) > 0 and isinstance(a, Node) and a.op == "multiply" and any(arg is b for arg in a.args):
        return a.args[1] if a.args[0] is b else a.args[0]
    if a is b and low(b) > 0:
        return 1
    b = _nonzero(b, book)
    if low(b) > 0:
        ends = [x // y for x in (low(a), high(a)) for y in (low(b), high(b))]
        return book.join("floor_divide", (a, b), min(ends), max(ends))
    far = max(abs(low(a)), abs(high(a)))
    return book.join("floor_divide", (a, b), -far, far)


def _remainder(a: Any, b: Any, book: Book) -> Any:
    if a is NotImplemented or b is NotImplemented:
        return NotImplemented
    if type(b) is int and b == 0:
        raise ZeroDivisionError
    if a is b and low(b) > 0:
        return 0
    b = _nonzero(b, book)
    if low(a) >= 0 and high(a) < low(b):
        return a
    if low(b) > 0:
        return book.join("remainder", (a, b), 0, min(high(b) - 1, high(a)) if low(a) >= 0 else high(b) - 1)
    far = max(abs(low(b)), abs(high(b)))
    return book.join("remainder", (a, b), -far, far)


def _power(base: Any, exponent: Node) -> Any:
    """A power with a recorded exponent. Negative exponents belong to combinations that are not used."""
    if not (type(base) is int and base > 0) and not (isinstance(base, Node) and base.low > 0):
        raise NeedsNumberError(exponent.axes)
    safe = exponent.larger(0)
    if isinstance(safe, int):
        return base**safe
    if safe.high > 4096:
        raise NeedsNumberError(exponent.axes)
    return exponent.book.join("power", (base, safe), low(base) ** safe.low, high(base) ** safe.high)


def equal(a: Any, b: Any, book: Book) -> Any:
    """Whether two numbers are equal: a flag, or a bool where the bounds decide it."""
    if a is b:
        return True
    if low(a) > high(b) or low(b) > high(a):
        return False
    if not isinstance(a, Node) and not isinstance(b, Node):
        return bool(a == b)
    return book.join("equal", _ordered(a, b), 0, 1, flag=True)


def _compared(a: Any, b: Any, book: Book) -> Any:
    if a is NotImplemented or b is NotImplemented:
        return NotImplemented
    if a is b or low(a) >= high(b):
        return False
    return True if high(a) < low(b) else book.join("less", (a, b), 0, 1, flag=True)


def negation(flag: Any) -> Any:
    """Not."""
    if not isinstance(flag, Node):
        return not flag
    return flag.args[0] if flag.op == "not" else flag.book.join("not", (flag,), 0, 1, flag=True)


def both(a: Any, b: Any) -> Any:
    """And, of flags."""
    if not isinstance(a, Node) or not isinstance(b, Node):
        known, other = (b, a) if isinstance(a, Node) else (a, b)
        return other if known else False
    return a if a is b else a.book.join("and", _ordered(a, b), 0, 1, flag=True)


def either(a: Any, b: Any) -> Any:
    """Or, of flags."""
    return negation(both(negation(a), negation(b)))


def select(condition: Any, a: Any, b: Any) -> Any:
    """A where the condition holds, else b; element by element."""
    if not isinstance(condition, Node):
        return a if condition else b
    if a is b or (not isinstance(a, Node) and not isinstance(b, Node) and a == b and type(a) is type(b)):
        return a
    if condition.op == "not":
        condition, a, b = condition.args[0], b, a
    least, most = min(low(a), low(b)), max(high(a), high(b))
    if all(isinstance(one, bool) or (isinstance(one, Node) and one.flag) for one in (a, b)):
        return condition.book.join("select flag", (condition, a, b), least, most, flag=True)
    return condition.book.join("select", (condition, a, b), least, most)
