"""More traps, each counted by the tracer, by the dispatch mode, and on real tensors: all three agree."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from pytorch.traps import (  # noqa: F401  (they add to the list)
    more_functions,
    more_modules,
    more_objects,
    more_products,
    more_python,
)
from pytorch.traps.table import MORE, Trap

from flopcalc.pytorch.counting.counter import count_call

# Where our answer is one of the alternatives, as its note says.
ALTERNATIVES = {
    "jvp": "the kernels that torch runs: forward derivatives multiply by the zero tangents of weights",
    "jacfwd": "as jvp",
    "linalg": "the norm of a matrix, its square by a product",
    "thr_fn": "a thread cannot be seen from outside; with no values at hand it is listed as uncounted",
}
# Kernels without a rule, all of them listed.
UNCOUNTED = {
    "linalg": {"aten._linalg_svd", "aten._linalg_eigh", "aten.linalg_matrix_exp"},
}
# Attention on the CPU is one kernel, which writes no scores; on the meta device it is two products.
FUSED_ON_CPU = {"gqa", "gqa_repeat", "enc_nf", "enc_causal", "encinf"}
WAYS: dict[str, dict[str, Any]] = {"trace": {}, "dispatch": {"witness": "dispatch"}, "cpu": {"on": "cpu"}}


def test_none_comes_twice() -> None:
    """Each has its name."""
    names = [trap.name for trap in MORE]
    assert len(names) == len(set(names)) > 190
    assert (ALTERNATIVES.keys() | UNCOUNTED.keys() | FUSED_ON_CPU) <= set(names)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trap", MORE, ids=lambda trap: trap.name)
def test_trap(trap: Trap) -> None:
    """MACs, parameters, activations and what is uncounted, in three ways."""
    figures = {}
    for way, options in WAYS.items():
        torch.manual_seed(0)
        module, given, named = trap.build()
        params = sum(one.numel() for one in module.parameters()) if trap.params is None else trap.params
        found = count_call(module, given, named, **options)
        assert found.macs == trap.right or (found.macs in trap.alternatives and trap.name in ALTERNATIVES), way
        assert found.params == params, way
        if trap.name != "thr_fn":
            assert {operator for operator, _ in found.uncounted} == UNCOUNTED.get(trap.name, set()), way
        figures[way] = found.macs, found.total("activations")
    if trap.name in FUSED_ON_CPU:
        figures.pop("cpu")
    assert len(set(figures.values())) == 1, figures
