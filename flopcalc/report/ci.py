"""The result of a check for continuous integration: JUnit XML, SARIF, annotations of a pull request.

Each function takes the record `flopcalc/check/1` and computes nothing.
"""

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from flopcalc.errors import printable
from flopcalc.report.changes import what_changed
from flopcalc.report.check import UNCOUNTED_HINT, difference_text, formula_text, target_limit_text
from flopcalc.report.document import people
from flopcalc.report.uncounted import Kernels, kernels_text

Record = dict[str, Any]
_SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES = {
    "limit": "A target costs more than its limit allows",
    "locked": "A target does not cost what the lock file says",
    "formula": "The closed form of an operator or a network is not the locked one",
    "uncounted": "A kernel has no counting rule, so that the cost is not known",
}


class Result(NamedTuple):
    """One thing that was checked. message: empty if it passed. line: 0 if it is not known. note: what is not known
    about it although it passed.
    """

    rule: str
    group: str
    name: str
    message: str
    file: str
    line: int
    note: str = ""


def results(record: Record) -> Iterator[Result]:
    """Everything that was checked, one by one; the closed forms that are as locked count as one."""
    for row in record["rows"]:
        name = f"{row['limit']} [{row['name']}]" if row["name"] else row["limit"]
        if row["reason"]:
            message = f"{target_limit_text(row)}\n{UNCOUNTED_HINT}"
            yield Result("uncounted", row["target"], name, message, row["file"], row["line"])
        else:
            message, note = "" if row["ok"] else target_limit_text(row), _note(row["uncounted"])
            yield Result("limit", row["target"], name, message, row["file"], row["line"], note)
    for one in record["differences"]:
        yield Result("locked", one["target"], "as locked", _with_layers(one), one["file"], one["line"])
    if record["counts"]["targets"]:
        different = {one["target"] for one in record["differences"]}
        for name, target in record["targets"].items():
            if name not in different:
                note = _note(target["not_counted"])
                yield Result("locked", name, "as locked", "", record["file"], 0, note)
    for one in record["formulas"]:
        yield Result("formula", one["operator"], one["kind"], formula_text(one), record["lock"] or "", 0)
    same = record["counts"]["formulas"] - len(record["formulas"])
    if same:
        yield Result("formula", "formulas", f"{same} as locked", "", record["lock"] or "", 0)


def _note(kernels: Kernels) -> str:
    return f"checked as far as it could be counted; not counted: {kernels_text(kernels)}" if kernels else ""


def notes(record: Record) -> Iterator[Result]:
    """The targets with kernels without a rule that broke no limit: those that allow them, or have no limits."""
    failed = {row["target"] for row in record["rows"] if row["reason"]}
    for name, target in record["targets"].items():
        if target["not_counted"] and name not in failed:
            text = f"{name}: its costs are lower bounds; not counted: {kernels_text(target['not_counted'])}"
            yield Result("uncounted", name, "not counted", text, target["file"], target["line"])


# A message shows at most this number of layers.
_LAYERS = 10


def _with_layers(one: Record) -> str:
    rows = [row for row in one["layers"] if row["status"] != "renamed"]
    lines = [difference_text(one)]
    for row in rows[:_LAYERS]:
        deltas = [
            f"{kind} {people(row['difference'][kind], 'difference')}"
            for kind in ("params", "macs")
            if row["difference"][kind]
        ]
        lines.append(f"{row['name']}: {', '.join([what_changed(row), *deltas])}")
    if len(rows) > _LAYERS:
        lines.append(f"and {len(rows) - _LAYERS:,} more")
    return "\n".join(lines)


def _relative(file: str, root: str | None) -> str:
    """A path from the root of the checkout, with slashes."""
    if root and os.path.isabs(root):
        from_root = os.path.relpath(os.path.abspath(file), root)
        if not from_root.startswith(".."):
            file = from_root
    return os.path.normpath(file).replace("\\", "/")


def to_github(record: Record) -> str:
    """Workflow commands of GitHub: one annotation at the line of each limit that is exceeded."""
    lines = []
    for level, found in (("error", results(record)), ("notice", notes(record))):
        for one in found:
            if one.message:
                file = _relative(one.file, os.environ.get("GITHUB_WORKSPACE"))
                place = f"file={_property(file)}" + (f",line={one.line}" if one.line else "")
                title = _property(f"flopcalc: {_RULES[one.rule]}")
                lines.append(f"::{level} {place},title={title}::{_data(one.message)}")
    summary = f"flopcalc: {record['checked']} checked, {record['failed']} failed"
    return "\n".join([*lines, summary if record["failed"] else f"::notice title=flopcalc::{summary}"]) + "\n"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def to_junit(record: Record) -> str:
    """JUnit XML: one test suite, with a test case for each limit, and for each target and formula that differs."""
    found = list(results(record))
    failed = sum(bool(one.message) for one in found)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuites tests="{len(found)}" failures="{failed}">',
        f'  <testsuite name="flopcalc" tests="{len(found)}" failures="{failed}" errors="0" skipped="0">',
    ]
    for one in found:
        head = f"    <testcase classname={quoteattr(_plain(one.group))} name={quoteattr(_plain(one.name))}"
        if one.message:
            message = quoteattr(_plain(one.message.split("\n", 1)[0]))
            lines += [
                f"{head}>",
                f"      <failure message={message}>{escape(_plain(one.message))}</failure>",
                "    </testcase>",
            ]
        elif one.note:
            lines += [f"{head}>", f"      <system-out>{escape(_plain(one.note))}</system-out>", "    </testcase>"]
        else:
            lines.append(f"{head}/>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"]) + "\n"


def _plain(text: str) -> str:
    """Text that XML can hold."""
    return printable(text)


def to_sarif(record: Record) -> str:
    """SARIF 2.1.0, for code scanning."""
    found = [("error", one) for one in results(record) if one.message]
    found += [("note", one) for one in notes(record)]
    root = os.getcwd()
    run = {
        "tool": {
            "driver": {
                "name": "flopcalc",
                "rules": [{"id": key, "shortDescription": {"text": text}} for key, text in _RULES.items()],
            }
        },
        "results": [
            {
                "ruleId": one.rule,
                "level": level,
                "message": {"text": one.message},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": _uri(one.file, root)},
                            "region": {"startLine": max(one.line, 1)},
                        }
                    }
                ],
            }
            for level, one in found
        ],
    }
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _uri(file: str, root: str) -> str:
    return quote(_relative(file, root), errors="surrogateescape")
