"""The record of an operator, and the result of applying it to a shape.

An operator is data: a formula (a plain function that yields parts), its options, the values derived
from them, the rules that say where it applies, and the papers that printed it. The command line,
the tests, the documentation and the cross-check read this record; none of them knows an operator by
name.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from inspect import CO_VARKEYWORDS
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from flopcalc.cost import parts
from flopcalc.cost.cost import Cost, Part, Parts
from flopcalc.cost.geometry import Geometry, geometry, out_size, with_depth
from flopcalc.cost.kinds import HasKinds
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError
from flopcalc.spec import field_types, validation
from flopcalc.spec.axes import along_width, depth_of, uneven_padding
from flopcalc.spec.channel_map import ChannelMap
from flopcalc.spec.containment import contained
from flopcalc.spec.param import AUTO, Param, Value, show
from flopcalc.spec.size_names import unknown_option
from flopcalc.spec.source import Equation, Erratum, Paper
from flopcalc.spec.two_grids import TwoGrids

# The names that an operator's file imports, options included.
__all__ = [
    "AUTO",
    "NOWHERE",
    "Derived",
    "Evaluation",
    "Limit",
    "Named",
    "Operator",
    "Param",
    "Policy",
    "Rule",
    "Site",
    "Value",
    "show",
    "spatial",
]

Named: TypeAlias = Mapping[str, Any]

# Shared by all records: read-only.
_NOTHING: Named = MappingProxyType({})


class Derived(NamedTuple):
    """A value that follows from shape and options: the rule that gives it, and the rule in words.

    compute(g, **named) takes the options and earlier derived values that it names as arguments.
    why(g, named): the rule in words; a value without it is hidden from users and only steers the formula.
    """

    name: str
    compute: Callable[..., Any]
    why: Callable[[Geometry, Named], str] | None = None

    @property
    def shown(self) -> bool:
        """Whether users see it."""
        return self.why is not None


class Rule(NamedTuple):
    """A condition of an operator. check(g, named) returns why it does not apply, in words, or None if it does."""

    text: str
    check: Callable[[Geometry, Named], str | None]
    hint: str


class Limit(NamedTuple):
    """At these option values the operator must cost what a simpler operator costs.

    named: the values of options and of derived values. surviving: names of parts that remain in addition to
    the simpler operator, e.g. an extra branch.
    """

    named: Named
    equals: str
    surviving: tuple[str, ...] = ()
    equals_options: Named = _NOTHING


class Site(NamedTuple):
    """A convolution of a network that an operator may replace. first: it is the network's first convolution."""

    name: str
    geometry: Geometry
    first: bool


def _any_site(site: Site) -> str | None:
    return None


def spatial(site: Site) -> str | None:
    """The usual policy: every convolution with a kernel larger than 1x1."""
    return "1x1 kernel" if site.geometry.kernel == (1, 1) else None


class Policy(NamedTuple):
    """Which convolutions of a network the operator replaces, as its paper did.

    refuses(site): why a convolution stays, in words, or None where it is replaced.
    """

    text: str
    refuses: Callable[[Site], str | None] = _any_site


_EVERYWHERE = Policy("every convolution")
NOWHERE = Policy("no convolution", lambda site: "a block of several layers does not replace a single convolution")


def _image_in(g: Geometry, named: Named) -> tuple[int, ...]:
    return g.c_in, g.h, g.w


def _image_out(g: Geometry, named: Named) -> tuple[int, ...]:
    return g.c_out, g.h_out, g.w_out


def _plain_convolution(g: Geometry, named: Named) -> Cost:
    bias = bool(named.get("bias", False))
    return Cost((parts.after_padding(g, parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, bias=bias)),))


_ITEMS = {"params": Param, "derived": Derived, "rules": Rule, "limits": Limit, "equations": Equation, "errata": Erratum}


