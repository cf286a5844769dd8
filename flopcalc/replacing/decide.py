"""Which convolutions an operator replaces: one decision for described networks and for real modules.

A request is an operator with its options and perhaps a where clause: `spconv:alpha=1/4 where k == 3`.
The first request that applies to a layer replaces it. Without a clause the operator's own policy decides;
with a clause the clause decides, and can use the policy as its field `policy`. An operator's rules always hold.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from flopcalc.catalog import lookup
from flopcalc.cost import parts
from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import Geometry, short
from flopcalc.cost.hierarchy import paths
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.replacing import clause
from flopcalc.spec.operator import Evaluation, Operator, Site, Value, show

# A linear layer needs a flat input, or channels in the last dimension.
_NOT_ON_A_GRID = frozenset({"linear"})

_WHERE = re.compile(r"\s+where(?:\s+|$)")


class Request(NamedTuple):
    """An operator that is to replace convolutions. where: the clause that selects them, or None.

    path: the operator's YAML file, where it has one.
    """

    operator: Operator
    options: Mapping[str, Value]
    where: str | None = None
    path: str = ""

    @property
    def label(self) -> str:
        """`spconv:alpha=1/4`: the operator as it is written on the command line."""
        options = ",".join(f"{name}={show(value)}" for name, value in self.options.items())
        return f"{self.operator.name}:{options}" if options else self.operator.name

    @property
    def text(self) -> str:
        """`spconv:alpha=1/4 where k == 3`: the whole request, by the operator's name."""
        return self.label if self.where is None else f"{self.label} where {self.where}"

    @property
    def command(self) -> str:
        """The whole request as `--replace` takes it: an operator of a YAML file by its path."""
        return self.path + self.text.removeprefix(self.operator.name) if self.path else self.text


class Plan(NamedTuple):
    """Requests in order, a clause that must hold in addition to theirs, and names of layers to keep."""

    requests: tuple[Request, ...]
    where: str | None = None
    keep: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The requests as they are written, by semicolons."""
        return "; ".join(request.text for request in self.requests)

    def clauses(self, request: Request) -> list[str]:
        """The clauses that must hold for a request."""
        return [text for text in (request.where, self.where) if text is not None]


def read_request(text: str) -> Request:
    """`spconv:alpha=1/4 where k == 3` -> a request. Raises FlopcalcError for anything else."""
    what, *rest = _WHERE.split(text.strip(), maxsplit=1)
    operator, options = lookup.parse(what)
    name = what.partition(":")[0].strip()
    path = name if name.endswith((".yaml", ".yml")) else ""
    if not rest:
        return Request(operator, options, path=path)
    clause.check(rest[0])
    return Request(operator, options, " ".join(rest[0].split()), path)


def plan(what: str | Sequence[str], where: str | None = None, keep: str | Iterable[str] = ()) -> Plan:
    """The plan, checked as far as possible without a network."""
    texts = [what] if isinstance(what, str) else list(what)
    if not texts:
        raise FlopcalcError("bad-usage", "no operator is named", "name one, such as spconv or 'ghost where k == 1'")
    if where is not None:
        clause.check(where)
        where = " ".join(where.split())
    names = (keep,) if isinstance(keep, str) else tuple(keep)
    if not all(name.strip() for name in names):
        raise FlopcalcError("unknown-layer", "the name of a layer to keep is empty", "name a layer, such as conv1")
    return Plan(tuple(map(read_request, texts)), where, names)


class Spot(NamedTuple):
    """A convolution that may be replaced.

    names: several where a module is shared; the first one is used in output. geometries: one for
    each input size. sized: whether the input's size is known; if not, h, w, h_out and w_out
    have no meaning. place: its index among the convolutions, from 0; among: the number of convolutions.
    problem: why no operator can replace it, or None; geometries may then be empty.
    """

    names: tuple[str, ...]
    stage: str
    kind: str
    geometries: tuple[Geometry, ...]
    bias: bool
    place: int
    among: int
    sized: bool = True
    problem: str | None = None

    @property
    def name(self) -> str:
        """The name that output uses."""
        return self.names[0]

    def cost(self, g: Geometry) -> Cost:
        """The cost of the convolution at one size."""
        return Cost((parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=self.bias),))


class Decision(NamedTuple):
    """The decision for one convolution: a request with the operator at its sizes, or the reason why it stays.

    widened: the operator's own policy would have kept the convolution.
    """

    spot: Spot
    request: Request | None = None
    evaluation: Evaluation | None = None
    reason: str = ""
    widened: bool = False

    @property
    def lost_bias(self) -> bool:
        """Whether the convolution has a bias and the operator has none."""
        return self.spot.bias and self.evaluation is not None and not self.evaluation.named.get("bias")


def decide(spots: Iterable[Spot], plan: Plan, known: Collection[str]) -> list[Decision]:
    """A decision for each spot. known: names of all layers, which `keep` may name.

    Raises FlopcalcError where an item of `keep` matches no layer, or where a clause fails on a layer.
    """
    for request in plan.requests:
        request.operator.resolve(request.options)
    _check_keep(plan.keep, known)
    return [_decide(spot, plan) for spot in spots]


def _check_keep(keep: Iterable[str], known: Collection[str]) -> None:
    every = dict.fromkeys(path for name in known for path in paths(name))
    for pattern in keep:
        if not any(path == pattern or fnmatchcase(path, pattern) for path in every):
            hint = "name a layer (`layer1.0.conv2`), all below a name (`layer1`), or a pattern (`layer*.conv1`)"
            raise unknown_name("layer", pattern, every, hint)


def _kept_by(spot: Spot, keep: Iterable[str]) -> str | None:
    around = [path for name in spot.names for path in paths(name)]
    return next((p for p in keep if any(path == p or fnmatchcase(path, p) for path in around)), None)


def _decide(spot: Spot, plan: Plan) -> Decision:
    if (pattern := _kept_by(spot, plan.keep)) is not None:
        return Decision(spot, reason=f"kept as asked: {pattern}")
    if spot.problem is not None:
        return Decision(spot, reason=spot.problem)
    reasons: list[tuple[str, str]] = []
    for request in plan.requests:
        found = [applied(request, spot, g, plan.clauses(request)) for g in spot.geometries]
        refusal = next((one for one in found if isinstance(one, str)), None)
        if refusal is None and isinstance(found[0], Evaluation):
            widened = _habit(spot, spot.geometries[0], request.operator) is not None
            return Decision(spot, request, found[0], widened=widened)
        reasons.append((request.label, refusal or ""))
    if len({reason for _, reason in reasons}) == 1:
        return Decision(spot, reason=reasons[0][1])
    return Decision(spot, reason="; ".join(f"{label}: {reason}" for label, reason in reasons))


def _habit(spot: Spot, g: Geometry, operator: Operator) -> str | None:
    """Why the operator's own policy keeps the convolution, or None."""
    with operator.contained():
        return operator.policy.refuses(Site(spot.name, g, spot.place == 0))


