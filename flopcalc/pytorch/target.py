"""A Python model that a user names: loaded, counted, and with layers replaced."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.networks.inputs import Input
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.network import ROOT, arguments, counted_network
from flopcalc.pytorch.loading.module import Loaded, load_module, load_object, visiting
from flopcalc.pytorch.replacing.swap import replace
from flopcalc.replacing.decide import Plan
from flopcalc.replacing.described import Replacement


def read_target(
    target: str, settings: Mapping[str, Any], inputs: Sequence[Input], batch: int = 1, plan: Plan | None = None
) -> tuple[Network, Replacement | None]:
    """Load, build and count what a user named, as it is and with layers replaced.

    Raises FlopcalcError for whatever goes wrong, in the user's code as well.
    """
    with visiting(target):
        loaded = load_module(target, settings)
        return _counted(loaded, target, settings, inputs, batch, plan)


def read_object(
    found: Any, settings: Mapping[str, Any], inputs: Sequence[Input], batch: int = 1, plan: Plan | None = None
) -> tuple[Network, Replacement | None]:
    """As `read_target`, of a module, a class or a function that is there already. A module is left as it is."""
    name = type(found).__name__ if isinstance(found, nn.Module) else getattr(found, "__name__", clip(found))
    return _counted(load_object(found, name, settings), name, settings, inputs, batch, plan)


def _counted(
    loaded: Loaded, name: str, settings: Mapping[str, Any], inputs: Sequence[Input], batch: int, plan: Plan | None
) -> tuple[Network, Replacement | None]:
    try:
        plain = counted_network(loaded.module, inputs, batch, name=name, options=settings)
        return plain, _replaced(loaded, plain, inputs, plan) if plan else None
    except (KeyboardInterrupt, FlopcalcError):
        raise
    except BaseException as error:
        why = f"the forward pass of {name} failed: {type(error).__name__}: {reason(error)}"
        raise FlopcalcError("uncountable-module", why, "see the traceback with --debug") from error


def _replaced(loaded: Loaded, plain: Network, inputs: Sequence[Input], plan: Plan) -> Replacement:
    """The network again, with layers replaced. What the user's code holds on to is copied first."""
    texts = [request.text for request in plan.requests]
    given, named = arguments(inputs, plain.batch)
    if given and named:
        given = [*inspect.signature(loaded.module.forward).bind_partial(*given).arguments.items()]
        named, given = {**dict(given), **named}, []
    done = replace(loaded.module, texts, where=plan.where, keep=plan.keep, inputs=named or given, inplace=loaded.built)
    network = counted_network(done.module, inputs, plain.batch, name=plain.name, options=plain.options)
    return Replacement(
        dataclasses.replace(network, title=plain.title),
        plan,
        tuple(name or ROOT for name in done.replaced),
        {name or ROOT: label for name, label in done.replaced.items()},
        tuple((name or ROOT, why) for name, why in done.skipped.items()),
        done.notes,
    )
