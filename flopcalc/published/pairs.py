"""Sources that print parameters and FLOPs side by side: the rules that find the network of each row.

configs/published/pairs/NAME.txt has the rows of a source, NAME.yaml its rules: which network a name is, which ways of
counting the source uses, and what is known of rows that do not agree. docs/adding-a-table.md describes the language.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from flopcalc.analysis import profile
from flopcalc.analysis.ways import PARAMS_WAYS, WAYS, Way, preset
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.errors import clip, unknown_name
from flopcalc.networks.inputs import Input, parse_input
from flopcalc.published.rows import Row, read_rows, stem
from flopcalc.published.tables import Stated
from flopcalc.targets.spec import TargetSpec
from flopcalc.text import shipped_files
from flopcalc.text.yaml_file import File, Map, Seq, read_file

QUANTITIES = ("params", "macs")
STATED: tuple[Stated, ...] = ("misprint", "differs", "open")

_TOP = (
    "name",
    "repository",
    "rounded",
    "ignored",
    "counting",
    "usual",
    "files",
    "networks",
    "verdicts",
    "families",
    "reasons",
)
_WAY = ("means", "gives")
_USUAL = QUANTITIES
_FILE = ("file", "decimals", "unit", *QUANTITIES)
_NETWORK = ("match", "file", "target", "input", "set", "default", "part", *QUANTITIES)
_ALTERNATIVE = ("target", "input", "set")
_GROUP = re.compile(r"\\g<(\w+)>|\\(\d)")
_VERDICT = ("match", "file", *QUANTITIES, *STATED)
_FAMILY = ("match", "file", "family")
# The input of a Python model of a row that names none.
_USUAL_SIZE = 224


class Candidate(NamedTuple):
    """A network with groups of a pattern to be filled in: its name, its input (empty for its own) and its options."""

    target: str
    size: Any
    settings: dict[str, Any]


class Rule(NamedTuple):
    """Finds the networks of rows by a pattern of their name.

    candidates: the first that fits is taken. defaults: for groups of the pattern that match nothing.
    part: a pattern of the names of the layers that the row is about; empty for all.
    """

    match: re.Pattern[str]
    file: re.Pattern[str] | None
    candidates: tuple["Candidate", ...]
    defaults: dict[str, Any]
    part: str
    ways: dict[str, tuple[Way, ...]]


class Verdict(NamedTuple):
    """A statement about rows that do not agree. figures: patterns of the figures that it is about; empty for both."""

    match: re.Pattern[str]
    file: re.Pattern[str] | None
    figures: dict[str, re.Pattern[str]]
    stated: Stated
    why: str


class Source(NamedTuple):
    """A source of pairs. usual: its ways of counting by file (a pattern; None for all) and quantity, in order.

    ignored: parts of names that say nothing of the network, such as how it was trained. decimals: by file, the
    decimals that are digits: zeros behind them only fill the cell up. units: by file, of cells and headings without.
    """

    key: str
    name: str
    repository: str
    rounded: dict[str, int]
    ignored: re.Pattern[str] | None
    decimals: tuple[tuple[re.Pattern[str] | None, int], ...]
    units: tuple[tuple[re.Pattern[str] | None, dict[str, str]], ...]
    rows: tuple[Row, ...]
    usual: tuple[tuple[re.Pattern[str] | None, dict[str, tuple[Way, ...]]], ...]
    networks: tuple[Rule, ...]
    verdicts: tuple[Verdict, ...]
    families: tuple[tuple[re.Pattern[str], re.Pattern[str] | None, str], ...]
    path: str


class Named(NamedTuple):
    """What a row names: the candidates for its network, and its ways of counting by quantity, in order.

    part: a pattern of the names of the layers that it is about; empty for all.
    """

    candidates: tuple[TargetSpec, ...]
    ways: dict[str, tuple[Way, ...]]
    part: str = ""


def folder() -> str:
    """The folder of the shipped sources."""
    return os.path.join(shipped_files.folder("published"), "pairs")


def names() -> list[str]:
    """Keys of the shipped sources."""
    return sorted(stem(file) for file in os.listdir(folder()) if file.endswith(".yaml"))


def load(key: str) -> Source:
    """A shipped source by its key."""
    return read_source(os.path.join(folder(), f"{key}.yaml"))


def with_rows(source: Source, path: str) -> Source:
    """The rules of a source with the rows of another file."""
    return source._replace(rows=tuple(read_rows(path)), path=path)


def read_source(path: str) -> Source:
    """The rules of a YAML file and the rows of the text file beside it. Raises FlopcalcError (bad-table)."""
    file = File(path, "bad-table", "docs/adding-a-table.md describes the language, with an example")
    data = file.keys(read_file(path, "rules"), None, None, _TOP, "a file of rules")
    read = _Reader(file, data)
    usual: list[tuple[re.Pattern[str] | None, dict[str, tuple[Way, ...]]]] = []
    usual.append((None, read.ways(data.get("usual", Map()), data, "usual", _USUAL)))
    for spec in read.items("files", _FILE):
        usual.insert(0, (read.pattern(spec, "file"), read.ways(spec, data, "files", _FILE)))
    rounded = data.get("rounded", Map())
    return Source(
        key=stem(path),
        name=str(data.get("name", stem(path))),
        repository=str(data.get("repository", "")),
        rounded={
            key: file.whole(rounded, key, {}, "rounded")
            for key in file.keys(rounded, data, "rounded", QUANTITIES, "rounded")
        },
        ignored=read.pattern(data, "ignored"),
        decimals=tuple(
            (read.pattern(spec, "file"), file.whole(spec, "decimals", {}, "files"))
            for spec in read.items("files", _FILE)
            if "decimals" in spec
        ),
        units=tuple(
            (read.pattern(spec, "file"), dict(file.keys(spec["unit"], spec, "unit", QUANTITIES, "unit")))
            for spec in read.items("files", _FILE)
            if "unit" in spec
        ),
        rows=tuple(read_rows(path.rsplit(".", 1)[0] + ".txt")),
        usual=tuple(usual),
        networks=tuple(read.rules()),
        verdicts=tuple(read.verdicts()),
        families=tuple(
            (read.needed(spec, "match"), read.pattern(spec, "file"), str(spec["family"]))
            for spec in read.items("families", _FAMILY)
        ),
        path=path,
    )


class _Reader(NamedTuple):
    """Reads the parts of a file of rules."""

    file: File
    data: Map

    def items(self, key: str, allowed: Sequence[str]) -> Iterator[Map]:
        found = self.data.get(key, Seq())
        if not isinstance(found, list):
            raise self.file.error(self.data, key, f"{key} is {clip(found)}, not a list")
        for spec in found:
            yield self.file.keys(spec, self.data, key, allowed, key)

    def pattern(self, spec: Map, key: str) -> re.Pattern[str] | None:
        if key not in spec:
            return None
        try:
            return re.compile(str(spec[key]))
        except re.error as error:
            raise self.file.error(spec, key, f"{key} is not a regular expression: {error}") from None

    def needed(self, spec: Map, key: str) -> re.Pattern[str]:
        found = self.pattern(spec, key)
        if found is None:
            raise self.file.error(spec, None, f"it has no {key}", f"write {key} with a pattern of the names of rows")
        return found

    def ways(self, spec: Any, where: Map, key: str, allowed: Sequence[str]) -> dict[str, tuple[Way, ...]]:
        spec = self.file.keys(spec, where, key, allowed, key)
        return {
            one: tuple(self._way(spec, one, name) for name in _listed(spec[one])) for one in QUANTITIES if one in spec
        }

    def _way(self, spec: Map, quantity: str, name: Any) -> Way:
        own = self.data.get("counting", Map())
        if not isinstance(name, str):
            raise self.file.error(spec, quantity, f"{quantity}: {clip(name)} is not the name of a way to count")
        if name in own:
            found = self.file.keys(own[name], own, name, _WAY, "counting")
            return Way(
                str(name), " ".join(str(found.get("gives", "")).split()), " ".join(str(found.get("means", "")).split())
            )
        if name in CONVENTIONS and name not in ("macs", "flops"):
            return preset(name)
        known_ways = PARAMS_WAYS if quantity == "params" else WAYS
        if name in known_ways and name not in QUANTITIES:
            return known_ways[name]
        if profile.is_name(str(name)):
            return Way(str(name), str(name), "")
        known = (*own, *CONVENTIONS, *known_ways)
        near = unknown_name("way of counting", str(name), known, f"known: {', '.join(known)}; others need counting")
        raise self.file.error(spec, quantity, near.message, near.hint)

    def rules(self) -> Iterator[Rule]:
        for spec in self.items("networks", _NETWORK):
            yield Rule(
                match=self.needed(spec, "match"),
                file=self.pattern(spec, "file"),
                candidates=tuple(self._candidates(spec)),
                defaults=dict(spec.get("default", Map())),
                part=str(spec.get("part", "")),
                ways=self.ways(Map({key: spec[key] for key in QUANTITIES if key in spec}), spec, "networks", QUANTITIES)
                if any(key in spec for key in QUANTITIES)
                else {},
            )

    def _candidates(self, spec: Map) -> Iterator[Candidate]:
        """The networks of a rule: each target with each input; a target that is a mapping has its own."""
        if "target" not in spec:
            raise self.file.error(spec, None, "it has no target", "write the name of a network")
        for target in _listed(spec["target"]):
            own = self.file.keys(target, spec, "target", _ALTERNATIVE, "target") if isinstance(target, Map) else Map()
            given = {**{key: spec[key] for key in ("input", "set") if key in spec}, "target": target, **own}
            settings = [
                dict(self.file.keys(one, spec, "set", tuple(one), "set")) for one in _listed(given.get("set", Map()))
            ]
            for size in _listed(given.get("input", "")):
                for options in settings:
                    yield Candidate(str(given["target"]), size, options)

    def verdicts(self) -> Iterator[Verdict]:
        for spec in self.items("verdicts", _VERDICT):
            stated = [one for one in STATED if one in spec]
            if len(stated) != 1:
                raise self.file.error(
                    spec, None, f"it needs one of {', '.join(STATED)}", "write the reason as its value"
                )
            figures = {key: pattern for key in QUANTITIES if (pattern := self.pattern(spec, key)) is not None}
            why = " ".join(str(spec[stated[0]]).split())
            if why.startswith("$"):
                reasons = self.data.get("reasons", Map())
                if why[1:] not in reasons:
                    raise self.file.error(
                        spec, stated[0], f"unknown reason {clip(why[1:])}", f"reasons: {', '.join(reasons)}"
                    )
                why = " ".join(str(reasons[why[1:]]).split())
            yield Verdict(self.needed(spec, "match"), self.pattern(spec, "file"), figures, stated[0], why)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def named(source: Source, row: Row) -> Named | None:
    """The networks that a row may mean, by the first rule that matches its name; None without such a rule."""
    name = plain_name(source, row)
    for rule in source.networks:
        found = rule.match.fullmatch(name)
        if found and _in_file(rule.file, row):
            candidates = tuple(_target(found, one, rule.defaults) for one in rule.candidates)
            return Named(candidates, {**usual(source, row.file), **rule.ways}, _filled(found, rule.part, rule.defaults))
    return None


def plain_name(source: Source, row: Row) -> str:
    """The name of a row without the parts that its source's file ignores."""
    return source.ignored.sub("", row.name).strip() if source.ignored else row.name


