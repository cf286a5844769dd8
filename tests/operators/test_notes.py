"""The letters and the notes of every operator, and where its values come from, as they were last reviewed."""

import re

import pytest
from helpers import ROOT, for_author

from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.spec.operator import Evaluation, Operator

FILE = ROOT / "tests" / "golden" / "notes.txt"


def notes_of(operator: Operator) -> list[str]:
    """Each text at a shape and options that show it, and in how many cases; numbers make no other text.

    The shape is the first of those with the most sizes that differ, so that none stands for another.
    """
    found: dict[str, list[str]] = {}
    every = sorted(cases(operator), key=_sizes_that_agree)
    for evaluation in every:
        g, named = evaluation.geometry, evaluation.named
        rules = [f"{one.name} = {named[one.name]}: {one.why(g, named)}" for one in operator.derived if one.why]
        for note in (*rules, *(operator.notes(evaluation) if operator.notes else ())):
            where = f"{evaluation.label()}, {g.c_in} to {g.c_out} channels, {g.h}x{g.w}, kernel {g.kernel}"
            where += f", batch {g.batch}" if g.batch > 1 else ""
            found.setdefault(re.sub(r"[0-9][0-9.,]*", "", note), []).append(f"{where}: {note}")
    letters = [f"{one.letter} for {one.stands_for or one.name}" for one in operator.params if one.letter]
    symbols = [f"{operator.name}, letters: {', '.join(letters)}"] if letters else []
    return [*symbols, *(f"{notes[0]} ({len(notes)} of {len(every)} cases)" for notes in found.values())]


def _sizes_that_agree(e: Evaluation) -> int:
    g = e.geometry
    return sum(map(bool, (g.batch == 1, g.h == g.w, g.c_in == g.c_out)))


# Their notes have work or elements of the whole batch, next to the figures of the layer that they explain.
OF_THE_BATCH = {
    *("adder", "axial_attention", "criss_cross", "fft_conv", "gqa", "linear_attention", "mamba", "shift_only"),
    *("sliding_window", "transposed", "winograd"),
}
# A share of the traffic, in which weights weigh less than in that of one sample.
SHARES = {"shift"}


@pytest.mark.parametrize("operator", [one for one in lookup.every() if one.notes], ids=lambda operator: operator.name)
def test_notes_of_a_batch(operator: Operator) -> None:
    """Figures are those of one sample, or of three samples three times as large, what is of weights left out."""
    assert operator.notes
    for e in cases(operator):
        one, three = (_numbers(operator, e, batch) for batch in (1, 3))
        if operator.name in OF_THE_BATCH:
            fits = len(one) == len(three) and all(a <= b <= 3 * a for a, b in zip(one, three, strict=True))
        else:
            fits = one == three or operator.name in SHARES
        assert fits, for_author(
            e.label(),
            f"the figures of its notes on {e.geometry} are {one} for one sample and {three} for three; divide them by "
            "g.batch, or say here that they are of the batch",
        )


def _numbers(operator: Operator, e: Evaluation, batch: int) -> list[float]:
    assert operator.notes
    notes = operator.notes(operator.evaluate_resolved(e.geometry._replace(batch=batch), e.options, e.given))
    return [float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*(?:\.\d+)?", " ".join(notes))]


def test_golden(request: pytest.FixtureRequest) -> None:
    """The texts are those that were last reviewed; --golden-update rewrites them."""
    lines = [line for operator in lookup.every() for line in notes_of(operator)]
    text = "\n".join(lines) + "\n"
    if request.config.getoption("--golden-update"):
        FILE.write_text(text, encoding="utf-8")
    assert text.splitlines() == FILE.read_text(encoding="utf-8").splitlines(), for_author(
        "tests/golden/notes.txt", "notes changed; read the changes, and run `make accept`", "docs/adding-an-operator.md"
    )
