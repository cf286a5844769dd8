"""Replacing the convolutions of a real module by operators, by the same decisions as in described networks."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from torch import nn

from flopcalc.cost.result import Result
from flopcalc.errors import FlopcalcError, clip
from flopcalc.pytorch.counting.contents import modules_of, parameters_of
from flopcalc.pytorch.counting.counter import Count, count_call
from flopcalc.pytorch.counting.inputs import forward_arguments
from flopcalc.pytorch.layers.depthwise import DepthwiseConv2d
from flopcalc.pytorch.replacing.candidates import Candidates, Convolution, find_candidates, geometry_of
from flopcalc.pytorch.replacing.new_layer import OwnRandomness, new_layer
from flopcalc.pytorch.replacing.observation import observe
from flopcalc.replacing.decide import Decision, Plan, Spot, check_sizes_known, decide, notes, plan

# The size of the input where it is not known; rules that depend on it refuse.
_ANY_SIZE = 2**20


@dataclass(frozen=True, repr=False)
class Replaced(Result):
    """A module with convolutions replaced, and what was replaced.

    replaced: name -> the operator, as it is written. skipped: name -> why that convolution stays. Both in
    order of execution where inputs were given, else of registration. Names are those of
    `named_modules`; a shared module has its first name.
    """

    module: nn.Module
    replaced: dict[str, str]
    skipped: dict[str, str]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        done = f"replaced {len(self.replaced)}, skipped {len(self.skipped)}, notes {len(self.notes)}"
        return f"<Replaced: {type(self.module).__name__}, {done}>"


class Run(NamedTuple):
    """One forward pass of a module that is to be changed: its arguments, its count, and the options of `count_call`."""

    args: Sequence[Any]
    named: Mapping[str, Any]
    counted: Count
    options: Mapping[str, Any]


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

    what: an operator with options, and perhaps with a clause (`ghost where k == 1`). If it lists several and more
    than one matches a layer, the first one wins. where, keep: as `flopcalc model --where --keep`. inputs: the inputs
    of the forward, as for `count` (a shape, a tensor, a list or a dict of these). With them the order of
    execution and all sizes are known, and the changed module is run (on the meta device) to check that
    every new layer is called and that the output keeps its shape. The model is copied unless inplace is true.
    In place, a model that is itself a convolution is replaced only in the result.

    New layers have fresh random weights, are trainable, and have the device, dtype and mode (training
    or not) of the old ones. The weights follow from the state of torch's random generator, which stays as it is: set
    another seed for other weights. Raises FlopcalcError for wrong requests, and where the changed forward fails;
    a module that is changed in place is then as it was.
    """
    if not isinstance(module, nn.Module):
        raise FlopcalcError("bad-module", f"{clip(module)} is not an nn.Module", "give an instance of nn.Module")
    _check_texts(what, where, keep)
    asked = plan(what, where, keep)
    check_sizes_known(asked, inputs is not None)
    if inputs is None:
        return replace_candidates(_candidates(module, inplace), None, asked)[0]
    args, named = forward_arguments(inputs)
    return replace_candidates(*find_and_run(module, args, named, inplace=inplace), asked)[0]


def find_and_run(
    module: nn.Module, args: Sequence[Any], named: Mapping[str, Any], *, inplace: bool, **options: Any
) -> tuple[Candidates, Run]:
    """The convolutions of a module, or of its copy unless inplace, and one forward pass that observes them.

    options: of `count_call`, for this pass and for that of the changed module. Raises FlopcalcError
    (uncountable-module) where the forward fails.
    """
    candidates = _candidates(module, inplace)
    return candidates, Run(args, named, observe(candidates, args, named, options), options)


@overload
def replace_candidates(candidates: Candidates, run: Run, asked: Plan) -> tuple[Replaced, Count]: ...


@overload
def replace_candidates(candidates: Candidates, run: None, asked: Plan) -> tuple[Replaced, None]: ...


def replace_candidates(candidates: Candidates, run: Run | None, asked: Plan) -> tuple[Replaced, Count | None]:
    """Replace the convolutions that the plan takes; with the count of the changed module where there was a run.

    Raises FlopcalcError as `replace` does.
    """
    sized = run is not None
    order, decisions = _decisions(candidates, asked, sized)
    skipped = {decision.spot.name: decision.reason for decision in decisions if decision.request is None}
    swaps: list[_Swap] = []
    with OwnRandomness():
        for convolution, decision in zip(order, decisions, strict=True):
            if decision.request is not None:
                try:
                    swaps.append(_Swap(convolution, decision, new_layer(convolution.conv, decision)))
                except FlopcalcError as error:
                    skipped[decision.spot.name] = error.message
    after = None
    if run is not None:
        missed, after = _confirm(candidates.root, swaps, run)
        swaps = [swap for swap in swaps if swap not in missed]
        never = "the forward does not call it through its place in the model"
        skipped |= {swap.decision.spot.name: never for swap in missed}
    else:
        for swap in swaps:
            swap.put(swap.new)
    done = {swap.decision.spot.name: swap for swap in swaps}
    names = [convolution.names[0] for convolution in order]
    replaced = Replaced(
        done[""].new if "" in done else candidates.root,
        {name: done[name].label for name in names if name in done},
        {name: skipped[name] for name in names if name in skipped},
        tuple(_notes(swaps, decisions, asked, candidates, ran=sized)),
    )
    return replaced, after


def _check_texts(what: object, where: object, keep: object) -> None:
    """Raise FlopcalcError (bad-usage) unless these are strings or lists of strings."""
    for name, value in (("what", what), ("where", where), ("keep", keep)):
        several = list(value) if isinstance(value, list | tuple | set | frozenset) and name != "where" else [value]
        if not all(isinstance(one, str) or (one is None and name == "where") for one in several):
            raise FlopcalcError(
                "bad-usage", f"{name} is {clip(value)}, not a string", 'for example replace(model, "spconv")'
            )


