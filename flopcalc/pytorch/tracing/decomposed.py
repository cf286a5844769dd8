"""torch's Python functions as copies that take a tracer for absent, so that the functions they call come to it."""

from functools import cache
from types import FunctionType
from typing import Any

from torch.nn import functional

_CHECKS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def _absent(*values: Any) -> bool:
    return False


@cache
def decomposed(func: Any) -> Any:
    """The copy of a function of torch.nn.functional that is written in Python; None for other functions."""
    if type(func) is not FunctionType or func.__globals__ is not functional.__dict__ or func.__closure__:
        return None
    made = FunctionType(func.__code__, globals_of_copies(), func.__name__, func.__defaults__, func.__closure__)
    made.__kwdefaults__ = func.__kwdefaults__
    return made


@cache
def globals_of_copies() -> dict[str, Any]:
    """The names that the copies see."""
    return {**functional.__dict__, **dict.fromkeys(_CHECKS, _absent)}
