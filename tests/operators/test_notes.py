"""The letters and the notes of every operator, and where its values come from, as they were last reviewed."""

import re

import pytest
from helpers import ROOT, for_author

from flopcalc import layer
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.spec.layer_record import OF_ONE_SAMPLE, notes
from flopcalc.spec.operator import Evaluation, Operator

FILE = ROOT / "tests" / "golden" / "notes.txt"


def notes_of(operator: Operator) -> list[str]:
    """Each text at a shape and options that show it, and in how many cases; numbers make no other text.

    The shape is the first of those with the most sizes that differ, so that none can be taken for another.
    """
    found: dict[str, list[str]] = {}
    every = sorted(cases(operator), key=_sizes_that_agree)
    for evaluation in every:
        g, named = evaluation.geometry, evaluation.named
        rules = [f"{one.name} = {named[one.name]}: {one.why(g, named)}" for one in operator.derived if one.why]
        for note in (*rules, *(one for one in notes(evaluation) if one != OF_ONE_SAMPLE)):
            where = f"{evaluation.label()}, {g.c_in} to {g.c_out} channels, {g.h}x{g.w}, kernel {g.kernel}"
            where += f", batch {g.batch}" if g.batch > 1 else ""
            found.setdefault(re.sub(r"[0-9][0-9.,]*", "", note), []).append(f"{where}: {note}")
    letters = [f"{one.letter} for {one.stands_for or one.name}" for one in operator.params if one.letter]
    symbols = [f"{operator.name}, letters: {', '.join(letters)}"] if letters else []
    return [*symbols, *(f"{notes[0]} ({len(notes)} of {len(every)} cases)" for notes in found.values())]


def _sizes_that_agree(e: Evaluation) -> int:
    g = e.geometry
    return sum(map(bool, (g.batch == 1, g.h == g.w, g.c_in == g.c_out)))


@pytest.mark.parametrize("operator", [one for one in lookup.every() if one.notes], ids=lambda operator: operator.name)
def test_notes_of_a_batch(operator: Operator) -> None:
    """They are those of one sample, and say so where they have figures."""
    for e in cases(operator):
        one, three = (
            notes(operator.evaluate_resolved(e.geometry._replace(batch=batch), e.options, e.given)) for batch in (1, 3)
        )
        assert three in (one, [*one, OF_ONE_SAMPLE])
        assert OF_ONE_SAMPLE not in one
        assert (three != one) == any(re.search(r"\d,\d{3}|\d MACs", text) for text in one)


def test_the_other_form_of_a_block_next_to_a_batch() -> None:
    """24 x 40 x 25 weights and 40 biases, at 12 x 18 places of one sample."""
    found = notes(layer("repvgg", 24, 40, k=5, hw=(12, 18), batch=2, mode="training"))
    macs = 24 * 40 * 25 * 12 * 18
    assert found == [f"With mode=inference: 24,040 parameters, {macs:,} MACs, critical path 2.", OF_ONE_SAMPLE]


def test_golden(request: pytest.FixtureRequest) -> None:
    """The texts are those that were last reviewed; --golden-update rewrites them."""
    lines = [line for operator in lookup.every() for line in notes_of(operator)]
    text = "\n".join(lines) + "\n"
    if request.config.getoption("--golden-update"):
        FILE.write_text(text, encoding="utf-8")
    assert text.splitlines() == FILE.read_text(encoding="utf-8").splitlines(), for_author(
        "tests/golden/notes.txt", "notes changed; read the changes, and run `make accept`", "docs/adding-an-operator.md"
    )
