"""The values of one reading of a description, recorded so that they can be computed again for other sizes.

A reading decides the structure of a network (which layers exist, their names and inputs) and computes sizes. The tape
holds the computations in order. A value that follows from the input, the batch or the options has a slot; any other
value is fixed. Where the reader decides by a value that has a slot, the tape has a guard: for other sizes it checks
that the decision would be the same, else the description must be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.network import Shape
from flopcalc.symbolic.scope import scope_of
from flopcalc.symbolic.size import Size
from flopcalc.text.compiled import Function, compiled, is_name, names_in
from flopcalc.text.expression import exact
from flopcalc.text.yaml_file import BRACES, File

Values: TypeAlias = list[Any]
T = TypeVar("T")
Step: TypeAlias = Callable[[Values], Any]

# The slots that every tape has: the layers' results by shape and settings, the batch, and the input.
MEMO, BATCH, INPUT_SLOT, OPTIONS = 0, 1, 2, 3
# No slot, or no axis.
NONE = -1


class DiffersError(Exception):
    """For these sizes the description gives another structure, or an error."""


class Known(NamedTuple):
    """A value of the reading. slot: its place on the tape, NONE for a fixed value.

    axis: for a size of a shape, the axis; the slot is then that of the layer, whose result begins with its shape.
    """

    value: Any
    slot: int = NONE
    axis: int = NONE


# A reading makes many records; a call of the class takes twice as long.
new_known = partial(tuple.__new__, Known)

Env: TypeAlias = Mapping[str, Known]


class Plain(Mapping[str, Any]):
    """The names of an expression with their values only."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def __getitem__(self, name: str) -> Any:
        return self.env[name].value

    def __contains__(self, name: object) -> bool:
        return name in self.env

    def __iter__(self) -> Iterator[str]:
        return iter(self.env)

    def __len__(self) -> int:
        return len(self.env)


def taken(values: Values, known: Known) -> Any:
    """The value on another tape."""
    value, slot, axis = known
    if slot < 0:
        return value
    return values[slot] if axis < 0 else values[slot][0][axis]


def identity(known: Known | None) -> Any:
    """Equal for values that are the same at all sizes."""
    if known is None:
        return None
    value, slot, axis = known
    if slot >= 0:
        return slot, axis
    # True equals 1, and is another value.
    return repr(value)


def _itself(value: T) -> T:
    return value


