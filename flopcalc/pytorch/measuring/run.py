"""Measuring forward passes: building the modules, running them in turns, and leaving the process as it was."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import nn

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.contents import modules_of
from flopcalc.pytorch.counting.process_state import kept_state
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.time_limit import start_limit
from flopcalc.pytorch.loading.user_errors import FIX_IT, in_words
from flopcalc.pytorch.measuring.clock import Times, in_turns
from flopcalc.pytorch.measuring.execution import executed
from flopcalc.pytorch.measuring.place import Place, machine, measured_state, place, units
from flopcalc.pytorch.measuring.subject import Subject, of_model, of_network, of_operator, placed_on
from flopcalc.pytorch.opened import Request
from flopcalc.spec.operator import Evaluation

__all__ = ["Request", "Setting", "measure_described", "measure_model", "place", "setting", "start_limit"]


class Setting(NamedTuple):
    """What was measured with. threads: of the CPU; units: multiprocessors, or these threads."""

    machine: str
    threads: int
    units: int
    torch: str


def setting(on: str) -> Setting:
    """This machine and its PyTorch."""
    return Setting(machine(on), torch.get_num_threads(), units(on), torch.__version__)


def measure_described(subjects: Sequence[Network | Evaluation], chosen: Place, seconds: float) -> list[Times]:
    """The times of described networks or operators, which take turns. Raises FlopcalcError."""

    def build() -> list[Subject]:
        return [of_network(one) if isinstance(one, Network) else of_operator(one) for one in subjects]

    first = subjects[0]
    return _measured(build, chosen, seconds, first.name if isinstance(first, Network) else first.operator.name, ())


def measure_model(asked: Request, chosen: Place, seconds: float) -> list[Times]:
    """The times of a Python model, before replacement and after it where layers are replaced. Raises FlopcalcError."""
    what = asked.what
    if isinstance(what, str):
        with visiting(what):
            return _measured(lambda: of_model(asked), chosen, seconds, what, ())
    modules = [child for _, child in modules_of(what)] if isinstance(what, nn.Module) else []
    name = type(what).__name__ if modules else getattr(what, "__name__", clip(what))
    return _measured(lambda: of_model(asked), chosen, seconds, name, modules)


def _measured(
    build: Callable[[], Sequence[Subject]], chosen: Place, seconds: float, name: str, modules: Iterable[nn.Module]
) -> list[Times]:
    where = "the GPU" if chosen.on == "cuda" else "this machine"
    try:
        with kept_state(list(modules)), _cuda_numbers_kept(chosen), measured_state(chosen):
            passes = [placed_on(one, chosen) for one in build()]
            return in_turns([executed(one, chosen) for one in passes], seconds, chosen.on)
    except FlopcalcError:
        raise
    except Exception as error:
        if not _is_out_of_memory(error):
            what = "training step" if chosen.training else "forward"
            raise FlopcalcError(
                "unmeasurable-module",
                f"the {what} of {name} failed on {chosen.on} in {chosen.dtype}: {in_words(error)}",
                _hint(error),
            ) from error
    # Outside the handler: an error that this one would name as its context holds all tensors of the run.
    why = f"{name} does not fit into the memory of {where}"
    raise FlopcalcError("out-of-memory", why, "measure with a smaller --batch or --input")


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in ("not enough memory", "can't allocate memory"))


def _hint(error: Exception) -> str:
    text = reason(error)
    if "dtype" in text or "not implemented for" in text:
        return "choose another --dtype; float32 works for all networks"
    return FIX_IT


def _cuda_numbers_kept(chosen: Place) -> Any:
    """A forward may draw random numbers on the GPU; those of the CPU are kept by `kept_state`."""
    return torch.random.fork_rng(devices=[torch.cuda.current_device()]) if chosen.on == "cuda" else nullcontext()
