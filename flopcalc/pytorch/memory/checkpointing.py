"""Modules of a copy that are computed again in the backward."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from flopcalc.errors import FlopcalcError, clip

Again = Callable[[], AbstractContextManager[object]]


def checkpointed(modules: Sequence[tuple[str, nn.Module]], patterns: Sequence[str], again: Again) -> str:
    """Let the outermost modules that match run under torch's checkpoint; the note that says which ones.

    again: what is active while a module is computed again. Raises FlopcalcError (unknown-layer).
    """
    from torch.utils.checkpoint import checkpoint

    chosen: list[str] = []
    for name, child in modules:
        inside = any(name.startswith(f"{outer}.") for outer in chosen)
        if name and not inside and any(fnmatchcase(name, pattern) for pattern in patterns):
            chosen.append(name)
            child.__dict__["forward"] = _again(checkpoint, child.forward, again)
    if not chosen:
        names = ", ".join(name for name, _ in modules if name and "." not in name)
        what = f"--checkpoint {clip(', '.join(patterns))} matches no module"
        raise FlopcalcError(
            "unknown-layer", what, f"the model has {clip(names)}; a pattern such as 'layer*' has a star"
        )
    shown = ", ".join(chosen[:6]) + (", ..." if len(chosen) > 6 else "")
    return f"computed again in the backward: {shown}"


def _again(checkpoint: Any, forward: Callable[..., Any], again: Again) -> Callable[..., Any]:
    def inner(*args: Any, **kwargs: Any) -> Any:
        if torch._C._current_autograd_node() is None:
            return forward(*args, **kwargs)
        # Autograd calls it where no mode for functions is active.
        with again():
            return forward(*args, **kwargs)

    def run(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(inner, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return run
