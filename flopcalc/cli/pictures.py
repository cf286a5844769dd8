"""Which picture the options of `flopcalc plot` describe, and its chart."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from flopcalc import charts
from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.charts.axes import convention_title
from flopcalc.cli.any_target import any_spec, check_options
from flopcalc.cli.options import Padding, Positive, Size
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.replacing import all_of
from flopcalc.cost import convention
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.network import Network
from flopcalc.networks.progress import report_number
from flopcalc.networks.training import read_training
from flopcalc.targets.kind import kind_of as target_kind
from flopcalc.targets.read import Target, read_target
from flopcalc.targets.spec import TargetSpec, from_texts, setting_text, split_settings

if TYPE_CHECKING:
    import altair

    from flopcalc.analysis.sweep import Sweep

KINDS = ("size", "front", "stage", "replacement", "roofline", "memory")

_SIZES = ("c_in", "c_out", "k", "hw", "h", "w", "stride", "padding", "dilation", "groups")
_CALL = ("argument_texts", "method", "on", "timeout")
_STEP = ("optimizer", "optimizer_dtype", "autocast", "checkpoint", "freeze", "accumulate", "rules")
_EVERY = ("settings", "inputs", "replace", "where", "keep", "batch")
# The options that each kind of picture has, by the names of the parameters.
_OPTIONS: Mapping[str, Collection[str]] = {
    "size": {*_EVERY, *_SIZES, "over", "cost_kind", "convention_name", "linear"},
    "front": {*_EVERY, *_SIZES, "pareto", "convention_name", "linear"},
    "stage": {*_EVERY, *_CALL, "cost_kind", "convention_name"},
    "replacement": {*_EVERY, *_CALL, "cost_kind", "convention_name", "by"},
    "roofline": {
        *(*_EVERY, *_SIZES, *_CALL),
        *("device_name", "dtype", "execution", "fused", "mode", "freeze", "checkpoint"),
    },
    "memory": {*_EVERY, *_CALL, *_STEP, "dtype", "mode"},
}
# More would take minutes, for points that are nearer to each other than the dots of a printer.
_MOST_COMBINATIONS = 100_000
_RANGE = re.compile(r"[0-9.]\s*:\s*[0-9.]")


class Asked(NamedTuple):
    """What was asked for. kind: one of KINDS. options: by the names of the parameters; given: those on the line."""

    targets: tuple[str, ...]
    kind: str
    options: Mapping[str, Any]
    given: Set[str]
    title: str | None


def kind_of(targets: Sequence[str], options: Mapping[str, Any], given: Set[str]) -> str:
    """The kind of picture that the options describe, where --kind is not given."""
    if "pareto" in given:
        return "front"
    if "device_name" in given:
        return "roofline"
    if given & {*_STEP}:
        return "memory"
    if given & {*_SIZES} or "over" in given or _is_operator(targets[0]):
        return "size"
    texts = [*options["inputs"], *options["settings"], options["batch"] or ""]
    if any(_RANGE.search(text) for text in texts):
        return "size"
    if "mode" in given:
        return "memory"
    return "replacement" if "replace" in given and len(targets) == 1 else "stage"


def _is_operator(text: str) -> bool:
    return " " not in text.strip() and target_kind(text) == "operator"


def chart_of(asked: Asked) -> "altair.LayerChart":
    """The chart. Raises FlopcalcError."""
    for name in sorted(asked.given):
        if name not in _OPTIONS[asked.kind]:
            flag = _flag(name)
            kinds = [kind for kind in KINDS if name in _OPTIONS[kind]]
            raise FlopcalcError(
                "bad-usage",
                f"{flag} does not apply to a picture of kind {asked.kind}",
                f"leave out {flag}, or write --kind {' or --kind '.join(kinds)}",
            )
    return _CHARTS[asked.kind](asked)


def _flag(name: str) -> str:
    params = click.get_current_context().command.params
    return max(next(param.opts for param in params if param.name == name), key=len)


def _sweep(asked: Asked, columns: str | None) -> "Sweep":
    """The sweep that the options describe, with all columns."""
    from flopcalc.analysis.sweep import collected, started
    from flopcalc.analysis.sweeping.asked import ask

    options = asked.options
    sweeping = ask(
        asked.targets,
        sizes={name: options[name] for name in (*_SIZES, "batch")},
        settings=split_settings(options["settings"]),
        inputs=options["inputs"],
        replace=options["replace"],
        keep=options["keep"],
        where=options["where"],
        columns=columns,
        convention=options["convention_name"],
    )
    if sweeping.combinations > _MOST_COMBINATIONS:
        raise FlopcalcError(
            "too-many",
            f"{sweeping.combinations:,} combinations are more than a picture needs, {_MOST_COMBINATIONS:,}",
            "take larger steps, such as --cin 16:1024:16",
        )
    with progress_bar("plot", "trying", "combinations"):
        return collected(sweeping, *started(sweeping, 1, None, report_number))


def _cost(asked: Asked) -> tuple[str, str | None]:
    """The kind of cost and the convention; None without one. Raises FlopcalcError."""
    kind, name = asked.options["cost_kind"], asked.options["convention_name"]
    chosen = convention.get(name)
    if kind is None:
        return "macs", None if chosen.name == "macs" else chosen.name
    if "convention_name" in asked.given:
        raise FlopcalcError(
            "bad-usage", "--cost and --convention are both given", "a convention counts a cost of its own: give one"
        )
    return kind, None


def _by_size(asked: Asked) -> "altair.LayerChart":
    kind, counted = _cost(asked)
    found = _sweep(asked, "all" if kind.startswith("ratio(") else None)
    if counted is not None:
        kind = "cost"
    text = None if counted is None else convention_title(counted)
    log = not asked.options["linear"]
    return charts.cost_by_size(found, asked.options["over"], kind, title=asked.title, log=log, cost=text)


def _front(asked: Asked) -> "altair.LayerChart":
    pareto = asked.options["pareto"] or "macs,params"
    pieces = [piece.strip() for piece in pareto.split(",")]
    if len(pieces) != 2 or not all(pieces):
        raise FlopcalcError(
            "bad-usage", f"--pareto is {clip(pareto)}, not two columns", "write for example --pareto macs,params"
        )
    found = _sweep(asked, "all" if "ratio(" in pareto else None)
    return charts.front(found, *pieces, title=asked.title, log=not asked.options["linear"])


def _network_options(asked: Asked) -> dict[str, Any]:
    options = asked.options
    batch = options["batch"]
    return {
        "settings": options["settings"],
        "input_texts": options["inputs"],
        "batch": None if batch is None else Positive().convert(batch, _param("batch"), None),
        "replace_texts": options["replace"],
        "where": all_of(options["where"]),
        "keep": options["keep"],
        **{name: options[name] for name in _CALL},
    }


def _param(name: str) -> click.Parameter:
    return next(param for param in click.get_current_context().command.params if param.name == name)


def _spec(text: str, shared: Mapping[str, Any]) -> TargetSpec:
    """The network that a text names, which may have options of its own."""
    options = dict(shared)
    if " " in text.strip():
        from flopcalc.cli.side import read_side

        text, own = read_side(text)
        options = {name: own[name] or shared[name] for name in shared}
    if target_kind(text) != "network":
        raise FlopcalcError(
            "bad-usage",
            f"{clip(text)} is an operator, and this picture is of networks",
            "name a network, or give sizes such as --cin 16:512:16 for a picture of operators",
        )
    return with_folder_rules(from_texts(text, **options))


def _one(asked: Asked) -> str:
    if len(asked.targets) > 1:
        raise FlopcalcError(
            "bad-usage", f"a picture of kind {asked.kind} is of one target", "write one command for each target"
        )
    return asked.targets[0]


def _read(spec: TargetSpec) -> Target:
    with progress_bar(str(spec.what)):
        return read_target(spec)


def _by_stage(asked: Asked) -> "altair.LayerChart":
    kind, counted = _cost(asked)
    shared = _network_options(asked)
    found: list[tuple[TargetSpec, Network]] = []
    for text in asked.targets:
        spec = _spec(text, shared)
        target = _read(spec)
        if target.replacement is not None and len(asked.targets) == 1:
            found.append((spec.without_plan(), target.plain))
        found.append((spec, target.network))
    names = _names([spec for spec, _ in found])
    networks = [network for _, network in found]
    return charts.cost_by_stage(zip(names, networks, strict=True), kind, title=asked.title, convention=counted)


def _names(specs: Sequence[TargetSpec]) -> list[str]:
    """The name of each target: its short one, or where others have that too, the one with all its options."""
    short = [", ".join(_pieces(spec)) for spec in specs]
    return [
        name if short.count(name) == 1 else ", ".join([name, *_more_pieces(spec)])
        for name, spec in zip(short, specs, strict=True)
    ]


def _pieces(spec: TargetSpec) -> Iterator[str]:
    """`resnet50 with spconv`, `classes=10`."""
    yield f"{spec.what} with {spec.plan.text}" if spec.plan else str(spec.what)
    yield from (f"{name}={setting_text(value)}" for name, value in spec.settings.items())


def _more_pieces(spec: TargetSpec) -> Iterator[str]:
    """`where k == 3`, `keep layer1`, `input 3x256x256`, `batch 2`: what `_pieces` leaves out."""
    if spec.plan is not None:
        yield from [] if spec.plan.where is None else [f"where {spec.plan.where}"]
        yield from (f"keep {pattern}" for pattern in spec.plan.keep)
    if spec.inputs:
        yield f"input {', '.join(map(str, spec.inputs))}"
    if spec.batch != 1:
        yield f"batch {spec.batch}"
    yield from (f"{flag.removeprefix('--')} {value}" for flag, value in spec.call_flags)


def _replacement(asked: Asked) -> "altair.LayerChart":
    kind, counted = _cost(asked)
    target = _read(_spec(_one(asked), _network_options(asked)))
    if target.replacement is None:
        raise FlopcalcError("bad-usage", "nothing is replaced", "name an operator with --replace, such as spconv")
    by: Literal["stage", "layer"] = asked.options["by"] or "stage"
    return charts.replacement(target.plain, target.network, kind, by=by, title=asked.title, convention=counted)


def _roofline(asked: Asked) -> "altair.LayerChart":
    from flopcalc.analysis.roofline import roofline_spec
    from flopcalc.analysis.timing.device import read_dtype, read_execution
    from flopcalc.analysis.timing.library import device as find_device

    options = asked.options
    if options["device_name"] is None:
        raise FlopcalcError("bad-usage", "a roofline needs a device", "write --device h200; see flopcalc list devices")
    device, dtype = find_device(options["device_name"]), read_dtype(options["dtype"] or "float32")
    device.peak(dtype)
    name = _one(asked)
    shared = _network_options(asked)
    names = {"c_in": "cin", "c_out": "cout", "h": "height", "w": "width"}
    sizes = {names.get(one, one): _size(one, options[one]) for one in _SIZES}
    spec = _spec(name, shared) if " " in name.strip() else any_spec(name, {**shared, **sizes})
    if spec.kind == "network":
        check_options("network", name, {**shared, **sizes})
    step = read_training(options["mode"] or "inference", options["freeze"], options["checkpoint"])
    execution = read_execution(options["execution"] or "eager")
    with progress_bar(name):
        found = roofline_spec(spec._replace(training=step), device, dtype, execution, fused=options["fused"])
    return charts.roofline(found, title=asked.title)


def _size(name: str, text: str | None) -> Any:
    """One size, of which a range would be several. Raises FlopcalcError."""
    if text is None:
        return None
    kind: click.ParamType[Any] = {
        "padding": Padding(),
        "k": Size(),
        "hw": Size(),
        "stride": Size(),
        "dilation": Size(),
    }.get(name, Positive())
    return kind.convert(text, _param(name), None)


def _memory(asked: Asked) -> "altair.LayerChart":
    from flopcalc.analysis.memory.memory import memory_of
    from flopcalc.analysis.memory.question import question
    from flopcalc.cost.cost import DTYPE_BYTES

    options = asked.options
    dtype = options["dtype"]
    if dtype is not None and dtype not in DTYPE_BYTES:
        raise FlopcalcError("bad-option", f"--dtype is {clip(dtype)}", f"one of: {', '.join(DTYPE_BYTES)}")
    step = {name: options[name] for name in _STEP}
    rules = step.pop("rules")
    wanted = question(mode=options["mode"] or "inference", dtype=dtype, rules=rules or "cuda", **step)
    spec = _spec(_one(asked), _network_options(asked))
    with progress_bar(str(spec.what)):
        found = memory_of(spec, wanted, by_module=rules is not None)
    return charts.memory_by_layer(found, title=asked.title)


_CHARTS = {
    "size": _by_size,
    "front": _front,
    "stage": _by_stage,
    "replacement": _replacement,
    "roofline": _roofline,
    "memory": _memory,
}
