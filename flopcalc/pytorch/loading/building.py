"""Building a module by calling the class or function that a target names."""

import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from difflib import get_close_matches
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.pytorch.counting.one_device import on_one_device
from flopcalc.pytorch.loading.time_limit import TimeLimit, is_time_out, run_limited
from flopcalc.pytorch.loading.user_errors import FIX_IT, in_words


def check_arguments(
    target: str, factory: Callable[..., Any], settings: Mapping[str, Any], *, complete: bool = True
) -> None:
    """Raise FlopcalcError for settings that the factory does not take, and if complete for missing ones."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return
    by_name = {
        name: one for name, one in parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    for name in settings:
        if name not in by_name and not open_ended:
            near = get_close_matches(name, by_name, n=2, cutoff=0.6)
            takes = f"it takes: {', '.join(by_name) or 'nothing'}"
            hint = f"did you mean {' or '.join(near)}? {takes}" if near else takes
            raise FlopcalcError("bad-option", f"{target} does not take {clip(name)}", hint)
    needed = [
        name
        for name, one in parameters.items()
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and name not in settings
    ]
    if needed and complete:
        how = " ".join(f"--set {name}=..." for name in needed if name in by_name)
        hint = f"give {how}" if how else "write a function without arguments that builds it"
        raise FlopcalcError(
            "missing-argument",
            f"{target} needs {', '.join(needed)}",
            f"{hint}, or name a function without required arguments",
        )


def build(target: str, factory: Callable[..., Any], settings: Mapping[str, Any], limit: TimeLimit | None) -> Any:
    """What the factory returns, built on the meta device.

    Where it reads values, it runs on real tensors, and its parameters move to the meta device at once.
    """
    return _built((_on_meta, _registered_on_meta, _with_values), target, factory, settings, limit)


def build_with_values(
    target: str, factory: Callable[..., Any], settings: Mapping[str, Any], limit: TimeLimit | None
) -> Any:
    """What the factory returns, built with real values on its own device."""
    return _built((_with_values,), target, factory, settings, limit)


def _built(
    ways: Sequence[Callable[[], Any]],
    target: str,
    factory: Callable[..., Any],
    settings: Mapping[str, Any],
    limit: TimeLimit | None,
) -> Any:
    for last, way in enumerate(ways, 1 - len(ways)):
        try:
            with _random_numbers_kept(), way():
                return run_limited(limit, f"building {target}", partial(factory, **settings))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if is_time_out(error):
                raise
            if last == 0 or not isinstance(error, Exception) or not _needs_values(error):
                hint = FIX_IT
                if isinstance(error, SystemExit):
                    hint = "a factory must only build the module and return it"
                raise FlopcalcError("broken-factory", f"{target} failed: {in_words(error)}", hint) from error
    raise AssertionError


class _Building(TorchFunctionMode):
    """Leaves out what only sets values where there are none; keeps to one device: a GPU that is named may be absent.

    On the meta device torch runs functions that set values in Python, and imports SymPy and its compiler for it.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = torch.device(device)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _SETS_VALUES:
            tensor = args[0] if args else kwargs.get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        moved = on_one_device(func, args, kwargs, self.device)
        if moved is not None:
            func, args, kwargs = moved
        return func(*args, **kwargs)


# Of one tensor and numbers, in place.
_SETS_VALUES = {
    *(Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.bernoulli_, Tensor.exponential_, Tensor.log_normal_),
    *(Tensor.cauchy_, Tensor.geometric_, Tensor.erfinv_, Tensor.zero_, Tensor.fill_, Tensor.clamp_),
    *(nn.init.normal_, nn.init.uniform_, nn.init.constant_, nn.init.kaiming_uniform_),
}


@contextmanager
def _on_meta() -> Iterator[None]:
    """Build on the meta device."""
    with torch.device("meta"), _Building("meta"):
        yield


def _with_values() -> AbstractContextManager[object]:
    """Build on the CPU."""
    return _Building("cpu")


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Leave the random numbers of the process as they were: a factory draws weights."""
    state, plain = torch.get_rng_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(state)
        random.setstate(plain)


def _needs_values(error: Exception) -> bool:
    """Whether a factory failed because tensors had no values."""
    why = _chain(error).lower()
    return any(sign in why for sign in ("meta", "incompatible tensor type", "only available on cpu"))


def _chain(error: BaseException | None) -> str:
    texts: list[str] = []
    while error is not None and len(texts) < 10:
        texts.append(reason(error, 10**5))
        error = error.__cause__ or error.__context__
    return " ".join(texts)


@contextmanager
def _registered_on_meta() -> Iterator[None]:
    """Let tensors have values, but move what a module registers to the meta device, so that a large one fits."""
    from torch.nn.modules import module as hooks

    def moved(_module: nn.Module, _name: str, tensor: Tensor | None) -> Tensor | None:
        if tensor is None or isinstance(tensor, nn.parameter.UninitializedParameter | nn.parameter.UninitializedBuffer):
            return None
        empty = torch.empty_like(tensor, device="meta")
        return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty

    handles = [
        hooks.register_module_parameter_registration_hook(moved),  # type: ignore[arg-type]
        hooks.register_module_buffer_registration_hook(moved),  # type: ignore[arg-type]
    ]
    try:
        with _Building("cpu"):
            yield
    finally:
        for handle in handles:
            handle.remove()
