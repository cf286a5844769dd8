"""What a user's own kernel costs: rules in Python, rules as data, rules of installed packages. No torch.

A rule belongs to an operator, named as torch does: `mylib::scan`, or `mylib::scan.out` for one overload. In Python it
is a function of the operator's arguments, where each tensor is a `TensorSize`. As data it is text, an expression in
the sizes of the arguments. It gives multiply-accumulates, or a mapping with any of macs, adds, muls and other.

An installed package offers rules by entry points in the group `flopcalc.kernels`: the name is that of the operator
and the value names the rule, or the value names a mapping from operators to rules.
"""

import inspect
import operator
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from threading import Lock
from typing import Any

from flopcalc.catalog.entry_points import may_have
from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.text.expression import evaluate, exact, parse

GROUP = "flopcalc.kernels"
KINDS = ("macs", "adds", "muls", "other")

Formula = Callable[..., int | Mapping[str, int]]

_NAME = re.compile(r"[A-Za-z_]\w*::[A-Za-z_]\w*(\.[A-Za-z_]\w*)?")


@dataclass(frozen=True)
class TensorSize:
    """A tensor as a rule sees it: its shape and the name of its dtype, such as `float32`. It has no values."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def dim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def numel(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class KernelRule:
    """What an operator costs. cost: a function, or kind -> expression. origin: where the rule comes from."""

    name: str
    cost: Formula | Mapping[str, str]
    origin: str = ""


def _bad(name: object, why: str, hint: str) -> FlopcalcError:
    return FlopcalcError("bad-kernel-rule", f"the rule of the kernel {clip(name)} {why}", hint)


_registered: dict[str, KernelRule] = {}
_lock = Lock()


def register_kernel(name: str, rule: Formula | str | Mapping[str, str]) -> None:
    """Say what a kernel costs, for all counts in this process.

    name: the operator, such as `"mylib::scan"`, with `.overload` for one overload. rule: a function of the operator's
    arguments, tensors given as objects with `.shape`; the output as `out` if it takes that. It returns MACs, or a
    mapping with any of macs, adds, muls and other. Or an expression, or a mapping of expressions, in the sizes of the
    arguments: `"x_0 * x_1 * w_0"`. A second rule for the same operator replaces the first.

    >>> import flopcalc
    >>> flopcalc.register_kernel("mylib::scan", lambda x, weight: x.numel() * weight.shape[0])

    Raises FlopcalcError (bad-kernel-rule) for a wrong name or rule.
    """
    made = _rule(name, rule, "register_kernel")
    with _lock:
        _registered[made.name] = made


def unregister_kernel(name: str) -> None:
    """Forget the rule that `register_kernel` was given for an operator; nothing happens if there is none."""
    with _lock:
        _registered.pop(_key(name), None)


def read_kernel_rules(section: Mapping[str, Any]) -> tuple[KernelRule, ...]:
    """The rules in the section `kernels:` of a file: operator -> an expression for MACs, or kind -> expression.

    Names in an expression: `x_0`, the first size of the argument x; `x_last`, its last; `x_numel`, its elements;
    `x_rank`, its axes; `xs_0_1`, a size of the first tensor of a list xs; `out_0`, ..., `out_numel` for the output; a
    number or a truth value by the name of the argument, and a list of numbers as `stride_0`. Raises FlopcalcError
    (bad-kernel-rule).
    """
    if not isinstance(section, Mapping):
        raise FlopcalcError(
            "bad-kernel-rule",
            f"the section kernels is {clip(section)}, not a mapping",
            'write one line for each operator, such as "mylib::scan": "x_0 * x_1 * w_0"',
        )
    return tuple(_rule(name, rule, "kernels", data=True) for name, rule in section.items())


def by_name(rules: Iterable[KernelRule]) -> dict[str, KernelRule]:
    """Rules by operator, as `work_of` takes them; of two for one operator the last."""
    return {rule.name: rule for rule in rules}


def _key(name: str) -> str:
    return name.removesuffix(".default")


def _rule(name: object, rule: Any, origin: str, data: bool = False) -> KernelRule:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FlopcalcError(
            "bad-kernel-rule",
            f"{clip(name)} is not the name of an operator",
            "write namespace::operator, such as mylib::scan; a count lists the names that have no rule",
        )
    if isinstance(rule, KernelRule):
        return KernelRule(_key(name), rule.cost, rule.origin or origin)
    if callable(rule) and not data:
        return KernelRule(_key(name), rule, origin)
    if isinstance(rule, int) and not isinstance(rule, bool):
        rule = str(rule)
    if isinstance(rule, str):
        rule = {"macs": rule}
    wanted = "an expression or a mapping" if data else "a function, an expression or a mapping"
    if not isinstance(rule, Mapping) or not rule:
        raise _bad(name, f"is {clip(rule)}, not {wanted}", f"give MACs, or a mapping with any of {', '.join(KINDS)}")
    costs: dict[str, str] = {}
    for kind, text in rule.items():
        if kind not in KINDS:
            raise _bad(name, f"has the kind {clip(kind)}", f"the kinds are {', '.join(KINDS)}")
        if isinstance(text, bool) or not isinstance(text, str | int):
            raise _bad(name, f"gives {clip(text)} for {kind}", 'write an expression as text, such as "x_0 * x_1"')
        try:
            parse(str(text))
        except FlopcalcError as error:
            raise _bad(name, f"cannot be read: {error.message}", error.hint) from None
        costs[kind] = str(text)
    return KernelRule(_key(name), costs, origin)


def any_registered() -> bool:
    """Whether `register_kernel` was given any rule: most processes have none, and kernels are many."""
    return bool(_registered)


def any_rule_for(namespace: str, own: Mapping[str, KernelRule] | None = None) -> bool:
    """Whether there is a rule for an operator of a namespace such as `aten`, given for this count or registered."""
    return any(name.startswith(f"{namespace}::") for name in (*(own or {}), *_registered))


def find_rule(name: str, own: Mapping[str, KernelRule] | None = None) -> KernelRule | None:
    """The rule of an operator, of one overload first: given for this count, else registered; else None."""
    for key in (_key(name), name.split(".", maxsplit=1)[0]):
        found = (own or {}).get(key) or _registered.get(key)
        if found is not None:
            return found
    return None


def plug_in_rule(name: str) -> KernelRule | None:
    """The rule of an operator in an installed package, or None. Raises FlopcalcError (bad-kernel-rule)."""
    rules = _plug_ins()
    found = rules.get(_key(name)) or rules.get(name.split(".", maxsplit=1)[0])
    if isinstance(found, FlopcalcError):
        raise found
    return found


@lru_cache(maxsize=1)
def _plug_ins() -> dict[str, KernelRule | FlopcalcError]:
    """Operator -> rule of an installed package, or why it cannot be used: an error only where it is needed."""
    found: dict[str, KernelRule | FlopcalcError] = {}
    if not may_have(GROUP):
        return found
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        origin = f"the entry point {entry.value}"
        try:
            # What it prints is no output.
            with redirect_stdout(sys.stderr):
                loaded = entry.load()
            listed = loaded if isinstance(loaded, Mapping) and not set(loaded) <= set(KINDS) else {entry.name: loaded}
            found.update((made.name, made) for made in (_rule(key, rule, origin) for key, rule in listed.items()))
        except FlopcalcError as error:
            found[_key(entry.name)] = error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # An exit too: it would end the count without a word.
            why = f"cannot be loaded from {entry.value}: {type(error).__name__}: {reason(error)}"
            found[_key(entry.name)] = _bad(entry.name, why, "repair or uninstall the package")
    return found


def plug_in_problems() -> list[str]:
    """One sentence about each rule of an installed package that cannot be used."""
    try:
        rules = _plug_ins()
    except Exception as error:
        return [f"the kernel rules of installed packages cannot be read: {reason(error)}"]
    return [rule.message for rule in rules.values() if isinstance(rule, FlopcalcError)]


def rule_cost(
    rule: KernelRule,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    out: Any,
    named: Mapping[str, Any],
) -> dict[str, int]:
    """The cost of one call, by kind. named: the arguments by position, under their names.

    Raises FlopcalcError (bad-kernel-rule) where the rule fails or gives something else than numbers of operations.
    """
    if isinstance(rule.cost, Mapping):
        names = _size_names({**named, **kwargs, "out": out})
        return {kind: _expression(rule, kind, text, names) for kind, text in rule.cost.items()}
    given = {**kwargs, "out": out} if "out" not in kwargs and _takes_out(rule.cost) else dict(kwargs)
    try:
        cost = rule.cost(*args, **given)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        why = f"failed: {type(error).__name__}: {reason(error)}"
        raise _bad(rule.name, why, "it gets the operator's arguments, tensors as objects with .shape") from error
    if not isinstance(cost, Mapping):
        return {"macs": _whole(rule, "macs", cost)}
    for kind in cost:
        if kind not in KINDS:
            raise _bad(rule.name, f"returns the kind {clip(kind)}", f"the kinds are {', '.join(KINDS)}")
    return {kind: _whole(rule, kind, value) for kind, value in cost.items()}


def _takes_out(cost: Formula) -> bool:
    try:
        parameter = inspect.signature(cost).parameters.get("out")
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _whole(rule: KernelRule, kind: str, value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise _bad(rule.name, f"gives {clip(value)} for {kind}", "return a whole number of operations") from None
    if number < 0:
        raise _bad(rule.name, f"gives {number} for {kind}", "a number of operations is not negative")
    return number


def _expression(rule: KernelRule, kind: str, text: str, names: Mapping[str, Any]) -> int:
    try:
        value = exact(evaluate(text, names))
    except FlopcalcError as error:
        known = ", ".join(sorted(names))
        raise _bad(rule.name, f"cannot be evaluated: {error.message}", f"names here: {known}") from None
    return _whole(rule, kind, value)


def _size_names(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The names that an expression may use, with their values."""
    names: dict[str, Any] = {}
    for name, value in arguments.items():
        names.update(_sizes_of(name, value))
    return names


def _sizes_of(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, TensorSize):
        yield f"{name}_numel", value.numel()
        yield f"{name}_rank", value.ndim
        yield from ((f"{name}_{axis}", size) for axis, size in enumerate(value.shape))
        if value.shape:
            yield f"{name}_last", value.shape[-1]
    elif isinstance(value, bool | int | float | str):
        yield name, exact(value)
    elif isinstance(value, list | tuple):
        yield f"{name}_len", len(value)
        if any(isinstance(item, TensorSize) for item in value):
            yield f"{name}_numel", sum(item.numel() for item in value if isinstance(item, TensorSize))
        for index, item in enumerate(value):
            yield from _sizes_of(f"{name}_{index}", item)
