"""Shape rules of element-wise kernels, by the name of the kernel: new tensors from the sizes of the operands.

A rule takes the arguments of the kernel and answers None where it does not apply: the kernel then runs as it is.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.fresh import is_contiguous, is_plain, new, packed

Rule = Callable[..., Any]


def result_dtype(one: Any, other: Any) -> torch.dtype:
    """The common dtype of two operands that are not complex: tensors, or a tensor and a number."""
    if not isinstance(one, Tensor):
        one, other = other, one
    if isinstance(other, Tensor):
        if one.dtype is other.dtype:
            return one.dtype
    elif one.dtype.is_floating_point or (type(other) is int and one.dtype is not torch.bool):
        return one.dtype  # type: ignore[no-any-return]
    return torch.result_type(one, other)


def to_float(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a result that is never whole."""
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.get_default_dtype()


def result(
    operands: Sequence[Tensor], dtype: torch.dtype, common: torch.dtype | None = None, number: bool = False
) -> Tensor | None:
    """A new tensor for the result of an element-wise function.

    common: the dtype in which it computes, if another. number: whether an operand is a number, which torch takes for a
    tensor without axes.
    """
    found = _layout(tuple((x.shape, _strides(x, common or dtype)) for x in operands), number)
    return None if found is None else new(*found, dtype)


