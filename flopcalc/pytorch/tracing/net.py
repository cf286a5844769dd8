"""The net under the tracer: the dispatch mode, with outputs from our shape rules instead of torch's meta kernels.

torch computes most shapes on the meta device in Python, in 50 to 3000 microseconds, and imports SymPy for it. Which
kernels run, and what each costs, is decided as for the dispatch mode alone.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from flopcalc.catalog.kernels import any_registered
from flopcalc.pytorch.counting.dispatch import DispatchCounter, left_alone
from flopcalc.pytorch.counting.kernels import tensors, work_of
from flopcalc.pytorch.counting.twins import TENSORS
from flopcalc.pytorch.tracing import along_axes, elementwise, factories, movement, products

# The number of dispatch modes that have been entered.
modes = torch._C._len_torch_dispatch_stack

SHAPES: dict[str, Any] = {
    **elementwise.RULES,
    **factories.RULES,
    **movement.RULES,
    **along_axes.RULES,
    **products.RULES,
}

# The kernels that are views without work, which never changes.
_views: set[Any] = set()


class Net(DispatchCounter):  # type: ignore[no-untyped-call]
    """Tells a recorder the work of each kernel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modes = modes()
        # A user's rule may give a view work.
        self._views_are_free = not self.own and not any_registered()

    @left_alone
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _views and self._views_are_free and type(args[0]) in TENSORS:
            return func(*args, **(kwargs or {}))
        return super().__torch_dispatch__(func, types, args, kwargs)

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of a kernel."""
        out = by_rule(func, args, kwargs, self._modes)
        if out is not None:
            return out
        out = super().run(func, args, kwargs)
        if self._views_are_free and func.is_view and tensors(out) and work_of(func, args, kwargs, out, 1) is None:
            _views.add(func)
        return out


def one_by_rule(func: Any, args: Any, kwargs: Any, below: int) -> Tensor | None:
    """The result of a kernel by its shape rule, if it is one tensor; of several, only the first is exact.

    below: the number of modes under the one that asks.
    """
    out = by_rule(func, args, kwargs, below) if isinstance(func, OpOverload) else None
    return out if isinstance(out, Tensor) else None


def by_rule(func: Any, args: Any, kwargs: Any, below: int) -> Any:
    """The result of a kernel by its shape rule; None where there is none."""
    # A mode of torch's own that the forward enters, such as that of make_fx, runs below ours wherever it was entered.
    # It must see the kernel, which it writes down, and not a tensor of the same shape.
    rule = shape_rule(func) if modes() == below else None
    return None if rule is None else shaped(rule, args, kwargs)


def shaped(rule: Any, args: Any, kwargs: Any) -> Any:
    """The result of a kernel by a shape rule; None where the rule does not apply."""
    try:
        return rule(*args, **kwargs)
    except Exception:
        # Arguments of an unusual form, or wrong ones: torch itself runs the kernel, or says what is wrong.
        return None


@cache
def shape_rule(func: Any) -> Any:
    """The shape rule of a kernel, or None."""
    if not isinstance(func, OpOverload) or any(one.is_out for one in func._schema.arguments):
        return None
    return SHAPES.get(func._schema.name)
