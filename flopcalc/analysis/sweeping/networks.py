"""Sweeps of described networks: inputs, batches, options and replacements."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any, NamedTuple

from flopcalc.analysis.closed_forms import network_form
from flopcalc.analysis.network_form import NetworkForm
from flopcalc.analysis.sweeping.grid import Axis, Grid
from flopcalc.analysis.sweeping.one_by_one import table_of
from flopcalc.analysis.sweeping.outcome import RATIOS, Outcome, baseline_name
from flopcalc.analysis.sweeping.recorded import COST, split
from flopcalc.analysis.sweeping.request import Request
from flopcalc.analysis.sweeping.values import (
    Values,
    exact_number,
    len_of,
    product_of,
    read_list,
    type_of_values,
    whole_number,
)
from flopcalc.analysis.variables import AXES
from flopcalc.cost.convention import Convention
from flopcalc.cost.convention import get as get_convention
from flopcalc.cost.cost import in_bytes
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks import library
from flopcalc.networks.counted import counted
from flopcalc.networks.inputs import Input
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.targets.read import is_python, read_target
from flopcalc.targets.spec import TargetSpec, read_plan

# The word for no replacement.
PLAIN = "none"
# Combinations of a block, and blocks of a task. A combination takes about a millisecond.
_BLOCK = 64
_BLOCKS = 4
# Combinations of inputs and batches for which a closed form is made. It takes as long as some dozens of evaluations.
_WORTH_A_FORM = 100
# The errors of a network where a layer does not fit its input.
_REFUSALS = ("bad-network", "bad-dimension", "cannot-stand")
_FITS = "the layers fit the input and the options"
_PLACE = re.compile(r"^.*\.ya?ml, line [0-9]+: ")


class Case(NamedTuple):
    """A network with fixed options and replacements. replace: as `--replace` takes them, none for the plain network."""

    target: str
    options: Mapping[str, Any]
    replace: tuple[str, ...]
    keep: tuple[str, ...]


class Row(NamedTuple):
    """The costs of one combination; or None, and the reason why there is none.

    baseline: of the network without replacement.
    """

    shape: tuple[int, ...]
    cost: Mapping[str, int] | None
    baseline: Mapping[str, int]
    reason: str = ""


def evaluate_block(
    case: Case,
    inputs: Sequence[tuple[int, ...]],
    batches: Sequence[int],
    kinds: Sequence[str],
    convention: Convention | None = None,
    form: NetworkForm | None = None,
) -> list[Row]:
    """The costs at several inputs and batches, which have the same length.

    convention: of a further cost `cost`. form: the closed form of the case, which is used where it holds; it has no
    conventions.
    """
    chosen = tuple(text for text in case.replace if text != PLAIN)
    plan = read_plan(chosen, None, case.keep if chosen else ())
    found = []
    for shape, batch in zip(inputs, batches, strict=True):
        if form is not None and convention is None and (row := _by_form(form, shape, batch, kinds)) is not None:
            found.append(row)
            continue
        spec = TargetSpec("network", case.target, case.options, (Input(shape),), batch, plan)
        try:
            target = read_target(spec)
            cost = in_bytes({kind: target.network.total(kind) for kind in kinds})
            if convention is not None:
                cost[COST] = counted(target.network, convention).total
            base = in_bytes({kind: target.plain.total(kind) for kind in kinds}) if plan else cost
            found.append(Row(target.plain.input_shape, cost, base))
        except FlopcalcError as error:
            if error.code not in _REFUSALS:
                raise
            found.append(Row(shape, None, {}, _PLACE.sub("", error.message)))
    return found


def _by_form(form: NetworkForm, shape: tuple[int, ...], batch: int, kinds: Sequence[str]) -> Row | None:
    """The costs by a closed form; None where it does not hold."""
    own = form.input_shape
    full = (own[0], *shape * (len(own) - 1)) if len(shape) == 1 < len(own) else shape
    if len(full) != len(own) or full[0] != own[0]:
        return None
    places = {"batch": batch, **dict(zip(AXES.get(len(own), ()), full, strict=False))}
    point = {one.symbol: places[one.meaning] for one in form.variables}
    if not form.allows(point):
        return None
    known: dict[int, Any] = {}
    cost = in_bytes({kind: evaluate(form.cost[kind], point, known) for kind in kinds})
    before = form.baseline
    base = cost if before is None else in_bytes({kind: evaluate(before.cost[kind], point, known) for kind in kinds})
    return Row(full, cost, base)


class NetworkFamily:
    """All combinations of one network. See `flopcalc.analysis.sweeping.outcome.Family`."""

    def __init__(self, request: Request, name: str, needed: Sequence[str]) -> None:
        self.label = name
        self._convention = get_convention(request.convention)
        self._where, self._needed, self._keep = request.where, tuple(needed), request.keep
        if is_python(name):
            raise FlopcalcError(
                "bad-usage",
                f"{clip(name)} is a Python model, and sweep takes operators and described networks",
                "`flopcalc list` shows the described networks; flopcalc model counts a Python model at one input",
            )
        description = library.compiled(name)
        plain = description.at()
        self._defaults = plain.options
        known = [one for one in request.settings if one in self._defaults]
        outer: list[tuple[str, Values]] = [
            (f" replace {index}", alternatives) for index, alternatives in enumerate(request.replace)
        ]
        for option in known:
            setting = request.settings[option]
            if description.choices(option):
                outer.append((option, read_list(f"--set {option}", setting, lambda text: text, whole_number)))
            else:
                outer.append((option, _option_values(option, description.declared()[option]["default"], setting)))
        self._options = known
        self._outer = outer
        # Named, as those that are given are, so that rows and closed forms have the same shape.
        self._inputs: tuple[tuple[int, ...], ...] = request.inputs or (plain.input_shape,)
        self._batches = request.sizes.get("batch", (1,))
        axes = (Axis("input", range(len(self._inputs))), Axis("batch", self._batches))
        self._grid = Grid(axes, _BLOCK)
        self.outers = product_of(len_of(values) for _, values in outer)
        self.inner = self._grid.count
        self.task = _BLOCK * _BLOCKS
        self._description = description
        self._form: tuple[Case, NetworkForm | None] | None = None

    @property
    def names(self) -> Sequence[str]:
        """Columns: input, options, kinds and ratios to the network without replacement."""
        return ("network", "input", "h", "w", "batch", "replace", *self._defaults, *KINDS, COST, *RATIOS)

    @property
    def options(self) -> list[str]:
        """The names of the options that were given."""
        return self._options

    @property
    def varied(self) -> list[str]:
        """The names of what has several values."""
        found = ["replace"] if self.replaces and any(len_of(v) > 1 for n, v in self._outer if n[0] == " ") else []
        found += [name for name, values in self._outer if name[0] != " " and len_of(values) > 1]
        found += ["input"] if len(self._inputs) > 1 else []
        return found + (["batch"] if len_of(self._batches) > 1 else [])

    @property
    def replaces(self) -> bool:
        """Whether layers are replaced."""
        return any(name[0] == " " for name, _ in self._outer)

    def type_of(self, name: str) -> str:
        """The type of an option or of a size."""
        if name not in self._defaults:
            return "text" if name in ("network", "input", "replace") else "int"
        found = type_of_values([*dict(self._outer).get(name, ()), self._defaults[name]])
        is_decimal = isinstance(self._description.declared()[name]["default"], float)
        return "float" if is_decimal and found == "int" else found

    def check(self) -> None:
        """Raise FlopcalcError for options that no combination can have, and for replacements that cannot be read."""
        for name, values in self._outer:
            for value in values if len_of(values) <= 1000 else (values[0], values[-1]):
                if name[0] == " ":
                    read_plan((value,) if value != PLAIN else (), None, ())
                    continue
                try:
                    self._description.at({name: value})
                except FlopcalcError as error:
                    if error.code not in _REFUSALS:
                        raise

    def outcomes(self, outer: int, piece: int, pieces: int) -> Iterator[Outcome]:
        """The blocks of one of the pieces of one outer combination, in order."""
        options: dict[str, Any] = {}
        replace: list[str] = []
        for name, values in reversed(self._outer):
            outer, place = divmod(outer, len_of(values))
            if name[0] == " ":
                replace.insert(0, values[place])
            else:
                options[name] = values[place]
        case = Case(self.label, options, tuple(replace), self._keep)
        shown = "; ".join(text for text in replace if text != PLAIN) or PLAIN
        fixed = {"network": self.label, "replace": shown, **self._defaults, **options}
        grid = self._grid
        for number in range(grid.blocks * piece // pieces, grid.blocks * (piece + 1) // pieces):
            block = grid.block(number)
            places = [grid.at(grid.number(block, place)) for place in range(block.count)]
            yield self._outcome(case, [self._inputs[one] for one, _ in places], [one for _, one in places], fixed)

    def _form_of(self, case: Case) -> NetworkForm | None:
        """The closed form of a case, made once; None where it has none, or too few combinations to be worth it."""
        if self.inner < _WORTH_A_FORM or COST in split(self._needed)[1]:
            return None
        if self._form is None or self._form[0] != case:
            chosen = tuple(text for text in case.replace if text != PLAIN)
            plan = read_plan(chosen, None, case.keep if chosen else ())
            try:
                form = network_form(TargetSpec("network", case.target, case.options, (), 1, plan))
            except FlopcalcError:
                # The combinations say one by one what is wrong.
                form = None
            self._form = case, form
        return self._form[1]

    def _outcome(
        self, case: Case, inputs: Sequence[tuple[int, ...]], batches: Sequence[int], fixed: Mapping[str, Any]
    ) -> Outcome:
        ratios, columns = split(self._needed)
        kinds = [kind for kind in KINDS if kind in columns or kind in ratios]
        rows: list[dict[str, Any] | None] = []
        reasons = []
        chosen = self._convention if COST in columns else None
        found = evaluate_block(case, inputs, batches, kinds, chosen, self._form_of(case))
        for one, batch in zip(found, batches, strict=True):
            reasons.append(one.reason)
            if one.cost is None:
                rows.append(None)
                continue
            height, width = (None, *one.shape)[-2:]
            size = {"input": "x".join(map(str, one.shape)), "h": height, "w": width, "batch": batch}
            bases = {baseline_name(kind): one.baseline[kind] for kind in ratios}
            rows.append({**size, **one.cost, **bases})
        codes = [int(row is None) for row in rows]
        return table_of(rows, codes, [_FITS], reasons.__getitem__, self._where, fixed)


def _option_values(name: str, default: Any, given: Any) -> Values:
    """The values of an option of a network, of the type of its default."""
    flag = f"--set {name}"
    if isinstance(default, list | tuple):
        if isinstance(given, str):
            return tuple(dict.fromkeys(map(_list, given.split(";"))))
        listed = list(given)
        return tuple(map(tuple, listed)) if any(isinstance(one, list | tuple) for one in listed) else (tuple(listed),)
    if isinstance(default, bool | str):
        found = read_list(flag, [given] if isinstance(given, bool) else given, lambda text: text, whole_number)
        return tuple(_TRUTHS.get(one, one) for one in found) if isinstance(default, bool) else found
    if isinstance(given, int | float | Fraction):
        given = [given]
    whole = isinstance(default, int)
    number = whole_number if whole else exact_number
    found = read_list(flag, given, number, number)
    if whole or isinstance(found, range):
        return found
    if not all(isfinite(one) for one in found):
        raise FlopcalcError("bad-option", f"{flag} has a value that is not a finite number", f"write {flag}=0.5,0.75")
    return tuple(Fraction(str(one)) if isinstance(one, float) else one for one in found)


_TRUTHS = {"true": True, "false": False}


def _list(text: str) -> Any:
    """A list of whole numbers; other text is left to the network, which has an error for it."""
    try:
        return tuple(map(whole_number, text.split(",")))
    except ValueError:
        return text.strip()


def read_inputs(texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The inputs of `128:448:32` (height and width) or `3x128:256:32x224`; each size may be a range.

    Raises FlopcalcError (bad-range, bad-dimension).
    """
    found: dict[tuple[int, ...], None] = {}
    for text in texts:
        for piece in text.split(","):
            shapes: list[tuple[int, ...]] = [()]
            for size in piece.strip().split("x"):
                values = read_list("--input", size, whole_number, whole_number)
                shapes = [(*shape, value) for shape in shapes for value in values]
                if len(shapes) > 1_000_000:
                    raise FlopcalcError("bad-range", f"--input {clip(text)} has too many shapes", "use a larger step")
            for shape in shapes:
                if len(shape) not in (1, 3, 4) or not all(1 <= one <= 10**9 for one in shape):
                    wanted = "channels x height x width, or one number for height and width, each from 1 to 10^9"
                    raise FlopcalcError(
                        "bad-dimension", f"--input is {clip(text)}, not {wanted}", "write --input 128:448:32"
                    )
                found[shape] = None
    return tuple(found)
