"""A Python model that a user names, on symbolic sizes: as it is, and with layers replaced."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from flopcalc.errors import clip
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.inputs import arguments, read_batch
from flopcalc.pytorch.counting.network import ROOT, counted_network, explained
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.module import load_module, load_object
from flopcalc.pytorch.loading.time_limit import TimeLimit
from flopcalc.pytorch.target import read_object, read_target
from flopcalc.pytorch.tracing.axes import resized
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, symbolic_network

if TYPE_CHECKING:
    from flopcalc.replacing.decide import Plan
    from flopcalc.replacing.described import Replacement


class SymbolicTarget(NamedTuple):
    """found: the network on symbolic sizes, with its scope, axes and what is fixed. replacement: with layers replaced.

    concrete: the network and the replacement at a point, by symbol, as `read_target` gives them. notes: on inputs that
    were added.
    """

    found: SymbolicNetwork
    replacement: "Replacement | None"
    concrete: "Callable[[Mapping[str, Any]], tuple[Network, Replacement | None]]"
    notes: tuple[str, ...] = ()


def read_symbolic(
    what: Any,
    settings: Mapping[str, Any],
    inputs: Sequence[Input],
    batch: int = 1,
    vary: Sequence[str] | None = None,
    plan: "Plan | None" = None,
    limit: TimeLimit | None = None,
    call: ForwardCall = FORWARD,
    kernels: Sequence[Any] = (),
) -> SymbolicTarget:
    """Load, build and count a model on symbolic sizes: one that is named by text, or a module, a class or a function.

    The arguments are those of `read_target` and `read_object`; vary: of `symbolic_network`. Layers are replaced as at
    the sizes that are given. Raises FlopcalcError as both do.
    """
    named = isinstance(what, str)
    name = (
        what if named else type(what).__name__ if isinstance(what, nn.Module) else getattr(what, "__name__", clip(what))
    )
    batch = read_batch(batch)

    def there() -> AbstractContextManager[object]:
        return visiting(what) if named else nullcontext()

    notes: tuple[str, ...] = ()
    with there():
        loaded = load_module(what, settings, limit) if named else load_object(what, name, settings)
        if named and what.startswith("hf:"):
            from flopcalc.pytorch.loading.transformers_models import model_inputs

            inputs, notes = model_inputs(loaded.module, what, inputs)
        changed = None if plan is None else _changed(loaded.module, inputs, batch, plan, call, kernels)
        found = symbolic_network(
            loaded.module,
            list(inputs),
            batch,
            vary=vary,
            name=name,
            options=settings,
            call=call,
            kernels=kernels,
            others=() if changed is None else (changed.module,),
        )

    def concrete(point: Mapping[str, Any]) -> "tuple[Network, Replacement | None]":
        given, size = resized(inputs, batch, found.axes, point)
        many: Any = size
        if plan is None:
            with there():
                return counted_network(loaded.module, given, many, name=name, call=call, kernels=kernels), None
        if named:
            return read_target(what, settings, given, many, plan, limit, call, kernels)
        return read_object(what, settings, given, many, plan, call, kernels)

    replacement = None if changed is None else changed.replacement(found)
    return SymbolicTarget(found, replacement, concrete, notes)


class _Changed(NamedTuple):
    """A copy of a module with layers replaced, and what was done."""

    module: nn.Module
    done: Any
    plan: "Plan"

    def replacement(self, found: SymbolicNetwork) -> "Replacement":
        """What came of it, with the network on symbolic sizes."""
        from flopcalc.replacing.described import Replacement

        return Replacement(
            network=dataclasses.replace(found.others[0], title=found.network.title),
            plan=self.plan,
            replaced=tuple(name or ROOT for name in self.done.replaced),
            replaced_by={name or ROOT: label for name, label in self.done.replaced.items()},
            skipped=tuple((name or ROOT, why) for name, why in self.done.skipped.items()),
            notes=self.done.notes,
        )


def _changed(
    module: nn.Module, inputs: Sequence[Input], batch: int, plan: "Plan", call: ForwardCall, kernels: Sequence[Any]
) -> _Changed:
    # Most models are counted as they are.
    from flopcalc.pytorch.replacing.swap import find_and_run, replace_candidates

    args, named = arguments(inputs, batch, module, call)
    with explained(module, inputs, call):
        candidates, run = find_and_run(
            module, args, named, inplace=False, method=call.method, on=call.on, kernels=kernels
        )
    done, _ = replace_candidates(candidates, run, plan)
    return _Changed(done.module, done, plan)
