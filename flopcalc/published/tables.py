"""Tables of papers: the printed figures, and how each is computed.

configs/published/ has a file for each source; docs/adding-a-table.md describes the language of these files. Figures
are text, so that all digits are kept. They are computed in `flopcalc.published.compare`.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from flopcalc.catalog import lookup
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.cost.geometry import GIVEN_SIZES
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.networks.inputs import Input
from flopcalc.spec.source import Paper
from flopcalc.targets.spec import TargetSpec, read_plan
from flopcalc.text import shipped_files
from flopcalc.text.figure import Printed, read_printed
from flopcalc.text.yaml_file import File, Map, line_of, read_file

Stated: TypeAlias = Literal["", "misprint", "differs", "open"]

# Quantities that a figure can have without `gives`.
QUANTITIES = tuple(dict.fromkeys((*KINDS, *CONVENTIONS)))

_IS_PATH = re.compile(r"[^: ]+\.ya?ml(?![a-z])")

_TOP = ("name", "operator", "paper", "source", "reasons", "tables")
_TABLE = ("table", "source", "unit", "ours", "open", "note", "rows")
_ROW = ("row", "ours", "open", "note")
_FIGURE = ("printed", "ours", "gives", "means", "misprint", "differs", "open", "evidence")
_WITNESS = ("what", "ours", "gives", "fits")
_OURS = ("network", "operator", "set", "shape", "input", "replace", "where", "keep", "only", "leaves_out")
_NEITHER = "write ours (how to compute it), or open (why it cannot be compared)"
_SHAPE = ("c_in", "c_out", *GIVEN_SIZES)


class Ours(NamedTuple):
    """What is computed for a figure. target: a network or an operator; None for arithmetic on printed figures.

    only, leaves_out: conditions on the kernels that are counted.
    """

    target: TargetSpec | None = None
    only: str = ""
    leaves_out: str = ""


class Witness(NamedTuple):
    """A further number as evidence. fits: it gives the printed digits, so it shows what the source counted."""

    what: str
    ours: Ours
    gives: str
    fits: bool


class Figure(NamedTuple):
    """One printed figure.

    quantity: a kind of cost, a convention or another name. gives: the expression that is compared with it. means: what
    that counts, in words. stated, why: for a figure that does not agree, its verdict and the reason. place: file, line.
    """

    paper: str
    table: str
    row: str
    quantity: str
    printed: Printed
    ours: Ours
    gives: str
    means: str
    stated: Stated
    why: str
    note: str
    evidence: tuple[Witness, ...]
    source: str
    place: str


class Published(NamedTuple):
    """The tables of one source. key: the name of its file. operator: the operator that the paper defines, or empty."""

    key: str
    name: str
    operator: str
    paper: Paper
    figures: tuple[Figure, ...]

    def figures_stated(self, stated: Stated) -> list[Figure]:
        """The figures that the file states to be misprints, different or open."""
        return [figure for figure in self.figures if figure.stated == stated]


def folder() -> str:
    """The folder of the shipped tables."""
    return shipped_files.folder("published")


def names() -> list[str]:
    """Keys of the shipped sources."""
    return sorted(file.removesuffix(".yaml") for file in os.listdir(folder()) if file.endswith(".yaml"))


def find(name: str) -> list[Published]:
    """The source with that key, those of an operator's paper, or the file at a path; empty if there are none."""
    if name.endswith((".yaml", ".yml")):
        return [read_published(name)]
    if name in names():
        return [load(name)]
    return [one for one in map(load, names()) if one.operator == name]


def get(name: str) -> list[Published]:
    """Like `find`, but raises FlopcalcError (unknown-paper) if there are none."""
    found = find(name)
    if not found:
        how = f"papers: {', '.join(names())}; for your own table give a path that ends in .yaml"
        raise unknown_name("paper", name, names(), how)
    return found


def load(key: str) -> Published:
    """A shipped source by its key."""
    return read_published(os.path.join(folder(), f"{key}.yaml"))


def read_published(path: str) -> Published:
    """The tables of a YAML file. Raises FlopcalcError (bad-table)."""
    file = File(path, "bad-table", "docs/adding-a-table.md describes the language, with an example")
    data = file.keys(read_file(path, "table"), None, None, _TOP, "a file of tables")
    key = os.path.basename(path).rsplit(".", 1)[0]
    operator = _text(file, data, "operator")
    figures = [
        figure
        for table in _list(file, data, "tables")
        for figure in _table(file, key, file.keys(table, data, "tables", _TABLE, "a table"), data)
    ]
    return Published(key, _text(file, data, "name") or key, operator, _paper(file, data, key), tuple(figures))


