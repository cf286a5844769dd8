"""One operator for each convolution of a network, so that a cost is as small or as large as possible.

The cost of a layer does not depend on what the other layers are: an operator that replaces a convolution keeps its
input and output. So the total is a sum over layers, and the choice an assignment. Operators that replace convolutions
together with their neighbours are refused. What an objective adds for one layer is decided by `_weight` alone, so that
a time for each layer can be an objective too.
"""

import shlex
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

from flopcalc.analysis.solving.assignment import Option, assign
from flopcalc.analysis.solving.question import BASELINE, bases_of, read_limits
from flopcalc.analysis.solving.search import amount
from flopcalc.analysis.solving.solution import Solution
from flopcalc.cost.cost import Cost, in_bytes
from flopcalc.cost.kinds import KIND, KINDS, SUMMED
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.networks import library
from flopcalc.networks.inputs import one_shape
from flopcalc.networks.network import Network
from flopcalc.replacing.decide import Plan, Request, Spot, read_request
from flopcalc.replacing.described import each_alone, replace_layers, spots_of
from flopcalc.replacing.grouping import by_name, clauses_for
from flopcalc.targets.limits import Limit
from flopcalc.targets.read import check_no_call, is_python
from flopcalc.targets.spec import TargetSpec

KEEP = "keep"
_HOW = "write for example --choose spconv,ghost,keep --minimise macs --subject 'params <= 20M'"


class Choice(NamedTuple):
    """An operator for a spot, None where it stays, and the totals of its layers."""

    request: Request | None
    totals: dict[str, int]

    @property
    def name(self) -> str:
        """As it is written."""
        return self.request.label if self.request else KEEP


def read_choices(texts: Sequence[str]) -> tuple[tuple[Request, ...], bool]:
    """The operators of `--choose`, and whether layers may stay. A comma separates operators, and options of one.

    Raises FlopcalcError.
    """
    pieces: list[str] = []
    for text in texts:
        first = True
        for piece in text.split(","):
            name = piece.strip()
            option = not first and pieces and (("=" in name and ":" not in name.partition("=")[0]) or name.isdigit())
            if option and " where " not in pieces[-1]:
                pieces[-1] += f",{name}"
            else:
                pieces.append(name)
            first = False
    if not pieces or not all(pieces):
        raise FlopcalcError("bad-usage", "--choose names no operator", _HOW)
    requests = [read_request(piece) for piece in pieces if piece != KEEP]
    if not requests:
        raise FlopcalcError("bad-usage", "--choose names no operator to replace layers with", _HOW)
    for request in requests:
        if request.operator.two_grids is not None:
            why = f"--choose {request.operator.name}: it replaces convolutions together with their neighbours"
            raise FlopcalcError("bad-usage", why, "leave it out; use --replace for all layers at once")
    return tuple(requests), KEEP in pieces


