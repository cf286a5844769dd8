"""What a module and the process are, in full, to compare before and after."""

import random
import types
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as global_hooks

_SIMPLE = (int, float, complex, str, bytes, bool, type(None), type, types.ModuleType, torch.dtype, torch.device)


def of_module(module: nn.Module) -> dict[str, Any]:
    """Every object that can be reached from a module, by path: what it is, which one it is, and its value."""
    found: dict[str, Any] = {}
    _visit("", module, found, set())
    return found


def _visit(path: str, value: Any, found: dict[str, Any], seen: set[int]) -> None:
    if isinstance(value, _SIMPLE):
        found[path] = repr(value)
        return
    found[path] = (type(value), id(value))
    if id(value) in seen:
        return
    seen.add(id(value))
    inner: dict[str, Any] = {}
    if isinstance(value, Tensor):
        found[path] += _tensor(value)
    elif isinstance(value, torch.Generator):
        found[path] += (bytes(value.get_state().numpy()),)
    elif isinstance(value, np.ndarray):
        found[path] += (value.tobytes(),)
    elif isinstance(value, dict):
        inner = {f"[{key!r:.80}]" if not isinstance(key, Tensor) else f"[{id(key)}]": one for key, one in value.items()}
    elif isinstance(value, list | tuple):
        inner = {f"[{index}]": one for index, one in enumerate(value)}
    elif isinstance(value, set | frozenset):
        found[path] += (tuple(sorted(map(id, value))),)
    elif isinstance(value, types.FunctionType):
        inner = {f"<{index}>": _inside(cell) for index, cell in enumerate(value.__closure__ or ())}
    elif isinstance(value, types.MethodType):
        inner = {".__self__": value.__self__}
    if hasattr(value, "__dict__") and not isinstance(value, types.FunctionType):
        inner |= {f".{name}": one for name, one in vars(value).items()}
    for step, one in inner.items():
        _visit(path + step, one, found, seen)


def _inside(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _tensor(tensor: Tensor) -> tuple[Any, ...]:
    about: tuple[Any, ...] = (tensor.device, tensor.dtype, tensor.requires_grad, tensor.layout, id(tensor.grad))
    if nn.parameter.is_lazy(tensor):
        return about
    about += (tensor._version if not tensor.is_inference() else 0,)
    if tensor.device.type == "meta" or tensor.layout is not torch.strided or tensor.is_nested:
        return about
    data = tensor.detach()
    if data.is_quantized:
        data = data.int_repr()
    return (*about, tuple(data.shape), data.stride(), data.contiguous().view(-1).view(torch.uint8).numpy().tobytes())


def of_process() -> dict[str, Any]:
    """What belongs to the process and a count might change."""
    hooks = {name: dict(one) for name, one in vars(global_hooks).items() if name.startswith("_global") and one}
    functions = {
        holder.__name__: {name: id(one) for name, one in vars(holder).items() if callable(one)}
        for holder in (torch, torch.nn.functional, nn.Module, nn.MultiheadAttention, Tensor, torch.autograd, random)
    }
    return {
        "torch random": bytes(torch.get_rng_state().numpy()),
        "python random": random.getstate(),
        "numpy random": np.random.get_state()[1].tobytes(),  # type: ignore[index]
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
        "default": (torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()),
        "flags": (
            torch.backends.mha.get_fastpath_enabled(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.mkldnn.enabled,
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
        ),
        "autocast": torch.is_autocast_enabled("cpu"),
        "modes": (torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()),
        "warnings": list(warnings.filters),
        "hooks": hooks,
        "functions": functions,
    }