def _paper(file: File, data: Map, key: str) -> Paper:
    """The paper of the operator, or the one that the file describes."""
    if ("operator" in data) == ("paper" in data):
        raise file.error(data, None, "a file of tables must have either paper or operator")
    if "operator" in data:
        found = lookup.find(str(data["operator"]))
        if found is None:
            raise file.error(
                data, "operator", f"unknown operator {clip(data['operator'])}", "`flopcalc list` shows all operators"
            )
        return found.paper
    spec = file.keys(data["paper"], data, "paper", Paper._fields, "paper")
    fields = {name: tuple(map(str, value)) if name == "authors" else value for name, value in spec.items()}
    blank: dict[str, Any] = {"key": key, "authors": (), "title": key, "venue": "", "year": None}
    return Paper(**{**blank, **fields})


def _table(file: File, key: str, table: Map, data: Map) -> Iterator[Figure]:
    name = _text(file, table, "table", needed=True)
    units = table.get("unit", "")
    if isinstance(units, Map):
        file.keys(units, table, "unit", QUANTITIES, f"unit of table {name}")
    for row in _list(file, table, "rows"):
        if not isinstance(row, Map) or "row" not in row:
            raise file.error(table, "rows", f"table {name}: each row must be a mapping with the key row")
        quantities = [quantity for quantity in row if quantity not in _ROW]
        if not quantities:
            raise file.error(row, None, f"table {name}, row {clip(row['row'])}: it has no figure")
        for quantity in quantities:
            spec = row[quantity]
            if not isinstance(spec, Map):
                spec = Map(printed=spec)
                spec.line, spec.lines = line_of(row, quantity), {}
            file.keys(spec, row, quantity, _FIGURE, quantity)
            unit = units.get(quantity, "") if isinstance(units, Map) else units
            yield _figure(file, key, (data, table, row, spec), quantity, str(unit))


def _figure(file: File, key: str, levels: tuple[Map, Map, Map, Map], quantity: str, unit: str) -> Figure:
    """A figure from its file, table, row and own keys; the nearest value wins."""
    data, table, row, spec = levels
    gives = _text(file, spec, "gives")
    if not gives and quantity not in QUANTITIES:
        near = unknown_name("quantity", quantity, QUANTITIES, f"known: {', '.join(QUANTITIES)}; other names need gives")
        raise file.error(row, quantity, near.message, near.hint)
    found = [
        (stated, _reason(file, data, spec, stated)) for stated in ("misprint", "differs", "open") if stated in spec
    ]
    if len(found) > 1:
        raise file.error(spec, None, f"{quantity} has both {found[0][0]} and {found[1][0]}", "keep one of them")
    for level in (row, table):
        if not found and "open" in level:
            found = [("open", _reason(file, data, level, "open"))]
    stated, why = found[0] if found else ("", "")
    if found and not why:
        raise file.error(spec, None, f"{quantity} has {stated} without a reason", "write the reason as its value")
    ours = _ours(file, levels[1:])
    witnesses = tuple(
        _witness(file, (*levels[1:], file.keys(one, spec, "evidence", _WITNESS, "evidence")), gives or _name(quantity))
        for one in _list(file, spec, "evidence", needed=False)
    )
    if stated != "open" and ours == Ours() and not gives:
        raise file.error(spec, None, f"{quantity} has neither ours nor open", _NEITHER)
    return Figure(
        paper=key,
        table=_text(file, table, "table"),
        row=_text(file, row, "row"),
        quantity=quantity,
        printed=_printed(file, spec, unit),
        ours=ours,
        gives=gives or _name(quantity),
        means=_reason(file, data, spec, "means"),
        stated=stated,  # type: ignore[arg-type]
        why=why,
        note=_text(file, row, "note") or _text(file, table, "note"),
        evidence=witnesses,
        source=_text(file, table, "source") or _text(file, data, "source"),
        place=f"{file.path}, line {line_of(spec)}",
    )


def _reason(file: File, data: Map, spec: Map, key: str) -> str:
    """The text of a key; `$name` is replaced by that entry of `reasons`, which several figures can share."""
    text = _text(file, spec, key)
    if not text.startswith("$"):
        return text
    reasons = file.keys(data.get("reasons", Map()), data, "reasons", tuple(data.get("reasons", ())), "reasons")
    if text[1:] not in reasons:
        raise file.error(spec, key, f"unknown reason {clip(text[1:])}", f"reasons: {', '.join(reasons) or 'none'}")
    return _text(file, reasons, text[1:])


