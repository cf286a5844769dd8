"""Which module is running: the forward of each module of a copy tells the recorder its name."""

from collections.abc import Callable
from typing import Any

from torch import nn

from flopcalc.networks.progress import report
from flopcalc.pytorch.counting.recorder import Recorder


def name_modules(module: nn.Module, recorder: Recorder) -> None:
    """Wrap the forward of each module below `module`, itself included. It changes the module: give it a copy."""
    modules = list(module.named_modules())
    report(recorder.times, len(modules))
    for name, child in modules:
        # By the instance's dict: modules may define __setattr__, and a forward of the instance comes first anyway.
        child.__dict__["forward"] = _named(child.forward, name, recorder)


def _named(forward: Callable[..., Any], name: str, recorder: Recorder) -> Callable[..., Any]:
    enter, leave, abandon = recorder.enter, recorder.leave, recorder.abandon

    def run(*args: Any, **kwargs: Any) -> Any:
        enter(name)
        try:
            out = forward(*args, **kwargs)
        except BaseException as error:
            abandon(error)
            raise
        leave(args or kwargs, out)
        return out

    # Code that asks which arguments a forward takes finds those of the original.
    run.__wrapped__ = forward  # type: ignore[attr-defined]
    return run
