"""The rules of users and of installed packages, applied to a kernel."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from flopcalc.catalog.kernels import KernelRule, TensorSize, any_registered, find_rule, plug_in_rule, rule_cost
from flopcalc.pytorch.counting.kernels.work import Kernel, Work, tensors

OwnRules = Mapping[str, KernelRule]


def own_work(kernel: Kernel, own: OwnRules | None, plug_ins: bool = False) -> Work | None:
    """The work of a kernel by a rule from outside; None if there is none.

    plug_ins: look at the rules of installed packages. Raises FlopcalcError (bad-kernel-rule).
    """
    if not plug_ins and not own and not any_registered():
        return None
    name = _name_of(kernel.func)
    rule = plug_in_rule(name) if plug_ins else find_rule(name, own)
    if rule is None:
        return None
    named = zip(_argument_names(kernel.func), kernel.args, strict=False)
    cost = rule_cost(
        rule,
        tuple(_sizes(value) for value in kernel.args),
        {name: _sizes(value) for name, value in kernel.kwargs.items()},
        _sizes(kernel.out),
        {name: _sizes(value) for name, value in named},
    )
    written = sum(int(tensor.numel()) for tensor in tensors(kernel.out))
    activations = written if cost.get("macs") else 0
    return Work(**cost, activations=activations, reads=kernel.reads, writes=written)


def _name_of(func: Any) -> str:
    return str(func.name()) if callable(getattr(func, "name", None)) else str(func)


def _argument_names(func: Any) -> list[str]:
    schema = getattr(func, "_schema", None)
    return [argument.name for argument in schema.arguments] if schema is not None else []


def _sizes(value: Any) -> Any:
    """The value with each tensor as its sizes: a rule sees no values, and cannot change any."""
    if isinstance(value, Tensor):
        return TensorSize(tuple(int(size) for size in value.shape), str(value.dtype).removeprefix("torch."))
    if isinstance(value, list | tuple):
        return tuple(_sizes(item) for item in value)
    if isinstance(value, dict):
        return {key: _sizes(item) for key, item in value.items()}
    return value