def _name(quantity: str) -> str:
    """The name of a convention as expressions write it."""
    return quantity.replace("-", "_")


def _witness(file: File, levels: tuple[Map, ...], gives: str) -> Witness:
    spec = levels[-1]
    what = _text(file, spec, "what", needed=True)
    return Witness(what, _ours(file, levels), _text(file, spec, "gives") or gives, bool(spec.get("fits")))


def _printed(file: File, spec: Map, unit: str) -> Printed:
    text = spec.get("printed")
    if not isinstance(text, str):
        raise file.error(
            spec,
            "printed",
            f"the figure is {clip(text)}; it must be a string",
            'write it in quotes, for example "0.50"',
        )
    try:
        return read_printed(text, unit)
    except FlopcalcError as error:
        raise file.error(spec, "printed", error.message, error.hint) from None


def _ours(file: File, levels: Sequence[Map]) -> Ours:
    """What is computed: for each key the value of the nearest level; the options of `set` are merged."""
    merged: dict[str, Any] = {}
    for level in levels:
        if level.get("ours") is None:
            continue
        spec = file.keys(level["ours"], level, "ours", _OURS, "ours")
        if "network" in spec or "operator" in spec:
            # The defaults of the table apply to its own network only.
            merged = {} if {"network", "operator"} & set(merged) else merged
        for name, value in spec.items():
            if name in ("set", "shape"):
                allowed = _SHAPE if name == "shape" else tuple(value) if isinstance(value, Map) else ()
                given = file.keys(value, spec, name, allowed, name)
                merged[name] = {**merged.get(name, {}), **{key: _exact(value) for key, value in given.items()}}
            else:
                merged[name] = _setting(file, spec, name)
    return Ours(_target(file, levels, merged), merged.get("only", ""), merged.get("leaves_out", ""))


def _target(file: File, levels: Sequence[Map], merged: dict[str, Any]) -> TargetSpec | None:
    """The network or operator of merged settings. Raises FlopcalcError, with the line of the nearest level."""
    given = merged.get("set", {})
    if "operator" in merged:
        return TargetSpec("operator", merged["operator"], given, shape=merged.get("shape", {}))
    if "network" not in merged:
        return None
    try:
        plan = read_plan(merged.get("replace", ()), merged.get("where") or None, merged.get("keep", ()))
    except FlopcalcError as error:
        raise file.error(levels[-1], None, error.message, error.hint) from None
    inputs = (Input(merged["input"]),) if "input" in merged else ()
    return TargetSpec("network", _beside(file, merged["network"]), given, inputs, plan=plan)


def _exact(value: Any) -> Any:
    """A value that can be hashed; a decimal number as text."""
    return tuple(value) if isinstance(value, list) else str(value) if isinstance(value, float) else value


def _setting(file: File, spec: Map, name: str) -> Any:
    value = spec[name]
    if name == "input":
        sizes = (3, value, value) if isinstance(value, int) else tuple(value) if isinstance(value, list) else ()
        if len(sizes) != 3 or not all(type(size) is int and size > 0 for size in sizes):
            raise file.error(spec, name, f"input is {clip(value)}, not a size or [channels, height, width]")
        return sizes
    if name in ("replace", "keep"):
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) and text for text in texts):
            raise file.error(spec, name, f"{name} is {clip(value)}, not a string or a list of strings")
        return tuple(_beside(file, text) if name == "replace" else text for text in texts)
    return _text(file, spec, name)


def _beside(file: File, text: str) -> str:
    """A name unchanged; the path of a YAML file relative to the folder of the file that contains it."""
    return os.path.join(os.path.dirname(file.path), text) if _IS_PATH.match(text) else text


def _list(file: File, data: Map, key: str, needed: bool = True) -> list[Any]:
    found = data.get(key, None if needed else [])
    if not isinstance(found, list) or (needed and not found):
        raise file.error(data, key, f"{key} is {clip(found)}, not a list")
    return found


def _text(file: File, data: Map, key: str, needed: bool = False) -> str:
    """The text of a key on one line; empty if there is none."""
    found = data.get(key)
    if isinstance(found, dict | list) or (needed and found is None):
        raise file.error(data, key, f"{key} is {clip(found)}, not a string")
    return "" if found is None else " ".join(str(found).split())
