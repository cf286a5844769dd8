"""Following the tensors of a Python model that a user names, or of the module of a description."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from flopcalc.errors import FlopcalcError, reason
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input
from flopcalc.networks.memory import Followed
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.counter import check_countable
from flopcalc.pytorch.counting.inputs import arguments, read_batch
from flopcalc.pytorch.counting.network import explained
from flopcalc.pytorch.described import module_of
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.module import Loaded, load_module, load_object
from flopcalc.pytorch.loading.time_limit import TimeLimit, start_limit
from flopcalc.pytorch.memory.run import Subject, Way, follow

if TYPE_CHECKING:
    from flopcalc.replacing.decide import Plan

__all__ = ["Request", "follow_described", "follow_target", "start_limit"]


class Request(NamedTuple):
    """What is asked about a model, as in `TargetSpec`."""

    what: Any
    settings: Mapping[str, Any]
    inputs: Sequence[Input]
    batch: int
    plan: "Plan | None"
    limit: TimeLimit | None
    call: ForwardCall = FORWARD
    kernels: Sequence[Any] = ()


def follow_target(asked: Request, question: Any) -> tuple[str, str, Followed]:
    """The name, the title and the tensors of a model. Raises FlopcalcError."""
    if not isinstance(asked.what, str):
        name = type(asked.what).__name__ if isinstance(asked.what, nn.Module) else getattr(asked.what, "__name__", "")
        return _follow(load_object(asked.what, name, asked.settings), asked, question, name, ())
    with visiting(asked.what):
        loaded = load_module(asked.what, asked.settings, asked.limit)
        notes: tuple[str, ...] = ()
        if asked.what.startswith("hf:"):
            from flopcalc.pytorch.loading.transformers_models import model_inputs

            inputs, notes = model_inputs(loaded.module, asked.what, asked.inputs)
            asked = asked._replace(inputs=inputs)
        return _follow(loaded, asked, question, asked.what, notes)


def follow_described(network: Network, question: Any) -> Followed:
    """The tensors of the module that a description mirrors, or of one built from it. Raises FlopcalcError."""
    module = module_of(network)
    shape = (network.batch, *network.input_shape)
    return _explained(lambda: follow(Subject(module, [shape], {}), _way(question)), network.name)


def _follow(
    loaded: Loaded, asked: Request, question: Any, name: str, notes: tuple[str, ...]
) -> tuple[str, str, Followed]:
    module = loaded.module
    check_countable(module)
    batch = read_batch(asked.batch)
    more: tuple[str, ...] = ()
    if asked.plan is not None:
        module, more = _replaced(module, asked, asked.plan)
    args, named = arguments(asked.inputs, batch, module, asked.call)
    rebuild = None
    if loaded.rebuild is not None and asked.plan is None:
        again, limit = loaded.rebuild, asked.limit

        def rebuild() -> nn.Module:
            return again(start_limit(limit.seconds, ends_process=limit.ends_process) if limit else None)

    subject = Subject(module, args, named, asked.call.method, asked.call.on, rebuild)
    with explained(module, asked.inputs, asked.call):
        found = _explained(lambda: follow(subject, _way(question)), name)
    title = f"{type(module).__name__} | {name}" if isinstance(asked.what, str) else name
    return name, title, found._replace(notes=(*notes, *more, *found.notes))


def _explained(run: Callable[[], Followed], name: str) -> Followed:
    try:
        return run()
    except (KeyboardInterrupt, FlopcalcError):
        raise
    except BaseException as error:
        why = f"the pass of {name} failed: {type(error).__name__}: {reason(error)}"
        raise FlopcalcError("uncountable-module", why, "see the traceback with --debug") from error


def _way(question: Any) -> Way:
    """The question (`flopcalc.analysis.memory.question.Question`) in torch's terms."""

    def dtype(name: str | None) -> torch.dtype | None:
        return None if name is None else getattr(torch, name)

    return Way(
        training=question.training,
        rules=question.rules,
        dtype=dtype(question.dtype),
        autocast=dtype(question.autocast),
        checkpoint=question.checkpoint,
        accumulate=question.accumulate > 1,
    )


def _replaced(module: nn.Module, asked: Request, plan: "Plan") -> tuple[nn.Module, tuple[str, ...]]:
    """A copy of the module with layers replaced, and notes."""
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
    return done.module, (f"{len(done.replaced)} layers replaced by {plan.text}", *done.notes)
