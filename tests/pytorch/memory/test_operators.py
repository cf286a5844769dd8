"""The peak of every operator by its parts, compared with the tensors of its module."""

from itertools import islice
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from drawn import evaluations
from helpers import for_author, import_torchvision

from flopcalc import layer
from flopcalc.analysis.memory.operator import DIFFERENCES, operator_peak
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.layers import input_shape
from flopcalc.pytorch.memory.run import Subject, Way, follow
from flopcalc.spec.operator import Evaluation, Operator

# Small tensors that a module makes and the formula does not: a bias of zeros, a coefficient.
SMALL = 512
CASES = 12
ELEMENTS = 1_000_000


def _cases(operator: Operator) -> list[Evaluation]:
    small = (e for e in cases(operator) if e.geometry.c_in * e.geometry.c_out * e.geometry.p_out < ELEMENTS)
    drawn = evaluations(operator, 0 if operator.name in DIFFERENCES else 2 * CASES, ELEMENTS)
    return [e for place, e in enumerate(islice(small, 5 * CASES)) if place % 5 == 0] + list(drawn)


def _of_module(e: Evaluation) -> int:
    return follow(Subject(build_layer(e, device="meta"), [input_shape(e)], {}), Way()).forward.live


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_peak(operator: Operator) -> None:
    """Equal up to tensors of a few bytes; where it is not, the reason is on record, and it is needed."""
    import_torchvision()
    pairs = [(e, operator_peak(e, 4), _of_module(e)) for e in _cases(operator)]
    different = [(e, ours, theirs) for e, ours, theirs in pairs if abs(ours - theirs) > SMALL]
    advice = (
        "its peak is not that of its module: name the variables of its forward in flopcalc/analysis/memory/parts.py, "
        "or say what differs in DIFFERENCES of flopcalc/analysis/memory/operator.py"
    )
    if operator.name in DIFFERENCES:
        assert different, f"{operator.name} is equal in all cases: take it out of DIFFERENCES"
        return
    for e, ours, theirs in different:
        pytest.fail(for_author(f"{e.label()} {e.geometry}: {ours:,} and {theirs:,} bytes", advice))


@pytest.mark.parametrize(
    ("name", "sizes", "given"),
    [
        ("ghost", (24,), {"hw": 20, "norm": True}),
        ("ghost", (36,), {"hw": 13, "k": (5, 3), "activation": True}),
        ("bottleneck", (24,), {"hw": 20, "norm": True, "shortcut": "projection"}),
        ("bottleneck", (3, 64), {"hw": 33, "k": 7, "stride": 2, "norm": True, "shortcut": "auto"}),
        ("compconv", (64, 96), {"hw": 57, "stride": 2, "depth": 2}),
        ("compconv", (64, 96), {"hw": 57, "stride": 2, "depth": 2, "norm": True}),
        ("attention", (24,), {"hw": (7, 14), "heads": 2, "window": 7, "shift": 3, "position_bias": True}),
        ("attention", (48,), {"hw": 9, "window": 3, "shift": 2, "position_bias": True}),
    ],
    ids=str,
)
def test_peak_with_options(name: str, sizes: tuple[int, ...], given: dict[str, Any]) -> None:
    """What a norm or an activation has read is gone, and what a forward keeps in a variable is not."""
    e = layer(name, *sizes, **given)
    assert abs(operator_peak(e, 4) - _of_module(e)) <= SMALL


def test_thousands_of_blocks() -> None:
    """The peak of a block for each token is that of the last one: the outputs of all before it, and all columns."""
    tokens, width, heads = 64 * 64, 8, 2
    e = layer("gqa", heads * width, hw=64, heads=heads, kv_heads=heads, causal=True, block_size=1)
    projections = 3 * heads * width * tokens  # of the queries, scaled, of the keys and the values
    mask, scores, mixed = tokens**2, heads * tokens, heads * width * tokens
    # In the last block: the scores with their mask, and their softmax, next to the output of the block.
    assert operator_peak(e, 1) == max(projections + mask + 2 * scores + mixed, projections + 2 * mask)
