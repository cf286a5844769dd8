"""A Python model that a user names: what is asked about it, the loaded model, and a copy with layers replaced."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from flopcalc.errors import FlopcalcError
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input
from flopcalc.pytorch.counting.inputs import arguments
from flopcalc.pytorch.counting.network import explained
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.module import Loaded, load_module, load_object
from flopcalc.pytorch.loading.time_limit import TimeLimit

if TYPE_CHECKING:
    from flopcalc.pytorch.replacing.swap import Replaced
    from flopcalc.replacing.decide import Plan


class Request(NamedTuple):
    """What is asked about a model, as in `TargetSpec`. vary: names of axes; None for the usual ones."""

    what: Any
    settings: Mapping[str, Any]
    inputs: Sequence[Input]
    batch: int
    plan: "Plan | None"
    limit: TimeLimit | None
    call: ForwardCall = FORWARD
    kernels: Sequence[Any] = ()
    vary: Sequence[str] | None = None


class Opened(NamedTuple):
    """A loaded model and its name. asked: with its usual inputs, where none were given; notes: on these."""

    loaded: Loaded
    asked: Request
    name: str
    notes: tuple[str, ...] = ()


@contextmanager
def opened(asked: Request) -> Iterator[Opened]:
    """The loaded model; meanwhile the folder of its file can be imported from. Raises FlopcalcError."""
    with visiting(asked.what) if isinstance(asked.what, str) else nullcontext():
        yield load(asked)


def load(asked: Request) -> Opened:
    """The model, loaded where it is named by text; call it inside `visiting`. Raises FlopcalcError."""
    what = asked.what
    if not isinstance(what, str):
        name = type(what).__name__ if isinstance(what, nn.Module) else getattr(what, "__name__", type(what).__name__)
        return Opened(load_object(what, name, asked.settings), asked, name)
    loaded = load_module(what, asked.settings, asked.limit)
    notes: tuple[str, ...] = ()
    if what.startswith("hf:"):
        from flopcalc.pytorch.loading.transformers_models import model_inputs

        inputs, notes = model_inputs(loaded.module, what, asked.inputs)
        asked = asked._replace(inputs=inputs)
    return Opened(loaded, asked, what, notes)


def with_layers_replaced(module: nn.Module, asked: Request, plan: "Plan") -> "Replaced":
    """A copy of the module with layers replaced. Raises FlopcalcError (nothing-replaced)."""
    from flopcalc.pytorch.replacing.swap import find_and_run, replace_candidates

    args, named = arguments(asked.inputs, asked.batch, module, asked.call)
    with explained(module, asked.inputs, asked.call):
        candidates, run = find_and_run(
            module, args, named, inplace=False, method=asked.call.method, on=asked.call.on, kernels=asked.kernels
        )
    done, _ = replace_candidates(candidates, run, plan)
    if not done.replaced:
        why = f"{plan.text} replaces nothing"
        raise FlopcalcError("nothing-replaced", why, "`flopcalc model ... --replace` shows the reason for each layer")
    return done
