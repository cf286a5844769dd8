"""The blocks of a description, and the arguments that an entry gives to one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flopcalc.errors import clip, unknown_name
from flopcalc.networks.options import NAME, reserved
from flopcalc.networks.scope import Entry
from flopcalc.networks.tape import INPUT_SLOT, Env, Known, Tape, identity, names_of
from flopcalc.text.yaml_file import File, Map

# The keys that every entry may have.
COMMON = frozenset(("op", "block", "layers", "from", "when", "repeat", "each", "stage", "weights_of"))
# What is another value in each repetition: the index, and the sizes of the input.
OF_REPETITION = frozenset("icdhw")


class Call(NamedTuple):
    """A block as an entry has it. given: its arguments; identities: equal for those that are the same at all sizes.

    stage: that of the layers inside.
    """

    entry: Entry
    name: str
    given: dict[str, Known]
    identities: tuple[Any, ...]
    stage: str


class Blocks:
    """The blocks of one reading. named: those of the description, by name."""

    def __init__(self, file: File, tape: Tape, named: Mapping[str, Any]) -> None:
        self.file = file
        self.tape = tape
        self.named = named
        # The arguments of the blocks that were checked, and defaults without names.
        self._read: dict[str, tuple[Map, dict[str, Known]]] = {}
        # Of each checked entry and block its arguments: the value and its identity where they are always the same.
        self._checked: dict[tuple[int, str], list[tuple[str, Known | None, Any]]] = {}

    def call(self, entry: Entry, env: Env, row: Mapping[str, Known], options: Mapping[str, Known], stage: str) -> Call:
        """The block that an entry names, with its arguments. row: the names that its `repeat` or `each` adds."""
        spec = entry.spec
        name = self.tape.text(str(spec["block"]), spec, "block", env, entry.label)
        checked = self._checked.get((id(spec), name))
        if checked is None:
            checked = self._checked[id(spec), name] = self._check(entry, name, row)
        given: dict[str, Known] = {}
        identities = []
        for arg, always, same in checked:
            if always is not None:
                given[arg] = always
                identities.append(same)
                continue
            # That of the entry, else of a row of its table, else the default of the block.
            if arg in spec:
                known = self.tape.value(spec, arg, env, entry.label)
            elif arg in row:
                known = row[arg]
            else:
                known = self.tape.value(self._read[name][0], arg, {**options, **given}, entry.label)
            given[arg] = known
            identities.append(identity(known))
        return Call(entry, name, given, tuple(identities), stage)

    def _check(self, entry: Entry, name: str, row: Mapping[str, Known]) -> list[tuple[str, Known | None, Any]]:
        """The arguments of an entry with that block. row: as of `call`, with the same names for each repetition."""
        spec, label = entry.spec, entry.label
        if name not in self.named:
            near = unknown_name("block", name, self.named, f"blocks here: {', '.join(self.named) or 'none'}")
            raise self.file.error(spec, "block", f"{label}: {near.message}", near.hint)
        args, fixed = self._read.get(name) or self._args(name)
        self.file.known(spec, {*COMMON, *args}, label)
        checked = []
        for arg, default in args.items():
            always = None
            if arg in spec:
                always = Known(spec[arg]) if type(spec[arg]) in (int, bool) else None
            elif arg not in row:
                always = fixed.get(arg)
                if always is None and default is None:
                    raise self.file.error(spec, None, f"{label}: block {name} needs {arg}")
            checked.append((arg, always, identity(always)))
        return checked

    def _args(self, name: str) -> tuple[Map, dict[str, Known]]:
        """The arguments of a block with their defaults, and those defaults that are not expressions."""
        block = self.named[name]
        args = block.get("args") or Map()
        names = COMMON | reserved(len(self.tape.values[INPUT_SLOT][0]))
        if taken := names.intersection(args if isinstance(args, Map) else ()):
            raise self.file.error(args, min(taken), f"block {name}: the argument {min(taken)} has another meaning")
        if not isinstance(args, Map) or not all(NAME.fullmatch(arg) for arg in args):
            raise self.file.error(
                block, "args", f"block {name}: args maps names to defaults, null where one must be given"
            )
        for arg, default in args.items():
            if isinstance(default, Map):
                why = f"block {name}: the default of {arg} is {clip(default)}, not a value"
                raise self.file.error(args, arg, why, "write a number, a word or an expression; null if it is required")
        fixed = {arg: Known(default) for arg, default in args.items() if type(default) in (int, bool)}
        found = self._read[name] = args, fixed
        return found


def is_alike(spec: Map) -> bool:
    """Whether the repetitions of an entry with `repeat` and a block are calls with the same arguments."""
    if "{" in str(spec["block"]) or not {"each", "when", "stage", "weights_of"}.isdisjoint(spec):
        return False
    names = names_of([value for key, value in spec.items() if key not in COMMON])
    return names is not None and OF_REPETITION.isdisjoint(names)
