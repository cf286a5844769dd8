"""Following the tensors of a Python model that a user names, or of the module of a description."""

from collections.abc import Callable
from typing import Any

import torch

from flopcalc.errors import FlopcalcError, reason
from flopcalc.networks.memory import Followed
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.counter import check_countable
from flopcalc.pytorch.counting.inputs import arguments, read_batch
from flopcalc.pytorch.counting.network import explained
from flopcalc.pytorch.described import module_of
from flopcalc.pytorch.loading.time_limit import start_limit
from flopcalc.pytorch.memory.run import Subject, Way, follow
from flopcalc.pytorch.opened import Opened, Request, opened, with_layers_replaced

__all__ = ["Request", "follow_described", "follow_target", "start_limit"]


def follow_target(asked: Request, question: Any) -> tuple[str, str, Followed]:
    """The name, the title and the tensors of a model. Raises FlopcalcError."""
    with opened(asked) as model:
        return _follow(model, question)


def follow_described(network: Network, question: Any) -> Followed:
    """The tensors of the module that a description mirrors, or of one built from it. Raises FlopcalcError."""
    module = module_of(network)
    shape = (network.batch, *network.input_shape)
    return _explained(lambda: follow(Subject(module, [shape], {}), _way(question)), network.name)


def _follow(model: Opened, question: Any) -> tuple[str, str, Followed]:
    loaded, asked, name, notes = model
    module = loaded.module
    check_countable(module)
    batch = read_batch(asked.batch)
    more: tuple[str, ...] = ()
    if asked.plan is not None:
        done = with_layers_replaced(module, asked, asked.plan)
        module, more = done.module, (f"{len(done.replaced)} layers replaced by {asked.plan.text}", *done.notes)
    args, named = arguments(asked.inputs, batch, module, asked.call)
    rebuild = loaded.builder(asked.limit) if asked.plan is None else None
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
        freeze=question.freeze,
    )