class Tape:
    """Values and the steps that compute them. `values[start + i]` is the result of `steps[i]`."""

    def __init__(self, file: File, batch: int, shape: Shape, options: Mapping[str, Any]) -> None:
        self.file = file
        # The layer that is being read.
        self.place = ""
        # Of symbolic sizes: the scope, and what records the decisions behind a value, by slot; see `later`.
        self.scope = scope_of((batch, *shape, *options.values()))
        self.undecided: dict[int, Callable[[], None]] = {}
        # Layers that only adapt a size, by slot, and the identities of entries that do more; see `neutral.adapts`.
        self.adapting: dict[int, int] = {}
        self.ordinary: frozenset[int] = frozenset()
        self.values: Values = [{}, batch, (shape,), *options.values()]
        self.steps: list[Step] = []
        self.options: dict[str, Known] = {
            name: Known(value, OPTIONS + index) for index, (name, value) in enumerate(options.items())
        }
        self._slots: dict[Any, int] = {}
        self._shared: dict[Any, tuple[int, Any]] = {}
        self._guarded: set[Any] = set()

    def record(self, step: Step, value: Any) -> int:
        """Add a step and the value that it had; returns the slot."""
        self.steps.append(step)
        self.values.append(value)
        return len(self.values) - 1

    def shared(self, key: Any, make: Callable[[], T]) -> tuple[int, T]:
        """What steps of an equal key share, made once, and its number."""
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = (len(self._shared), make())
        return found

    # Values ------------------------------------------------------------------------------------

    def value(self, spec: Mapping[str, Any], key: str, env: Env, what: str = "") -> Known:
        """The value of a key, as `File.value` reads it."""
        raw = spec[key]
        kind = type(raw)
        if kind is int or kind is bool or raw is None:
            return new_known((raw, NONE, NONE))
        if kind is str and is_name(raw):
            try:
                known = env[raw]
            except KeyError:
                pass
            else:
                self.decide(known.slot)
                return known
        return self.read(raw, spec, key, env, what)

    def read(self, raw: Any, spec: Mapping[str, Any], place: str, env: Env, what: str = "") -> Known:
        """The value of a text or of a list of them; spec and place name the line of an error."""
        if isinstance(raw, Mapping):
            why = f"{f'{what}: ' if what else ''}{place} is {clip(raw)}, not a value"
            raise self.file.error(spec, place, why, "write a number, a word, an expression, or a list of these")
        try:
            names = _names_in(raw)
        except FlopcalcError:
            # The file says where.
            names = ()
        references, fixed, given = [], {}, {}
        for name in names:
            try:
                value, slot, axis = env[name]
            except KeyError:
                # A name of a branch that is not taken, or an error.
                continue
            given[name] = value
            if slot < 0:
                fixed[name] = value
            else:
                references.append((name, slot, axis))
                self.decide(slot)
        key = (repr(raw), tuple(references), repr(fixed))
        found = self._slots.get(key)
        if found is not None:
            self.decide(found)
            return new_known((self.values[found], found, NONE))
        function = _function(raw)
        try:
            value = exact(function(given))
        except Exception:
            # It raises the error, or has the value of an expression that is not compiled.
            value = self.file.read(raw, spec, place, Plain(env), what)
        if not references:
            return new_known((value, NONE, NONE))
        found = self._slots[key] = self.record(partial(_value_of, function, references, fixed), value)
        return new_known((value, found, NONE))

    def text(self, template: str, spec: Mapping[str, Any], key: str, env: Env, what: str) -> str:
        """Text with the value of each `{expression}` in its place. It is part of the structure."""
        pieces = BRACES.split(template)
        for index in range(1, len(pieces), 2):
            pieces[index] = self.same(self.read(pieces[index], spec, key, env, what), str)
        return "".join(pieces)

    def later(self, spec: Mapping[str, Any], key: str, env: Env, what: str = "") -> Known:
        """As `value`; what it decides about symbolic sizes is recorded where the value is used."""
        if self.scope is None:
            return self.value(spec, key, env, what)
        with self.scope.holding() as held:
            known = self.value(spec, key, env, what)
        # Not only for its first use: that may be in another value that nothing uses.
        self.undecided[known.slot] = partial(self.scope.decide, held)
        return known

    def decide(self, slot: int) -> None:
        """Record the decisions behind a value."""
        if slot in self.undecided:
            self.undecided[slot]()

    def item(self, column: Known, index: int) -> Known:
        """One item of a list."""
        if column.slot < 0:
            return Known(column.value[index])
        key = (column.slot, index)
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = self.record(lambda values: values[column.slot][index], column.value[index])
        return Known(column.value[index], slot)

    # Guards ------------------------------------------------------------------------------------

    def same(self, known: Known, of: Callable[[Any], Any] = _itself) -> Any:
        """The structure needs this value, or what `of` makes of it, as it is; returns it."""
        wanted = of(known.value)
        if isinstance(wanted, Size):
            wanted = wanted.scope.fix(wanted, structure=True)
        key = (known.slot, known.axis, of)
        if known.slot < 0 or key in self._guarded:
            return wanted
        self._guarded.add(key)
        kind = type(wanted)

        def guard(values: Values) -> None:
            found = of(taken(values, known))
            if found != wanted or type(found) is not kind:
                raise DiffersError

        self.record(guard, None)
        return wanted

    def same_shape(self, one: int, other: int) -> None:
        """The structure needs two layers with equal output shapes."""

        def guard(values: Values) -> None:
            if values[one][0] != values[other][0]:
                raise DiffersError

        self.record(guard, None)


def sizes_in(tape: Tape, slot: int) -> dict[str, Known]:
    """The sizes of a layer's output as names of expressions."""
    shape = tape.values[slot][0]
    names = "cdhw" if len(shape) == 4 else "chw"
    return {names[axis]: new_known((size, slot, axis)) for axis, size in enumerate(shape)}


def names_of(values: Sequence[Any]) -> tuple[str, ...] | None:
    """The names in those values that are expressions; None if a text is not one."""
    texts = [one for one in values if isinstance(one, str | list)]
    try:
        return tuple(_names_in(texts))
    except FlopcalcError:
        return None


def _names_in(raw: Any) -> Collection[str]:
    """The names that a text or a list of them can read. Raises FlopcalcError (bad-expression)."""
    if isinstance(raw, str):
        return names_in(raw)
    return {name for item in raw for name in _names_in(item)} if isinstance(raw, list) else ()


def _value_of(
    function: Function, references: Sequence[tuple[str, int, int]], fixed: Mapping[str, Any], values: Values
) -> Any:
    """The value of an expression on a tape. references: its names, with the slot and the axis of each."""
    names = dict(fixed)
    for name, slot, axis in references:
        names[name] = values[slot] if axis < 0 else values[slot][0][axis]
    value = function(names)
    return value if type(value) is int else exact(value)


def _no_value(names: Mapping[str, Any]) -> Any:
    raise DiffersError


def _function(raw: Any) -> Function:
    """The value of a text or of a list of them as a function of its names; it raises where there is none."""
    if isinstance(raw, list):
        items = [_function(item) for item in raw]
        return lambda names: tuple([exact(item(names)) for item in items])
    if not isinstance(raw, str):
        return lambda names: raw
    try:
        return compiled(raw)
    except (FlopcalcError, NotImplementedError):
        return _no_value
