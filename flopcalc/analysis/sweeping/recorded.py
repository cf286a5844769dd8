"""One operator recorded on the axes of a sweep: its formula and its rules as operations on arrays."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from flopcalc.analysis.sweeping import condition
from flopcalc.analysis.sweeping.branches import explore, join
from flopcalc.analysis.sweeping.condition import Exact
from flopcalc.analysis.sweeping.grid import Axis
from flopcalc.analysis.sweeping.node import Book, Node, both, equal, negation
from flopcalc.analysis.sweeping.outcome import RATIOS, baseline_name
from flopcalc.analysis.sweeping.program import Program
from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import Cost, in_bytes
from flopcalc.cost.geometry import SAME, Geometry, short
from flopcalc.cost.kinds import KINDS
from flopcalc.spec.operator import Operator

# The number that the convention gives.
COST = "cost"
# The sizes of a layer as columns, in their order.
SIZES = ("c_in", "c_out", "k", "h", "w", "h_out", "w_out", "stride", "padding", "dilation", "groups", "batch")


class Setting(NamedTuple):
    """An operator with its sizes and options: ints, texts and the like, or nodes.

    sizes: by their names in `flopcalc.layer`, with `h` and `w` where these are given one by one. options: those given.
    convention: what the column `cost` counts.
    """

    operator: Operator
    sizes: Mapping[str, Any]
    options: Mapping[str, Any]
    convention: Convention

    def geometry(self) -> tuple[Geometry, dict[str, Any]]:
        """The shape, and all options. Raises FlopcalcError where the sizes do not fit."""
        operator = self.operator
        nodes = {name: value for name, value in self.options.items() if isinstance(value, Node)}
        options: dict[str, Any] = {
            **operator.resolve({name: value for name, value in self.options.items() if name not in nodes})
        }
        for param in operator.params:
            if param.name in nodes:
                options[param.name] = nodes[param.name]
            elif param.same_as in nodes and param.name not in self.options:
                options[param.name] = nodes[param.same_as]
        sizes = dict(self.sizes)
        c_in, c_out = sizes.pop("c_in"), sizes.pop("c_out", None)
        if c_out is None and operator.default_c_out is not None:
            c_out = operator.default_c_out(c_in, options)
        h, w = sizes.pop("h", None), sizes.pop("w", None)
        if h is not None or w is not None:
            # As on the command line, one of the two applies to both.
            sizes["hw"] = (w if h is None else h, h if w is None else w)
        return operator.geometry(c_in, c_out, **sizes), options


def described(setting: Setting, g: Geometry, named: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of one layer that are not costs."""
    operator = setting.operator
    one_axis = operator.axes == 1

    def size(name: str) -> Any:
        sizes = g.sizes(name)
        return sizes[-1] if one_axis or all(one is sizes[0] or one == sizes[0] for one in sizes) else short(sizes)

    return {
        "c_in": g.c_in,
        "c_out": g.c_out,
        "k": size("k"),
        "h": g.h,
        "w": g.w,
        "h_out": g.h_out,
        "w_out": g.w_out,
        "stride": size("stride"),
        "padding": SAME if setting.sizes.get("padding") == SAME else size("padding"),
        "dilation": size("dilation"),
        "groups": g.groups,
        "batch": g.batch,
        **{param.name: named[param.name] for param in operator.params},
        **{value.name: named[value.name] for value in operator.derived if value.shown},
    }


class Recording(NamedTuple):
    """The operations of one setting. constants: the columns that are not numbers, which all combinations share."""

    program: Program
    constants: Mapping[str, Any]
    labels: tuple[str, ...]


CODE, KEEP = " code", " keep"


def record(
    setting: Setting, axes: Sequence[Axis], needed: Collection[str], where: Sequence[str], fixed: Mapping[str, Any]
) -> Recording:
    """The recording of an operator on axes, which are sizes and options of `setting` by name.

    needed: columns. fixed: further columns for conditions, such as the name of the operator. Raises NeedsNumberError
    where a formula cannot be recorded, and whatever it raises by itself.
    """
    book = Book()
    nodes = {axis.name: book.axis(index, axis.low, axis.high) for index, axis in enumerate(axes)}
    own = setting.operator.param
    setting = Setting(
        setting.operator,
        {**setting.sizes, **{name: node for name, node in nodes.items() if name not in own}},
        {**setting.options, **{name: node for name, node in nodes.items() if name in own}},
        setting.convention,
    )
    read = {name for text in where for name in condition.names_in(text)}
    kinds, columns = split({*needed, *read})

    def run() -> dict[str, Any]:
        g, options = setting.geometry()
        named, parts = setting.operator.apply_any(g, options)
        cost = Cost(parts)
        found = described(setting, g, named) | in_bytes(cost.totals())
        if COST in columns:
            found[COST] = setting.convention.of(cost, g.batch)
        if kinds:
            base = in_bytes(setting.operator.baseline(g, named).totals())
            found |= {baseline_name(kind): base[kind] for kind in kinds}
        return found

    joined = join(explore(book, run), [*columns, *map(baseline_name, kinds)])
    keep = kept({**joined.values, **fixed}, where, book)
    outputs = {CODE: joined.code, KEEP: keep}
    constants = dict(fixed)
    shown, others = split(needed)
    for name in (*others, *map(baseline_name, shown)):
        value = joined.values.get(name)
        if isinstance(value, Node) or type(value) is int:
            outputs[name] = value
        else:
            constants.setdefault(name, value)
    return Recording(Program(outputs), constants, joined.labels)


def split(names: Collection[str]) -> tuple[list[str], list[str]]:
    """The kinds of the ratios among some columns, and the other columns with the kinds that the ratios need."""
    kinds = sorted({name[len("ratio(") : -1] for name in names if name in RATIOS}, key=KINDS.index)
    return kinds, sorted({*(name for name in names if name not in RATIOS), *kinds})


def kept(values: Mapping[str, Any], where: Sequence[str], book: Book) -> Any:
    """Whether all conditions hold: a flag. values: the columns, with the baselines that ratios need."""
    names = dict(values)
    for name in {name for text in where for name in condition.names_in(text)} & {*RATIOS}:
        kind = name[len("ratio(") : -1]
        top, base = values.get(kind), values.get(baseline_name(kind))
        zero = True if base is None or top is None else equal(base, 0, book)
        names[name] = None if zero is True else Exact(top, base, negation(zero))
    keep: Any = True
    for text in where:
        keep = both(keep, condition.recorded(text, names, book))
    return keep
