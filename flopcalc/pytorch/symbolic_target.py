"""A Python model that a user names, counted on symbolic sizes: as it is, and with layers replaced."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from torch import nn

from flopcalc.errors import FlopcalcError
from flopcalc.networks.inputs import ForwardCall, Input
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.inputs import arguments
from flopcalc.pytorch.counting.network import ROOT, explained
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.module import Loaded, load_module, load_object
from flopcalc.pytorch.loading.time_limit import TimeLimit, start_limit
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, counted_at, symbolic_network

if TYPE_CHECKING:
    from flopcalc.replacing.decide import Plan

__all__ = ["Request", "SymbolicRun", "read_symbolic", "start_limit"]

T = TypeVar("T")


class Request(NamedTuple):
    """What is asked about a model, as in `TargetSpec`. vary: names of axes; None for the usual ones."""

    what: Any
    settings: Mapping[str, Any]
    inputs: Sequence[Input]
    batch: int
    plan: "Plan | None"
    limit: TimeLimit | None
    call: ForwardCall
    kernels: Sequence[Any]
    vary: Sequence[str] | None


class SymbolicRun(NamedTuple):
    """A model on symbolic sizes. replaced: with layers replaced, None if that was not asked for; names: those layers.

    counted: the ordinary count of the one or the other at a point, by symbol.
    """

    plain: SymbolicNetwork
    replaced: SymbolicNetwork | None
    names: tuple[str, ...]
    notes: tuple[str, ...]
    counted: Callable[[SymbolicNetwork, Mapping[str, int]], Network]


def read_symbolic(asked: Request, use: Callable[[SymbolicRun], T]) -> T:
    """What `use` makes of the model on symbolic sizes; it may count the model again. Raises FlopcalcError."""
    if not isinstance(asked.what, str):
        name = type(asked.what).__name__ if isinstance(asked.what, nn.Module) else getattr(asked.what, "__name__", "")
        return use(_run(load_object(asked.what, name, asked.settings), asked, name, ()))
    with visiting(asked.what):
        loaded = load_module(asked.what, asked.settings, asked.limit)
        notes: tuple[str, ...] = ()
        if asked.what.startswith("hf:"):
            from flopcalc.pytorch.loading.transformers_models import model_inputs

            inputs, notes = model_inputs(loaded.module, asked.what, asked.inputs)
            asked = asked._replace(inputs=inputs)
        return use(_run(loaded, asked, asked.what, notes))


def _run(loaded: Loaded, asked: Request, name: str, notes: tuple[str, ...]) -> SymbolicRun:
    modules: dict[int, nn.Module] = {}

    def symbolic(module: nn.Module) -> SymbolicNetwork:
        found = symbolic_network(
            module,
            list(asked.inputs),
            asked.batch,
            vary=asked.vary,
            name=name,
            options=asked.settings,
            call=asked.call,
            kernels=asked.kernels,
        )
        modules[id(found)] = module
        return found

    def counted(found: SymbolicNetwork, point: Mapping[str, int]) -> Network:
        module = modules[id(found)]
        return counted_at(found, module, list(asked.inputs), asked.batch, point, call=asked.call, kernels=asked.kernels)

    plain = symbolic(loaded.module)
    if asked.plan is None:
        return SymbolicRun(plain, None, (), notes, counted)
    changed, names, more = _replaced(loaded.module, asked, asked.plan)
    return SymbolicRun(plain, symbolic(changed), names, (*notes, *more), counted)


def _replaced(module: nn.Module, asked: Request, plan: "Plan") -> tuple[nn.Module, tuple[str, ...], tuple[str, ...]]:
    """A copy of the module with layers replaced, the names of these, and notes."""
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
    return done.module, tuple(one or ROOT for one in done.replaced), tuple(done.notes)
