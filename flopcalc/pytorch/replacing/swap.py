"""Replacing the convolutions of a real module by operators, by the same decisions as in described networks."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.errors import FlopcalcError, clip
from flopcalc.pytorch.counting.counter import Count, count
from flopcalc.pytorch.layers import build_layer
from flopcalc.pytorch.replacing.survey import MARK, Convolution, Survey, arguments, geometry_of, observe, survey
from flopcalc.replacing.decide import Decision, Plan, Spot, check_sizes_known, decide, notes, plan
from flopcalc.spec.operator import Evaluation

# Stands for the input's size where it is not known; rules that ask for it refuse.
_ANY_SIZE = 2**20


@dataclass(frozen=True)
class Replaced:
    """A module with convolutions replaced, and what was done.

    replaced: name -> the operator as it is written. skipped: name -> why that convolution stays. Both in
    order of execution where inputs were given, else of registration. Names are those of
    `named_modules`; a shared module goes by its first.
    """

    module: nn.Module
    replaced: dict[str, str]
    skipped: dict[str, str]
    notes: tuple[str, ...]


def replace(
    module: nn.Module,
    what: str | Sequence[str],
    *,
    where: str | None = None,
    keep: str | Iterable[str] = (),
    inputs: Any = None,
    inplace: bool = False,
) -> Replaced:
    """Replace the convolutions of any module by operators: `replace(model, "spconv:alpha=1/4")`.

    what: an operator with options and perhaps a clause (`ghost where k == 1`), or several, of which the
    first that takes a layer has it. where, keep: as `flopcalc model --where --keep`. inputs: what the
    forward takes, as for `count` (a shape, a tensor, a list or a dict of these); with them the order of
    execution and all sizes are known, and the changed module is run (on the meta device) to see that
    every new layer is called and that the output's shape stays. The model is copied unless inplace;
    in place, a model that is itself a convolution is still replaced only in the result.

    New layers have fresh random weights, are trainable, and have the device, dtype and mode (training
    or not) of the old. Raises FlopcalcError for wrong requests, and where the changed forward fails;
    a module that is changed in place is then as it was.
    """
    if not isinstance(module, nn.Module):
        raise FlopcalcError("bad-module", f"{clip(module)} is not an nn.Module", "give an instance of nn.Module")
    _check_texts(what, where, keep)
    asked = plan(what, where, keep)
    check_sizes_known(asked, inputs is not None)
    if inputs is not None:
        arguments(inputs)
    root = module if inplace else _copy(module)
    found = survey(root)
    before = None if inputs is None else observe(root, found.convolutions, inputs)
    order, decisions = _decisions(found, asked, sized=inputs is not None)
    skipped = {decision.spot.name: decision.reason for decision in decisions if decision.request is None}
    swaps: list[_Swap] = []
    for convolution, decision in zip(order, decisions, strict=True):
        if decision.request is not None:
            try:
                swaps.append(_Swap(convolution, decision, _new(convolution.conv, decision)))
            except FlopcalcError as error:
                skipped[decision.spot.name] = error.message
    for swap in swaps:
        swap.put(swap.new)
    if before is not None:
        missed = _confirm(root, swaps, before, inputs)
        swaps = [swap for swap in swaps if swap not in missed]
        never = "the forward does not call it through its place in the model"
        skipped |= {swap.decision.spot.name: never for swap in missed}
    done = {swap.decision.spot.name: swap for swap in swaps}
    names = [convolution.names[0] for convolution in order]
    return Replaced(
        done[""].new if "" in done else root,
        {name: done[name].label for name in names if name in done},
        {name: skipped[name] for name in names if name in skipped},
        tuple(_notes(swaps, decisions, asked, found, type(module).__name__, ran=inputs is not None)),
    )


def _check_texts(what: object, where: object, keep: object) -> None:
    """Refuse what is no text, or no list of texts."""
    for name, value in (("what", what), ("where", where), ("keep", keep)):
        several = list(value) if isinstance(value, list | tuple | set | frozenset) and name != "where" else [value]
        if not all(isinstance(one, str) or (one is None and name == "where") for one in several):
            raise FlopcalcError(
                "bad-usage", f"{name} is {clip(value)}, not a text", 'for example replace(model, "spconv")'
            )


def _copy(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except Exception as error:
        why = " ".join(str(error).split())[:150]
        raise FlopcalcError(
            "cannot-copy", f"{type(module).__name__} cannot be copied: {why}", "change the module itself: inplace=True"
        ) from error


def _decisions(found: Survey, asked: Plan, sized: bool) -> tuple[list[Convolution], list[Decision]]:
    """The convolutions in order of execution (or of registration, unless sized), with what becomes of each."""
    order, among = list(found.convolutions), len(found.convolutions)
    if sized:
        never = among
        order = sorted(order, key=lambda one: never if one.turn is None else one.turn)
        among = sum(one.turn is not None for one in order)
    spots = [_spot(one, place, among, sized) for place, one in enumerate(order)]
    return order, decide(spots, asked, found.names)


def _spot(convolution: Convolution, place: int, among: int, sized: bool) -> Spot:
    module, problem, geometries = convolution.conv, convolution.problem, []
    if problem is None and isinstance(module, nn.Conv2d):
        shapes = convolution.shapes if sized else [(1, module.in_channels, _ANY_SIZE, _ANY_SIZE)]
        try:
            geometries = [geometry_of(module, shape) for shape in shapes]
        except FlopcalcError as error:
            problem = error.message
    stage = convolution.names[0].partition(".")[0]
    bias = getattr(module, "bias", None) is not None
    return Spot(tuple(convolution.names), stage, "conv", tuple(geometries), bias, place, among, sized, problem)


# New layers -----------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Swap:
    """A convolution, and what stands in its place."""

    convolution: Convolution
    decision: Decision
    new: nn.Module

    @property
    def label(self) -> str:
        return self.decision.request.label if self.decision.request else ""

    def put(self, module: nn.Module) -> None:
        """Hang a module in every place of the convolution."""
        for parent, key in self.convolution.slots:
            if parent is not None:
                parent._modules[key] = module

    def undo(self) -> None:
        """Hang the convolution back."""
        self.put(self.convolution.module)


def _new(old: nn.Module, decision: Decision) -> nn.Module:
    """The operator's layer with the device, dtype, padding mode and training mode of the old one."""
    evaluation = decision.evaluation
    assert evaluation is not None  # noqa: S101 - a decision for a request has one
    assert isinstance(old, nn.Conv2d)  # noqa: S101 - others have a problem
    factory: dict[str, Any] = {"device": old.weight.device, "dtype": old.weight.dtype}
    new = build_layer(evaluation, **factory)
    if old.padding_mode != "zeros":
        for part in new.modules():
            if isinstance(part, nn.Conv2d):
                part.padding_mode = old.padding_mode
        if _pads_with_zeros(new, evaluation, decision.spot.sized, old.weight.dtype):
            why = f"padding mode {old.padding_mode}, and {evaluation.operator.name} pads with zeros of its own"
            raise FlopcalcError("cannot-stand", why, "keep the convolution")
    if type(new) is not nn.Conv2d:
        new.__dict__[MARK] = evaluation.label()
    return new.train(old.training)


