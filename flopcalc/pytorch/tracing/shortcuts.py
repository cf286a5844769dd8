"""Modules of torch.nn that run one function: their forward calls the function's rule without the way through Python.

Half of the time of a small module is its forward, the function of torch.nn.functional, and the call of the mode. A
shortcut applies to instances of exactly these classes with torch's own forward, and leaves everything unusual to it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing import heavy
from flopcalc.pytorch.tracing.functions import RULES
from flopcalc.pytorch.tracing.tracer import Tracer

Rule = Callable[[Recorder, Any, Tensor], Any]

_unseen = torch._C.DisableTorchFunction
_depth = torch._C._len_torch_function_stack
_mode_at = torch._C._get_function_stack_at


def _conv(rule: Any) -> Rule:
    def run(recorder: Recorder, module: Any, x: Tensor) -> Any:
        if module.padding_mode != "zeros":
            return None
        held = module._parameters
        return rule(
            recorder, x, held["weight"], held["bias"], module.stride, module.padding, module.dilation, module.groups
        )

    return run


def _batch_norm(recorder: Recorder, module: Any, x: Tensor) -> Any:
    if module.training or x.dim() not in _AXES[type(module)]:
        return None
    held, kept = module._parameters, module._buffers
    return heavy.batch_norm(recorder, x, kept["running_mean"], kept["running_var"], held["weight"], held["bias"])


def _layer_norm(recorder: Recorder, module: Any, x: Tensor) -> Any:
    held = module._parameters
    return heavy.layer_norm(recorder, x, module.normalized_shape, held["weight"], held["bias"])


def _linear(recorder: Recorder, module: Any, x: Tensor) -> Any:
    held = module._parameters
    return heavy.linear(recorder, x, held["weight"], held["bias"])


def _max_pool(recorder: Recorder, module: Any, x: Tensor) -> Any:
    windows = module.kernel_size, module.stride, module.padding, module.dilation
    return RULES[functional.max_pool2d](recorder, x, *windows, module.ceil_mode, module.return_indices)


def _adaptive_pool(recorder: Recorder, module: Any, x: Tensor) -> Any:
    return RULES[functional.adaptive_avg_pool2d](recorder, x, module.output_size)


def _dropout(recorder: Recorder, module: Any, x: Tensor) -> Any:
    return None if module.training else x


def _identity(recorder: Recorder, module: Any, x: Tensor) -> Any:
    return x


def _activation(func: Any) -> Rule:
    rule = RULES[func]

    def run(recorder: Recorder, module: Any, x: Tensor) -> Any:
        return rule(recorder, x, inplace=module.inplace)

    return run


def _function(func: Any) -> Rule:
    rule = RULES[func]

    def run(recorder: Recorder, module: Any, x: Tensor) -> Any:
        return rule(recorder, x)

    return run


# The numbers of axes that the forward allows.
_AXES = {nn.BatchNorm1d: (2, 3), nn.BatchNorm2d: (4,), nn.BatchNorm3d: (5,)}

_SHORT: dict[type[nn.Module], Rule] = {
    nn.Conv1d: _conv(heavy.conv1d),
    nn.Conv2d: _conv(heavy.conv2d),
    nn.Conv3d: _conv(heavy.conv3d),
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.Dropout: _dropout,
    nn.Identity: _identity,
    nn.ReLU: _activation(functional.relu),
    nn.ReLU6: _activation(functional.hardtanh),
    nn.SiLU: _activation(functional.silu),
    nn.Hardswish: _activation(functional.hardswish),
    nn.Hardsigmoid: _activation(functional.hardsigmoid),
    nn.GELU: _function(functional.gelu),
    nn.Sigmoid: _function(torch.sigmoid),
    nn.Tanh: _function(torch.tanh),
}
# As torch has them, in case that somebody has put another forward in their place.
_FORWARD = {cls: cls.forward for cls in _SHORT if cls.forward.__module__.startswith("torch.nn.modules")}


def shorten(modules: Iterable[tuple[str, nn.Module]]) -> None:
    """Give the modules their shortcuts. It changes the modules: give it those of a copy."""
    for _, child in modules:
        cls = type(child)
        if cls in _FORWARD and cls.forward is _FORWARD[cls] and "forward" not in child.__dict__:
            child.__dict__["forward"] = _shortcut(child, child.forward, _SHORT[cls])


def _shortcut(module: nn.Module, forward: Any, rule: Rule) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and type(args[0]) is Tensor and (depth := _depth()):
            # Only where the innermost mode is the tracer of this thread.
            tracer = _mode_at(depth - 1)
            if isinstance(tracer, Tracer) and tracer.applies():
                with _unseen():
                    out = tracer.ran(rule, (module, args[0]))
                if out is not None:
                    return out
        return forward(*args, **kwargs)

    run.__wrapped__ = forward  # type: ignore[attr-defined]
    return run
