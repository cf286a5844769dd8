"""A Python model that a user names, counted on symbolic sizes: as it is, and with layers replaced."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from torch import nn

from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.network import ROOT
from flopcalc.pytorch.loading.time_limit import start_limit
from flopcalc.pytorch.opened import Opened, Request, opened, with_layers_replaced
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, counted_at, symbolic_network

__all__ = ["Request", "SymbolicRun", "read_symbolic", "start_limit"]

T = TypeVar("T")


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
    with opened(asked) as model:
        return use(_run(model))


def _run(model: Opened) -> SymbolicRun:
    loaded, asked, name, notes = model
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
    done = with_layers_replaced(loaded.module, asked, asked.plan)
    names = tuple(one or ROOT for one in done.replaced)
    return SymbolicRun(plain, symbolic(done.module), names, (*notes, *done.notes), counted)
