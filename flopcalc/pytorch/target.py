"""A Python model that a user names: loaded, counted, and with layers replaced."""

import dataclasses
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input
from flopcalc.networks.network import Network, Replay
from flopcalc.pytorch.counting.counter import check_countable
from flopcalc.pytorch.counting.inputs import arguments, read_batch
from flopcalc.pytorch.counting.network import ROOT, as_network, counted_network, explained, replay_of
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.module import Loaded, load_module, load_object
from flopcalc.pytorch.loading.time_limit import TimeLimit, start_limit
from flopcalc.pytorch.loading.user_errors import FIX_IT

if TYPE_CHECKING:
    from flopcalc.replacing.decide import Plan
    from flopcalc.replacing.described import Replacement

__all__ = ["read_object", "read_target", "start_limit"]


class _Request(NamedTuple):
    """What is asked about a loaded model. notes: on the inputs that were added."""

    name: str
    settings: Mapping[str, Any]
    inputs: Sequence[Input]
    batch: int
    plan: "Plan | None"
    call: ForwardCall
    kernels: Sequence[Any] = ()
    notes: tuple[str, ...] = ()


def read_target(
    target: str,
    settings: Mapping[str, Any],
    inputs: Sequence[Input],
    batch: int = 1,
    plan: "Plan | None" = None,
    limit: TimeLimit | None = None,
    call: ForwardCall = FORWARD,
    kernels: Sequence[Any] = (),
) -> "tuple[Network, Replacement | None]":
    """Load, build and count the model that a user named, as it is and with layers replaced.

    limit: of the time for loading and building. call: the method, the device and the keywords that are not tensors.
    kernels: rules for kernels of this target. Raises FlopcalcError for any error, also for those of the user's code.
    """
    with visiting(target):
        loaded = load_module(target, settings, limit)
        if not target.startswith("hf:"):
            return _counted(loaded, _Request(target, settings, inputs, batch, plan, call, kernels), limit)
        from flopcalc.pytorch.loading.transformers_models import model_inputs, other_inputs

        inputs, notes = model_inputs(loaded.module, target, inputs)
        try:
            return _counted(loaded, _Request(target, settings, inputs, batch, plan, call, kernels, notes), limit)
        except FlopcalcError as error:
            hint = other_inputs(loaded.module, inputs) if error.hint == FIX_IT else ""
            if not hint:
                raise
            raise FlopcalcError(error.code, error.message, hint, error.exit_code) from error


def read_object(
    found: Any,
    settings: Mapping[str, Any],
    inputs: Sequence[Input],
    batch: int = 1,
    plan: "Plan | None" = None,
    call: ForwardCall = FORWARD,
    kernels: Sequence[Any] = (),
) -> "tuple[Network, Replacement | None]":
    """As `read_target`, for a module, a class or a function. A module stays as it is, and there is no time limit."""
    name = type(found).__name__ if isinstance(found, nn.Module) else getattr(found, "__name__", clip(found))
    request = _Request(name, settings, inputs, batch, plan, call, kernels)
    return _counted(load_object(found, name, settings), request, None)


def _counted(loaded: Loaded, asked: _Request, limit: TimeLimit | None) -> "tuple[Network, Replacement | None]":
    _check_method(loaded.module, asked)
    try:
        if asked.plan is not None:
            return _replaced(loaded, asked._replace(batch=read_batch(asked.batch)), asked.plan, limit)
        network = counted_network(
            loaded.module,
            asked.inputs,
            asked.batch,
            name=asked.name,
            options=asked.settings,
            call=asked.call,
            rebuild=loaded.builder(limit),
            kernels=asked.kernels,
        )
        return dataclasses.replace(network, remarks=(*network.remarks, *asked.notes)), None
    except (KeyboardInterrupt, FlopcalcError):
        raise
    except BaseException as error:
        why = f"the forward pass of {asked.name} failed: {type(error).__name__}: {reason(error)}"
        raise FlopcalcError("uncountable-module", why, "see the traceback with --debug") from error


def _check_method(module: nn.Module, asked: _Request) -> None:
    """Raise FlopcalcError (unknown-attribute) where the module does not have the method."""
    method = asked.call.method
    if callable(getattr(module, method, None)):
        return
    own = [name for name in dir(type(module)) if not name.startswith("_") and not hasattr(nn.Module, name)]
    known = [name for name in ("forward", *own) if callable(getattr(type(module), name, None))]
    near = get_close_matches(method, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has: {', '.join(known[:12])}"
    raise FlopcalcError("unknown-attribute", f"{asked.name} has no method {clip(method)}", hint)


def _replaced(loaded: Loaded, asked: _Request, plan: "Plan", limit: TimeLimit | None) -> "tuple[Network, Replacement]":
    """The network as it is, and with layers replaced. A module that belongs to the user's code is copied first.

    One that was built for this call need not be possible to copy, and may be kept by its factory. It is changed in
    place, and holds its own layers again afterwards.
    """
    # Most models are counted as they are.
    from flopcalc.pytorch.replacing.candidates import held, holding
    from flopcalc.pytorch.replacing.swap import find_and_run, replace_candidates
    from flopcalc.replacing.described import Replacement

    check_countable(loaded.module)
    inputs, call = asked.inputs, asked.call
    args, named = arguments(inputs, asked.batch, loaded.module, call)
    with explained(loaded.module, inputs, call):
        candidates, run = find_and_run(
            loaded.module,
            args,
            named,
            inplace=loaded.built,
            method=call.method,
            on=call.on,
            kernels=asked.kernels,
            rebuild=loaded.builder(limit),
        )
    network = partial(as_network, inputs=inputs, batch=asked.batch, name=asked.name, options=asked.settings)

    def replay(module: nn.Module) -> Replay:
        return replay_of(module, args, named, call, partial(network, module), kernels=asked.kernels)

    plain = network(candidates.root, run.counted, replay=replay(candidates.root))
    with holding(held(candidates)):
        done, after = replace_candidates(candidates, run, plan)
        changed = network(done.module, after)
        new = partial(holding, held(candidates))
    return plain, Replacement(
        network=dataclasses.replace(changed, title=plain.title, replay=replay(done.module).within(new)),
        plan=plan,
        replaced=tuple(name or ROOT for name in done.replaced),
        replaced_by={name or ROOT: label for name, label in done.replaced.items()},
        skipped=tuple((name or ROOT, why) for name, why in done.skipped.items()),
        notes=(*done.notes, *asked.notes),
    )
