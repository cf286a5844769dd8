"""Assertions about costs: the object that the pytest fixture `flopcalc` gives."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, NoReturn

import pytest

from flopcalc.budget.check import Check
from flopcalc.budget.config import Budget, Config
from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.budget.lock import LockCommands, Locked, locked, may_overwrite, read_lock, write_lock
from flopcalc.budget.measure import Measured, measure_target
from flopcalc.budget.record import difference
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.report.check import difference_blocks, limit_text
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table
from flopcalc.report.plain import render
from flopcalc.report.uncounted import RULE_HINT
from flopcalc.targets.limits import QUANTITIES, Limit, read_limit
from flopcalc.targets.model_record import most_expensive
from flopcalc.targets.spec import TargetSpec, as_texts, from_python
from flopcalc.text.atomic_file import write_atomically

# The traceback of a failure shows the test, not this file.
__tracebackhide__ = True

FOLDER = "__flopcalc__"
_LAYERS_SHOWN = 5
_LIMITS_SHOWN = 8
_WIDTH = 100
_UPDATE = "pytest --flopcalc-update"
_HOW = f"write it with `{_UPDATE}`, and commit it"
_ALLOW = "allow"
_COMMANDS = LockCommands(_UPDATE, _UPDATE, "give the assertion another name=")


class Snapshot(NamedTuple):
    """A snapshot. cost: None if there is no file, or a damaged one that is written again. dtype: of its traffic."""

    path: str
    cost: Locked | None
    dtype: str


class Costs:
    """Assertions about the costs of models, for one test."""

    def __init__(self, file: str, test: str, update: bool, folder: str = "") -> None:
        """folder: that of the project; rules for its own kernels are in its flopcalc.yaml or pyproject.toml."""
        self._file = file
        self._test = test
        self._update = update
        self._folder = folder
        self._calls = {"": 0, "-cost": 0}

    def assert_cost(
        self,
        target: Any,
        input_shape: Any = None,
        *,
        dtype: str = "float32",
        name: str | None = None,
        limits: str | Iterable[str] = (),
        batch: int = 1,
        replace: str | Iterable[str] = (),
        where: str | None = None,
        keep: str | Iterable[str] = (),
        set: Mapping[str, Any] | None = None,
        arg: Mapping[str, Any] | None = None,
        method: str | None = None,
        on: str | None = None,
        uncounted: Any = (),
        **quantities: Any,
    ) -> Mapping[str, int]:
        """Fail if the model breaks a limit. Show its most expensive layers and the changes since its snapshot.

        For example `flopcalc.assert_cost(Net(), (3, 224, 224), macs="<= 300M", params=5_288_548)`.

        target: an nn.Module, its class, a function that builds it without arguments, or a target of `flopcalc model`
        (resnet50, net.yaml, package.module:Net). input_shape: without the batch; `"77:int64"` for token ids, a list
        for several inputs. arg: keywords of the forward that are not tensors. method: the one that is counted instead
        of forward. on: "meta" or "cpu", the device of the pass. quantities: params, macs, flops, ... as a whole number
        (the exact cost) or a comparison; `baseline` is the model before replacement, `locked` is its snapshot. limits:
        more limits, as in flopcalc.yaml: `"layer *: macs <= 20M"`. name: of the snapshot. Returns the totals.

        uncounted: if a kernel has no counting rule, every limit fails, unless this is `"allow"`: then the limits apply
        to what could be counted. It also takes a limit on the number of such kernels, or a list: `["allow", "<= 3"]`.
        """
        given = list(uncounted) if isinstance(uncounted, list | tuple) else [uncounted]
        rest = [one for one in given if not (isinstance(one, str) and one == _ALLOW)]
        policy: Literal["fail", "allow"] = "allow" if len(rest) < len(given) else "fail"
        numbers = {"uncounted": rest} if rest else {}
        try:
            own = as_texts(limits, "limits", "macs <= 300M")
        except FlopcalcError as error:
            _fail(error.message, error.hint)
        texts = [*own, *_limit_texts({**quantities, **numbers})]
        if not texts:
            _fail("assert_cost was given no limit", 'for example macs="<= 300M", or params=25_557_032')
        call = {"arg": arg, "method": method, "on": on}
        spec = _spec(target, input_shape, batch=batch, replace=replace, where=where, keep=keep, set=set, **call)
        snapshot, found = self._measure(spec, dtype, name, "-cost")
        before = locked(found) if self._update else snapshot.cost
        try:
            read = tuple(read_limit(text, "network") for text in texts)
            compares = any(one.reads("locked") or (one.reads("baseline") and not found.plain) for one in read)
            if before is None and compares:
                _fail(f"there is no snapshot {_shown(snapshot.path)} to compare with", _HOW)
            rows = [row for row in self._rows(found, spec, dtype, read, before, policy) if not row["ok"]]
            # The limits on the whole model first: the user wrote them, and layers may be many.
            rows.sort(key=lambda row: row["name"] != "")
        except FlopcalcError as error:
            _fail(error.message, error.hint)
        if rows:
            blocks: list[Table | Facts | Lines] = [_most_expensive(found, rows[0]["quantity"])]
            if snapshot.cost is not None and (changed := difference(found.name, snapshot.cost, locked(found))):
                blocks += difference_blocks(changed, f"Changed since the snapshot {_shown(snapshot.path)}")
            lines = [limit_text(row) for row in rows[:_LIMITS_SHOWN]]
            if len(rows) > _LIMITS_SHOWN:
                lines.append(f"and {len(rows) - _LIMITS_SHOWN:,} more")
            if any(row["reason"] for row in rows):
                lines.append(f'{RULE_HINT}; or pass uncounted="allow" to check what could be counted')
            _fail("\n".join([*lines, "", render(Document(found.what, blocks, None), _WIDTH)]))
        # Other limits need no snapshot, so none is written for them.
        if self._update and (compares or os.path.lexists(snapshot.path)):
            self._write(snapshot.path, found, dtype)
        return dict(found.totals)

    def assert_unchanged(
        self,
        target: Any,
        input_shape: Any = None,
        *,
        batch: int = 1,
        replace: str | Iterable[str] = (),
        where: str | None = None,
        keep: str | Iterable[str] = (),
        set: Mapping[str, Any] | None = None,
        arg: Mapping[str, Any] | None = None,
        method: str | None = None,
        on: str | None = None,
        dtype: str = "float32",
        name: str | None = None,
    ) -> None:
        """Fail if the cost of the model differs, in any layer, from its snapshot. Arguments as in `assert_cost`.

        Snapshots are lock files in the folder `__flopcalc__` next to the test; `--flopcalc-update` writes them.
        """
        call = {"arg": arg, "method": method, "on": on}
        spec = _spec(target, input_shape, batch=batch, replace=replace, where=where, keep=keep, set=set, **call)
        snapshot, found = self._measure(spec, dtype, name, "")
        if self._update:
            self._write(snapshot.path, found, dtype)
        elif snapshot.cost is None:
            _fail(f"there is no snapshot {_shown(snapshot.path)}", _HOW)
        elif snapshot.dtype != dtype:
            _fail(
                f"{_shown(snapshot.path)} measures traffic in {snapshot.dtype}, the test in {dtype}",
                f"write it again with `{_UPDATE}`",
            )
        elif changed := difference(found.name, snapshot.cost, locked(found)):
            blocks = list(difference_blocks(changed, f"Differs from {_shown(snapshot.path)}"))
            text = render(Document(found.what, blocks, None), _WIDTH)
            head = f"the cost differs from {_shown(snapshot.path)}"
            _fail(f"{head}\n\n{text}", f"if intended, accept it with `{_UPDATE}`")

    def _measure(self, spec: TargetSpec, dtype: str, name: str | None, of: str) -> tuple[Snapshot, Measured]:
        if name is not None and not isinstance(name, str):
            _fail(f"name is {clip(name)}, not text", 'write for example name="small"')
        if not name:
            # Calls are counted separately, so that a new assert_cost does not change the files of assert_unchanged.
            self._calls[of] += 1
        key = name or f"{self._test}{of}" + (f"-{self._calls[of]}" if self._calls[of] > 1 else "")
        path = snapshot_path(self._file, key)
        try:
            if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
                raise FlopcalcError("bad-usage", f"dtype is {clip(dtype)}", f"one of: {', '.join(DTYPE_BYTES)}")
            return self._snapshot(path, key, dtype), measure_target(key, with_folder_rules(spec, self._folder), dtype)
        except FlopcalcError as error:
            batch = "; input_shape is without the batch" if error.code == "uncountable-module" else ""
            _fail(error.message, error.hint + batch)

    def _snapshot(self, path: str, key: str, dtype: str) -> Snapshot:
        try:
            lock = read_lock(path, _COMMANDS)
        except FlopcalcError as error:
            if error.code == "bad-lock" and self._update:
                return Snapshot(path, None, dtype)
            raise
        return Snapshot(path, lock.targets.get(" ".join(key.split())) if lock else None, lock.dtype if lock else dtype)

    def _rows(
        self,
        found: Measured,
        spec: TargetSpec,
        dtype: str,
        limits: tuple[Limit, ...],
        before: Locked | None,
        uncounted: Literal["fail", "allow"],
    ) -> Iterable[dict[str, Any]]:
        path = os.path.basename(self._file)
        budget = Budget(name=found.name, target=spec, limits=limits, path=path, line=0, uncounted=uncounted)
        check = Check(Config(path, (budget,), "", dtype), {found.name: before} if before else None)
        check.measured[found.name] = found
        return check.rows()

    def _write(self, path: str, found: Measured, dtype: str) -> None:
        """Write the file of a snapshot in one step, because tests may run in parallel."""
        text = write_lock([locked(found)], [], dtype)
        try:
            if not may_overwrite(path):
                raise FlopcalcError(
                    "not-a-lock",
                    f"{_shown(path)} is not a snapshot; nothing was written",
                    f"remove it, or {_COMMANDS.move}",
                )
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_atomically(path, text)
        except FlopcalcError as error:
            _fail(error.message, error.hint)
        except OSError as error:
            _fail(f"cannot write {_shown(path)}: {error.strerror}", "check the folder")


def snapshot_path(file: str, key: str) -> str:
    """`__flopcalc__/test_file/test_name.lock` next to a test file."""
    folder, base = os.path.split(file)
    plain = re.sub(r"[^\w.\[\]-]+", "_", key)[:100]
    # Different names must not share a file.
    if plain != key:
        plain = f"{plain}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return os.path.join(folder, FOLDER, base.removesuffix(".py"), f"{plain}.lock")


def _spec(target: Any, input_shape: Any, **options: Any) -> TargetSpec:
    try:
        return from_python(target, input_shape, **options)
    except FlopcalcError as error:
        _fail(error.message, error.hint)


def _limit_texts(quantities: Mapping[str, Any]) -> Iterable[str]:
    for quantity, given in quantities.items():
        if quantity not in QUANTITIES:
            _fail(
                f"assert_cost has no quantity {clip(quantity)}",
                f"quantities: {', '.join(QUANTITIES)}; others as limits=[...]",
            )
        if isinstance(given, list | tuple) and not given:
            _fail(f"{quantity} is empty: it limits nothing", f'write {quantity}="<= 300M", or leave it out')
        for one in given if isinstance(given, list | tuple) else [given]:
            if (number := as_int(one)) is not None:
                yield f"{quantity} == {number}"
            elif isinstance(one, str) and re.match(r"\s*[<>=]", one):
                yield f"{quantity} {one}"
            else:
                _fail(f"{quantity} is {clip(one)}", f'write {quantity}="<= 300M", or a whole number')


def _most_expensive(found: Measured, quantity: str) -> Table:
    """The most expensive layers by the quantity that breaks its limit."""
    kind = quantity if found.layers and quantity in found.layers[0] else "macs"
    shown = list(dict.fromkeys((kind, "params", "macs")))
    columns = (
        Column("layer", "text"),
        Column("type", "text"),
        *(Column(one) for one in shown),
        Column("share", "share"),
    )
    top = most_expensive([{**layer, "cost": layer[kind]} for layer in found.layers], _LAYERS_SHOWN)
    rows: list[list[Cell]] = [
        [layer["name"], layer["type"], *(layer[one] for one in shown), layer["share"]] for layer in top if layer["cost"]
    ]
    return Table(columns, rows, title=f"Most expensive layers by {kind}")


def _shown(path: str) -> str:
    """A path, relative if that is shorter."""
    return min(os.path.relpath(path), path, key=len)


def _fail(message: str, hint: str = "") -> NoReturn:
    raise pytest.fail.Exception(f"{message.rstrip()}\n{hint}".rstrip(), pytrace=True) from None
