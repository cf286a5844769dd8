"""Random numbers of a forward on real values: from a generator of our own, so that the process's stays as it is."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

Random = Callable[..., Any]
aten = torch.ops.aten


@functools.cache
def own_random(func: OpOverload) -> Random | None:
    """How to run an operator with a given generator; None for an operator that draws no random numbers."""
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return None
    names = [argument.name for argument in func._schema.arguments]
    if "generator" in names:
        position = names.index("generator")

        def with_generator(own: torch.Generator, /, *args: Any, **kwargs: Any) -> Any:
            if position < len(args):
                return func(*args[:position], own, *args[position + 1 :], **kwargs)
            return func(*args, **{**kwargs, "generator": own})

        return with_generator
    if (made := _BY_HAND.get(str(func.overloadpacket))) is not None:
        return made
    for name in func.overloadpacket.overloads():
        other = getattr(func.overloadpacket, name)
        if [one.name for one in other._schema.arguments if one.name != "generator"] == names and other is not func:
            return lambda own, /, *args, **kwargs: other(*args, **{**kwargs, "generator": own})
    return None


def _uniform_like(generator: torch.Generator, like: Tensor, **kwargs: Any) -> Tensor:
    made: Tensor = aten.empty_like.default(like, **kwargs)
    return made.uniform_(generator=generator)


def _normal_like(generator: torch.Generator, like: Tensor, **kwargs: Any) -> Tensor:
    made: Tensor = aten.empty_like.default(like, **kwargs)
    return made.normal_(generator=generator)


def _integers_like(generator: torch.Generator, like: Tensor, *bounds: Any, **kwargs: Any) -> Tensor:
    low, high = (0, *bounds)[-2:]
    made: Tensor = aten.empty_like.default(like, **kwargs)
    return made.random_(int(low), int(high), generator=generator)


def _dropout(generator: torch.Generator, given: Tensor, p: float, train: bool | None = None) -> tuple[Tensor, Tensor]:
    if train is False:
        return given.clone(), torch.ones_like(given, dtype=torch.bool)
    kept = torch.empty_like(given, dtype=torch.bool).bernoulli_(1 - p, generator=generator)
    return given * kept * (1 / (1 - p) if p < 1 else 0), kept


_BY_HAND: dict[str, Random] = {
    "aten.rand_like": _uniform_like,
    "aten.randn_like": _normal_like,
    "aten.randint_like": _integers_like,
    "aten.native_dropout": _dropout,
}
