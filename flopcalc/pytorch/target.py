"""A Python model that a user names: loaded, counted, and with layers replaced."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.networks.inputs import Input
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.counter import check_countable
from flopcalc.pytorch.counting.inputs import arguments, read_batch
from flopcalc.pytorch.counting.network import ROOT, as_network, counted_network, explained
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.module import Loaded, load_module, load_object
from flopcalc.pytorch.loading.time_limit import TimeLimit, start_limit
from flopcalc.pytorch.replacing.swap import find_and_run, replace_candidates
from flopcalc.replacing.decide import Plan
from flopcalc.replacing.described import Replacement

__all__ = ["read_object", "read_target", "start_limit"]


def read_target(
    target: str,
    settings: Mapping[str, Any],
    inputs: Sequence[Input],
    batch: int = 1,
    plan: Plan | None = None,
    limit: TimeLimit | None = None,
    kernels: Sequence[Any] = (),
) -> tuple[Network, Replacement | None]:
    """Load, build and count the model that a user named, as it is and with layers replaced.

    limit: of the time for loading and building. Raises FlopcalcError for any error, also for those of the user's code.
    """
    with visiting(target):
        loaded = load_module(target, settings, limit)
        return _counted(loaded, target, settings, inputs, batch, plan, kernels)


def read_object(
    found: Any,
    settings: Mapping[str, Any],
    inputs: Sequence[Input],
    batch: int = 1,
    plan: Plan | None = None,
    kernels: Sequence[Any] = (),
) -> tuple[Network, Replacement | None]:
    """As `read_target`, for a module, a class or a function. A module stays as it is, and there is no time limit."""
    name = type(found).__name__ if isinstance(found, nn.Module) else getattr(found, "__name__", clip(found))
    return _counted(load_object(found, name, settings), name, settings, inputs, batch, plan, kernels)


def _counted(
    loaded: Loaded,
    name: str,
    settings: Mapping[str, Any],
    inputs: Sequence[Input],
    batch: int,
    plan: Plan | None,
    kernels: Sequence[Any],
) -> tuple[Network, Replacement | None]:
    try:
        if plan is None:
            network = counted_network(loaded.module, inputs, batch, name=name, options=settings, kernels=kernels)
            return network, None
        return _replaced(loaded, name, settings, inputs, read_batch(batch), plan)
    except (KeyboardInterrupt, FlopcalcError):
        raise
    except BaseException as error:
        why = f"the forward pass of {name} failed: {type(error).__name__}: {reason(error)}"
        raise FlopcalcError("uncountable-module", why, "see the traceback with --debug") from error


def _replaced(
    loaded: Loaded, name: str, settings: Mapping[str, Any], inputs: Sequence[Input], batch: int, plan: Plan
) -> tuple[Network, Replacement]:
    """The network as it is, and with layers replaced. A module that belongs to the user's code is copied first."""
    check_countable(loaded.module)
    args, named = arguments(inputs, batch)
    with explained(loaded.module, inputs):
        candidates, run = find_and_run(loaded.module, args, named, inplace=loaded.built)
    plain = as_network(candidates.root, run.counted, inputs, batch, name=name, options=settings)
    done, after = replace_candidates(candidates, run, plan)
    changed = as_network(done.module, after, inputs, batch, name=name, options=settings)
    return plain, Replacement(
        network=dataclasses.replace(changed, title=plain.title),
        plan=plan,
        replaced=tuple(name or ROOT for name in done.replaced),
        replaced_by={name or ROOT: label for name, label in done.replaced.items()},
        skipped=tuple((name or ROOT, why) for name, why in done.skipped.items()),
        notes=done.notes,
    )
