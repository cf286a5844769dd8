"""Which rule applies to a kernel: the answers `work_of` and `work_kind_of`."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import torch

from flopcalc.cost.kinds import WorkKind
from flopcalc.pytorch.counting.kernels import (
    attention,
    elementwise,
    losses,
    movement,
    normalisation,
    products,
    recurrent,
    reductions,
    resampling,
    sparse,
    transforms,
    vision,
)
from flopcalc.pytorch.counting.kernels.own import OwnRules, own_work
from flopcalc.pytorch.counting.kernels.work import UNKNOWN, Answer, Kernel, Rule, elements, signature, tensors

_SUBJECTS: tuple[Any, ...] = (
    products,
    attention,
    recurrent,
    normalisation,
    reductions,
    resampling,
    transforms,
    elementwise,
    losses,
    movement,
    vision,
    sparse,
)

RULES: dict[str, Rule] = {
    name: rule for subject in _SUBJECTS for rule, names in subject.RULES.items() for name in names.split()
}
"""Operator, as `aten::mm`, -> its rule."""

_WORK_KINDS: dict[Rule, WorkKind] = {
    rule: kind for subject in _SUBJECTS for rule, kind in getattr(subject, "KINDS", {}).items()
}

# They know sparse tensors; all other rules are applied to the values that sparse tensors store.
_OF_SPARSE = frozenset({*products.OF_SPARSE, movement.overwrite, sparse.coalesce})

FREE = movement.FREE
"""Operators that cost nothing, apart from those that torch marks as views."""

_Place = Rule | Literal["free"] | None


def _name(func: Any) -> str:
    """`aten::mm`: the name of an operator, with or without its overload."""
    if isinstance(func, torch._ops.OpOverload):
        return str(func._name).split(".", maxsplit=1)[0]
    return str(getattr(func, "_qualified_op_name", func))


def _names(func: Any) -> Iterable[str]:
    """Its own name, and that of the operator that it is the in-place form of, or a part of."""
    name = _name(func)
    yield name
    if name.startswith("prims::"):
        # What decompositions in Python are made of, such as those of forward derivatives.
        yield name.replace("prims", "aten", 1)
    if name.endswith("_") and not name.endswith("__"):
        yield name[:-1]


@lru_cache(maxsize=4096)
def _place(func: Any) -> _Place:
    """The rule of an operator, "free", or None if there is no rule."""
    for name in _names(func):
        if name in RULES:
            return RULES[name]
        if name in FREE:
            return "free"
    if func.is_view:
        return "free"
    if any(_is_pointwise(name) for name in _names(func)) or torch.Tag.pointwise in func.tags:
        return elementwise.pointwise
    if _name(func).startswith("aten::") and _name(func).endswith("_copy"):
        # A view that is written out.
        return movement.move
    return None


def _is_pointwise(name: str) -> bool:
    """Whether torch marks any overload of an operator as element-wise."""
    if not name.startswith("aten::"):
        return False
    packet = getattr(torch.ops.aten, name.removeprefix("aten::"), None)
    return packet is not None and any(
        torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads()
    )


def work_of(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any, reads: int, own: OwnRules | None = None
) -> Answer:
    """The work of one kernel; None for views, bookkeeping and new tensors; UNKNOWN where there is no rule.

    func: an operator as a dispatch mode sees it. out: its output, a tensor or nested tensors. reads: elements of
    its tensor arguments in memory, taken before it ran, since a kernel may change its inputs in place. own: rules
    for this count, by operator; they and those of `flopcalc.register_kernel` come before ours, those of
    installed packages after. Raises FlopcalcError (bad-kernel-rule) where a user's rule fails.
    """
    kernel = Kernel(func, args, kwargs, out, reads)
    found = own_work(kernel, own)
    if found is not None:
        return found
    rule = _place(func)
    if rule == "free":
        return None
    if not tensors(out) and not func._schema.is_mutable:
        return None
    if rule is None:
        if not reads:
            return None
        return own_work(kernel, own, plug_ins=True) or UNKNOWN
    if kwargs:
        # A buffer for the result is written and not read.
        buffers = sum(
            elements(tensor)
            for name, argument in signature(func).items()
            if argument.is_out
            for tensor in tensors(kwargs.get(name))
        )
        kernel = kernel._replace(reads=reads - buffers)
    if rule is elementwise.pointwise and not reads and not tensors((args, kwargs)):
        # Of numbers alone.
        return None
    if rule not in _OF_SPARSE and sparse.has_sparse(kernel):
        return sparse.of_values(rule, kernel)
    return rule(kernel)


def work_kind_of(func: Any, args: Sequence[Any], trained: bool) -> WorkKind:
    """The kind of work of a kernel: conv, linear, matmul, norm, ... (see `flopcalc.cost.kinds`), or other.

    func: the operator, with or without its overload. trained: one of its operands is a parameter; that makes a
    product a linear layer.
    """
    names = tuple(_names(func))
    rule = next((RULES[name] for name in names if name in RULES), None)
    # Without a bias, a linear layer is a product with a transposed weight; other products with parameters mix
    # kernels, or are written out by hand.
    if trained and (rule is products.biased_matmul or (names[0] == "aten::mm" and _is_transposed(args[1]))):
        return "linear"
    if rule is reductions.mean:
        # Over the trailing axes of a map: what adaptive pooling to 1x1 becomes. A number has the axis 0, as in torch.
        rank = args[0].dim()
        axes = sorted(axis % max(rank, 1) for axis in (args[1] if len(args) > 1 else None) or range(rank))
        return "gap" if rank > 2 and axes == list(range(2, rank)) else "other"
    if not elementwise.ACTIVATIONS.isdisjoint(names):
        return "act"
    return _WORK_KINDS.get(rule, "other") if rule else "other"


def _is_transposed(weight: torch.Tensor) -> bool:
    return weight.layout is torch.strided and weight.stride(0) == 1
