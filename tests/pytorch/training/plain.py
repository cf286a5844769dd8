"""A witness from outside: a forward and a backward pass of the module itself, and the products among their kernels.

It shares nothing with flopcalc: not the copy, the rules, the modes nor the recorder.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the multiply-adds of products."""

    macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        # One multiply-add of complex numbers is four of real ones.
        real = 4 if isinstance(out, Tensor) and out.is_complex() else 1
        match func._schema.name.removeprefix("aten::").rstrip("_"):
            case "mm" | "bmm" | "mv" | "dot" | "vdot":
                self.macs += real * out.numel() * args[0].shape[-1]
            case "addmm" | "baddbmm" | "addmv":
                self.macs += real * out.numel() * args[1].shape[-1]
            case "addbmm":
                self.macs += args[1].numel() * args[2].shape[-1]
            case "convolution":
                _, weight, *_, transposed, _, _ = args
                # Of the weight, axis 1 has the channels of one group.
                self.macs += (args[0] if transposed else out).numel() * prod(weight.shape[1:])
            case "convolution_backward":
                grad, x, weight, *_, transposed, _, _, wanted = args
                self.macs += (x if transposed else grad).numel() * prod(weight.shape[1:]) * sum(wanted[:2])
        return out


def tensors_of(value: Any) -> list[Tensor]:
    """The tensors of an output."""
    if isinstance(value, Tensor):
        return [value]
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    return [one for item in value for one in tensors_of(item)] if isinstance(value, Sequence) else []


def plain_macs(module: nn.Module, given: Sequence[Any], named: Mapping[str, Any] | None = None) -> tuple[int, int]:
    """The multiply-adds of the forward and of the backward pass, in training mode."""
    module.train()
    with Products() as counter:  # type: ignore[no-untyped-call]
        out = module(*given, **(named or {}))
        forward = counter.macs
        outputs = [one for one in tensors_of(out) if one.requires_grad]
        if outputs:
            torch.autograd.backward(outputs, [torch.ones_like(one) for one in outputs])
    return forward, counter.macs - forward


def sums_of_gradients(outputs: Iterable[Tensor]) -> int:
    """The additions where gradients of one tensor meet, by the graph of autograd: one for each further reader."""
    readers = Counter((out.grad_fn, out.output_nr) for out in outputs if out.grad_fn is not None)
    left = [node for node, _ in readers]
    seen = set(left)
    while left:
        for node, place in left.pop().next_functions:
            if node is not None:
                readers[node, place] += 1
                if node not in seen:
                    seen.add(node)
                    left.append(node)
    shapes: list[Any] = [node._input_metadata[place].shape for node, place in readers.elements()]
    once: list[Any] = [node._input_metadata[place].shape for node, place in readers]
    return sum(map(prod, shapes)) - sum(map(prod, once))


class Behind(nn.Module):
    """A module behind a trained factor, so that its input wants a gradient."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.scale = nn.Parameter(torch.ones(1, device="meta"))

    def forward(self, x: Any) -> Any:
        return self.module(x * self.scale if isinstance(x, Tensor) else tuple(one * self.scale for one in x))