def usual(source: Source, file: str) -> dict[str, tuple[Way, ...]]:
    """The ways of counting of a file of the source."""
    found: dict[str, tuple[Way, ...]] = {}
    for pattern, ways in source.usual:
        if pattern is None or pattern.search(file):
            found = {**ways, **found}
    plain = {one: (Way(one, one, ""),) for one in QUANTITIES}
    return {**plain, **found}


def files_of(source: Source, file: str) -> str:
    """The pattern of the first group of files with ways of its own that a file belongs to; empty for the others."""
    for pattern, _ in source.usual:
        if pattern is not None and pattern.search(file):
            return pattern.pattern
    return ""


def statements(source: Source, row: Row, quantity: str) -> Verdict | None:
    """The first statement about a figure of a row."""
    printed = row.params if quantity == "params" else row.flops
    for one in source.verdicts:
        about = not one.figures or (quantity in one.figures and one.figures[quantity].fullmatch(printed))
        if about and one.match.fullmatch(plain_name(source, row)) and _in_file(one.file, row):
            return one
    return None


def decimals(source: Source, row: Row) -> int | None:
    """The decimals of a row that are digits; None if all are."""
    return next((count for pattern, count in source.decimals if _in_file(pattern, row)), None)


def unit(source: Source, row: Row, quantity: str) -> str:
    """The unit of a figure of a row where neither its cell nor its heading has one; empty if there is none."""
    return next((str(given.get(quantity, "")) for pattern, given in source.units if _in_file(pattern, row)), "")