def asked_together(plan: Plan, request: Request, spot: Spot) -> bool:
    """Whether a request may take a convolution with its neighbours: it has no clause, or one that reads `policy`."""
    clauses = plan.clauses(request)
    if _kept_by(spot, plan.keep) or (clauses and not any("policy" in clause.names(text) for text in clauses)):
        return False
    fields = fields_of(spot, spot.geometries[0], policy=True)
    return all(clause.holds(text, fields) for text in clauses)


def applied(request: Request, spot: Spot, g: Geometry, clauses: Sequence[str] = ()) -> Evaluation | str:
    """The operator in place of a convolution of one size, or the reason why it does not apply.

    The only place where this is decided: for described networks, for modules and for `list --matching`.
    clauses: what must hold; without any, the operator's own policy decides.
    """
    operator = request.operator
    habit = _habit(spot, g, operator)
    for text in clauses:
        if not clause.holds(text, fields_of(spot, g, habit is None)):
            return f"where {text} does not hold"
    if habit is not None and not clauses:
        return habit
    given = dict(request.options)
    if spot.bias and operator.takes_bias and "bias" in operator.param:
        given.setdefault("bias", True)
    try:
        with operator.contained():
            asks = not spot.sized and _asks_for_size(operator, g, given)
        if asks:
            return "whether it applies depends on the size of the input, which is not known"
        evaluation = operator.evaluate(g, given)
    except FlopcalcError as error:
        # Not a reason to keep the convolution: the operator fails.
        if error.code == "broken-plug-in":
            raise
        return error.reason or error.message
    with operator.contained():
        fits = _fits(evaluation)
    if not fits:
        return "its input or output has another shape"
    if len(evaluation.cost.parts) == 1 and evaluation.cost.totals() == spot.cost(g).totals():
        return "it is this convolution already"
    return evaluation


def applied_to_plain(operator: Operator, g: Geometry) -> Evaluation | str:
    """The same decision for a plain convolution without a bias, neither the first nor the last of its network."""
    return applied(Request(operator, {}), Spot(("layer",), "", "conv", (g,), bias=False, place=1, among=3), g)


