"""`flopcalc diff --git`: targets in the working tree, compared with the same targets at another revision."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from flopcalc.analysis.diff import diff_record
from flopcalc.budget.default_file import default_file
from flopcalc.budget.git import Revision, revision
from flopcalc.catalog import lookup
from flopcalc.cli.git_revision import asked, earlier_name
from flopcalc.cli.git_sides import models
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.side import read_side
from flopcalc.cost.convention import Convention
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.networks import library
from flopcalc.report.columns import headline
from flopcalc.report.diff import diff_document, rows_for_csv
from flopcalc.report.document import Column, Document, Facts, Lines, Table
from flopcalc.targets.read import is_python

SCHEMA = "flopcalc/diff-git/1"
_INSTALLED = ("torchvision:", "timm:")


def compared(
    name: str,
    targets: Sequence[str],
    shared: Mapping[str, Any],
    chosen: Convention,
    dtype: str,
    *,
    everything: bool,
    fmt: str,
) -> Document:
    """What `flopcalc diff --git` shows. name: of the revision. targets: all of the file where none is named.

    Raises FlopcalcError.
    """
    file = default_file()
    texts, names = _sorted(targets, file)
    request = {
        "job": "models",
        "texts": texts,
        "names": names,
        "file": file,
        "shared": shared,
        "convention": chosen.name,
        "dtype": dtype,
    }
    with revision(name, ".") as found:
        for text in texts:
            _check_is_there(text, found)
        with progress_bar("the working tree"):
            now = models(request)
        with progress_bar(found.label):
            earlier = names and [*names, *(earlier_name(one, found) for one in names)]
            before = asked(found, ".", {**request, "names": earlier})
        pairs = [(text, one, other) for text, one, other in zip(texts, before["texts"], now["texts"], strict=True)]
        was = {one: _name_before(one, before["names"], now["names"], found) for one in now["names"]}
        pairs += [(one, before["names"][was[one]], now["names"][one]) for one in was if was[one] in before["names"]]
        if names is not None:
            _check_names(names, was, before, file, found)
        new = [one for one in was if was[one] not in before["names"]]
        gone = [one for one in before["names"] if one not in was.values()] if names is None else []
        records = [_record(*pair, found, chosen) for pair in pairs]
        data = {
            "schema": SCHEMA,
            "revision": {"name": found.name, "commit": found.commit, "changed": found.changed},
            "targets": records,
            "new": new,
            "gone": gone,
        }
        return _document(data, records, chosen, found, everything=everything, for_csv=fmt == "csv")


def uncounted(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The kernels without a rule, of all targets and of both sides."""
    return [kernel for one in data["targets"] for side in ("a", "b") for kernel in one[side]["uncounted"]]


def _sorted(targets: Sequence[str], file: str | None) -> tuple[list[str], list[str] | None]:
    """The targets that are written as for `flopcalc model`, and the names of targets of the file; None for all."""
    if not targets:
        if file is None:
            why = "no target is named, and this folder has no flopcalc.yaml"
            raise FlopcalcError("no-config", why, "name a target: flopcalc diff --git main net.yaml")
        return [], None
    known = _names_of(file)
    names = [one for one in targets if one in known]
    return [one for one in targets if one not in known], names


def _names_of(file: str | None) -> list[str]:
    if file is None:
        return []
    # Loads the parser of the file.
    from flopcalc.budget.config import read_config

    return [one.name for one in read_config(file).targets]


def _check_is_there(text: str, found: Revision) -> None:
    """Raise FlopcalcError for a target that is not a file of the repository, or was not one at the revision."""
    name, options = read_side(text)
    if name.startswith(_INSTALLED) or (name.startswith("hf:") and not name.endswith(".json")):
        hint = "name a description or a Python model of this repository, or a target of flopcalc.yaml"
        raise FlopcalcError("bad-usage", f"{clip(name)} is an installed package, which has no revisions here", hint)
    path = name.removeprefix("hf:").partition(":")[0] if name.endswith(".json") else name.partition(":")[0]
    if not path.endswith((".yaml", ".yml", ".py", ".json")):
        if is_python(name) or options["replace_texts"]:
            return
        _check_is_no_shipped_name(name)
    if not os.path.lexists(path):
        # The error of any command.
        return
    there = found.path(path)
    if not os.path.exists(there):
        inside = [one for one in found.missing if _relative(path, found).startswith(f"{one}/")]
        if inside:
            why = f"{clip(path)} is in the submodule {inside[0]}, of which the files at {found.label} are not here"
            raise FlopcalcError("not-at-revision", why, f"run `git submodule update --init {inside[0]}` first")
        why = f"the file {clip(path)} does not exist at {found.label}"
        hint = f"name a later revision: `git log --oneline -- {path}` shows when the file was added"
        raise FlopcalcError("not-at-revision", why, hint)