@dataclass(frozen=True, eq=False, repr=False)
class Operator:
    """Everything that flopcalc knows about an operator.

    formula(g, **named) yields parts; it names the options and derived values that it reads.
    notes(evaluation) gives the notes that `layer` shows, with their numbers; the evaluation has batch 1.
    baseline(g, named) is the plain convolution that the ratio compares with; baseline_text names it.
    shape: the operator's own defaults for sizes that a user does not give. axes: 1 for operators on
    sequences; their sizes lie along the width. volume: for operators on volumes, whose windows have a depth too.
    default_c_out(c_in, options): output channels when they are not given (else c_in).
    default_c_in(options): input channels where options fix them, or None.
    in_shape, out_shape: of one sample. c_in_of(channels, options): c_in for a tensor with that number of
    channels, where the two differ. size_out: the output's size along an axis where it is not that of a
    convolution; closed forms then use the input grid.
    shapes: sizes to check in addition to the usual ones, for operators that refuse most of those.
    takes_bias: whether its option `bias` is set where it replaces a convolution with a bias; false where the authors'
    module has none. pads_unevenly: whether it takes `padding="same"` with an even kernel.
    channel_map(g, named, channel): the input channels that an output channel reads.
    two_grids: for operators whose tensors are pairs of maps. inputs(named): the tensors that the layer takes.
    torch_module: the class of torch.nn that is the whole operator, where counters know it by its class.
    family groups operators in listings. samples: sets of options to check together.
    layer_file: for a plug-in, the module that holds its nn.Module, as `package.module`.
    origin: for a plug-in, the package and the place that it was loaded from; set when it is loaded.
    """

    name: str
    title: str
    family: str
    paper: Paper
    formula: Callable[..., Iterable[Part]]
    params: tuple[Param, ...] = ()
    derived: tuple[Derived, ...] = ()
    rules: tuple[Rule, ...] = ()
    limits: tuple[Limit, ...] = ()
    equations: tuple[Equation, ...] = ()
    errata: tuple[Erratum, ...] = ()
    policy: Policy = _EVERYWHERE
    notes: Callable[["Evaluation"], Iterable[str]] | None = None
    baseline: Callable[[Geometry, Named], Cost] = _plain_convolution
    baseline_text: str = "plain conv"
    shape: Mapping[str, int] = field(default_factory=dict)
    axes: int = 2
    default_c_out: Callable[[int, Named], int] | None = None
    in_shape: Callable[[Geometry, Named], tuple[int, ...]] = _image_in
    out_shape: Callable[[Geometry, Named], tuple[int, ...]] = _image_out
    c_in_of: Callable[[int, Named], int] | None = None
    samples: tuple[Named, ...] = ()
    layer_file: str = ""
    origin: str = ""
    size_out: Callable[..., Any] = out_size
    shapes: tuple[Mapping[str, Any], ...] = ()
    takes_bias: bool = True
    volume: bool = False
    pads_unevenly: bool = False
    channel_map: Callable[[Geometry, Named, int], ChannelMap] | None = None
    default_c_in: Callable[[Named], int | None] | None = None
    two_grids: TwoGrids | None = None
    inputs: Callable[[Named], int] = lambda named: 1
    torch_module: Literal["", "LSTM", "GRU"] = ""

    def __post_init__(self) -> None:
        for field_name, kind in _ITEMS.items():
            validation.check_items(self.name, field_name, getattr(self, field_name), kind)
        field_types.check_types(self)
        names = [param.name for param in self.params] + [value.name for value in self.derived]
        if len(names) != len(set(names)):
            raise ValueError(f"{self.name}: two options or derived values share a name")
        for function in (self.formula, *(value.compute for value in self.derived)):
            if unknown := set(_wanted(function) or ()) - set(names):
                known = f"known: {', '.join(sorted(names))}" if names else "it has no options or derived values"
                raise ValueError(f"{self.name}: {function.__name__} reads {', '.join(sorted(unknown))}; {known}")
        self._check_names()

    def _check_names(self) -> None:
        names = validation.Names(self.name, self.param, frozenset(value.name for value in self.derived))
        validation.check_names(names, self.family)
        validation.check_shapes(names, self.shape, self.shapes)
        for options in self.samples:
            validation.check_known(names, "samples", options, self.param)
        for limit in self.limits:
            validation.check_known(names, "a Limit", limit.named, names.known)
        for equation in self.equations:
            validation.check_equation(equation, names)

    def __repr__(self) -> str:
        return f"<operator {self.name}>"

    def __deepcopy__(self, memo: object) -> "Operator":
        # A record that nothing changes: a copy is the record itself.
        return self

    @cached_property
    def _formula_wants(self) -> tuple[str, ...] | None:
        wants = _wanted(self.formula)
        # None where it takes all, so that none are picked.
        return None if wants and {*wants} == {*self.param, *(value.name for value in self.derived)} else wants

    @cached_property
    def _derived_wants(self) -> tuple[tuple[Derived, tuple[str, ...] | None], ...]:
        return tuple((value, _wanted(value.compute)) for value in self.derived)

    @cached_property
    def has_image_shapes(self) -> bool:
        """Whether input and output are maps of c_in and c_out channels, as those of a convolution."""
        return self.in_shape is _image_in and self.out_shape is _image_out

    @cached_property
    def param(self) -> Mapping[str, Param]:
        """The options by name."""
        return {param.name: param for param in self.params}

    def geometry(self, c_in: int, c_out: int | None = None, given: Named = _NOTHING, **sizes: Any) -> Geometry:
        """A checked shape with the operator's own defaults; sizes as `flopcalc.cost.geometry.geometry` takes them."""
        if c_out is None and self.default_c_out is not None and (channels := as_int(c_in)) is not None:
            c_out = self.default_c_out(channels, self.resolve(given))
        sizes = {**self.shape, **{name: size for name, size in sizes.items() if size is not None}}
        depth = depth_of(self.name, self.volume, self.axes, sizes)
        if self.axes == 1:
            sizes = {"k": 3, "hw": 56, **sizes}
            flat = {"k": 1, "hw": 1, "stride": 1, "padding": 0, "dilation": 1}
            sizes |= {name: along_width(self.name, name, flat[name], sizes[name]) for name in flat if name in sizes}
        g = geometry(c_in, c_out, size_out=self.size_out, **sizes)
        return with_depth(g, **depth) if depth else g

    def resolve(self, given: Named) -> dict[str, Value]:
        """All options, checked, with defaults for those not given."""
        for name in given:
            if name not in self.param:
                has = f"{self.name} has: {', '.join(self.param)}" if self.param else f"{self.name} has no options"
                raise unknown_option(f"option of {self.name}", name, self.param, has)
        options: dict[str, Value] = {}
        for param in self.params:
            value = given.get(param.name, param.default)
            # AUTO is also what `.options` of an evaluation has for a value that a rule decided.
            decided = param.name not in given or (value is AUTO and param.default is AUTO)
            options[param.name] = param.default if decided else param.read(value)
        for param in self.params:
            if param.same_as and options[param.name] is AUTO:
                options[param.name] = options[param.same_as]
        return options

    def derive(self, g: Geometry, options: Named) -> dict[str, Any]:
        """Options and derived values together, by name."""
        named = dict(options)
        for value, wants in self._derived_wants:
            named[value.name] = value.compute(g, **_pick(named, wants))
        return named

    def cost(self, g: Geometry, named: Named) -> Cost:
        """The formula on a shape. `named` is what `derive` returned. Rules are not checked."""
        return Cost(tuple(self.formula(g, **_pick(named, self._formula_wants))))

    def evaluate(self, g: Geometry, given: Named | None = None) -> "Evaluation":
        """The operator on one concrete shape.

        Raises FlopcalcError (cannot-stand, with the reason) where the operator does not apply.
        """
        given = given or {}
        return self.evaluate_resolved(g, self.resolve(given), frozenset(given))

    def evaluate_resolved(self, g: Geometry, options: Named, given: frozenset[str]) -> "Evaluation":
        """`evaluate` with all options, as `resolve` returns them. given: the names of those that the caller set."""
        named, parts = self.apply(g, options)
        return Evaluation(self, g, given, named, Cost(parts))

    def apply(self, g: Geometry, options: Named) -> tuple[Named, Parts]:
        """Options and derived values, and the parts of the cost, on a concrete shape. Raises as `evaluate` does."""
        if not self.origin:
            return self.apply_any(g, options)
        with self.contained():
            named, parts = self.apply_any(g, options)
            validation.check_applied(self, g, options, parts)
            return named, parts

    def contained(self) -> AbstractContextManager[None]:
        """Around calls of the record's functions: what a plug-in raises becomes an error that names the plug-in."""
        return contained(f"the plug-in {self.name} ({self.origin})") if self.origin else nullcontext()

    def apply_any(self, g: Geometry, options: Named) -> tuple[Named, Parts]:
        """`apply` for sizes that may also be recorded values; of a plug-in neither contained nor checked."""
        named = self.derive(g, options)
        if not self.pads_unevenly and g.uneven:
            raise uneven_padding(self.name, g)
        for rule in self.rules:
            if (problem := rule.check(g, named)) is not None:
                message = f"{self.name} does not apply here: {problem}"
                raise FlopcalcError("cannot-stand", message, rule.hint, reason=problem, rule=rule.text)
        return named, tuple(self.formula(g, **_pick(named, self._formula_wants)))


