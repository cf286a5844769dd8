"""The functions of a plug-in's record, called with care: what they raise or return wrongly names the plug-in.

`Operator.apply` does the same for the formula, the derived values and the parts. The functions here are called from
many places, so the record itself holds guarded ones.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

from flopcalc.cost.cost import Cost
from flopcalc.errors import clip
from flopcalc.spec.channel_map import ChannelMap
from flopcalc.spec.operator import Derived, Operator, Rule
from flopcalc.spec.stand_ins import any_stand_in

# What a result must be, in words, and whether it is.
_Check = tuple[str, Callable[[Any], bool]]


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(type(size) is int and size > 0 for size in value)


_SIZE: _Check = ("a whole number (an int)", _is_whole)
_SHAPE: _Check = ("a tuple of ints, 1 or more", _is_shape)
_REASON: _Check = ("text or None", lambda value: value is None or isinstance(value, str))

_FIELDS: Mapping[str, _Check] = {
    "baseline": ("a Cost", lambda value: isinstance(value, Cost)),
    "default_c_out": _SIZE,
    "default_c_in": ("a whole number (an int) or None", lambda value: value is None or _is_whole(value)),
    "in_shape": _SHAPE,
    "out_shape": _SHAPE,
    "c_in_of": _SIZE,
    "size_out": _SIZE,
    "channel_map": ("a ChannelMap", lambda value: isinstance(value, ChannelMap)),
    "inputs": ("a whole number, 1 or more", lambda value: _is_whole(value) and value > 0),
}


def guarded(operator: Operator) -> Operator:
    """The plug-in with functions whose errors and wrong results are errors that name the plug-in."""

    def guard(what: str, function: Any, check: _Check) -> Any:
        # Ours need no guard, and some are recognised by identity.
        if function is None or _is_ours(function):
            return function
        return _guard(operator, what, function, check)

    def rule(one: Rule) -> Rule:
        return one._replace(check=guard(f"the rule {one.text!r}", one.check, _REASON))

    def derived(one: Derived) -> Derived:
        words = ("text", lambda value: isinstance(value, str))
        return one._replace(why=guard(f"`why` of {one.name}", one.why, words))

    refuses = guard("the policy", operator.policy.refuses, _REASON)
    return replace(
        operator,
        notes=None if operator.notes is None else _sentences(operator, operator.notes),
        policy=operator.policy._replace(refuses=refuses),
        rules=tuple(map(rule, operator.rules)),
        derived=tuple(map(derived, operator.derived)),
        **{name: guard(f"`{name}`", getattr(operator, name), check) for name, check in _FIELDS.items()},
    )


def _is_ours(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).split(".")[0] == "flopcalc"


def _guard(operator: Operator, what: str, function: Callable[..., Any], check: _Check) -> Callable[..., Any]:
    expected, holds = check

    @wraps(function)
    def call(*arguments: Any) -> Any:
        if any_stand_in(arguments):
            # Sweeps and closed forms catch what these raise.
            return function(*arguments)
        with operator.contained():
            found = function(*arguments)
            if not holds(found):
                raise ValueError(f"{what} gives {clip(found)}, not {expected}")
            return found

    return call


def _sentences(operator: Operator, function: Callable[[Any], Iterable[str]]) -> Callable[[Any], Iterable[str]]:
    def notes(evaluation: Any) -> list[str]:
        with operator.contained():
            found = function(evaluation)
            sentences = [found] if isinstance(found, str) else list(found)
            for one in sentences:
                if not isinstance(one, str):
                    raise ValueError(f"`notes` gives {clip(one)}, not text")
            return sentences

    return notes