def _name_before(name: str, before: Collection[str], now: Collection[str], found: Revision) -> str:
    """The name that a target of the file had: that of its file, if it was renamed."""
    old = earlier_name(name, found)
    return name if name in before or old in now else old


def _relative(path: str, found: Revision) -> str:
    return os.path.relpath(found.path(path), found.files)


def _check_is_no_shipped_name(name: str) -> None:
    shipped = [*library.names(), *lookup.names()]
    if name in shipped:
        why = f"{clip(name)} is shipped with flopcalc, so that its cost is the same at every revision"
        raise FlopcalcError("bad-usage", why, "name a file of this repository, or a target of flopcalc.yaml")
    hint = "name the path of a description, file.py:factory, package.module:factory, or a target of flopcalc.yaml"
    raise unknown_name("target", name, shipped, hint)


def _check_names(
    names: Sequence[str], was: Mapping[str, str], before: Mapping[str, Any], file: str | None, found: Revision
) -> None:
    """Raise FlopcalcError (not-at-revision) for a target that the file did not have."""
    for one in names:
        if was[one] not in before["names"]:
            why = f"{file} has no target {clip(one)} at {found.label}"
            hint = "name a later revision, or the file of the target; without targets, new ones are listed"
            raise FlopcalcError("not-at-revision", why, hint)


def _record(
    name: str, before: dict[str, Any], now: dict[str, Any], found: Revision, chosen: Convention
) -> dict[str, Any]:
    record = diff_record(before, now, chosen)
    record["target"] = name
    old = earlier_name(name, found)
    record["a"]["target"] = f"{old} at {found.label}"
    record["b"]["target"] = f"{'' if old == name else f'{name} '}{_now(found)}"
    return record


def _now(found: Revision) -> str:
    return "now, with changes that are not committed" if found.changed else "now"


def _document(
    data: dict[str, Any],
    records: Sequence[dict[str, Any]],
    chosen: Convention,
    found: Revision,
    *,
    everything: bool,
    for_csv: bool,
) -> Document:
    """One document for all targets."""
    if for_csv:
        tables = [(one["target"], rows_for_csv(one, headline(chosen))) for one in records]
        columns = (Column("target", "text"), *(tables[0][1].columns if tables else ()))
        rows = [[target, *row] for target, table in tables for row in table.rows]
        return Document("", [Table(columns, rows, main=True)], data)
    blocks: list[Table | Facts | Lines] = []
    documents = [diff_document(one, chosen, everything, False) for one in records]
    if len(documents) == 1 and not data["new"] and not data["gone"]:
        return documents[0]._replace(data=data)
    equal = [one["target"] for one in records if _is_equal(one)]
    for one, document in zip(records, documents, strict=True):
        if everything or not _is_equal(one):
            blocks += [Facts((), document.title), *document.blocks]
    if equal and not everything:
        blocks.append(Lines("Equal, layer by layer", equal))
    for key, text in (("new", "New since then, not compared"), ("gone", "Gone since then, not compared")):
        if data[key]:
            blocks.append(Lines(text, data[key]))
    many = "1 target" if len(records) == 1 else f"{len(records):,} targets"
    changed = f"{len(records) - len(equal):,} changed"
    return Document(f"{found.label}  ->  {_now(found)}: {many} compared, {changed}", blocks, data)


def _is_equal(record: Mapping[str, Any]) -> bool:
    return not any(record["counts"][status] for status in ("changed", "removed", "added"))
