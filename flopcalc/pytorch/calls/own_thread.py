"""Running a function in a thread of its own, for what torch keeps for each thread and does not clear."""

import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def in_own_thread(function: Callable[..., T], *args: Any) -> T:
    """What the function returns in a new thread, or raises there. It has the caller's context variables.

    Torch's tracer notes a size that is given to an operator, until the operator is recorded. If that fails, or the
    operator has no place for it, the note stays for the thread, and another trace stumbles over it.
    """
    found: list[T] = []
    raised: list[BaseException] = []
    context = contextvars.copy_context()

    def run() -> None:
        try:
            found.append(context.run(function, *args))
        except BaseException as error:
            raised.append(error)

    # A daemon: an interrupted caller does not wait for it.
    thread = threading.Thread(target=run, name="flopcalc", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]
