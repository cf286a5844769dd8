"""The tensors inside of an operator: how long each part's output is alive, as its module in eager PyTorch keeps it.

A tensor lives until the last part has read it, as long as a module of the operator runs that was called with it (the
dots in the names of parts are the hierarchy), and, if a forward keeps it in a variable, until that forward ends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from flopcalc.analysis.memory.unrolled import unrolled
from flopcalc.cost.cost import PREVIOUS, Part
from flopcalc.cost.hierarchy import paths
from flopcalc.spec.operator import Evaluation

# By operator, the parts whose outputs are in variables of the module's forward when it ends. Of several names, the last
# one that the options keep: a variable is assigned again.
VARIABLES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "attention": (("roll",), ("qkv.arrange",), ("scores", "position.add", "mask")),
    "cbam": (("spatial.conv",),),
    "compconv": (
        ("identity",),
        *(("primary", "primary.norm", "primary.act"), ("chain", "chain.norm", "chain.act")),
        ("tail", "tail.norm", "tail.act"),
    ),
    "condconv": (("routing.gate",),),
    "coordinate_attention": (("reduce", "norm", "act"), ("height.gate",), ("width.gate",)),
    "deform_conv": (("offset",),),
    "dynamic_conv": (("routing.softmax",),),
    "dynet": (("routing.gate",),),
    "eca": (("gap",), ("conv",)),
    "fire": (("squeeze", "squeeze.act"),),
    "ghost": (("primary", "primary.norm", "primary.act"),),
    "ghostv2": (("primary", "primary.norm", "primary.act", "join"), ("vertical", "vertical.norm")),
    "gqa": (
        *(("scale",), ("key", "key.repeat"), ("value", "value.repeat"), ("mask",), ("scores", "mask.add")),
        *(("mix",), ("join",)),
    ),
    "gsconv": (("primary", "primary.norm", "primary.act"),),
    "hetconv": (("gwc",), ("gather",)),
    "involution": (("pool",), ("span",)),
    "linear_attention": (("query.one",), ("key.one",), ("value",), ("mix",), ("divide",)),
    "octconv": (("shrink",),),
    "odconv": (
        *(("attention.channel.gate",), ("attention.filter.gate",), ("attention.taps.gate",)),
        *(("attention.kernel.gate",), ("aggregation", "aggregation.taps")),
    ),
    "repvgg": (("dense.norm",), ("point.norm",), ("identity",)),
    "replk": (
        ("norm", "expand", "expand.norm", "expand.act"),
        ("large", "large.norm", "sum", "act"),
    ),
    "scconv": (("sru.join",), ("squeeze_up",), ("squeeze_low",), ("sum",), ("join",)),
    "self_calibrated": (("upsample",), ("gate",), ("calibrate",)),
    "shuffle_unit": (("expand", "expand.norm"),),
    "shuffle_unit_v2": (("side", "side.norm", "side.act"),),
    "sliding_window": (("scores",),),
    "spconv": (("pool",), ("gwc", "sum", "norm_rep"), ("rest", "norm_rest")),
}

# The same for forwards of modules inside of the operator: until the module that the name begins with has ended.
INNER_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "axial_attention": ("columns.arrange", "columns.mix", "rows.arrange", "rows.mix"),
    "dynet": ("routing.pool",),
    "scconv": ("sru.gate",),
}
# By operator, a part in a variable that is assigned again, and the part whose output it has then.
UNTIL: Mapping[str, tuple[str, str]] = {"coordinate_attention": ("reduce", "act")}
# By operator, parts that are computed in several runs, whose outputs are in a list until the forward ends.
LISTS: Mapping[str, tuple[str, ...]] = {"gqa": ("mix",)}
# By operator, parts that the module computes later than the formula names them, and the part before which it does.
LATER: Mapping[str, tuple[tuple[str, ...], str]] = {
    "bottleneck": (("project", "project.norm"), "sum"),
    "octconv": (("low_low",), "sum_low"),
    "odconv": (("scale_in",), "convolution"),
    "self_calibrated": (("k1", "k1.norm", "k1.act"), "k4"),
    "shuffle_unit": (("pool",), "join"),
    "sliding_window": (("value", "value.pad", "value.unfold"), "mix"),
}


def as_computed(e: Evaluation | None, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts in the order in which the module computes them; each names what it waits for.

    e: the operator, if the parts are those of one.
    """
    named = unrolled(e, [part._replace(after=_waits(parts, place)) for place, part in enumerate(parts)])
    moved, before = LATER.get(e.operator.name if e is not None else "", ((), ""))
    if not any(part.name == before for part in named):
        return named
    later = [part for part in named if part.name in moved]
    found: list[Part] = []
    for part in named:
        if part.name == before:
            found += later
        if part.name not in moved:
            found.append(part)
    return tuple(found)