def choose_operators(
    spec: TargetSpec,
    choose: Sequence[str],
    minimise: str | None,
    maximise: str | None,
    subjects: Sequence[str],
    *,
    where: str | None = None,
    keep: Sequence[str] = (),
    dtype: str = "float32",
) -> Solution:
    """The operators of all layers as clauses of `--replace`. Raises FlopcalcError."""
    if not choose:
        raise FlopcalcError("bad-usage", "--minimise and --maximise are for --choose", _HOW)
    kind = _objective(minimise, maximise)
    if spec.kind == "operator" or not isinstance(spec.what, str) or is_python(spec.what):
        why = f"--choose is for described networks, and {clip(spec.what)} is not one"
        raise FlopcalcError("bad-usage", why, "`flopcalc list` shows the described networks")
    requests, may_stay = read_choices(choose)
    limits = read_limits(subjects, "network")
    check_no_call(spec)
    network = library.load(spec.what, spec.settings, one_shape(spec.inputs), spec.batch)
    spots = spots_of(network)
    choices = _choices(network, requests, Plan(requests, where, tuple(keep)), may_stay, dtype)
    fixed = _fixed(network, spots, dtype)
    rows = [row for limit in limits for row in _rows(limit, spec, network, fixed, dtype)]
    sign = 1 if minimise else -1
    items = [
        [Option(sign * _weight(one, kind), tuple(row.of(one.totals) for row in rows)) for one in each]
        for each in choices
    ]
    found = assign(items, [row.bound for row in rows])
    word = "minimise" if minimise else "maximise"
    common: dict[str, Any] = {
        "target": network.name,
        "for_": "choose",
        "limits": tuple(limit.text for limit in limits),
        "objective": f"{word} {kind}",
        "exact": found.proved,
    }
    method = f"one of {', '.join([*(one.label for one in requests), *([KEEP] if may_stay else [])])} for each of "
    method += f"{len(spots)} convolutions, by mixed-integer programming; "
    if found.choices is None:
        why, best = _why_none(limits, rows, choices, fixed)
        totals = _totals(fixed, best)
        near = [request.command for request in _plan(network, spots, best, totals, dtype).requests]
        return Solution(
            **common,
            value=None,
            cost=None,
            method=method + "no choice meets the limits",
            why_not=why if found.proved else f"no choice was found: {why}",
            nearest={"value": near, "cost": totals},
        )
    method += "checked with whole numbers that no other choice is better" if found.proved else "better ones may exist"
    chosen = [each[number] for each, number in zip(choices, found.choices, strict=True)]
    totals = _totals(fixed, chosen)
    plan = _plan(network, spots, chosen, totals, dtype)
    texts = [request.command for request in plan.requests]
    base = _as_command(spec, dtype)
    return Solution(
        **common,
        value=texts,
        cost=totals,
        method=method,
        choices=tuple(
            {"layer": spot.name, "operator": one.name, **{name: one.totals[name] for name in SUMMED}}
            for spot, one in zip(spots, chosen, strict=True)
        ),
        command=shlex.join([*base, *(word for text in texts for word in ("--replace", text))]),
        notes=tuple(_notes(spots, chosen)),
    )


def _objective(minimise: str | None, maximise: str | None) -> str:
    if (minimise is None) == (maximise is None):
        raise FlopcalcError("bad-usage", "--choose needs --minimise or --maximise, and not both", _HOW)
    kind = minimise or maximise or ""
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS, f"kinds of cost: {', '.join(SUMMED)}")
    _check_sum(kind, f"the objective {kind}")
    return kind


def _check_sum(kind: str, what: str) -> None:
    if not KIND[kind].adds_up:
        why = f"{what}: {kind} is the longest chain of kernels, and not a sum over layers"
        raise FlopcalcError("bad-usage", why, f"use one of: {', '.join(SUMMED)}")


def _weight(choice: Choice, objective: str) -> int:
    """What one layer with this operator adds to the objective."""
    return choice.totals[objective]


def _sum(costs: Sequence[Cost], dtype: str) -> dict[str, int]:
    return in_bytes({kind: sum(cost.total(kind) for cost in costs) for kind in SUMMED}, dtype)


def _choices(
    network: Network, requests: Sequence[Request], plan: Plan, may_stay: bool, dtype: str
) -> list[list[Choice]]:
    """For each convolution, its choices. It stays where no operator applies."""
    spots = spots_of(network)
    found: list[list[Choice]] = [[] for _ in spots]
    for request in requests:
        for place, (decision, costs) in enumerate(each_alone(network, plan._replace(requests=(request,)))):
            if decision.request is not None:
                found[place].append(Choice(request._replace(where=None), _sum(costs, dtype)))
    by_name = {layer.name: layer.cost for layer in network.layers}
    for spot, each in zip(spots, found, strict=True):
        if may_stay or not each:
            each.append(Choice(None, _sum([by_name[name] for name in spot.names], dtype)))
    return found


def _fixed(network: Network, spots: Sequence[Spot], dtype: str) -> dict[str, int]:
    """The totals of all layers that are not convolutions."""
    names = {name for spot in spots for name in spot.names}
    return _sum([layer.cost for layer in network.layers if layer.name not in names], dtype)


def _totals(fixed: dict[str, int], chosen: Sequence[Choice]) -> dict[str, int]:
    return {kind: fixed[kind] + sum(one.totals[kind] for one in chosen) for kind in SUMMED}


class _Row(NamedTuple):
    """A limit as `sign * total <= bound`, without the layers that do not change."""

    limit: Limit
    sign: int
    bound: int

    def of(self, totals: dict[str, int]) -> int:
        """What a layer adds."""
        return self.sign * totals[self.limit.quantity]


