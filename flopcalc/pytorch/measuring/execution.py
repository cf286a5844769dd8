"""How a pass is executed: by the host, as a CUDA graph, or compiled."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.loading.user_errors import in_words
from flopcalc.pytorch.measuring.place import Place
from flopcalc.pytorch.measuring.subject import Pass

# Runs on another stream before a capture, as torch asks for: libraries allocate and choose algorithms in them.
_BEFORE_CAPTURE = 3


def executed(found: Pass, chosen: Place) -> Callable[[], object]:
    """What runs a pass once. Raises FlopcalcError (not-capturable, not-compilable) where it cannot be done."""
    if chosen.execution == "graph":
        return _captured(found)
    if chosen.execution == "compiled":
        return _compiled(found, chosen)
    return found.run


@cache
def capture_stream(device: int) -> Any:
    """One stream for all captures on a device: libraries keep a workspace for each stream that they were used on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _captured(found: Pass) -> Callable[[], object]:
    """The replay of a CUDA graph of one run, whose tensors stay at their addresses."""
    graph = torch.cuda.CUDAGraph()
    stream = capture_stream(torch.cuda.current_device())
    try:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_BEFORE_CAPTURE):
                found.run()
        torch.cuda.current_stream().wait_stream(stream)
        # Gradients that the capture makes are in the memory of the graph.
        found.forget()
        with torch.cuda.graph(graph, stream=stream):
            held = found.run()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        why = f"the pass cannot be captured in a CUDA graph: {in_words(error)}"
        hint = "a graph has no values that the host reads, and no tensors of changing sizes; write --execution eager"
        raise FlopcalcError("not-capturable", why, hint) from error

    def replay() -> object:
        graph.replay()
        return held

    return replay


def _compiled(found: Pass, chosen: Place) -> Callable[[], object]:
    """A run of the compiled pass; the first one, which compiles, has ended."""
    needs = "Triton" if chosen.on == "cuda" else "a C++ compiler"
    try:
        with warnings.catch_warnings():
            # The compiler warns about settings of the process that are the user's.
            warnings.simplefilter("ignore")
            compiled: Callable[..., Any] = torch.compile(found.call, dynamic=False)
            found.run_with(compiled)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        why = f"torch.compile failed: {in_words(error).partition(' Set TORCH')[0]}"
        raise FlopcalcError("not-compilable", why, f"it needs {needs}; write --execution eager") from error
    return lambda: found.run_with(compiled)
