"""The letters and the notes of every operator, and where its values come from, as they were last reviewed."""

import re

import pytest
from helpers import ROOT, for_author

from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.spec.operator import Operator

FILE = ROOT / "tests" / "golden" / "notes.txt"


def notes_of(operator: Operator) -> list[str]:
    """Each text at the first shape and options that show it, and in how many cases; numbers make no other text."""
    found: dict[str, list[str]] = {}
    every = list(cases(operator))
    for evaluation in every:
        g, named = evaluation.geometry, evaluation.named
        rules = [f"{one.name} = {named[one.name]}: {one.why(g, named)}" for one in operator.derived if one.why]
        for note in (*rules, *(operator.notes(evaluation) if operator.notes else ())):
            where = f"{evaluation.label()}, {g.c_in} to {g.c_out} channels, {g.h}x{g.w}, kernel {g.kernel}"
            found.setdefault(re.sub(r"[0-9][0-9.,]*", "", note), []).append(f"{where}: {note}")
    letters = [f"{one.letter} for {one.stands_for or one.name}" for one in operator.params if one.letter]
    symbols = [f"{operator.name}, letters: {', '.join(letters)}"] if letters else []
    return [*symbols, *(f"{notes[0]} ({len(notes)} of {len(every)} cases)" for notes in found.values())]


def test_golden(request: pytest.FixtureRequest) -> None:
    """The texts are those that were last reviewed; --golden-update rewrites them."""
    lines = [line for operator in lookup.every() for line in notes_of(operator)]
    text = "\n".join(lines) + "\n"
    if request.config.getoption("--golden-update"):
        FILE.write_text(text, encoding="utf-8")
    assert text.splitlines() == FILE.read_text(encoding="utf-8").splitlines(), for_author(
        "tests/golden/notes.txt", "notes changed; read the changes, and run `make accept`", "docs/adding-an-operator.md"
    )
