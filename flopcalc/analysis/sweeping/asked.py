"""From what a user wrote to a checked request, for the command line and for Python alike."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from flopcalc.analysis.sweeping import condition
from flopcalc.analysis.sweeping.networks import PLAIN, NetworkFamily, read_inputs
from flopcalc.analysis.sweeping.operators import OperatorFamily
from flopcalc.analysis.sweeping.outcome import Family
from flopcalc.analysis.sweeping.recorded import COST
from flopcalc.analysis.sweeping.recorded import SIZES as LAYER
from flopcalc.analysis.sweeping.request import SIZES, Key, Request
from flopcalc.analysis.sweeping.run import Sweeping, check_size
from flopcalc.analysis.sweeping.values import Values, read_sizes
from flopcalc.catalog import lookup
from flopcalc.cost.convention import get as get_convention
from flopcalc.cost.geometry import height_and_width
from flopcalc.cost.kinds import KINDS
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.spec.size_names import FLAGS_OF_NETWORKS, FLAGS_OF_OPERATORS, unknown_option
from flopcalc.targets.spec import as_texts as texts_of
from flopcalc.text import shipped_files
from flopcalc.text.yaml_file import read_file

Kind = Literal["operators", "networks"]
ALL = "all"
# A further alternative of `--replace`: the name of an operator or a path, then options, a clause or nothing.
_ALTERNATIVE = re.compile(r"\s*([\w./-]+)\s*(?::.*|\s+where\s.*)?", re.DOTALL)


def ask(
    targets: Sequence[str],
    *,
    sizes: Mapping[str, Any],
    settings: Mapping[str, Any],
    inputs: Sequence[str] = (),
    replace: Sequence[str] = (),
    keep: Sequence[str] = (),
    where: Sequence[str] = (),
    sort: str | None = None,
    pareto: str | None = None,
    limit: Any = None,
    columns: str | Sequence[str] | None = None,
    convention: str = "macs",
    short: bool = False,
) -> Sweeping:
    """The sweep that was asked for, checked, before anything is computed.

    sizes: by the names of Python, None for those not given. convention: what the column `cost` counts. short: the
    columns of a table, where none are named.
    Raises FlopcalcError.
    """
    if not targets:
        raise FlopcalcError("bad-usage", "no operator and no network is named", "write for example sweep conv ghost")
    if len(set(targets)) < len(targets):
        twice = next(name for name in targets if list(targets).count(name) > 1)
        raise FlopcalcError("bad-usage", f"{clip(twice)} is named twice", "name each operator or network once")
    given = {name: value for name, value in sizes.items() if value is not None}
    kind = _kind(targets, network=bool(inputs or replace or keep), operator=bool(set(given) - {"batch"}))
    _check_sizes(kind, given, inputs, replace, keep)
    request = Request(
        kind,
        tuple(targets),
        {name: read_sizes(SIZES[name], value, least=int(name != "padding")) for name, value in given.items()},
        dict(settings),
        inputs=read_inputs(inputs),
        replace=tuple(_alternatives(text) for text in replace),
        keep=tuple(keep),
        where=tuple(where),
        sort=_keys("--sort", sort),
        pareto=_keys("--pareto", pareto),
        limit=_limit(limit),
        convention=get_convention(convention).name,
    )
    plain = Sweeping(request, ())
    families = plain.families
    _check_settings(families, settings)
    known = list(dict.fromkeys(name for family in families for name in family.names))
    for text in where:
        condition.check(text, known)
    for key in (*request.sort, *request.pareto):
        _check_column(key.name, known)
    chosen = _columns(columns, families, kind, known, request, short)
    for family in families:
        if isinstance(family, OperatorFamily | NetworkFamily):
            family.check()
    found = Sweeping(request, chosen)
    check_size(found)
    return found


def _kind(targets: Sequence[str], *, network: bool, operator: bool) -> Kind:
    """What the targets are. network, operator: whether options of the one or of the other were given."""
    kinds = {name: _kind_of(name) for name in targets}
    found = set(kinds.values()) - {None}
    if len(found) > 1:
        names = {kind: next(name for name, one in kinds.items() if one == kind) for kind in ("operators", "networks")}
        raise FlopcalcError(
            "bad-usage",
            f"{clip(names['operators'])} is an operator, and {clip(names['networks'])} is a network",
            "write one command for operators and another one for networks",
        )
    if found:
        return found.pop()  # type: ignore[return-value]
    # None of the names is known; the options say which error helps.
    return "networks" if network and not operator else "operators"


def _kind_of(name: str) -> Kind | None:
    from flopcalc.networks import library

    path = name.partition(":")[0].strip()
    if path.endswith((".yaml", ".yml")):
        data = read_file(shipped_files.found(path), "description")
        return "operators" if isinstance(data, Mapping) and "parts" in data else "networks"
    if lookup.find(path) is not None:
        return "operators"
    return "networks" if ":" in name or "." in name or path in library.names() else None


def _check_sizes(
    kind: Kind, given: Mapping[str, Any], inputs: Sequence[str], replace: Sequence[str], keep: Sequence[str]
) -> None:
    height_and_width(given.get("hw"), given.get("h"), given.get("w"), dashes="--")
    if kind == "operators":
        for flag, value in (("--input", inputs), ("--replace", replace), ("--keep", keep)):
            if value:
                raise FlopcalcError(
                    "bad-usage",
                    f"{flag} applies to networks, and the targets are operators",
                    "give the sizes of a layer: --cin, --cout, -k, --hw, --stride, --groups",
                )
        return
    for name in given:
        if name != "batch":
            raise FlopcalcError(
                "bad-usage",
                f"{SIZES[name]} applies to operators, and the targets are networks",
                "give --input for the height and width, --set for options, --replace for operators",
            )
    if keep and not replace:
        raise FlopcalcError("bad-usage", "--keep is given without --replace", "name operators with --replace")


def _check_settings(families: Sequence[Family], settings: Mapping[str, Any]) -> None:
    for name in settings:
        if not any(isinstance(one, OperatorFamily | NetworkFamily) and name in one.options for one in families):
            own = list(dict.fromkeys(option for one in families for option in _options_of(one)))
            has = f"options here: {', '.join(own)}" if own else "the targets have no options"
            operators = any(isinstance(one, OperatorFamily) for one in families)
            raise unknown_option("option", name, own, has, FLAGS_OF_OPERATORS if operators else FLAGS_OF_NETWORKS)


def _options_of(family: Family) -> Sequence[str]:
    if isinstance(family, OperatorFamily):
        return list(family.operator.param)
    names = family.names
    return names[names.index("replace") + 1 : names.index(KINDS[0])]


def _alternatives(text: str) -> tuple[str, ...]:
    """`spconv:alpha=1/4,groups_k=2,ghost` -> two alternatives; a piece that is not an operator belongs to the last."""
    found: list[str] = []
    for piece in text.split(","):
        match = _ALTERNATIVE.fullmatch(piece)
        starts = match is not None and (
            match[1] == PLAIN or match[1].endswith((".yaml", ".yml")) or _is_operator(match[1])
        )
        if starts or not found:
            found.append(piece.strip())
        else:
            found[-1] += f",{piece}"
    if not all(found):
        raise FlopcalcError("bad-usage", f"--replace {clip(text)} names no operator", "write --replace spconv,ghost")
    return tuple(dict.fromkeys(found))


def _is_operator(name: str) -> bool:
    return name.isidentifier() and lookup.find(name) is not None


def _keys(flag: str, text: str | Sequence[str] | None) -> tuple[Key, ...]:
    if text is None:
        return ()
    pieces = text.split(",") if isinstance(text, str) else list(text)
    keys = tuple(Key(piece.strip().removeprefix("-").strip(), piece.strip().startswith("-")) for piece in pieces)
    names = [key.name for key in keys]
    if not names or not all(names) or len(set(names)) < len(names):
        raise FlopcalcError(
            "bad-usage",
            f"{flag} is {clip(text)}, not a list of different columns",
            f"write for example {flag} macs,params; a minus in front turns the order round: {flag} macs,-c_out",
        )
    return keys


def _limit(value: Any) -> int | None:
    if value is None:
        return None
    number = as_int(value)
    if number is None or number < 1:
        raise FlopcalcError("bad-option", f"--limit is {clip(value)}; it must be 1 or more", "write --limit 20")
    return number


def _check_column(name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise unknown_name("column", name, known, f"columns here: {', '.join((*known, ALL))}")


def _columns(
    columns: str | Sequence[str] | None,
    families: Sequence[Family],
    kind: Kind,
    known: Sequence[str],
    request: Request,
    short: bool,
) -> list[str]:
    """The columns of the result: those that are named, or the usual ones."""
    target = "operator" if kind == "operators" else "network"
    options = list(dict.fromkeys(name for one in families for name in getattr(one, "options", ())))
    if columns is not None:
        pieces = columns.split(",") if isinstance(columns, str) else texts_of(columns, "columns", "c_in,macs")
        names = [piece.strip() for piece in pieces if piece.strip()]
        if not names:
            raise FlopcalcError("bad-option", "--columns names no column", f"write all, or some of: {', '.join(known)}")
        for name in names:
            if name != ALL:
                _check_column(name, known)
        return list(known) if ALL in names else list(dict.fromkeys(names))
    counted = [COST] if request.convention != "macs" else []
    if not short:
        sizes = LAYER if kind == "operators" else ("input", "h", "w", "batch")
        replaced = ["replace"] if request.replace else []
        return [target, *sizes, *options, *replaced, *KINDS, *counted]
    varied = dict.fromkeys(name for one in families for name in getattr(one, "varied", ()))
    flat = [one for one in families if getattr(one, "along_width", False)]
    square = ["h"] if not flat else ["w"] if len(flat) == len(families) else ["h", "w"]
    shown = [one for name in varied for one in (_shown(request.sizes["hw"], square) if name == "hw" else [name])]
    keys = [key.name for key in (*request.sort, *request.pareto)]
    ratio = ["ratio(macs)"] if request.replace else []
    several = [target] if len(families) > 1 else []
    return list(dict.fromkeys([*several, *shown, "params", "macs", "flops", *counted, *ratio, *keys]))


def _shown(values: Values, square: list[str]) -> list[str]:
    """The columns for heights and widths together. square: those of single numbers."""
    pairs = not isinstance(values, range) and any(isinstance(value, tuple) for value in values)
    return ["h", "w"] if pairs else square


def as_texts(given: str | Iterable[str] | None, name: str, example: str) -> tuple[str, ...]:
    """None, one text or several, as a tuple. Raises FlopcalcError (bad-usage) for anything else."""
    return () if given is None else texts_of(given, name, example)
