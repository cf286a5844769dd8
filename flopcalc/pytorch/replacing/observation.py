"""A forward pass that is observed: which convolutions it calls, at which sizes, and what reads their weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.counting.counter import Count, count_call
from flopcalc.pytorch.replacing.candidates import Candidates, Convolution

# What a forward may read of a convolution, and what its replacement may not have, or may use in another meaning.
_READABLE = frozenset(
    {"weight", "bias", "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"}
)


def observe(found: Candidates, args: Sequence[Any], named: Mapping[str, Any], options: Mapping[str, Any]) -> Count:
    """Count one forward pass, and note for each convolution its turn, its input shapes, and any reader of its weight.

    options: as of `count_call`. Raises FlopcalcError (uncountable-module) where the forward fails.
    """
    root, convolutions = found.root, found.convolutions
    if any(isinstance(module, torch.jit.ScriptModule) for module in root.modules()):
        why = f"{type(root).__name__} has scripted parts, which cannot be observed"
        raise FlopcalcError("uncountable-module", why, "call replace without inputs")
    running: list[nn.Module] = []
    readers: dict[int, tuple[nn.Module, str]] = {}
    turns = iter(range(len(convolutions)))

    def note(convolution: Convolution) -> Callable[..., None]:
        def called(module: nn.Module, given: tuple[Any, ...], by_name: dict[str, Any]) -> None:
            value = given[0] if given else next(iter(by_name.values()), None)
            shape = tuple(value.shape) if isinstance(value, Tensor) else ()
            if by_name and convolution.problem is None:
                convolution.problem = "the forward calls it by keyword (input=...), which other layers do not take"
            if convolution.turn is None:
                convolution.turn = next(turns)
            if shape not in convolution.shapes:
                convolution.shapes.append(shape)

        return called

    hooks = []
    with _running(root, running), _watched(convolutions, running, readers):
        try:
            for one in convolutions:
                hooks.append(one.module.register_forward_pre_hook(note(one), with_kwargs=True))
            counted = count_call(root, args, named, **options)
        finally:
            for hook in hooks:
                hook.remove()
    names = {id(module): name for name, module in root.named_modules()}
    for one in convolutions:
        if one.problem is not None:
            continue
        if id(one.conv) in readers:
            reader, what = readers[id(one.conv)]
            who = names.get(id(reader)) or type(reader).__name__
            one.problem = f"the forward of {who} reads its {what}"
        elif one.turn is None:
            one.problem = "the forward does not call it with these inputs"
    return counted


@contextmanager
def _running(root: nn.Module, stack: list[nn.Module]) -> Iterator[None]:
    """Keep in `stack` the modules that are running, the innermost last."""
    handles = []

    def leave(*_: Any) -> None:
        stack.pop()

    try:
        for module in root.modules():
            handles.append(module.register_forward_pre_hook(lambda running, _: stack.append(running)))
            handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _watched(
    convolutions: list[Convolution], running: list[nn.Module], readers: dict[int, tuple[nn.Module, str]]
) -> Iterator[None]:
    """Note which modules read the attributes of a convolution from outside."""

    class Conv2d(nn.Conv2d):
        """A convolution that notes its readers. Its name is that of the class it replaces, for messages."""

        def __getattribute__(self, name: str) -> Any:
            if name in _READABLE and running and running[-1] is not self:
                readers.setdefault(id(self), (running[-1], name))
            return super().__getattribute__(name)

    watched = [one.conv for one in convolutions if type(one.conv) is nn.Conv2d]
    try:
        for module in watched:
            module.__class__ = Conv2d
        yield
    finally:
        for module in watched:
            module.__class__ = nn.Conv2d