class _ZeroPadding(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes whether any kernel pads with zeros."""

    # Where the padding stands among a kernel's arguments.
    places = {"convolution": 4, "im2col": 3, "avg_pool2d": 3, "max_pool2d_with_indices": 3}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        place = self.places.get(name)
        pads = place is not None and len(args) > place and any(args[place])
        self.seen = self.seen or pads or name == "constant_pad_nd"
        return func(*args, **(kwargs or {}))


def _pads_with_zeros(new: nn.Module, evaluation: Evaluation, sized: bool, dtype: torch.dtype) -> bool:
    g = evaluation.geometry
    size = (g.h, g.w) if sized else (64 * g.k_h, 64 * g.k_w)
    blank = copy.deepcopy(new).to("meta").eval()
    mode = _ZeroPadding()
    try:
        with torch.no_grad(), mode:
            blank(torch.empty(1, g.c_in, *size, device="meta", dtype=dtype))
    except (RuntimeError, NotImplementedError):
        # What cannot be tried is not trusted.
        return True
    return mode.seen


# Afterwards -----------------------------------------------------------------------------------------


def _confirm(root: nn.Module, swaps: list[_Swap], before: Count, inputs: Any) -> list[_Swap]:
    """Run the changed module; undo and return the swaps that are never called.

    Raises FlopcalcError (cannot-replace), with everything undone, where the forward fails or gives another shape.
    """
    missed: list[_Swap] = []
    try:
        while True:
            now = [swap for swap in swaps if swap not in missed]
            new_root = next((swap.new for swap in now if swap.convolution.slots[0][0] is None), root)
            after, called = _run(new_root, now, inputs)
            if after.output != before.output:
                raise FlopcalcError("uncountable-module", f"the output is {after.output}, not {before.output}", "")
            idle = [swap for swap in now if id(swap.new) not in called]
            if not idle:
                return missed
            for swap in idle:
                swap.undo()
            missed += idle
    except BaseException as error:
        for swap in swaps:
            swap.undo()
        if not isinstance(error, FlopcalcError):
            raise
        raise FlopcalcError(
            "cannot-replace",
            f"with the layers replaced, {error.message}",
            "keep the layers that this code relies on: keep=['name', ...]",
        ) from error


def _run(root: nn.Module, swaps: list[_Swap], inputs: Any) -> tuple[Count, set[int]]:
    """A count, and the new modules that were called."""
    called: set[int] = set()
    args, named = arguments(inputs)

    def note(new: nn.Module, given: Any) -> None:
        called.add(id(new))

    hooks = [swap.new.register_forward_pre_hook(note) for swap in swaps]
    try:
        return count(root, *args, **named), called
    finally:
        for hook in hooks:
            hook.remove()


def _notes(
    swaps: list[_Swap], decisions: list[Decision], asked: Plan, found: Survey, name: str, ran: bool
) -> Iterable[str]:
    taken = [swap.decision for swap in swaps]
    left = [decision for decision in decisions if decision.request is None]
    yield from notes([*taken, *left], asked, name)
    if found.ours:
        yield f"left alone: {len(found.ours)} layers that are operators already ({', '.join(found.ours[:3])})"
    for swap in swaps:
        if len(swap.convolution.names) > 1:
            yield f"one layer under several names: {', '.join(swap.convolution.names)}"
    frozen = [swap for swap in swaps if not any(p.requires_grad for p in swap.convolution.module.parameters())]
    if frozen:
        yield f"{len(frozen)} replaced layers were frozen; the new ones have fresh weights and are trainable"
    if swaps and not ran:
        yield (
            "without inputs the order is that of registration, and it was not seen whether the forward calls every "
            "new layer and keeps its shapes"
        )
