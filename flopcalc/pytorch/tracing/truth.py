"""Statements on symbolic sizes as torch's SymBool."""

import operator
from collections.abc import Callable
from typing import Any

from flopcalc.symbolic.scope import Scope

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _over_cross(one: Any, other: Any) -> Any:
    """A difference that compares with 0 as one number does with the other: denominators are positive."""
    return one.value * getattr(other, "over", 1) - other.value * getattr(one, "over", 1)


def _is_endless(value: Any) -> bool:
    """Whether a number is infinite, or not a number: the only ones that are floats."""
    return type(value) is float


class Truth:
    """A statement on sizes, which is decided, and recorded, when it is asked for.

    Of two numbers: one, relation, other. Of two statements: relation is "and" or "or"; of one: "not"; "is": a bool.
    """

    __slots__ = ("one", "other", "relation", "scope")

    def __init__(self, one: Any, relation: str, other: Any = None, scope: Scope | None = None) -> None:
        self.one = one
        self.relation = relation
        self.other = other
        self.scope = scope or one.scope

    def known(self) -> bool | None:
        """The answer where it is the same for all sizes, as far as their expressions show; nothing is recorded."""
        relation = self.relation
        if relation == "is":
            return bool(self.one)
        if relation == "not":
            inside = self.one.known()
            return None if inside is None else not inside
        if relation in ("and", "or"):
            answers = self.one.known(), self.other.known()
            decisive = relation == "or"
            return decisive if decisive in answers else None if None in answers else not decisive
        values = self.one.value, self.other.value
        if any(map(_is_endless, values)):
            # Any finite number compares so.
            return bool(_RELATIONS[relation](*(one if _is_endless(one) else 0 for one in values)))
        difference = _over_cross(self.one, self.other)
        low, high = self.scope.bounds(difference)
        at_low, at_high = (bool(_RELATIONS[relation](end, 0)) for end in (low, high))
        # What holds at both ends holds between them, unless 0 is between them, which only equalities tell apart.
        return at_low if at_low == at_high and not low < 0 < high else None

    def decide(self) -> bool:
        """The answer."""
        relation = self.relation
        answer = self.known()
        if answer is not None:
            return answer
        if relation == "not":
            return not self.one.decide()
        if relation == "and":
            return bool(self.one.decide() and self.other.decide())
        if relation == "or":
            return bool(self.one.decide() or self.other.decide())
        return _RELATIONS[relation](_over_cross(self.one, self.other), 0)

    def is_int(self) -> bool:
        return False

    def is_float(self) -> bool:
        return False

    def is_bool(self) -> bool:
        return True

    def is_nested_int(self) -> bool:
        return False

    def is_symbolic(self) -> bool:
        return True

    def is_constant(self) -> bool:
        return False

    def has_hint(self) -> bool:
        return True

    def maybe_as_int(self) -> None:
        return None

    def clone(self) -> "Truth":
        return self

    def __deepcopy__(self, memo: Any) -> "Truth":
        return self

    def __repr__(self) -> str:
        return f"{self.one} {self.relation} {self.other}"

    __str__ = _graph_repr = __repr__

    def wrap_bool(self, value: bool) -> "Truth":
        return Truth(value, "is", scope=self.scope)

    def wrap_int(self, value: int) -> Any:
        return self.one.wrap_int(value)

    def bool_(self) -> bool:
        return self.decide()

    def guard_bool(self, file: str, line: int) -> bool:
        return self.decide()

    # Torch would take the usual answer for the first two, and asks so for what is the same for most sizes. A count may
    # differ for the others, so that they are conditions here.
    guard_or_false = guard_or_true = expect_true = guard_size_oblivious = guard_bool

    def statically_known_true(self, file: str, line: int) -> bool:
        return self.known() is True

    def sym_not(self) -> "Truth":
        return Truth(self, "not")

    def sym_and(self, other: "Truth") -> "Truth":
        return Truth(self, "and", other)

    def sym_or(self, other: "Truth") -> "Truth":
        return Truth(self, "or", other)

    and_, or_ = sym_and, sym_or


# In the class, it would take the name of the type.
Truth.str = Truth.__repr__  # type: ignore[attr-defined]
