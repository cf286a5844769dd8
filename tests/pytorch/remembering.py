"""Functions that remember what they make, in all the places where such caches are; the tests count modules with them.

Each takes a tensor, and gives a tensor of ones like it.
"""

import functools
from typing import Any

import torch
from torch import Tensor

_TABLE: dict[str, Any] = {}
_NESTED: dict[str, Any] = {"inner": {"empty": {}}}
_LATER: Tensor | None = None


class _Store:
    tensor: Tensor | None = None


_STORE = _Store()
_OWN = _Store()
_OWN.tensor = None


class _Single:
    found: "_Single | None" = None
    tensors: dict[str, Tensor]

    def __new__(cls) -> "_Single":
        if cls.found is None:
            cls.found = object.__new__(cls)
            cls.found.tensors = {}
        return cls.found


def in_dict(like: Tensor) -> Tensor:
    """In a dict of the file."""
    if "ones" not in _TABLE:
        _TABLE["ones"] = torch.ones_like(like)
    found: Tensor = _TABLE["ones"]
    return found


def in_nested_dict(like: Tensor) -> Tensor:
    """In a dict in a dict."""
    inner = _NESTED["inner"]["empty"]
    if "ones" not in inner:
        inner["ones"] = (torch.ones_like(like), 1)
    found: Tensor = inner["ones"][0]
    return found


def in_global(like: Tensor) -> Tensor:
    """In a name of the file."""
    global _LATER  # noqa: PLW0603
    if _LATER is None:
        _LATER = torch.ones_like(like)
    return _LATER


def in_object(like: Tensor) -> Tensor:
    """In an attribute that an object has, and in one that only its class has."""
    for store in (_STORE, _OWN):
        if store.tensor is None:
            store.tensor = torch.ones_like(like)
    assert _STORE.tensor is not None
    assert _OWN.tensor is not None
    return _STORE.tensor * _OWN.tensor


def in_single(like: Tensor) -> Tensor:
    """In the only object of a class, which is made when it is first asked for."""
    return _Single().tensors.setdefault("ones", torch.ones_like(like))


def in_default(like: Tensor, _known: dict[str, Tensor] = {}) -> Tensor:  # noqa: B006
    """In a default argument."""
    return _known.setdefault("ones", torch.ones_like(like))


def in_attribute(like: Tensor) -> Tensor:
    """In an attribute of the function itself."""
    here: Any = in_attribute
    if not hasattr(here, "ones"):
        here.ones = torch.ones_like(like)
    found: Tensor = here.ones
    return found


@functools.cache
def _ones(size: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.ones(size, device=device)


def in_lru_cache(like: Tensor) -> Tensor:
    """In a cache of functools."""
    return _ones(tuple(like.shape), like.device)


def _with_closure() -> Any:
    known: list[Tensor] = []
    last: Tensor | None = None

    def in_closure(like: Tensor) -> Tensor:
        """In a list and in a name of a closure."""
        nonlocal last
        if not known:
            known.append(torch.ones_like(like))
        if last is None:
            last = torch.ones_like(like)
        return known[0] * last

    return in_closure


in_closure = _with_closure()

ALL = (
    *(in_dict, in_nested_dict, in_global, in_object, in_single, in_default, in_attribute, in_lru_cache),
    in_closure,
)
