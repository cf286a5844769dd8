"""A module counted on symbolic sizes: the same network as `counted_network` gives, with expressions for numbers.

The tracer runs once, on tensors whose named axes are symbols. Where the module or torch decides by a size, the scope
records the condition; where the module needs a size as it is, that axis is reported as fixed, and the others vary.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn

from flopcalc.errors import FlopcalcError, reason
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input
from flopcalc.networks.network import Network
from flopcalc.pytorch.counting.contents import dtype_of
from flopcalc.pytorch.counting.counter import Tracing, count_call
from flopcalc.pytorch.counting.failures import needs_values
from flopcalc.pytorch.counting.inputs import arguments, is_list_of_images, read_batch, read_inputs
from flopcalc.pytorch.counting.network import ROOT, as_network, counted_network
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.loading.user_errors import place_of
from flopcalc.pytorch.tracing.axes import Axis, axes_of, chosen, may_have_channels_first, resized
from flopcalc.pytorch.tracing.extents import unwrapped
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.pytorch.tracing.on_symbols import NoFormError, SymbolicRecorder, symbolic_first_pass, symbolic_tracing
from flopcalc.pytorch.tracing.places import Place, Places
from flopcalc.symbolic.evaluating import evaluate, holds, symbols_of
from flopcalc.symbolic.scope import Condition, Scope

# Sizes at which it is looked whether a condition allows others than that of the reference point.
_FURTHEST = 4
_MOST = 1024
# Runs of one module: each may find more axes that are fixed.
_RUNS = 6
_SEVERAL = 2
_NO_FORM = "there is no closed form: "


class Fixed(NamedTuple):
    """An axis that the module fixes. by: the module, or its parameter; why: in words, for people.

    line: of the code that fixes it, as `file.py:12`; "" where it is not known.
    """

    symbol: str
    name: str
    value: int
    by: str
    why: str
    line: str = ""

    @property
    def place(self) -> str:
        """What fixes it, and where."""
        return f"{self.by} in {self.line}" if self.line else f"{self.by} ({self.why})"


class SymbolicNetwork(NamedTuple):
    """network: its parts, shapes and batch hold Sizes. scope: of its symbols, with the conditions of this run.

    axes: those that vary, in order; fixed: those that were asked for and cannot. places: that of each condition.
    """

    network: Network
    scope: Scope
    axes: tuple[Axis, ...]
    fixed: tuple[Fixed, ...] = ()
    places: tuple[Place, ...] = ()

    @property
    def symbols(self) -> dict[str, str]:
        """Symbol -> the name of its axis."""
        return {axis.symbol: axis.name for axis in self.axes}

    def allows(self, point: Mapping[str, int]) -> bool:
        """Whether all conditions hold at a point, by symbol."""
        return not self.broken(point)

    def broken(self, point: Mapping[str, int]) -> list[Condition]:
        """The conditions that do not hold at a point."""
        known: dict[int, Any] = {}
        return [one for one in self.scope.conditions if not holds(evaluate(one.expression, point, known), one.relation)]


class _Target(NamedTuple):
    """What is counted, at its own sizes."""

    module: nn.Module
    inputs: list[Input]
    batch: int
    name: str
    options: Mapping[str, Any] | None
    call: ForwardCall
    kernels: Sequence[Any]
    # By the axes that vary and their hints: other readings of the axes may end at the same run.
    runs: dict[tuple[tuple[Axis, ...], tuple[int, ...]], SymbolicNetwork]


def symbolic_network(
    module: nn.Module,
    inputs: Any,
    batch: int = 1,
    *,
    vary: Sequence[str] | None = None,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    call: ForwardCall = FORWARD,
    kernels: Sequence[Any] = (),
) -> SymbolicNetwork:
    """Count one forward pass with symbols for the sizes of named axes, as `counted_network` does for numbers.

    inputs, batch: the sizes of the reference point, as of `counted_network`. vary: names of axes: batch, height, width,
    tokens (length), depth (frames); None for the usual ones that the inputs have. The form holds at the reference
    point, except that a batch of 1 is taken as any batch: `allows` tells for any point.
    Raises FlopcalcError: bad-option for an axis that the inputs do not have, no-closed-form where something has no form
    in sizes, with what it is; and as `counted_network` where the module cannot be counted at all.
    """
    inputs, batch = read_inputs(inputs), read_batch(batch)
    target = _Target(module, inputs, batch, name, options, call, kernels, {})
    batched = not is_list_of_images(inputs, module, call)
    varied = chosen(axes_of(inputs, batch, batched=batched), vary)
    try:
        found = _with_fewer_axes(target, varied)
        if may_have_channels_first(inputs) and any(one.name == "tokens" for one in found.fixed):
            # The axis behind the batch may be the channels.
            other = _with_fewer_axes(target, chosen(axes_of(inputs, batch, batched=batched, channels_first=True), vary))
            return other if len(other.fixed) < len(found.fixed) else found
        return found
    except FlopcalcError as error:
        if error.code != "no-closed-form":
            raise
        # Where the module cannot be counted at all, that is what to say.
        counted_network(module, inputs, batch, call=call, kernels=kernels)
        raise


def counted_at(
    found: SymbolicNetwork,
    module: nn.Module,
    inputs: Any,
    batch: int,
    point: Mapping[str, int],
    *,
    call: ForwardCall = FORWARD,
    kernels: Sequence[Any] = (),
) -> Network:
    """The ordinary count at a point, by symbol; inputs and batch are those of `symbolic_network`."""
    given, size = resized(read_inputs(inputs), read_batch(batch), found.axes, point)
    return counted_network(module, given, int(size), call=call, kernels=kernels)  # type: ignore[call-overload]


def _with_fewer_axes(target: _Target, varied: list[Axis]) -> SymbolicNetwork:
    """The form in all axes; where there is none, in all but the batch, which may be a number; or in the batch alone."""
    try:
        return _settled(target, varied)
    except FlopcalcError as error:
        if error.code != "no-closed-form" or len(varied) < _SEVERAL:
            raise
        for left in (
            [axis for axis in varied if axis.name != "batch"],
            [axis for axis in varied if axis.name == "batch"],
        ):
            dropped = [axis for axis in varied if axis not in left]
            if not left or not dropped:
                continue
            try:
                found = _settled(target, left)
            except FlopcalcError:
                continue
            why = error.message.removeprefix(_NO_FORM)
            fixed = [Fixed(axis.symbol, axis.name, axis.size, ROOT, why) for axis in dropped]
            return found._replace(fixed=(*fixed, *found.fixed))
        raise


def _settled(target: _Target, varied: list[Axis]) -> SymbolicNetwork:
    """The run in which no axis that varies is fixed."""
    fixed: list[Fixed] = []
    for _ in range(_RUNS):
        run, pinned = _best(target, varied)
        if not pinned:
            return run._replace(fixed=tuple(fixed))
        fixed += pinned
        varied = [axis for axis in varied if axis.symbol not in {one.symbol for one in pinned}]
    raise _no_form("its sizes depend on each other", "vary fewer axes, with --vary")


def _best(target: _Target, varied: Sequence[Axis]) -> tuple[SymbolicNetwork, list[Fixed]]:
    """A run that fixes no axis, and holds at the reference point, as far as there is one; and what it fixes.

    Sizes that happen to be equal at the reference point would be compared as equal ones, so other sizes come first. A
    module may also take a path of its own at the reference point, and a common one at others.
    """
    own = _own_point(varied)
    runs: list[SymbolicNetwork] = []
    reasons: list[FlopcalcError] = []
    for hints in (_next_to(varied), own, _multiple_of(varied)):
        if any(hints == run.scope.hints for run in runs):
            continue
        try:
            run = _run_once(target, varied, hints)
        except FlopcalcError as error:
            if error.code != "no-closed-form":
                raise
            reasons.append(error)
            continue
        runs.append(run)
        if run.allows(own) and not _pinned(run, target):
            return run, []
    if not runs:
        raise reasons[min(1, len(reasons) - 1)]
    free = next((run for run in runs if not _pinned(run, target)), None)
    if free is not None:
        return free, []
    kept = next((run for run in runs if run.scope.hints == own), runs[0])
    return kept, _pinned(kept, target)


def _own_point(varied: Sequence[Axis]) -> dict[str, int]:
    return {axis.symbol: max(axis.size, 2) if axis.name == "batch" else axis.size for axis in varied}


def _next_to(varied: Sequence[Axis]) -> dict[str, int]:
    """Sizes next to those of the reference point: no two are the same, and tokens are not a round number."""
    steps = {"height": 32, "width": 64, "tokens": -1, "length": -1}
    return {
        symbol: max(1, size + steps.get(axis.name, 0))
        for axis, (symbol, size) in zip(varied, _own_point(varied).items(), strict=True)
    }


def _multiple_of(varied: Sequence[Axis]) -> dict[str, int]:
    """Sizes that are divided by what divides those of the reference point."""
    factors = {"height": 2, "width": 3, "tokens": 2, "length": 2}
    return {
        symbol: size * factors.get(axis.name, 1)
        for axis, (symbol, size) in zip(varied, _own_point(varied).items(), strict=True)
    }


def _run_once(target: _Target, varied: Sequence[Axis], hints: Mapping[str, int]) -> SymbolicNetwork:
    key = tuple(varied), tuple(hints.values())
    if key not in target.runs:
        target.runs[key] = _run(target, varied, hints)
    return target.runs[key]


def _run(target: _Target, varied: Sequence[Axis], hints: Mapping[str, int]) -> SymbolicNetwork:
    """One run of the tracer, with these sizes as the hints. Raises FlopcalcError (no-closed-form)."""
    places = Places()
    scope = Scope(hints, where=places)
    symbols = {name: wrapped(scope.symbol(name)) for name in hints}
    dtype = _dtype(target.module)
    inputs = [one._replace(dtype=one.dtype or dtype) for one in target.inputs]
    given, batch = resized(inputs, target.batch, varied, symbols)

    def recorder(layers: Mapping[str, str]) -> Recorder:
        places.recorder = made = SymbolicRecorder(layers)
        return made

    plain, _ = resized(target.inputs, target.batch, varied, {name: scope.symbol(name) for name in hints})
    size: Any = scope.symbol("N") if "N" in hints else target.batch
    with _explained():
        args, named = arguments(given, batch, target.module, target.call)  # type: ignore[arg-type]
        counted = count_call(
            target.module,
            args,
            named,
            method=target.call.method,
            on="meta",
            kernels=target.kernels,
            watch=places.watching,
            trace=Tracing(recorder, symbolic_tracing, symbolic_first_pass),
        )
    # Parameters that are made in a first pass may have sizes of the input.
    counted.own_params = {one: unwrapped(size) for one, size in counted.own_params.items()}
    counted.idle = {one: unwrapped(size) for one, size in counted.idle.items()}
    with scope.holding():
        network = as_network(target.module, counted, plain, size, name=target.name, options=target.options)
    # It holds tensors, which would stay as long as the form, and cannot be pickled.
    places.recorder = None
    return SymbolicNetwork(network, scope, tuple(varied), (), tuple(places.found))


def _dtype(module: nn.Module) -> str:
    """The floating type of a module, as a count takes it."""
    return str(dtype_of(module)).removeprefix("torch.")


@contextmanager
def _explained() -> Iterator[None]:
    """Say of what fails on symbolic sizes that there is no closed form, and why."""
    try:
        yield
    except FlopcalcError as error:
        if error.code != "uncountable-module":
            raise
        why = error.message
        cause = error.__cause__
        if isinstance(cause, NoFormError):
            why = f"{cause}{place_of(cause)}"
        elif isinstance(cause, Exception) and needs_values(cause):
            why = f"it reads values of tensors{place_of(cause)}"
        raise _no_form(why, "vary fewer axes, with --vary") from error


def _no_form(why: str, hint: str) -> FlopcalcError:
    return FlopcalcError("no-closed-form", f"{_NO_FORM}{reason(why)}", hint)


def _pinned(run: SymbolicNetwork, target: _Target) -> list[Fixed]:
    """The axes that vary in a run, and that its conditions allow no, or hardly any, other size."""
    return [one for axis in run.axes if (one := _pin(run, axis, target)) is not None]


def _pin(run: SymbolicNetwork, axis: Axis, target: _Target) -> Fixed | None:
    hint = int(run.scope.hints[axis.symbol])
    for condition, place in zip(run.scope.conditions, run.places, strict=True):
        names = symbols_of(condition.expression)
        # A batch that is fixed together with another axis may be free where that one is a number.
        if condition.relation == "==" and axis.symbol in names and (axis.name != "batch" or len(names) == 1):
            allowed = _allowed(run.scope, condition, axis.symbol, hint)
            if max(allowed) - min(allowed) <= hint // 2:
                value = target.batch if axis.name == "batch" else axis.size
                return Fixed(axis.symbol, axis.name, value, _by(place), _why(place), place.line)
    return None


def _allowed(scope: Scope, condition: Condition, symbol: str, hint: int) -> list[int]:
    """The sizes of one axis, near and far, at which a condition holds; the others are at the reference point."""
    steps = {hint * factor for factor in range(1, 4 * _FURTHEST)}
    near = range(1, min(_FURTHEST * hint, _MOST) + 1)
    point = {**scope.hints}
    found = []
    for size in sorted({*near, *range(max(1, hint - 64), hint + 65), *steps}):
        point[symbol] = size
        if holds(evaluate(condition.expression, point), condition.relation):
            found.append(size)
    return found or [hint]


def _by(place: Place) -> str:
    if place.parameter:
        return place.parameter
    return place.module or ROOT


def _why(place: Place) -> str:
    if place.number:
        return "it needs a size as a number"
    if place.parameter:
        return "the parameter has this size"
    return "a size that it computes fits for this one only"


__all__ = ["Fixed", "SymbolicNetwork", "counted_at", "symbolic_network"]
