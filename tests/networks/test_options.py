"""Options of descriptions, and the input: what can be declared, and what can be given."""

from fractions import Fraction
from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.targets.model_record import model_record

RELU = "input: [3, 8, 8]\nlayers:\n  - a: relu\n"


def refusal(path: str, **given: Any) -> tuple[str, str]:
    """The message, without the file, and the hint."""
    with pytest.raises(FlopcalcError) as caught:
        network(path, **given)
    return caught.value.message.removeprefix(f"{path}, "), caught.value.hint


# Declared ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("[a]", "options maps names to {default: ..., help: ...}"),
        ("{v: 3}", "option v is 3, not {default: ..., help: ...}"),
        ("{v: {help: a}}", "option v has no default"),
        *(
            (f"{{v: {{{more}}}}}", "option v has least, which only a whole number or a list of them can have")
            for more in ("default: 1.5, least: 2", "default: true, least: 0", "default: 3, choices: [3], least: 2")
        ),
    ],
)
def test_a_declaration_that_is_refused(options: str, message: str, write_network: WriteNetwork) -> None:
    """What is left out or in the wrong form; and a `least` that would be ignored."""
    assert refusal(write_network(f"options: {options}\n{RELU}"))[0] == f"line 1: {message}"


def test_an_input_that_is_no_list(write_network: WriteNetwork) -> None:
    """Also where options are checked, whose names depend on its axes."""
    path = write_network("options: {v: {default: 3}}\ninput: 3\nlayers:\n  - a: relu\n")
    assert refusal(path)[0] == "line 2: input is 3, not [channels, height, width], each from 1 to 10^9"


# Given -------------------------------------------------------------------------------------------------


def test_an_option_that_the_network_does_not_have(write_network: WriteNetwork) -> None:
    """It names those that it has."""
    assert refusal(write_network(RELU), depth=3) == ("unknown option of net 'depth'", "net has no options")
    path = write_network(f"options: {{width: {{default: 3}}, blocks: {{default: [1, 2]}}}}\n{RELU}")
    assert refusal(path, depth=3) == ("unknown option of net 'depth'", "did you mean width? net has: width, blocks")


OPTIONS = """
title: Net
input: [4]
options:
  blocks: {default: [1, 2]}
  width: {default: 1.5}
  bias: {default: false}
  out: {default: 3}
layers:
  - a: {op: linear, out: 2 * out * width, bias: bias}
"""


class Three:
    """A whole number of another type, such as a scalar tensor."""

    def __index__(self) -> int:
        return 3


def test_values_of_other_types(write_network: WriteNetwork) -> None:
    """A value is read as the type of its default, and shown in the title where it differs from it."""
    path = write_network(OPTIONS)
    net = network(path, blocks=[3], width="2.5", bias="true", out=4)
    assert net.options == {"blocks": (3,), "width": Fraction(5, 2), "bias": True, "out": 4}
    assert net.title == "Net; blocks 3; width 2.5; bias true; out 4"
    assert net.params == 4 * 20 + 20
    assert model_record(net, None, CONVENTIONS["macs"])["options"] == {
        "blocks": [3],
        "width": 2.5,
        "bias": True,
        "out": 4,
    }
    for out in (3, Three()):
        same: Any = {"blocks": (1, 2), "width": 1.5, "bias": False, "out": out}
        assert network(path, **same, batch=2).title == "Net"
        assert type(network(path, width=2, out=out).options["out"]) is int


def test_a_number_for_a_list(write_network: WriteNetwork) -> None:
    """It is no list of one."""
    message, hint = refusal(write_network(OPTIONS), blocks=3)
    assert message == "option blocks is 3; it must be whole numbers of 1 or more, such as 1,2"
    assert hint == "blocks: an option of the network (default: 1,2)"


@pytest.mark.parametrize(("given", "out"), [({}, 29), ({"v": "0.57"}, 57), ({"v": 0.57}, 57), ({"v": 1}, 100)])
def test_a_choice_is_exact(given: dict[str, Any], out: int, write_network: WriteNetwork) -> None:
    """As any decimal of a description: as floats, 100 * 0.29 and 100 * 0.57 are below 29 and 57."""
    layers = "input: [8]\nlayers:\n  - a: {op: linear, out: floor(100 * v)}\n"
    path = write_network(f"options: {{v: {{default: 0.29, choices: [0.29, 0.57, 1.0]}}}}\n{layers}")
    net = network(path, **given)
    assert net.macs == 8 * out
    # The value is one that can be given.
    assert network(path, **net.options).macs == 8 * out


@pytest.mark.parametrize("given", [[2, 3], (2, 3), "2,3"])
def test_a_choice_of_lists_and_flags(given: Any, write_network: WriteNetwork) -> None:
    """Each is a list as in expressions; a flag is written as in YAML."""
    options = "options: {v: {default: [1], choices: [[1], [2, 3]]}, b: {default: auto, choices: [auto, true]}}\n"
    path = write_network(f"{options}input: [8]\nlayers:\n  - a: {{op: linear, each: {{out: v}}, out: out}}\n")
    assert network(path, v=given, b="true").options == {"v": (2, 3), "b": True}
    assert network(path, v=given).macs == 8 * 2 + 2 * 3
    assert refusal(path, v=given, b=1)[0] == "option b is 1; it must be one of auto, true"


# The input ---------------------------------------------------------------------------------------------


def test_one_number_for_height_and_width(write_network: WriteNetwork) -> None:
    """Of a network on maps; of one on vectors it is the number of features."""
    assert network(write_network(RELU), input=16).input_shape == (3, 16, 16)
    assert network(write_network(RELU), input=(16,)).input_shape == (3, 16, 16)
    assert network(write_network(RELU), input=(5, 7, 9)).input_shape == (5, 7, 9)
    assert network(write_network(RELU.replace("[3, 8, 8]", "[8]")), input=16).input_shape == (16,)


def test_the_largest_size(write_network: WriteNetwork) -> None:
    """10^9, of each axis."""
    wanted = "not [channels, height, width], each from 1 to 10^9"
    for axis in range(3):
        shape = [2, 2, 2]
        shape[axis] = 10**9
        net = network(write_network(RELU.replace("[3, 8, 8]", str(shape))))
        assert net.input_shape == net.layers[0].out_shape == tuple(shape)
        for size in (0, 10**9 + 1):
            shape[axis] = size
            assert refusal(write_network(RELU.replace("[3, 8, 8]", str(shape))))[0] == (
                f"line 1: input is {shape}, {wanted}"
            )


def test_an_input_that_is_given_and_does_not_fit(write_network: WriteNetwork) -> None:
    """The error is about what was given."""
    assert refusal(write_network(RELU), input=(8, 8)) == (
        "the input is '8x8', not channels x height x width, each from 1 to 10^9",
        "write --input 3x224x224",
    )
