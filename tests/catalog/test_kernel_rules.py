"""Rules for a user's own kernels: wrong ones are refused by name, and expressions read sizes."""

from typing import Any

import pytest

from flopcalc import FlopcalcError, register_kernel
from flopcalc.catalog.kernels import (
    KernelRule,
    TensorSize,
    find_rule,
    read_kernel_rules,
    rule_cost,
    unregister_kernel,
)

X, W = TensorSize((2, 3, 4), "float32"), TensorSize((5, 4), "float32")


def _cost(rule: KernelRule, **named: Any) -> dict[str, int]:
    return rule_cost(rule, tuple(named.values()), {}, TensorSize((2, 3, 5), "float32"), named)


def test_expressions_of_sizes() -> None:
    """2 x 3 positions, 4 -> 5; a list of numbers, a list of tensors, a number and the output."""
    (rule,) = read_kernel_rules(
        {
            "mylib::scan": {
                "macs": "x_0 * x_1 * x_last * w_0",
                "adds": "out_numel if bias else 0",
                "muls": "stride_0 * stride_len + xs_1_0 + xs_numel",
                "other": "ceil(x_numel / 5) + x_rank + out_2",
            }
        }
    )
    found = _cost(rule, x=X, w=W, bias=True, stride=(2, 3), xs=(W, X))
    assert found == {"macs": 120, "adds": 30, "muls": 2 * 2 + 2 + 44, "other": 5 + 3 + 5}


def test_one_expression_is_macs() -> None:
    """As text or as a number."""
    first, second = read_kernel_rules({"mylib::a": "x_numel", "mylib::b": 7})
    assert _cost(first, x=X) == {"macs": 24}
    assert _cost(second, x=X) == {"macs": 7}


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"scan": "x_0"}, "not the name of an operator"),
        ({"mylib::scan": "x_0 *"}, "mylib::scan"),
        ({"mylib::scan": "x.shape[0]"}, "mylib::scan"),
        ({"mylib::scan": {"flops": "x_0"}}, "flops"),
        ({"mylib::scan": {}}, "mylib::scan"),
        ({"mylib::scan": None}, "mylib::scan"),
        ({"mylib::scan": {"macs": 1.5}}, "1.5"),
        (["mylib::scan"], "not a mapping"),
    ],
)
def test_wrong_data_is_refused(section: Any, says: str) -> None:
    """One line that names the kernel, and a hint."""
    with pytest.raises(FlopcalcError) as caught:
        read_kernel_rules(section)
    assert caught.value.code == "bad-kernel-rule"
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["y_0", "x_0 / 5", "0 - x_0", "x_9"])
def test_wrong_values_name_the_kernel(text: str) -> None:
    """An unknown name, a fraction, a negative number."""
    (rule,) = read_kernel_rules({"mylib::scan": text})
    with pytest.raises(FlopcalcError, match="mylib::scan"):
        _cost(rule, x=X)


def _raises(x: Any) -> int:
    raise KeyError("no")


def _exits(x: Any) -> int:
    raise SystemExit(0)


@pytest.mark.parametrize(
    "function",
    [lambda x: -1, lambda x: 1.5, lambda x: True, lambda x: None, lambda x: {"flops": 1}, lambda: 1, _raises, _exits],
)
def test_wrong_functions_name_the_kernel(function: Any) -> None:
    """Whatever the function does, the user gets an error of one line."""
    with pytest.raises(FlopcalcError, match="mylib::scan"):
        _cost(KernelRule("mylib::scan", function), x=X)


def test_functions_get_sizes_and_the_output_if_they_take_it() -> None:
    """A tensor has a shape; `out` is passed by name."""
    assert _cost(KernelRule("mylib::scan", lambda x: x.shape[0] * x.numel()), x=X) == {"macs": 48}
    assert _cost(KernelRule("mylib::scan", lambda x, out: {"adds": out.numel()}), x=X) == {"adds": 30}


@pytest.mark.parametrize("wrong", ["scan", "my lib::scan", "", 3, "a::b::c"])
def test_registering_a_wrong_name(wrong: Any) -> None:
    """Namespace and operator."""
    with pytest.raises(FlopcalcError, match="operator"):
        register_kernel(wrong, lambda: 1)


def test_registering_what_is_not_a_rule() -> None:
    """Neither a function nor an expression."""
    with pytest.raises(FlopcalcError, match="mylib::scan"):
        register_kernel("mylib::scan", [1])  # type: ignore[arg-type]


def test_the_rule_of_an_overload_comes_first() -> None:
    """Then that of the operator; rules of one count come before registered ones."""
    register_kernel("mylib::scan.default", lambda: 1)
    register_kernel("mylib::scan.out", lambda: 2)
    try:
        default, out = find_rule("mylib::scan"), find_rule("mylib::scan.out")
        assert default is not None
        assert out is not None
        assert out is not default
        assert find_rule("mylib::scan.other") is default
        assert find_rule("mylib::other") is None
        own = {"mylib::scan": KernelRule("mylib::scan", lambda: 3)}
        assert find_rule("mylib::scan", own) is own["mylib::scan"]
    finally:
        unregister_kernel("mylib::scan")
        unregister_kernel("mylib::scan.out")
    assert find_rule("mylib::scan") is None


PLUG_IN = """
import sys
from pathlib import Path
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path({folder!r})
sys.path.insert(0, str(folder))
from flopcalc.catalog.kernels import plug_in_rule
from flopcalc import FlopcalcError
assert plug_in_rule("plugged::scan").cost(3) == 6
assert plug_in_rule("plugged::other").cost["macs"] == "x_0"
assert plug_in_rule("plugged::none") is None
try:
    plug_in_rule("plugged::broken")
except FlopcalcError as error:
    assert "plugged::broken" in error.message
else:
    raise AssertionError
try:
    plug_in_rule("plugged::exit")
except FlopcalcError as error:
    assert "SystemExit: 0" in error.message
else:
    raise AssertionError
print("the end")
"""


def test_rules_of_installed_packages(tmp_path: Any) -> None:
    """A rule by its operator's name, a mapping of rules, and one that cannot be loaded."""
    from helpers import fresh

    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[flopcalc.kernels]\nplugged::scan = plugged:scan\nall = plugged:RULES\nplugged::broken = plugged:missing\n"
        "plugged::exit = exits:scan\n"
    )
    (tmp_path / "plugged.py").write_text("def scan(x):\n    return 2 * x\n\nRULES = {'plugged::other': 'x_0'}\n")
    (tmp_path / "exits.py").write_text("print('hello')\nraise SystemExit(0)\n")
    done = fresh(PLUG_IN.format(folder=str(tmp_path)))
    assert (done.code, done.out) == (0, "the end\n"), done.err