def _fits(evaluation: Evaluation) -> bool:
    """Whether the operator's input and output have the shapes of the convolution's."""
    g, operator = evaluation.geometry, evaluation.operator
    axes = zip((g.h, g.w), g.kernel, g.stride, g.padding, g.dilation, strict=True)
    if tuple(operator.size_out(*axis) for axis in axes) != (g.h_out, g.w_out) or operator.name in _NOT_ON_A_GRID:
        return False
    return (evaluation.in_shape, evaluation.out_shape) == ((g.c_in, g.h, g.w), (g.c_out, g.h_out, g.w_out))


def fields_of(spot: Spot, g: Geometry, policy: bool) -> dict[str, Any]:
    """The fields that a clause can use; flopcalc.replacing.clause describes them."""
    cost = spot.cost(g)

    def one(pair: tuple[Any, Any]) -> Any:
        return pair[0] if pair[0] == pair[1] else short(pair)

    return {
        "name": spot.name,
        "stage": spot.stage,
        "type": spot.kind,
        "index": spot.place,
        "first": spot.place == 0,
        "last": spot.place == spot.among - 1,
        "k": one(g.kernel),
        "k_h": g.k_h,
        "k_w": g.k_w,
        "c_in": g.c_in,
        "c_out": g.c_out,
        "stride": one(g.stride),
        "padding": one(g.padding),
        "dilation": one(g.dilation),
        "groups": g.groups,
        "h": g.h,
        "w": g.w,
        "h_out": g.h_out,
        "w_out": g.w_out,
        "depthwise": g.groups == g.c_in and g.c_in > 1,
        "pointwise": g.kernel == (1, 1),
        "bias": spot.bias,
        "params": cost.total("params"),
        "macs": cost.total("macs"),
        "policy": policy,
    }


class _SizeRead(Exception):  # noqa: N818 - not an error, an answer
    """A rule needs a size that is not known."""


def _read(*_: object) -> Any:
    raise _SizeRead


def _stay(*_: object) -> Any:
    return _UNKNOWN


# An unknown number: arithmetic with it gives an unknown number, and a comparison raises _SizeRead.
_ARITHMETIC = "add radd sub rsub mul rmul floordiv rfloordiv truediv rtruediv mod rmod pow rpow neg"
_QUESTIONS = "eq ne lt le gt ge bool index int float format str repr"
_UNKNOWN: Any = type(
    "_Unknown",
    (),
    {f"__{name}__": _stay for name in _ARITHMETIC.split()} | {f"__{name}__": _read for name in _QUESTIONS.split()},
)()


def _asks_for_size(operator: Operator, g: Geometry, given: Mapping[str, Any]) -> bool:
    """Whether the rules of the operator depend on the input's size."""
    blind = g._replace(h=_UNKNOWN, w=_UNKNOWN, h_out=_UNKNOWN, w_out=_UNKNOWN)
    try:
        named = operator.derive(blind, operator.resolve(given))
        # A rule that fails whatever the size is gives the reason.
        next((rule for rule in operator.rules if rule.check(blind, named) is not None), None)
    except _SizeRead:
        return True
    return False


def notes(decisions: Sequence[Decision], plan: Plan, network: str) -> list[str]:
    """Notes for the user: nothing was replaced, a clause overrides a policy, or biases were dropped."""
    found = []
    taken = [decision for decision in decisions if decision.request is not None]
    if not taken:
        what = " or ".join(dict.fromkeys(request.operator.name for request in plan.requests))
        why = f"no convolution of {network} was taken by {what}" if decisions else f"{network} has no convolution"
        found.append(f"nothing was replaced: {why}")
    for request in plan.requests:
        operator = request.operator
        mine = [decision for decision in taken if decision.request is request]
        beyond = sum(decision.widened for decision in mine)
        if beyond and not any("policy" in clause.names(text) for text in plan.clauses(request)):
            found.append(
                f"{operator.name}: its own policy ({operator.policy.text}) would keep {beyond} of these {len(mine)} "
                "layers; the where clause overrides it, and `policy and ...` narrows it instead"
            )
        if lost := sum(decision.lost_bias for decision in mine):
            found.append(
                f"{operator.name} has no bias: the bias of {lost} replaced layer{'s' if lost > 1 else ''} was dropped"
            )
    return found


def check_sizes_known(plan: Plan, known: bool) -> None:
    """Raise FlopcalcError (needs-inputs) where a clause needs the size of the input and it is not known."""
    for text in {text for request in plan.requests for text in plan.clauses(request)}:
        read = sorted(clause.names(text) & clause.OF_INPUT)
        if read and not known:
            raise FlopcalcError(
                "needs-inputs",
                f"where {clip(text)} reads {', '.join(read)}, and the size of the input is not known",
                "give the shape of the input: inputs=(1, 3, 224, 224)",
            )