def family(source: Source, row: Row) -> str:
    """The family of a network that flopcalc does not have: as the file says, or the first word of its name."""
    for pattern, file, name in source.families:
        if pattern.fullmatch(plain_name(source, row)) and _in_file(file, row):
            return name
    return re.split(r"[-_ 0-9(+]", row.name, maxsplit=1)[0] or row.name


def _in_file(pattern: re.Pattern[str] | None, row: Row) -> bool:
    return pattern is None or bool(pattern.search(row.file))


def _target(found: re.Match[str], one: Candidate, defaults: dict[str, Any]) -> TargetSpec:
    """The network of a matched name; groups of the pattern are filled into the target, the input and the options."""

    def filled(value: Any) -> Any:
        return _filled(found, value, defaults)

    what = filled(one.target)
    what = what if what.endswith(".yaml") or what.startswith("hf:") else what.lower()
    size = filled(one.size) or (_USUAL_SIZE if is_python_name(what) else "")
    inputs = (_input(size),) if size else ()
    settings = {name: value for name, given in one.settings.items() if (value := filled(given)) != ""}
    return TargetSpec("network", what, settings, inputs)


def _filled(found: re.Match[str], value: Any, defaults: dict[str, Any]) -> Any:
    """A value with the groups of a match in its texts, also in those of a list."""

    def group(place: re.Match[str]) -> str:
        key = place[1] or place[2]
        return found[int(key) if key.isdigit() else key] or str(defaults.get(key, ""))

    if isinstance(value, list):
        return tuple(_filled(found, one, defaults) for one in value)
    return _GROUP.sub(group, value) if isinstance(value, str) else value


def _input(size: Any) -> Input:
    """An input by its sizes, or as `--input` takes it: `128:int64`."""
    return parse_input(size) if isinstance(size, str) and ":" in size else Input(_shape(size))


def _shape(size: Any) -> tuple[int, ...]:
    """`224`, `256x192` (height and width), `3x8x224x224` or [3, 224, 224]."""
    sizes = tuple(map(int, str(size).split("x"))) if not isinstance(size, tuple) else size
    return sizes if len(sizes) >= 3 else (3, *(sizes * 2)[:2])


def is_python_name(what: str) -> bool:
    """Whether a target of a row is a Python model, which needs torch."""
    return what.startswith(("timm:", "torchvision:", "hf:"))
