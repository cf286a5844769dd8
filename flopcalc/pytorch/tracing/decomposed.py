"""torch's Python functions as copies that take a tracer for absent, so that the functions they call come to it."""

from types import FunctionType
from typing import Any

from torch.nn import functional

_CHECKS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def _absent(*values: Any) -> bool:
    return False


# Copies never change once they are made; two threads may make one twice.
_copies: dict[Any, Any] = {}
_globals: dict[str, Any] = {}


def decomposed(func: Any) -> Any:
    """The copy of a function of torch.nn.functional that is written in Python; None for other functions."""
    found = _copies.get(func, func)
    if found is func:
        found = _copies[func] = _copy(func)
    return found


def _copy(func: Any) -> Any:
    if type(func) is not FunctionType or func.__globals__ is not functional.__dict__ or func.__closure__:
        return None
    if not set(func.__code__.co_names) & set(_CHECKS):
        return None
    if not _globals:
        _globals.update(functional.__dict__, **dict.fromkeys(_CHECKS, _absent))
    made = FunctionType(func.__code__, _globals, func.__name__, func.__defaults__, func.__closure__)
    made.__kwdefaults__ = func.__kwdefaults__
    return made
