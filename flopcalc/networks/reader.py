"""Reads the YAML description of a network: named layers with shapes and costs.

The language, in short (docs/networks.md has it in full): `layers` is a list of one-key mappings
`name: what`. A layer is an operator or a primitive (`op`), a block defined under `blocks` (`block`), or a group of
layers (`layers`). Each takes the output of the entry before it, unless `from` names another input. `when` is a
condition, `repeat` a number of repetitions with `i` counting from 0, `each` repeats the entry for every row of a table.
Numbers may be expressions over the block's arguments, the network's options, and c, h, w of the input.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from flopcalc.errors import clip, unknown_name
from flopcalc.networks.blocks import COMMON, Blocks, Call
from flopcalc.networks.columns import Columns
from flopcalc.networks.items import NEXT, PREVIOUS, SPLICE, Item, checked, is_layer_name
from flopcalc.networks.kinds import Kinds
from flopcalc.networks.layer_entry import Single, params_of, read_layer, share_weights
from flopcalc.networks.network import INPUT
from flopcalc.networks.neutral import adapts
from flopcalc.networks.options import NAME, reserved
from flopcalc.networks.scope import Entry, Reading, Row, Scope, new_entry, new_row, reading_of
from flopcalc.networks.tape import INPUT_SLOT, Env, Known, Tape, sizes_in
from flopcalc.symbolic.size import Size
from flopcalc.text.yaml_file import File, Map, Seq

MAX_LAYERS = 100_000
MAX_REPEAT = 10_000
MAX_NESTING = 20
_CONDITION = "write true, false or a comparison, such as when: stride != 1"

# A call of the class takes twice as long.
new_single = partial(tuple.__new__, Single)


class Reader:
    """The state of one reading: the layers so far, their slots, and the last number of each container."""

    def __init__(self, file: File, tape: Tape, blocks: Mapping[str, Any]) -> None:
        self.file = file
        self.tape = tape
        self.options: dict[str, Known] = {}
        self.reserved = reserved(len(tape.values[INPUT_SLOT][0]))
        self.blocks = Blocks(file, tape, blocks)
        self.slots: dict[str, int] = {INPUT: INPUT_SLOT}
        self.sizes: dict[int, dict[str, Known]] = {}
        self.rows: list[Row] = []
        self.indices: dict[str, int] = {}
        self.kinds = Kinds()
        self.columns = Columns(file, self.kinds, blocks)
        # The blocks that were read; most are not repeated, so a `Reading` is made at the first repetition.
        self.readings: dict[Any, Reading | Callable[[], Reading]] = {}
        # The keys of blocks that name stages themselves: the stage outside is then part of the key.
        self.staged: set[Any] = set()
        # Entries until now, and entries that name a stage.
        self.visited = 0
        self.stages = 0
        # Of each list of layers that was read, by its identity, its entries; the layers of a block are read often.
        self.items: dict[int, list[Item]] = {}
        # Of each entry with a block, by its identity, the last call.
        self.calls: dict[int, Call] = {}

    def read(self, data: Map) -> str:
        """Read all layers; returns the name of the last one's output."""
        self.options = self.let("(top level)", data, self.tape.options, self.tape.options)
        return self.body(data["layers"], "", Scope(self.options, {INPUT: INPUT}), INPUT, "")

    # Lists of layers ---------------------------------------------------------------------------

    def body(self, items: Any, prefix: str, scope: Scope, current: str, stage: str) -> str:
        """Read a list of layers; returns the name of the last one's output."""
        if not isinstance(items, Seq) or not items:
            raise self.file.error(scope, None, f"{prefix or 'the network'} needs a list of layers")
        if scope.depth > MAX_NESTING:
            raise self.file.error(items, 0, f"layers nested more than {MAX_NESTING} deep; does a block use itself?")
        known = self.items.setdefault(id(items), [])
        for index in range(len(items)):
            if index == len(known):
                known.append(checked(self.file, items, index, prefix))
            name, spec, is_plain, names, alike = known[index]
            if name in scope.values:
                raise self.file.error(items[index], name, f"two layers here are called {name}")
            entry = new_entry((name, spec, prefix, scope, stage))
            if is_plain:
                # Most entries, so a shorter way.
                self.visit(spec)
                full = prefix + name
                inputs = self.inputs(entry, current) if "from" in spec else (current,)
                # Without the sizes of the input where none is named.
                needs_sizes = names is None or not names <= scope.env.keys()
                env = self.env(scope, inputs[0], {}) if needs_sizes else scope.env
                within = stage or full.split(".")[0]
                if "when" in spec and self.is_left_out(entry, env):
                    # The output of a join that is left out is that of the entry before it.
                    current = current if len(inputs) > 1 else inputs[0]
                elif "op" in spec:
                    current = self.layer(full, spec, env, inputs, within)
                else:
                    call = self.blocks.call(entry, env, {}, self.options, within)
                    current = self.called(call, f"{full}.", inputs[0])
            else:
                current = self.item(entry, current, alike)
            if name not in (NEXT, SPLICE):
                scope.values[name] = current
        return current

    def visit(self, spec: Map) -> None:
        """Count an entry. Raises an error where there are too many."""
        self.visited += 1
        if self.visited > 2 * MAX_LAYERS:
            raise self.file.error(spec, None, f"more than {2 * MAX_LAYERS:,} entries, with those that are left out")

    def item(self, entry: Entry, current: str, alike: bool) -> str:
        """Read one entry with its repetitions; returns the name of its output. alike: see `Item`."""
        spec = entry.spec
        inputs = self.inputs(entry, current)
        joins = len(inputs) > 1
        often = "repeat" in spec or "each" in spec
        # Outside all other names a number is a stage of its own.
        alike = alike and (entry.name != NEXT or entry.prefix != "")
        # If a join is left out, its output is that of the entry before it.
        last = current if joins else inputs[0]
        for place, row in enumerate(self.repeats(entry, inputs[0]) if often else ({},)):
            if place:
                if joins:
                    key = "repeat" if "repeat" in spec else "each"
                    raise self.file.error(spec, key, f"{entry.label} is repeated and takes several inputs")
                inputs = (last,)
            if alike and place:
                # A shorter way.
                self.visit(spec)
                last = self.called(self.calls[id(spec)], self.named(entry, row, often)[1], last)
            else:
                last = self.once(entry, inputs, row, often) or last
        return last

    def repeats(self, entry: Entry, first: str) -> Iterator[dict[str, Known]]:
        """The names that `repeat` or `each` adds to the scope, for each repetition."""
        spec, env = entry.spec, self.env(entry.scope, first, {})
        if "repeat" in spec:
            times = self.tape.value(spec, "repeat", env, entry.label)
            # Of symbolic sizes also a condition of the form, which they may not meet elsewhere.
            is_less = isinstance(times.value, Size) and times.value < 0
            count = self.tape.same(times)
            if is_less or "each" in spec or type(count) is not int or not 0 <= count <= MAX_REPEAT:
                why = (
                    "has both repeat and each" if "each" in spec else f"repeat is {clip(count)}, not 0 to {MAX_REPEAT}"
                )
                raise self.file.error(spec, "repeat", f"{entry.label}: {why}")
            for i in range(count):
                yield {"i": Known(i)}
            return
        table = spec["each"]
        if not isinstance(table, Map) or not table:
            raise self.file.error(
                spec, "each", f"{entry.label}: each maps names to lists, `each: {{k: [3, 5], out: [8, 16]}}`"
            )
        columns = {name: self.tape.value(table, name, env, entry.label) for name in table}
        for name, column in columns.items():
            if not NAME.fullmatch(name):
                raise self.file.error(table, name, f"{entry.label}: {clip(name)} is not a name for a column")
            if name in self.reserved:
                raise self.file.error(
                    table, name, f"{entry.label}: the column {name} has another meaning", "choose another name"
                )
            if not isinstance(column.value, tuple):
                raise self.file.error(table, name, f"{entry.label}: {name} is {clip(column.value)}, not a list")
            self.tape.same(column, len)
        lengths = [len(column.value) for column in columns.values()]
        rows = max(lengths)
        if min(lengths) < rows or rows > MAX_REPEAT:
            shown = ", ".join(f"{name} {len(column.value)}" for name, column in columns.items())
            raise self.file.error(
                spec, "each", f"{entry.label}: the lists of each have different lengths, or are too long: {shown}"
            )
        self.columns.check(entry, table)
        for i in range(rows):
            yield {"i": Known(i), **{name: self.tape.item(column, i) for name, column in columns.items()}}

    def inputs(self, entry: Entry, current: str) -> tuple[str, ...]:
        """The layers whose outputs the entry takes."""
        given = entry.spec.get("from", None)
        if given is None:
            return (current,)
        found = []
        for name in given if isinstance(given, list) else [given]:
            value = current if name == PREVIOUS else entry.scope.find(str(name))
            if name == PREVIOUS and entry.scope.find(PREVIOUS) not in (None, current):
                why = f"{entry.label} takes the entry before, and there is one that is called {PREVIOUS}"
                raise self.file.error(entry.spec, "from", why, "give that entry another name")
            if value is None:
                why = f"{entry.label} takes its input from {clip(name)}, which is not above it"
                above = entry.scope.names()
                near = unknown_name("entry", str(name), above, f"above it: {', '.join(above)}")
                raise self.file.error(entry.spec, "from", why, near.hint)
            found.append(value)
        if not found:
            raise self.file.error(entry.spec, "from", f"{entry.label} has an empty list of inputs")
        if len(found) > 1 and "op" not in entry.spec:
            why = f"{entry.label} takes one input, not {len(found)}"
            hint = "inside of a group `from` can name layers outside; join the inputs of a block before it"
            raise self.file.error(entry.spec, "from", why, hint)
        return tuple(found)

    def env(self, scope: Scope, first: str, extra: Mapping[str, Known]) -> Env:
        """The names of expressions: index, sizes of the input, arguments, options; an earlier one hides a later one."""
        slot = self.slots[first]
        sizes = self.sizes.get(slot)
        if sizes is None:
            sizes = self.sizes[slot] = sizes_in(self.tape, slot)
        return {**scope.env, **sizes, **extra}

    def once(self, entry: Entry, inputs: tuple[str, ...], row: dict[str, Known], often: bool) -> str | None:
        """Read one entry at one index; returns the name of its output, None if it is left out."""
        spec = entry.spec
        self.visit(spec)
        env = self.env(entry.scope, inputs[0], row)
        if "when" in spec and self.is_left_out(entry, env):
            return None
        full, prefix = self.named(entry, env, often)
        stage = entry.stage or full.split(".")[0] or entry.name
        if "stage" in spec:
            if type(spec["stage"]) not in (str, int):
                given = "empty" if spec["stage"] is None else clip(spec["stage"])
                why = f"{entry.label}: stage is {given}, not a name"
                raise self.file.error(spec, "stage", why, "write for example stage: head")
            self.stages += 1
            stage = " ".join(self.tape.text(str(spec["stage"]), spec, "stage", env, entry.label).split()) or stage
        # The layers inside an entry without a name have their own stages.
        inner_stage = "" if entry.name == SPLICE and not entry.stage and "stage" not in spec else stage
        start = len(self.rows)
        if "op" in spec:
            if "each" in spec:
                spec = self.columns.settings(entry, self.tape.text(str(spec["op"]), spec, "op", env, entry.label))
            out = self.layer(full, spec, env, inputs, stage)
        elif "block" in spec:
            call = self.calls[id(spec)] = self.blocks.call(entry, env, row, self.options, inner_stage)
            out = self.called(call, prefix, inputs[0])
        else:
            self.file.known(spec, {*COMMON, "let"}, entry.label)
            inner_env = self.let(entry.label, spec, env, {**entry.scope.env, **row})
            inner = Scope(inner_env, {INPUT: inputs[0]}, entry.scope, entry.scope.depth + 1, entry.scope.start)
            out = self.body(spec["layers"], prefix, inner, inputs[0], inner_stage)
            # Entries after the group can refer to its entries as `group.name`.
            inside = {f"{entry.name}.{name}": value for name, value in inner.values.items() if name != INPUT}
            entry.scope.values.update(inside)
        if "weights_of" in spec:
            self.share(entry, full if "op" in spec else prefix, start)
        return out

    def is_left_out(self, entry: Entry, env: Env) -> bool:
        """Whether the condition of an entry does not hold."""
        spec = entry.spec
        if not isinstance(spec["when"], str | bool):
            why = f"{entry.label}: when is {'empty' if spec['when'] is None else clip(spec['when'])}, not a condition"
            raise self.file.error(spec, "when", why, _CONDITION)
        if adapts(self.tape, spec, env, entry.label):
            # It is always there, and costs nothing where it changes nothing.
            return False
        when = self.tape.value(spec, "when", env, entry.label)
        if when.value is None or isinstance(when.value, str | tuple):
            # A word is true whatever it says; an argument can be empty.
            shown = ",".join(map(str, when.value)) if isinstance(when.value, tuple) else when.value
            why = f"{entry.label}: when is {clip(shown)}, not true or false"
            raise self.file.error(spec, "when", why, _CONDITION)
        self.tape.same(when, bool)
        return not when.value

    def named(self, entry: Entry, env: Env, often: bool) -> tuple[str, str]:
        """The full name of an entry at one index, and the prefix of the layers inside."""
        name, prefix = entry.name, entry.prefix
        if name == SPLICE:
            if "op" in entry.spec:
                raise self.file.error(
                    entry.spec, None, f"{entry.label}: a layer needs a name; _ is for blocks and groups"
                )
            return prefix.rstrip("."), prefix
        if name == NEXT:
            index = self.indices[prefix] = self.indices.get(prefix, -1) + 1
            full = f"{prefix}{index}"
        else:
            filled = self.tape.text(name, entry.spec, "name", env, entry.label)
            if not is_layer_name(filled):
                raise self.file.error(
                    entry.spec, None, f"the name {clip(filled)} has other characters than letters, digits, _ and -"
                )
            full = f"{prefix}{filled}.{env['i'].value}" if often and filled == name else f"{prefix}{filled}"
        return full, f"{full}."

    def let(self, label: str, spec: Map, env: Env, names: Mapping[str, Known]) -> dict[str, Known]:
        """`names` and what `let` adds to them, each computed with those before it in scope."""
        found = dict(names)
        table = spec.get("let")
        if table is None:
            return found
        if not isinstance(table, Map) or not all(NAME.fullmatch(name) for name in table):
            raise self.file.error(spec, "let", f"{label}: let maps names to expressions")
        if taken := self.reserved.intersection(table):
            # The sizes of the input, the index or a truth value would hide it.
            raise self.file.error(
                table, min(taken), f"{label}: the name {min(taken)} of let has another meaning", "choose another name"
            )
        here = dict(env)
        for name in table:
            if table[name] is None:
                why = f"{label}: {name} of let is empty"
                raise self.file.error(table, name, why, "write a number or an expression")
            found[name] = here[name] = self.tape.later(table, name, here, label)
        return found

    def called(self, call: Call, prefix: str, source: str) -> str:
        """Read the layers of a block, which takes the output of `source`; returns the name of its output."""
        entry, name, given, arguments, stage = call
        # A block depends on nothing else, so it is read once and then repeated under other names.
        slot = self.slots[source]
        own = name, arguments, self.tape.values[slot][0]
        key = None if entry.name == SPLICE else (*own, stage if own in self.staged else "")
        if (known := self.readings.get(key)) is not None:
            if not isinstance(known, Reading):
                known = self.readings[key] = known()
            return self.again(known, entry.spec, prefix, source, stage)
        start, visited, named = len(self.rows), self.visited, self.stages
        block = self.blocks.named[name]
        names = self.options | given
        inner_env = self.let(entry.label, block, self.env(Scope(names, {}), source, {}), names)
        inner = Scope(inner_env, {INPUT: source}, None, entry.scope.depth + 1, start)
        out = self.body(block.get("layers"), prefix, inner, source, stage)
        if key is not None:
            if self.stages != named:
                self.staged.add(own)
                key = (*own, stage)
            rows, entries = self.rows[start:], self.visited - visited
            self.readings[key] = partial(reading_of, prefix, source, slot, rows, out, entries, self.stages != named)
        return out

    def again(self, reading: Reading, spec: Map, prefix: str, source: str, stage: str) -> str:
        """Repeat the layers of a block that was read before, with another prefix, input and stage."""
        self.visited += reading.entries
        self.stages += bool(reading.stages)
        if len(self.rows) + len(reading.names) > MAX_LAYERS:
            raise self.file.error(spec, None, f"more than {MAX_LAYERS:,} layers")
        self.tape.same_shape(reading.input_slot, self.slots[source])
        made, rows, out = reading.rows(prefix, source, stage)
        if not self.slots.keys().isdisjoint(made):
            full = next(name for name in made if name in self.slots)
            raise self.file.error(spec, None, f"two layers are called {full}")
        self.rows += rows
        self.slots.update(zip(made, reading.slots, strict=True))
        return out

    # Single layers -----------------------------------------------------------------------------

    def layer(self, full: str, spec: Map, env: Env, inputs: tuple[str, ...], stage: str) -> str:
        """Read an entry with `op`; returns its full name, which is that of its output."""
        if len(self.rows) >= MAX_LAYERS:
            raise self.file.error(spec, None, f"more than {MAX_LAYERS:,} layers")
        if full in self.slots:
            raise self.file.error(spec, None, f"two layers are called {full}")
        slots = tuple([self.slots[name] for name in inputs])
        self.tape.place = full
        kind, slot = read_layer(self.file, new_single((full, spec, env, slots, COMMON)), self.tape, self.kinds)
        self.rows.append(new_row((full, kind, inputs, stage, slot, "")))
        self.slots[full] = slot
        return full

    def share(self, entry: Entry, place: str, start: int) -> None:
        """Give the layers read since `start` the weights of those of the entry that `weights_of` names.

        place: the name of the layer, or the prefix of the layers inside, which differ in what follows it.
        """
        owner = entry.prefix + str(entry.spec["weights_of"])
        # A block depends on nothing outside, and so has its twins inside.
        held = {row.name: row for row in self.rows[entry.scope.start : start]}
        # The layers whose weights those inside share: none has weights of one that has weights of another.
        owners: dict[str, str] = {}
        for index in range(start, len(self.rows)):
            row = self.rows[index]
            params = params_of(self.tape, row.slot)
            if not params:
                self.rows[index] = row._replace(weights_of=owners.get(row.weights_of, row.weights_of))
                continue
            inside = row.name.removeprefix(place)
            twin = held.get(f"{owner}.{inside}" if inside else owner)
            twin = held[twin.weights_of] if twin and twin.weights_of else twin
            if twin is None or twin.kind != row.kind or params_of(self.tape, twin.slot) != params:
                why = f"{entry.label}: {row.name} has no twin of the same kind and size in {clip(owner)}"
                raise self.file.error(entry.spec, "weights_of", why)
            slot = share_weights(self.tape, row.slot, twin.slot)
            self.rows[index] = row._replace(slot=slot, weights_of=twin.name)
            self.slots[row.name] = slot
            owners[row.name] = twin.name