def _of_one(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The result of a function of one tensor."""
    return packed(x.shape, dtype) if is_contiguous(x) else new(*_in_one_form(x.shape, (x.stride(),)), dtype)


def _strides(x: Tensor, dtype: torch.dtype) -> sizes.Sizes:
    """Those of an operand, which is copied where it has another dtype."""
    return x.stride() if x.dtype is dtype else sizes.like(x.shape, x.stride())


@sizes.known
def _layout(
    operands: tuple[tuple[sizes.Sizes, sizes.Sizes], ...], number: bool
) -> tuple[sizes.Sizes, sizes.Sizes] | None:
    """The shape and the strides of the result. operands: their shapes and strides."""
    shape = operands[0][0]
    alike = not number
    for other, _ in operands[1:]:
        if not sizes.equal(other, shape):
            alike = False
            joined = sizes.broadcast(shape, other)
            if joined is None:
                return None
            shape = joined
    if alike:
        return _in_one_form(shape, tuple(given for _, given in operands))
    strides = tuple(sizes.expanded(shape, own, given) for own, given in operands)
    if all(map(sizes.descends, strides)):
        return shape, sizes.contiguous(shape)
    return shape, sizes.elementwise(shape, strides)


@sizes.known
def _in_one_form(shape: sizes.Sizes, strides: tuple[sizes.Sizes, ...]) -> tuple[sizes.Sizes, sizes.Sizes]:
    """The same of operands of one shape: torch looks first whether they are all in one memory format."""
    if all(sizes.is_contiguous(shape, one) for one in strides):
        return shape, sizes.contiguous(shape)
    if len(shape) == 4 and all(map(partial(sizes.is_channels_last, shape), strides)):
        return shape, sizes.channels_last(shape)
    if all(sizes.equal(one, strides[0]) for one in strides) and sizes.is_dense(shape, strides[0]):
        return shape, strides[0]
    return shape, sizes.elementwise(shape, strides)


def _unary(out: Callable[[torch.dtype], torch.dtype | None]) -> Rule:
    def rule(x: Tensor) -> Tensor | None:
        dtype = out(x.dtype)
        return None if dtype is None or not is_plain(x) else _of_one(x, dtype)

    return rule


def _in_form(x: Tensor, *rest: Any, **more: Any) -> Tensor | None:
    """The result of a function of a tensor and numbers; a bound may be a tensor, which broadcasts."""
    return _of_one(x, x.dtype) if _keep(x, *rest, **more) is x else None


def _clamped(x: Tensor, *bounds: Any, **more: Any) -> Tensor | None:
    """The result of a function that torch writes into an empty tensor like its input."""
    kept = _keep(x, *bounds, **more)
    return None if kept is None else new(x.shape, sizes.like(x.shape, x.stride()), x.dtype)


def _keep(x: Tensor, *rest: Any, **more: Any) -> Tensor | None:
    """The result of a function that works in place on its only tensor."""
    if any(isinstance(one, Tensor | complex) for one in (*rest, *more.values())):
        return None
    return x if is_plain(x) and x.dtype.is_floating_point else None


def _clamp(rule: Rule) -> Rule:
    def clamp(x: Tensor, low: Any = None, high: Any = None) -> Tensor | None:
        found: Tensor | None = None if low is None and high is None else rule(x, low, high)
        return found

    return clamp


def _softshrink(x: Tensor, width: float = 0.5) -> Tensor | None:
    return _in_form(x, width) if width >= 0 else None


_NUMBERS = (int, float, torch.SymInt, torch.SymFloat)
_OPERANDS = (Tensor, *_NUMBERS)


def _binary(computed: Callable[[Any, Any], torch.dtype | None], out: torch.dtype | None = None) -> Rule:
    """computed: the dtype in which it computes, of the operands. out: that of the result, if another."""

    def rule(one: Any, other: Any) -> Tensor | None:
        if not isinstance(one, _OPERANDS) or not isinstance(other, _OPERANDS):
            return None
        common = computed(one, other)
        if common is None:
            return None
        dtype = out or common
        if isinstance(one, Tensor) and isinstance(other, Tensor):
            shape = one.shape
            if sizes.equal(shape, other.shape) and is_contiguous(one) and is_contiguous(other):
                return packed(shape, dtype) if is_plain(one) and is_plain(other) else None
        operands = [operand for operand in (one, other) if isinstance(operand, Tensor)]
        for operand in operands:
            if not is_plain(operand):
                return None
        return result(operands, dtype, common, len(operands) == 1)

    return rule


def _scaled(rule: Rule) -> Rule:
    """A sum whose second operand may have a factor."""

    def scaled(one: Any, other: Any, *, alpha: Any = 1) -> Tensor | None:
        out: Tensor | None = rule(one, other)
        fits = out is not None and (type(alpha) is int or (type(alpha) is float and out.dtype.is_floating_point))
        return out if fits else None

    return scaled


def _from(one: Any, other: Any) -> Tensor | None:
    """The second operand less the first: torch looks at it first."""
    made: Tensor | None = _NUMERIC(other, one)
    return made


def _in_place(one: Tensor, other: Any) -> Tensor | None:
    if not is_plain(one) or isinstance(other, complex) or one.dtype is torch.bool:
        return None
    if isinstance(other, Tensor):
        if not is_plain(other) or sizes.broadcast(one.shape, other.shape) != tuple(one.shape):
            return None
        if other.dtype is not one.dtype and not one.dtype.is_floating_point:
            return None
    elif not one.dtype.is_floating_point and type(other) is not int:
        return None
    return one


def _quotient(one: Any, other: Any) -> torch.dtype:
    return to_float(result_dtype(one, other))


def _numeric(one: Any, other: Any) -> torch.dtype | None:
    return _real(result_dtype(one, other))


def _div(one: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor | None:
    if rounding_mode == "floor" and not all(is_contiguous(x) for x in (one, other) if isinstance(x, Tensor)):
        # Of several kernels on the meta device, which have an order of their own.
        return None
    made: Tensor | None = _DIV(one, other) if rounding_mode is None else _NUMERIC(one, other)
    return made


def _power(one: Any, other: Any) -> Tensor | None:
    if isinstance(one, Tensor) and isinstance(other, _NUMBERS):
        # Of one tensor for torch.
        dtype = _numeric(one, other)
        return None if dtype is None or not is_plain(one) else result([one], dtype)
    made: Tensor | None = _NUMERIC(one, other)
    return made


def _where(condition: Tensor, one: Any, other: Any) -> Tensor | None:
    operands = (condition, one, other)
    if not all(map(is_plain, operands)) or one.dtype is not other.dtype or condition.dtype is not torch.bool:
        return None
    # None is copied: the condition is no number to compute with.
    found = _layout(tuple((x.shape, x.stride()) for x in operands), False)
    return None if found is None else new(*found, one.dtype)


def _three(one: Tensor, two: Tensor, three: Any, *, value: Any = 1) -> Tensor | None:
    operands = [operand for operand in (one, two, three) if isinstance(operand, Tensor)]
    if not all(map(is_plain, operands)) or any(operand.dtype is not one.dtype for operand in operands):
        return None
    return result(operands, one.dtype) if one.dtype.is_floating_point else None


_ADD = _binary(result_dtype)
_DIV = _binary(_quotient)
_NUMERIC = _binary(_numeric)
_TRUTH = _binary(result_dtype, torch.bool)


def _real(dtype: torch.dtype) -> torch.dtype | None:
    return None if dtype is torch.bool else dtype


def _whole(dtype: torch.dtype) -> torch.dtype | None:
    return None if dtype.is_floating_point else dtype


def _logical(one: Tensor, other: Tensor) -> Tensor | None:
    # On the meta device other operands are copied first, and the order of the axes is that of the copies.
    made: Tensor | None = _TRUTH(one, other) if is_contiguous(one) and is_contiguous(other) else None
    return made


_NAMES: dict[Rule, str] = {
    _unary(to_float): (
        "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh asinh acosh atanh tanh "
        "sigmoid erf erfc reciprocal"
    ),
    _unary(_real): "relu neg abs sign floor ceil trunc",
    _in_form: (
        "gelu silu mish hardswish hardsigmoid leaky_relu elu celu selu softplus clamp_min clamp_max "
        "hardshrink threshold round frac nan_to_num"
    ),
    _clamped: "hardtanh relu6",
    _clamp(_in_form): "clamp",
    _softshrink: "softshrink",
    _unary(lambda dtype: torch.bool): "logical_not isnan isinf",
    _unary(_whole): "bitwise_not",
    _keep: (
        "exp_ log_ sqrt_ rsqrt_ sin_ cos_ tanh_ sigmoid_ relu_ neg_ abs_ hardtanh_ relu6_ gelu_ silu_ mish_ hardswish_ "
        "hardsigmoid_ leaky_relu_ elu_ celu_ selu_ clamp_min_ clamp_max_ reciprocal_"
    ),
    _clamp(_keep): "clamp_",
    _scaled(_ADD): "add",
    _scaled(_NUMERIC): "sub",
    _scaled(_from): "rsub",
    _ADD: "mul remainder fmod",
    _power: "pow",
    _binary(result_dtype): "maximum minimum",
    _binary(lambda one, other: _whole(result_dtype(one, other))): "bitwise_and bitwise_or bitwise_xor",
    _div: "div",
    _scaled(_in_place): "add_ sub_",
    _in_place: "mul_",
    lambda one, other: _in_place(one, other) if one.dtype.is_floating_point else None: "div_",
    _TRUTH: "eq ne lt le gt ge",
    _logical: "logical_and logical_or logical_xor",
    _where: "where",
    _three: "addcmul addcdiv lerp",
}

RULES: dict[str, Rule] = {f"aten::{name}": rule for rule, names in _NAMES.items() for name in names.split()}