def _rows(limit: Limit, spec: TargetSpec, network: Network, fixed: dict[str, int], dtype: str) -> list[_Row]:
    _check_sum(limit.quantity, f"the limit {clip(limit.text)}")
    if limit.reads(*KINDS):
        why = f"the limit {clip(limit.text)}: its right side is another cost"
        raise FlopcalcError("bad-limit", why, "write a number, or a part of the baseline: macs <= 0.5 * baseline")
    bound = limit.bound(
        {BASELINE: _base(BASELINE, limit, spec, network, dtype)} if BASELINE in bases_of([limit]) else {}
    )
    if limit.ratio_to:
        bound *= _base(limit.ratio_to, limit, spec, network, dtype)
    rest = fixed[limit.quantity]
    rows = []
    if limit.comparison in ("<=", "==", "<"):
        whole = ceil(bound) - 1 if limit.comparison == "<" else floor(bound)
        rows.append(_Row(limit, 1, whole - rest))
    if limit.comparison in (">=", "==", ">"):
        whole = floor(bound) + 1 if limit.comparison == ">" else ceil(bound)
        rows.append(_Row(limit, -1, rest - whole))
    return rows


def _base(name: str, limit: Limit, spec: TargetSpec, network: Network, dtype: str) -> int:
    other = network if name == BASELINE else library.load(name, {}, one_shape(spec.inputs), spec.batch)
    found: int = in_bytes({limit.quantity: other.total(limit.quantity)}, dtype)[limit.quantity]
    if not found:
        raise FlopcalcError("bad-limit", f"the limit {clip(limit.text)}: {name} has no {limit.quantity}", _HOW)
    return found


def _plan(
    network: Network, spots: Sequence[Spot], chosen: Sequence[Choice], totals: dict[str, int], dtype: str
) -> Plan:
    """Clauses that give these choices, checked by evaluating the network with them."""
    wanted = [one.request for one in chosen]
    for requests in (clauses_for(spots, wanted), by_name(spots, wanted)):
        if not requests:
            return Plan(())
        # As they are read from the command line.
        plan = Plan(tuple(read_request(request.command) for request in requests))
        found = replace_layers(network, plan)
        labels = {
            name: one.request.label
            for spot, one in zip(spots, chosen, strict=True)
            if one.request
            for name in spot.names
        }
        same = dict(found.replaced_by) == labels
        if same and in_bytes({kind: found.network.total(kind) for kind in SUMMED}, dtype) == totals:
            return plan
    raise RuntimeError("the clauses do not give the choice")


def _as_command(spec: TargetSpec, dtype: str) -> list[str]:
    words = ["flopcalc", "model", str(spec.what)]
    for flag, value in spec.flags:
        words += [flag, value]
    for one in spec.inputs:
        words += ["--input", str(one)]
    words += ["--batch", str(spec.batch)] if spec.batch != 1 else []
    return [*words, "--dtype", dtype] if dtype != "float32" else words


def _notes(spots: Sequence[Spot], chosen: Sequence[Choice]) -> list[str]:
    counts: dict[str, int] = {}
    for one in chosen:
        counts[one.name] = counts.get(one.name, 0) + 1
    found = [", ".join(f"{name}: {count} of {len(spots)} convolutions" for name, count in counts.items())]
    return found if counts else ["the network has no convolution"]


def _why_none(
    limits: Sequence[Limit], rows: Sequence[_Row], choices: Sequence[Sequence[Choice]], fixed: dict[str, int]
) -> tuple[str, list[Choice]]:
    """Why no choice meets the limits, and the choice with the smallest excess of the limit that is exceeded most."""

    def least(row: _Row) -> list[Choice]:
        return [min(each, key=lambda one: row.of(one.totals)) for each in choices]

    def over(row: _Row) -> Fraction:
        return Fraction(sum(row.of(one.totals) for one in least(row)) - row.bound, abs(row.bound) or 1)

    worst = max(rows, key=over)
    best = least(worst)
    if over(worst) > 0:
        extreme = "smallest" if worst.sign > 0 else "largest"
        total = amount(Fraction(_totals(fixed, best)[worst.limit.quantity]))
        return f"no choice meets {worst.limit.text}: the {extreme} {worst.limit.quantity} is {total}", best
    texts = " and ".join(limit.text for limit in limits)
    return f"each limit can be met by itself, but no choice meets all of them: {texts}", best
