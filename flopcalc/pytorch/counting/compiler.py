"""torch's compiler, which stays out of a count.

Below a dispatch mode it compiles nothing, and it marks the code that it met, of the user's functions and of torch's own
branches and loops, as code that is never to be compiled again in this process.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from flopcalc.networks.shared_state import SharedState


def compiler_aside() -> AbstractContextManager[None]:
    """Let compiled functions run as they are written, in all threads, until the last of several counts has ended."""
    return _compiler.changed()


def _put_aside() -> Callable[[], None]:
    was_there = "torch._dynamo" in sys.modules
    stance = _force_eager() if was_there else None

    def back() -> None:
        if stance is not None:
            stance.__exit__(None, None, None)
        elif not was_there and "torch._dynamo" in sys.modules:
            # It was imported by the forward, so it holds nothing of anyone else.
            torch._dynamo.reset()

    return back


_compiler = SharedState(_put_aside)


@contextmanager
def fake_tensors_aside() -> Iterator[None]:
    """Let tensors be real, or on the meta device, where the caller has a FakeTensorMode on: it refuses all others."""
    if "torch._subclasses.fake_tensor" not in sys.modules:
        yield
        return
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    with unset_fake_temporarily():
        yield


def _force_eager() -> Any:
    """What ends the stance; None for a torch before 2.6, and inside of a compiled function."""
    if not hasattr(torch.compiler, "set_stance"):
        return None
    try:
        return torch.compiler.set_stance("force_eager")
    except RuntimeError:
        return None
