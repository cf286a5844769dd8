"""What counts as an effect of a mutant of an operator."""

import ast
import sys

import pytest
from helpers import ROOT

sys.path.append(str(ROOT / "tools"))

from effects import NONE, REFUTED, SOME, effect, known_of


@pytest.mark.parametrize(
    ("path", "before", "after", "has_one"),
    [
        # A rule of pconv makes both equal, and none does of a convolution.
        ("pconv.py", "g.p_in, g.p_out", "g.p_out, g.p_in", False),
        ("conv.py", "g.p_in, g.p_out", "g.p_out, g.p_in", True),
        # A note, a rule, a bound of an option, a default.
        ("pconv.py", "c_in - e.named", "c_in + e.named", True),
        ("gsconv.py", "None if named", "1 if named", True),
        ("gqa.py", '"int", 4', '"int", 8', True),
        # Shared by others, one of which has the effect.
        ("_recurrent.py", "cell.sums * values", "cell.sums + values", True),
        ("_recurrent.py", "macs=rows * columns * g.p_out", "macs=rows * columns * g.p_in", False),
        # What a part waits for: the one before it, the input where none is before it, others.
        ("octconv.py", 'grid, grid, after=("shrink",)', "grid, grid", False),
        ("octconv.py", "g.p_in, grid, 4, after=INPUT", "g.p_in, grid, 4", False),
        ("hetconv.py", ', after=("gwc", "pwc")', "", True),
    ],
)
def test_has_effect(path: str, before: str, after: str, has_one: bool) -> None:
    path = f"flopcalc/operators/{path}"
    code = (ROOT / path).read_text(encoding="utf-8")
    assert before in code
    assert (effect(path, ast.parse(code.replace(before, after))) != NONE) == has_one


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # What the module counts, and what only the notes say.
        ("g.c_in * g.p_out", "g.c_out + g.p_out", REFUTED),
        ("c_in - e.named", "c_in + e.named", SOME),
        ("g.p_in, g.p_out", "g.p_out, g.p_in", NONE),
    ],
)
def test_witnesses(before: str, after: str, expected: int) -> None:
    pytest.importorskip("torch")
    path = "flopcalc/operators/pconv.py"
    code = (ROOT / path).read_text(encoding="utf-8")
    assert before in code
    known = known_of(path)
    assert effect(path, ast.parse(code), known) == NONE
    assert effect(path, ast.parse(code.replace(before, after)), known) == expected
