"""A structural copy of a module: its own objects all the way down, with other tensors.

Counting runs the copy, so that nothing that a forward does can reach the user's module.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from flopcalc.errors import FlopcalcError, reason


def on_meta(tensor: Tensor) -> Tensor:
    """A tensor of the same shape, strides and dtype without values."""
    empty = torch.empty_like(tensor, device="meta")
    # Without gradients: torch chooses other kernels for weights that require them.
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty


def structural_copy(module: nn.Module, twin: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy of a module in evaluation mode that shares nothing which a forward can change.

    twin: the tensor that stands for one of the module's own. Raises FlopcalcError (cannot-copy).
    """
    memo: dict[int, object] = {}
    for held in module.modules():
        for tensor in (*held._parameters.values(), *held._buffers.values()):
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = twin(tensor)
    try:
        made = copy.deepcopy(module, memo)
    except Exception as error:
        why = f"{type(module).__name__} cannot be copied: {reason(error)}"
        raise FlopcalcError("cannot-copy", why, "counting works on a copy of the module") from error
    return made.eval()
