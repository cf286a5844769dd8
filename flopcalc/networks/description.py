"""A description that is read once and evaluated many times: with other inputs, batches and options.

The first evaluation reads all entries and leaves a tape (`flopcalc.networks.tape`), a flat list of the computations
of its sizes, next to the structure that they belong to. The next one runs the tape. Where its guards fail, or
anything else does, the description is read again, which gives the result or the error; so the tape never decides
what is an error. Nothing of an earlier result is kept: each evaluation computes all its sizes and costs.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, SupportsIndex

from flopcalc.catalog import lookup
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.call_labels import check_calls
from flopcalc.networks.collector import paused
from flopcalc.networks.evaluated import Evaluated, Structure
from flopcalc.networks.network import Network, Shape, loose_ends, unbuilt
from flopcalc.networks.neutral import misfits
from flopcalc.networks.options import default_options, network_file, read_input, read_options, title_of
from flopcalc.networks.reader import Reader
from flopcalc.networks.tape import DiffersError, Known, Step, Tape, Values, taken
from flopcalc.spec.operator import Operator
from flopcalc.symbolic.scope import Scope, scope_of
from flopcalc.text.yaml_file import BRACES, File, Map

TOP = ("name", "title", "mirrors", "calls", "source", "input", "options", "let", "reference", "blocks", "layers")
# Structures kept for each description. A structure of more layers and steps is read on each evaluation.
MAX_PLANS = 8
MAX_SIZE = 50_000


class Plan(NamedTuple):
    """One structure of a description, and how its sizes follow from the input, the batch and the options.

    title: literal texts and the values of expressions, in turn.
    operators: those from plug-ins and files, which must be the same for the plan to hold.
    """

    steps: tuple[Step, ...]
    structure: Structure
    output: str
    remarks: tuple[str, ...]
    title: tuple[str | Known, ...]
    operators: Mapping[str, Operator]

    @property
    def size(self) -> int:
        """Steps and layers, as a measure of memory."""
        return len(self.steps) + len(self.structure.rows)


class Description:
    """A description of a network, read from `data`. `at` evaluates it; safe to use from several threads.

    source: the path that errors name. The data must not be changed.
    """

    def __init__(self, data: Any, source: str) -> None:
        self._data = data
        self.source = source
        self._file = network_file(source)
        self._defaults: dict[str, Any] | None = None
        # Replaced as a whole and never changed, so that threads need no lock. The last one used is the first.
        self._plans: tuple[Plan, ...] = ()

    def __repr__(self) -> str:
        return f"<Description {self.source}>"

    @property
    def size(self) -> int:
        """Steps and layers of the plans, as a measure of the memory that they take."""
        return sum(plan.size for plan in self._plans)

    def choices(self, option: str) -> tuple[Any, ...]:
        """The values that an option can have, if its declaration lists them; empty for any other option."""
        declared = self._data.get("options") or {}
        return tuple(declared.get(option, {}).get("choices") or ())

    def numeric(self, network: Network) -> dict[str, tuple[Any, int]]:
        """The value that each numeric option has in a network of this description, and the least one that it can have.

        An option with a decimal point has a Fraction, a list a tuple.
        """
        declared = self._data.get("options") or {}
        found = {}
        for option, spec in declared.items():
            kind, value = type(spec["default"]), network.options[option]
            if not spec.get("choices") and kind is not bool:
                number = Fraction(value) if kind is float else value
                found[option] = (number, spec.get("least", 1))
        return found

    def declared(self) -> Mapping[str, Mapping[str, Any]]:
        """The declarations of all options by name, as they are written; complete after the first `at`."""
        return self._data.get("options") or {}

    def copy(self) -> "Description":
        """The same description, with plans of its own."""
        return Description(self._data, self.source)

    def at(
        self,
        options: Mapping[str, Any] | None = None,
        input_shape: Sequence[int] | None = None,
        batch: SupportsIndex = 1,
    ) -> Network:
        """The network with these options and this input; see `flopcalc.networks.library.load`."""
        given = options or {}
        samples = as_int(batch)
        if samples is None or not 1 <= samples <= 10**9:
            raise FlopcalcError(
                "bad-dimension",
                f"batch is {clip(batch)}, not a whole number from 1 to 10^9",
                "write --batch 1, in Python batch=1",
            )
        data = self._data
        if self._defaults is None:
            self._check_top()
        stem, _ = os.path.splitext(os.path.basename(self.source))
        name = " ".join(self._file.words(data, "name", stem).split())
        if self._defaults is None:
            self._defaults = default_options(self._file, data)
        chosen = read_options(name, data, self._defaults, given)
        blocks = data.get("blocks") or {}
        shape = read_input(self._file, data, input_shape)
        scope = scope_of((samples, *shape, *chosen.values()))
        plan, values = self._evaluated(name, samples, shape, chosen, blocks, scope)
        # Which options differ from their defaults is no condition of symbolic ones.
        with nullcontext() if scope is None else scope.holding():
            title = title_of(_text(plan.title, values), chosen, given, self._defaults)
        return unbuilt(
            Evaluated(plan.structure, values),
            name=name,
            title=title,
            input_shape=shape,
            batch=samples,
            output=plan.output,
            options=chosen,
            mirrors=str(data.get("mirrors") or ""),
            calls=data.get("calls") or {},
            source=self.source,
            remarks=plan.remarks,
        )

    def _check_top(self) -> None:
        data = self._data
        if not isinstance(data, Map):
            raise self._file.error(data, None, "a network is a mapping with name, input and layers")
        if "parts" in data and "layers" not in data:
            raise self._file.error(data, "parts", "this is an operator, with parts; a network has layers")
        self._file.known(data, TOP, "(top level)")
        if "layers" not in data:
            raise self._file.error(
                data, None, "a network is a mapping with name, input and layers, and layers are missing"
            )
        if "calls" in data:
            check_calls(self._file, data)
        for key in ("mirrors", "source"):
            self._file.words(data, key, "")
        check_reference(self._file, data)
        self._check_blocks(data.get("blocks") or Map())

    def _check_blocks(self, blocks: Any) -> None:
        """Raise an error for a block that is none, also where no layer uses it."""
        if not isinstance(blocks, Map):
            raise self._file.error(self._data, "blocks", "blocks is a mapping from names to blocks")
        for name, block in blocks.items():
            if not isinstance(block, Map) or not set(block) <= {"args", "let", "layers"}:
                raise self._file.error(blocks, name, f"block {name} may only have args, let and layers")
            if "layers" not in block:
                raise self._file.error(blocks, name, f"block {name} has no layers")

    def _evaluated(
        self,
        name: str,
        batch: int,
        shape: Shape,
        options: Mapping[str, Any],
        blocks: Mapping[str, Any],
        scope: Scope | None,
    ) -> tuple[Plan, Values]:
        """A plan for these sizes, and all its values."""
        # On symbolic sizes a reading records the conditions of its own decisions, and is of no use for others.
        plans = self._plans if scope is None else ()
        for plan in plans:
            values: Values = [{}, batch, (shape,), *options.values()]
            if _run(plan, values):
                if plan is not plans[0]:
                    self._plans = (plan, *[other for other in plans if other is not plan])
                return plan, values
        tape, reader, output = self._read(batch, shape, options, blocks, frozenset())
        if tape.adapting:
            there = partial(self._at_numbers, name, options, blocks)
            while more := misfits(tape, reader.rows, there):
                tape, reader, output = self._read(batch, shape, options, blocks, tape.ordinary | more)
        if isinstance(output, FlopcalcError):
            raise output
        title, fixed = self._title(reader, name)
        plan = Plan(
            steps=tuple(tape.steps),
            structure=Structure(tuple(reader.rows)),
            output=output,
            remarks=tuple(loose_ends(reader.rows, output)),
            title=title,
            operators={kind: one for kind, one in reader.kinds.operators.items() if one.origin or one.name != kind},
        )
        if fixed and scope is None and plan.size <= MAX_SIZE:
            self._plans = (plan, *plans[: MAX_PLANS - 1])
        return plan, tape.values

    def _read(
        self,
        batch: int,
        shape: Shape,
        options: Mapping[str, Any],
        blocks: Mapping[str, Any],
        ordinary: frozenset[int],
    ) -> tuple[Tape, Reader, str | FlopcalcError]:
        """A reading with its tape, and the output or what is wrong. ordinary: as of `Tape`."""
        tape = Tape(self._file, batch, shape, options)
        tape.ordinary = ordinary
        if tape.scope is not None:
            tape.scope.where = lambda: tape.place
        reader = Reader(self._file, tape, blocks)
        output: str | FlopcalcError
        try:
            with paused():
                output = reader.read(self._data)
        except FlopcalcError as error:
            output = error
        tape.place = ""
        return tape, reader, output

    def _at_numbers(
        self,
        name: str,
        options: Mapping[str, Any],
        blocks: Mapping[str, Any],
        batch: int,
        shape: Shape,
        values: Sequence[Any],
    ) -> Evaluated:
        """The layers at a batch, an input and the values of the options, as numbers."""
        plan, found = self._evaluated(name, batch, shape, dict(zip(options, values, strict=True)), blocks, None)
        return Evaluated(plan.structure, found)

    def _title(self, reader: Reader, name: str) -> tuple[tuple[str | Known, ...], bool]:
        """The title with the values of its {expressions}, and whether it is of this form for other values too."""
        data = self._data
        title = self._file.words(data, "title", name)
        env = reader.options
        pieces: list[str | Known] = []
        try:
            for index, piece in enumerate(BRACES.split(title)):
                is_text = index % 2 == 0
                pieces.append(piece if is_text else reader.tape.read(piece, data, "title", env, "(top level)"))
        except FlopcalcError:
            # Braces without an expression are plain text.
            return (title,), False
        return tuple(pieces), True


def check_reference(file: File, data: Map) -> None:
    """Raise an error for wrong figures printed in sources. They are for tests; no command reads them."""
    figures = data.get("reference") or []
    if not isinstance(figures, list) or not all(isinstance(one, Map) for one in figures):
        why = f"reference is {clip(figures)}, not a list of mappings"
        raise file.error(data, "reference", why, "for example [{params: 25.6M, source: torchvision}]")


def read_description(
    data: Any, source: str, given: Mapping[str, Any], input_shape: Sequence[int] | None, batch: SupportsIndex
) -> Network:
    """A network from the data of its YAML file. See `flopcalc.networks.library.load`."""
    return Description(data, source).at(given, input_shape, batch)


def _run(plan: Plan, values: Values) -> bool:
    """Add the values of all steps; false where the plan does not hold for the first of them."""
    try:
        for kind, operator in plan.operators.items():
            if lookup.find(kind) is not operator:
                return False
        add = values.append
        for step in plan.steps:
            add(step(values))
    except DiffersError:
        return False
    except Exception:
        # Whatever is wrong: reading the description gives the error.
        return False
    return True


def _text(pieces: Sequence[str | Known], values: Values) -> str:
    return "".join([piece if isinstance(piece, str) else str(taken(values, piece)) for piece in pieces])