def kept(operator: str, parts: Sequence[Part]) -> dict[str, int]:
    """The elements of each part's output that are there when it has ended.

    Of several kernels in a row, only the last one's output stays: at most what a part that reads nothing else reads. A
    variable can hold all of them.
    """
    held = _variables(operator)
    # Of a sum of several tensors the last sum stays.
    found = {part.name: part.writes // part.steps if is_sum(part) else part.writes for part in parts}
    steps = {part.name: part.steps for part in parts}
    for part in parts:
        names = part.after or ()
        if len(names) == 1 and names[0] not in held and steps.get(names[0], 1) != 1 and part.reads > part.params:
            found[names[0]] = min(found[names[0]], part.reads - part.params)
    return found


def _variables(operator: str) -> set[str]:
    """The parts that a variable of the module's forward can hold."""
    return {name for names in VARIABLES.get(operator, ()) for name in names}


def is_sum(part: Part) -> bool:
    """Whether a part adds several tensors, one addition after the other."""
    return part.work == "add" and int(part.steps) > 1


def last_readers(operator: str, parts: Sequence[Part], given: int) -> dict[str, int]:
    """For each part the place of the last part during which its output is alive; the number of parts for the end.

    parts: as `as_computed` gives them. given: the elements of the layer's input. `after` names what a part waits for;
    of a chain of options, such as a convolution and its norm, only the last is read. A concatenation waits for its last
    piece only, and reads more than that: also the outputs before it that make up the rest of what it reads, if that is
    not the input of the layer.
    """
    end = len(parts)
    last: dict[str, int] = {}
    waits = [_waits(parts, place) for place in range(end)]
    before = dict(zip((part.name for part in parts), waits, strict=True))
    until = ends_of_modules([paths(part.name) for part in parts])
    variables = _variables(operator)
    # By part, those that it waits for, and those that these wait for.
    ancestors: dict[str, set[str]] = {}
    for place, part in enumerate(parts):
        inner = {one for name in waits[place] for one in ancestors.get(name, ())}
        ancestors[part.name] = {*waits[place], *inner}
        names = [name for name in waits[place] if name not in inner]
        rest = part.reads - part.params - sum(one.writes for one in parts[:place] if one.name in names)
        # Of several kernels in a row, the later ones read what the part itself has written.
        # A name that is not there is that of an option, in whose place the input is read.
        # A norm reads its statistics, which are buffers.
        ours = part.work != "norm" and part.steps == 1 and names and all(name in before for name in names)
        if ours and rest > 0 and rest != given:
            others = [one for one in reversed(parts[:place]) if one.name not in names and not _replaced(one, before)]
            called_with = _read_by_modules(part.name, place, parts, waits)
            # First what the modules around the part were called with and what variables hold.
            others.sort(key=lambda one: (one.name not in called_with, one.name not in variables, one.name not in inner))
            names += _making_up(rest, given, others)
        for name in names:
            last[name] = max(place, *(until[module, place] for module in paths(part.name) if _outside(name, module)), 0)
    for place, names_before in enumerate(waits):
        for name in names_before:
            # What a later part of a chain reads is dropped with it.
            last.setdefault(name, place)
    for names_of_one in VARIABLES.get(operator, ()):
        last |= _held(names_of_one, parts, last)
    if operator in UNTIL:
        name, assigned = UNTIL[operator]
        last[name] = max(last[name], next(place for place, part in enumerate(parts) if part.name == assigned))
    for name in LISTS.get(operator, ()):
        last |= {part.name: end for part in parts if part.name.startswith(f"{name}.")}
    for name in INNER_VARIABLES.get(operator, ()):
        if name in before:
            place = next(place for place, part in enumerate(parts) if part.name == name)
            last[name] = max(last[name], until[name.rpartition(".")[0], place])
    return {part.name: last.get(part.name, end) for part in parts}


def _held(names: Sequence[str], parts: Sequence[Part], last: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The parts of those names that a variable has: until the next run assigns it again, or else to the end."""
    place_of = {part.name: place for place, part in enumerate(parts) if part.writes}
    runs: dict[str, list[str]] = {}
    for part in place_of:
        head, _, run = part.rpartition(".")
        name, number = (head, run) if run.isdigit() else (part, "")
        if name in names:
            runs.setdefault(number, []).append(part)
    in_turn = list(runs.values())
    for one, following in zip(in_turn, [*in_turn[1:], []], strict=False):
        until = place_of[following[0]] if following else len(parts)
        yield one[-1], max(last.get(one[-1], 0), until)


def _replaced(part: Part, names: Iterable[str]) -> bool:
    """Whether an option in the part's own module reads its output: the norm of a convolution, or the activation."""
    module, _, option = part.name.rpartition(".")
    return any(
        name.startswith(f"{part.name}.") or (option == "norm" and name == f"{module}.act" and bool(module))
        for name in names
    )


def _making_up(rest: int, given: int, others: Sequence[Part]) -> list[str]:
    """The outputs that make up what a part reads, with the layer's input or without it; none if no outputs do."""
    alone = [one.name for one in others if one.writes == rest]
    if alone:
        return alone[:1]
    found = []
    for one in others:
        if 0 < one.writes <= rest:
            found.append(one.name)
            rest -= one.writes
    return found if rest in (0, given) else []


def _waits(parts: Sequence[Part], place: int) -> tuple[str, ...]:
    """The parts that a part waits for."""
    after = parts[place].after
    return ((parts[place - 1].name,) if place else ()) if after is PREVIOUS else after or ()


def _read_by_modules(name: str, place: int, parts: Sequence[Part], waits: Sequence[Sequence[str]]) -> set[str]:
    """What the first part of each module waits for that a part is in: with that the module was called."""
    found: set[str] = set()
    for module in paths(name)[:-1]:
        first = place
        while first and not _outside(parts[first - 1].name, module):
            first -= 1
        found.update(waits[first])
    return found


def _outside(name: str, module: str) -> bool:
    return name != module and not name.startswith(f"{module}.")


def ends_of_modules(modules: Sequence[Sequence[str]]) -> dict[tuple[str, int], int]:
    """For a module and a place in its run the last place of the run. modules: those of each place."""
    ends: dict[tuple[str, int], int] = {}
    for place in reversed(range(len(modules))):
        for module in modules[place]:
            ends[module, place] = ends.get((module, place + 1), place)
    return ends
