"""Kernels on sparse tensors other than products: they work on the values that are stored."""

from typing import Any

from torch import Tensor

from flopcalc.pytorch.counting.kernels import elementwise
from flopcalc.pytorch.counting.kernels.work import (
    SPARSE,
    Answer,
    Kernel,
    Rule,
    Work,
    ceil_log2,
    elements,
    factor,
    tensors,
    values_of,
)


def has_sparse(kernel: Kernel) -> bool:
    """Whether an argument or a result is sparse."""
    # Asked for each kernel of a count: most have tensors at the top level alone.
    for value in (*kernel.args, kernel.out):
        if isinstance(value, Tensor):
            if value.layout in SPARSE:
                return True
        elif type(value) in (list, tuple) and any(map(_is_sparse, tensors(value))):
            return True
    return bool(kernel.kwargs) and any(map(_is_sparse, tensors(kernel.kwargs)))


def of_values(rule: Rule, kernel: Kernel) -> Answer:
    """The work of a rule on the stored values; it reads and writes their indices as well."""
    if rule is elementwise.add and len(added := tensors(kernel.args[:2])) == 2:
        return _sum(kernel, *added)
    args, kwargs, out = (_values(value) for value in (kernel.args, kernel.kwargs, kernel.out))
    work = rule(kernel._replace(args=args, kwargs=kwargs, out=out))
    if not isinstance(work, Work):
        return work
    indices = sum(elements(tensor) - values_of(tensor).numel() for tensor in tensors(kernel.out) if _is_sparse(tensor))
    return work._replace(writes=work.writes + indices)


def _is_sparse(tensor: Tensor) -> bool:
    return tensor.layout in SPARSE


def _values(value: Any) -> Any:
    if isinstance(value, Tensor):
        return values_of(value)
    if isinstance(value, list | tuple):
        return [_values(item) for item in value]
    if isinstance(value, dict):
        return {key: _values(item) for key, item in value.items()}
    return value


def _sum(kernel: Kernel, a: Tensor, b: Tensor) -> Work:
    """An addition for each two values that meet: those of both operands without those of the result.

    Values that meet none are copied. Into a dense tensor only the places of the entries are read and written.
    """
    out = kernel.result
    if a is not out:
        met = values_of(a).numel() + values_of(b).numel() - values_of(out).numel()
    elif _is_sparse(a):
        # It has changed; what was read tells its size before.
        before = (kernel.reads - elements(b)) * values_of(a).numel() // max(elements(a), 1)
        met = before + values_of(b).numel() - values_of(a).numel()
    else:
        met = values_of(b).numel()
        return Work(adds=met * factor(out), reads=elements(b) + met, writes=met)
    return Work(adds=max(met, 0) * factor(out), reads=kernel.reads, writes=elements(out))


def coalesce(kernel: Kernel) -> Answer:
    """Entries sorted by their indices, in ceil(log2 n) comparisons each; values of the same place are added."""
    x, out = kernel.first, kernel.result
    adds = values_of(x).numel() - values_of(out).numel()
    entries = x._nnz()
    return Work(adds=adds * factor(out), other=entries * ceil_log2(entries), reads=kernel.reads, writes=elements(out))


RULES = {coalesce: "aten::_coalesce aten::coalesce"}
