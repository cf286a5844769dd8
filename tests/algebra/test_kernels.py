"""The kernel in closed forms: a symbol wherever an operator has several, also where its default is not 3."""

import re
from typing import Any

import pytest

from flopcalc import FlopcalcError, formula, layer
from flopcalc.catalog.registry import names

sympy = pytest.importorskip("sympy")

SHAPE: dict[str, Any] = {"c_in": 64, "c_out": 64, "hw": 12}


def _has(name: str, k: int) -> bool:
    try:
        layer(name, k=k, **SHAPE)
    except FlopcalcError:
        return False
    return True


@pytest.mark.parametrize("name", names())
def test_a_kernel_that_can_be_chosen_is_a_symbol(name: str) -> None:
    """An operator whose parameters differ by the kernel has it in the closed form of its parameters."""
    if not (_has(name, 7) and _has(name, 9)):
        return
    differ = layer(name, k=7, **SHAPE).params != layer(name, k=9, **SHAPE).params
    record = formula(name).to_dict()
    texts = [record["cost"]["params"]["exact"], *record["definitions"].values()]
    found = any(re.search(r"\bk\b", text) for text in texts)
    assert found or not differ, f"{name} has no k in the closed form, and other parameters for other kernels"


@pytest.mark.parametrize("k", [3, 7, 31])
def test_two_operators_with_a_kernel_of_7(k: int) -> None:
    """Two 1x1 convolutions, and a depthwise one with a bias; ConvNeXt has biases, a norm and a scale, too."""
    c = 64
    values = {"c_in": c, "c_out": c, "k": k, "hidden": 4 * c}
    by_hand = {
        "replk": 2 * c * c + c * k * k + c,
        "convnext_block": (c * k * k + c) + 2 * c + (4 * c * c + 4 * c) + (4 * c * c + c) + c,
    }
    for name, params in by_hand.items():
        more: dict[str, Any] = {"small": 0} if name == "replk" else {}
        assert layer(name, k=k, **SHAPE, **more).params == params
        exact = formula(name).to_dict()["cost"]["params"]["exact"]
        assert sympy.sympify(exact.replace("^", "**")).subs(values) == params


def test_limits_are_those_at_the_default_kernel() -> None:
    assert formula("replk").to_dict()["cost"]["macs"]["limit_at_defaults"] == "2/49"
    assert formula("convnext_block").to_dict()["cost"]["macs"]["limit_at_defaults"] == "8/49"
    assert formula("ghost").to_dict()["cost"]["macs"]["limit_at_defaults"] == "1/2"
