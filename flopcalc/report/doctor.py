"""`flopcalc doctor` as tables."""

from collections.abc import Iterator
from typing import Any

from flopcalc.installation.doctor import Examination, Problem
from flopcalc.installation.packages import Found, pip_line
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table


def doctor_document(found: Examination) -> Document:
    """What is installed, what it enables, what is broken, and how to get the rest."""
    blocks: list[Table | Facts | Lines] = [Facts(list(_facts(found)))]
    for severity, title in (("error", "Broken"), ("note", "Notes")):
        lines = [_sentence(one) for one in found.problems if one.severity == severity]
        blocks += [Lines(title, lines)] if lines else []
    blocks.append(_features(found))
    blocks.append(_packages(found))
    lacking = [one for one in (*found.optional, *found.required) if not one.usable and not one.problem]
    if lacking:
        every = f"everything: {pip_line(lacking)}"
        lines = [f"{one.feature.commands}: {one.install}" for one in found.features if one.install]
        blocks.append(Lines("To get the rest", [*lines, *([every] if len(lines) > 1 else [])]))
    if found.completion.shell and not found.completion.installed:
        blocks.append(Lines("To complete names in your shell", _completion_lines(found)))
    errors = sum(one.severity == "error" for one in found.problems)
    state = "nothing is broken" if found.ok else f"{errors} {'problem' if errors == 1 else 'problems'}"
    return Document(f"flopcalc {found.version}: {state}", blocks, _data(found))


def _sentence(problem: Problem) -> str:
    return f"{problem.what}; {problem.fix}" if problem.fix else problem.what


def _facts(found: Examination) -> Iterator[tuple[str, str]]:
    yield "Python", f"{found.python}, {found.executable}"
    yield "system", found.system
    yield "folder", found.folder
    yield "command", found.script or "not found by the shell; use: python -m flopcalc"
    yield "PyTorch", _torch(found)
    plug_ins = f"{', '.join(found.plug_ins)}" if found.plug_ins else "none"
    yield "contents", f"{found.operators} operators, {found.networks} networks; plug-ins: {plug_ins}"
    terminal = found.terminal
    where = f"terminal of {terminal.columns} columns" if terminal.is_terminal else "not a terminal"
    yield "output", f"{terminal.encoding}, {where}"
    yield "completion", _completion(found)


def _torch(found: Examination) -> str:
    if found.torch is None:
        return "not installed"
    version = next(one.version for one in found.optional if one.name == "torch")
    return ", ".join(text for text in (version, f"built for {found.torch.build}" if found.torch.build else "") if text)


def _completion(found: Examination) -> str:
    own = found.completion
    if not own.shell:
        return "the shell is none of bash, zsh and fish"
    return f"{own.shell}, {'installed in ' + own.file if own.installed else 'not installed'}"


def _completion_lines(found: Examination) -> list[str]:
    return [f"add this line to {found.completion.file}: {found.completion.line}"]


def _features(found: Examination) -> Table:
    columns = (
        Column("works", "text"),
        Column("commands", "text"),
        Column("what", "text", drop=1),
        Column("missing", "text"),
    )
    rows: list[list[Cell]] = [
        ["yes" if one.works else "NO", one.feature.commands, one.feature.text, ", ".join(one.missing)]
        for one in found.features
    ]
    return Table(columns, rows, title="What works")


def _packages(found: Examination) -> Table:
    columns = (
        Column("package", "text"),
        Column("installed", "text"),
        Column("at least", "text"),
        Column("extra", "text", drop=1),
        Column("for", "text", drop=2),
    )
    groups = ((found.required, "everything"), (found.optional, "optional"), (found.counters, "explain --run"))
    rows: list[list[Cell]] = [
        [one.name, _state(one), one.least, one.extra, what] for group, what in groups for one in group
    ]
    return Table(columns, rows, title="Packages", main=True)


def _state(one: Found) -> str:
    if not one.installed:
        return "-"
    return f"{one.version or 'unknown'}{' (broken)' if one.problem else ''}"


def _data(found: Examination) -> dict[str, Any]:
    return {
        "schema": "flopcalc/doctor/1",
        "ok": found.ok,
        "version": found.version,
        "folder": found.folder,
        "script": found.script or None,
        "python": found.python,
        "executable": found.executable,
        "system": found.system,
        "packages": [
            {
                "name": one.name,
                "version": one.version or None,
                "installed": one.installed,
                "least": one.least or None,
                "extra": one.extra or None,
                "required": one in found.required,
                "problem": one.problem or None,
            }
            for one in (*found.required, *found.optional, *found.counters)
        ],
        "torch": None if found.torch is None else {"build": found.torch.build or None, "driver": found.torch.driver},
        "features": [
            {
                "commands": one.feature.commands,
                "what": one.feature.text,
                "works": one.works,
                "missing": list(one.missing),
                "install": one.install or None,
            }
            for one in found.features
        ],
        "operators": found.operators,
        "networks": found.networks,
        "plug_ins": list(found.plug_ins),
        "terminal": found.terminal._asdict(),
        "completion": found.completion._asdict() if found.completion.shell else None,
        "imported": found.imported,
        "problems": [one._asdict() for one in found.problems],
    }