def _candidates(module: nn.Module, inplace: bool) -> Candidates:
    """The convolutions of the module, or of its copy unless inplace."""
    if inplace:
        return find_candidates(module)
    found = find_candidates(_copy(module))
    # A copy lacks the hooks of tensors, and what was a view of a weight has memory of its own there.
    problems = {one.names[0]: one.problem for one in find_candidates(module).convolutions}
    for one in found.convolutions:
        one.problem = problems.get(one.names[0]) or one.problem
    return found


def _copy(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except Exception as error:
        why = " ".join(str(error).split())[:150]
        raise FlopcalcError(
            "cannot-copy", f"{type(module).__name__} cannot be copied: {why}", "change the module itself: inplace=True"
        ) from error


def _decisions(found: Candidates, asked: Plan, sized: bool) -> tuple[list[Convolution], list[Decision]]:
    """The convolutions in order of execution (of registration, unless sized), with the decision for each."""
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
    return Spot(
        names=tuple(convolution.names),
        stage=stage,
        kind="conv",
        geometries=tuple(geometries),
        bias=bias,
        place=place,
        among=among,
        sized=sized,
        problem=problem,
    )


# New layers -----------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Swap:
    """A convolution, and the layer that replaces it."""

    convolution: Convolution
    decision: Decision
    new: nn.Module

    @property
    def label(self) -> str:
        return self.decision.request.label if self.decision.request else ""

    def put(self, module: nn.Module) -> None:
        """Put a module into every slot of the convolution."""
        for parent, key in self.convolution.slots:
            if parent is not None:
                parent._modules[key] = module

    def undo(self) -> None:
        """Put the convolution back."""
        self.put(self.convolution.module)


# Afterwards -----------------------------------------------------------------------------------------


def _confirm(root: nn.Module, swaps: list[_Swap], run: Run) -> tuple[list[_Swap], Count]:
    """Change the module and count it; undo the swaps that are never called, and return them with the last count.

    Raises FlopcalcError (cannot-replace), with everything undone, where the forward fails or gives another shape.
    """
    missed: list[_Swap] = []
    try:
        for swap in swaps:
            swap.put(swap.new)
        while True:
            now = [swap for swap in swaps if swap not in missed]
            new_root = next((swap.new for swap in now if swap.convolution.slots[0][0] is None), root)
            after, called = _count(new_root, now, run)
            _check_shapes(now, new_root, run.counted, after)
            idle = [swap for swap in now if id(swap.new) not in called]
            if not idle:
                return missed, after
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


def _check_shapes(swaps: list[_Swap], root: nn.Module, before: Count, after: Count) -> None:
    """Raise FlopcalcError (uncountable-module) where the output has another shape.

    On real values, which the new layers change, its shape may depend on them: a detector finds another number of boxes.
    Then the outputs of the new layers are compared, where their inputs are the same.
    """
    if before.on == after.on == "meta":
        if after.output != before.output:
            raise FlopcalcError("uncountable-module", f"the output is {after.output}, not {before.output}", "")
        return
    names = {id(module): name for name, module in modules_of(root)}
    for swap in swaps:
        old, new = (one.shapes.get(names[id(swap.new)]) for one in (before, after))
        if old and new and old.given == new.given and old.output != new.output:
            label = swap.decision.spot.name
            raise FlopcalcError("uncountable-module", f"the output of {label} is {new.output}, not {old.output}", "")


def _count(root: nn.Module, swaps: list[_Swap], run: Run) -> tuple[Count, set[int]]:
    """A count of the changed module, and the identities of the new layers that were called."""
    options = dict(run.options)
    if (rebuild := options.get("rebuild")) is not None:
        options["rebuild"] = lambda: _changed(rebuild(), swaps)
    counted = count_call(root, run.args, run.named, **options)
    names = {id(module): name for name, module in modules_of(root)}
    return counted, {id(swap.new) for swap in swaps if counted.times.get(names.get(id(swap.new), ""))}


def _changed(built: nn.Module, swaps: list[_Swap]) -> nn.Module:
    """The same swaps in a module that was built again, with real values."""
    for swap in swaps:
        new: nn.Module | None = None
        for name in swap.convolution.names:
            above, _, key = name.rpartition(".")
            if new is None:
                old = built.get_submodule(name)
                if old is swap.new:
                    # A factory that keeps its module has returned the changed one.
                    break
                new = new_layer(old.conv if isinstance(old, DepthwiseConv2d) else old, swap.decision)
            if not name:
                return new
            built.get_submodule(above)._modules[key] = new
    return built


def _notes(swaps: list[_Swap], decisions: list[Decision], asked: Plan, found: Candidates, ran: bool) -> Iterable[str]:
    taken = [swap.decision for swap in swaps]
    left = [decision for decision in decisions if decision.request is None]
    yield from notes([*taken, *left], asked, type(found.root).__name__)
    if found.operators:
        names = ", ".join(found.operators[:3])
        yield f"left alone: {len(found.operators)} layers that are operators already ({names})"
    for swap in swaps:
        if len(swap.convolution.names) > 1:
            yield f"one layer under several names: {', '.join(swap.convolution.names)}"
    frozen = [swap for swap in swaps if not any(p.requires_grad for p in parameters_of(swap.convolution.module))]
    if frozen:
        yield f"{len(frozen)} replaced layers were frozen; the new ones have fresh weights and are trainable"
    if swaps and not ran:
        yield (
            "without inputs the order is that of registration, and it was not checked that the forward calls every "
            "new layer and keeps its shapes"
        )
