"""torch's compiler, which stays out of a count.

Below a dispatch mode it compiles nothing, and it marks the code that it met, of the user's functions and of torch's own
branches and loops, as code that is never to be compiled again in this process.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_lock = threading.Lock()
_counts = 0
# What the last of several counts puts back; whether the compiler was there before the first.
_stance: Any = None
_was_there = False


@contextmanager
def compiler_aside() -> Iterator[None]:
    """Let compiled functions run as they are written, in all threads, until the last of several counts has ended."""
    global _counts, _stance, _was_there  # noqa: PLW0603 - the compiler is the process's
    with _lock:
        if not _counts:
            _was_there = "torch._dynamo" in sys.modules
            _stance = _force_eager() if _was_there else None
        _counts += 1
    try:
        yield
    finally:
        with _lock:
            _counts -= 1
            if not _counts:
                if _stance is not None:
                    _stance.__exit__(None, None, None)
                elif not _was_there and "torch._dynamo" in sys.modules:
                    # It was imported by the forward, so it holds nothing of anyone else.
                    torch._dynamo.reset()


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