def _wanted(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Names of the arguments after the first (the geometry); None where the function takes all by `**named`."""
    code = function.__code__
    if code.co_flags & CO_VARKEYWORDS:
        return None
    return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]


def _pick(named: Named, wants: tuple[str, ...] | None) -> Named:
    return named if wants is None else {name: named[name] for name in wants}


@dataclass(frozen=True, repr=False)
class Evaluation(HasKinds):
    """An operator applied to a shape. given: the names of the options that the caller set."""

    operator: Operator
    geometry: Geometry
    given: frozenset[str]
    named: Named = field(hash=False)
    cost: Cost

    def __repr__(self) -> str:
        title = f"{self.label()} {self.geometry}"
        return f"<Evaluation {title if len(title) <= 90 else f'{title[:89]}…'}: {self.headline}>"

    def total(self, kind: str) -> int:
        """The total of one kind of cost. Raises FlopcalcError (unknown-kind)."""
        return self.cost.total(kind)

    @property
    def options(self) -> dict[str, Value]:
        """The options, defaults filled in."""
        return {param.name: self.named[param.name] for param in self.operator.params}

    @property
    def derived(self) -> dict[str, Any]:
        """The derived values that users see."""
        return {value.name: self.named[value.name] for value in self.operator.derived if value.shown}

    @cached_property
    def baseline(self) -> Cost:
        """The plain convolution that this is compared with."""
        return self.operator.baseline(self.geometry, self.named)

    def ratio(self, kind: str) -> Fraction | None:
        """Cost over that of the plain convolution, exact; None where that has no such cost."""
        base = self.baseline.total(kind)
        return Fraction(self.cost.total(kind), base) if base else None

    @property
    def inputs(self) -> int:
        """The number of tensors that the layer takes."""
        return self.operator.inputs(self.named)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """Shape of the input of one sample."""
        return self.operator.in_shape(self.geometry, self.named)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the output of one sample."""
        return self.operator.out_shape(self.geometry, self.named)

    def label(self) -> str:
        """`spconv(alpha=1/4)`: the name with the options that were given."""
        given = ", ".join(f"{name}={show(self.named[name])}" for name in self.options if name in self.given)
        return f"{self.operator.name}({given})" if given else self.operator.name
