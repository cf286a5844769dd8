"""The result of a check as machines of continuous integration read it: JUnit XML, SARIF, annotations of a pull request.

Each takes the record `flopcalc/check/1` and computes nothing.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from flopcalc.report.document import people

Record = dict[str, Any]
_SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES = {
    "limit": "A target costs more than its limit allows",
    "locked": "A target does not cost what the lock file says",
    "formula": "The closed form of an operator is not the locked one",
}


class Result(NamedTuple):
    """One thing that was checked. message: empty where it is fine. line: 0 where it is not known."""

    rule: str
    group: str
    name: str
    message: str
    file: str
    line: int


def results(record: Record) -> Iterator[Result]:
    """Everything that was checked, one by one."""
    for row in record["rows"]:
        message = "" if row["ok"] else told(row)
        yield Result("limit", row["target"], row["limit"], message, row["file"], row["line"])
    for one in record["differences"]:
        yield Result("locked", one["target"], "as locked", told_difference(one), one["file"], one["line"])
    for one in record["formulas"]:
        yield Result("formula", one["operator"], one["kind"], told_formula(one), record["file"], 0)


def told(row: Record) -> str:
    """A limit that is broken, in one line."""
    where = f" of {row['name']}" if row["name"] else ""
    relative = f" ({row['relative']:+.1%})" if row["relative"] is not None else ""
    return (
        f"{row['target']}: {row['quantity']}{where} is {_number(row['actual'])}, the limit is {_number(row['bound'])} "
        f"({row['limit']}): {'+' if row['excess'] > 0 else ''}{_number(row['excess'])}{relative}"
    )


def told_difference(one: Record) -> str:
    """A target that is not as locked, in one line."""
    if one["locked"] is None:
        return f"{one['target']} is not in the lock file"
    if one["now"] is None:
        return f"{one['target']} is in the lock file, and no longer a target"
    changed = [f"{kind} {_number(one['locked'][kind])} -> {_number(one['now'][kind])}"
               for kind, value in one["difference"].items() if value]  # fmt: skip
    return f"{one['target']}: {', '.join(changed) or 'its layers changed, the sums did not'}"


def told_formula(one: Record) -> str:
    """A closed form that is not as locked, in one line."""
    name = f"{one['kind']} of {one['operator']}"
    if one["locked"] is None or one["now"] is None:
        return f"{name}: {'not in the lock file' if one['locked'] is None else 'no longer there'}"
    return f"{name}: now - locked = {one['difference']}"


def _number(value: float) -> str:
    return people(value) if isinstance(value, int) else f"{value:.4g}"


def to_github(record: Record) -> str:
    """Workflow commands: one annotation at the line of each limit that is broken."""
    lines = []
    for one in results(record):
        if one.message:
            place = f"file={_property(one.file)}" + (f",line={one.line}" if one.line else "")
            lines.append(f"::error {place},title={_property(f'flopcalc: {_RULES[one.rule]}')}::{_data(one.message)}")
    count = sum(1 for _ in results(record))
    summary = f"flopcalc: {record['checked']} checked, {record['failed']} failed"
    return "\n".join([*lines, f"::notice title=flopcalc::{summary}" if count and not lines else summary]) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def to_junit(record: Record) -> str:
    """One test suite; a test case for each limit, each target and formula that differs."""
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
            message = _plain(one.message)
            lines += [f"{head}>", f"      <failure message={quoteattr(message)}>{escape(message)}</failure>",
                      "    </testcase>"]  # fmt: skip
        else:
            lines.append(f"{head}/>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"]) + "\n"


def _plain(text: str) -> str:
    """Text that XML can hold."""
    return "".join(letter for letter in text if letter.isprintable())


def to_sarif(record: Record) -> str:
    """SARIF 2.1.0, for code scanning."""
    found = [one for one in results(record) if one.message]
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
                "level": "error",
                "message": {"text": one.message},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": one.file.replace("\\", "/")},
                            "region": {"startLine": max(one.line, 1)},
                        }
                    }
                ],
            }
            for one in found
        ],
    }
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"
