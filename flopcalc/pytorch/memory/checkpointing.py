"""Modules of a copy that are computed again in the backward."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from flopcalc.errors import FlopcalcError, clip


def checkpointed(modules: Sequence[tuple[str, nn.Module]], patterns: Sequence[str]) -> str:
    """Let the outermost modules that match run under torch's checkpoint; the note that says which ones.

    Raises FlopcalcError (unknown-layer).
    """
    from torch.utils.checkpoint import checkpoint

    chosen: list[str] = []
    for name, child in modules:
        inside = any(name.startswith(f"{outer}.") for outer in chosen)
        if name and not inside and any(fnmatchcase(name, pattern) for pattern in patterns):
            chosen.append(name)
            child.__dict__["forward"] = _again(checkpoint, child.forward)
    if not chosen:
        names = ", ".join(name for name, _ in modules if name and "." not in name)
        what = f"--checkpoint {clip(', '.join(patterns))} matches no module"
        raise FlopcalcError(
            "unknown-layer", what, f"the model has {clip(names)}; a pattern such as 'layer*' has a star"
        )
    shown = ", ".join(chosen[:6]) + (", ..." if len(chosen) > 6 else "")
    return f"computed again in the backward: {shown}"


def _again(checkpoint: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return run
