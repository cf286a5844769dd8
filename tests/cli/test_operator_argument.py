"""The operator as an argument, by --type, and with options behind its name."""

import json
from collections.abc import Callable

import pytest
from helpers import Run

Runner = Callable[..., Run]
SHAPE = ("--cin", "64", "--format", "json")


def test_the_ways_to_name_an_operator(run: Runner) -> None:
    """`layer spconv:alpha=1/4`, --type with and without options, and --set give the same."""
    ways = [
        ("layer", "spconv:alpha=1/4", *SHAPE),
        ("layer", "--type", "spconv:alpha=1/4", *SHAPE),
        ("layer", "--type", "spconv", "--set", "alpha=1/4", *SHAPE),
        ("layer", *SHAPE, "spconv", "--set", "alpha=1/4"),
    ]
    found = [run(*way) for way in ways]
    assert {done.code for done in found} == {0}
    assert len({done.out for done in found}) == 1
    assert json.loads(found[0].out)["options"]["alpha"] == "1/4"


def test_options_behind_the_name_and_by_set_join(run: Runner) -> None:
    """Different options are joined; lists stay whole."""
    data = json.loads(run("layer", "ghost:s=4", "--set", "d=5", *SHAPE).out)
    assert (data["options"]["s"], data["options"]["d"]) == (4, 5)
    dims = json.loads(run("layer", "sic:dims=4,16", "--set", "b=2", *SHAPE).out)["options"]
    assert (dims["dims"], dims["b"]) == ([4, 16], 2)


@pytest.mark.parametrize("name", ["sic", "topological"])
def test_channels_that_the_options_fix(run: Runner, name: str) -> None:
    """A torus of channels has 4 x 6 of them, so that --cin is not needed; without one it is."""
    data = json.loads(run("layer", f"{name}:dims=4,6", "--format", "json").out)
    assert (data["inputs"]["cin"], data["inputs"]["cout"]) == (24, 24)
    done = run("layer", "sic", "--format", "json")
    assert done.code == 2
    assert "--cin" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("layer", "ghost", "--type", "conv", "--cin", "8"), "given twice"),
        (("layer", "--cin", "8"), "the operator is missing"),
        (("layer", "ghost:s=4", "--set", "s=2", "--cin", "8"), "option s is given twice"),
        (("formula", "ghost:s=4", "--set", "s=2"), "option s is given twice"),
        (("verify", "ghost:s=4", "--set", "s=2", "--cin", "8"), "option s is given twice"),
        (("verify", "ghost:s=4"), "need a shape"),
        (("layer", "ghost:", "--set", "s", "--cin", "8"), "name=value"),
    ],
)
def test_wrong_ways(arguments: tuple[str, ...], message: str, run: Runner) -> None:
    """One line that says what is wrong, and a hint."""
    done = run(*arguments)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 2)
    assert message in done.err
    assert done.err.splitlines()[1].startswith("hint:  ")


def test_formula_and_verify_take_options_behind_the_name(run: Runner) -> None:
    """The limit of SPConv with alpha = 1/4 and g = 2: 1/9 + 1/8."""
    pytest.importorskip("sympy")
    data = json.loads(run("formula", "spconv:alpha=1/4,groups_k=2", "--format", "json").out)
    assert data["given"] == {"alpha": "1/4", "groups_k": "2"}
    assert data["cost"]["macs"]["limit_value"] == pytest.approx(1 / 9 + 1 / 8)
    pytest.importorskip("torch")
    done = run("verify", "spconv:alpha=1/4", "--cin", "64", "--format", "json")
    assert done.code == 0
    assert all("alpha=1/4" in row["target"] for row in json.loads(done.out)["rows"])


def test_units_of_a_formula(run: Runner) -> None:
    """Traffic is in elements there and in bytes elsewhere; both say so."""
    pytest.importorskip("sympy")
    assert json.loads(run("formula", "conv", "--format", "json").out)["units"]["traffic"] == "elements"
    assert "traffic (elements)" in run("formula", "conv").out
    assert "bytes in float32" in run("layer", "conv", "--cin", "8").out


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [("--cin", "0", 64), ("--cout", "-1", 64), ("--hw", "0", 56), ("-k", "3x0", 3), ("--stride", "0", 1),
     ("--padding", "-1", 1), ("--groups", "0", 1), ("--batch", "0", 1)],
)  # fmt: skip
@pytest.mark.parametrize("command", ["layer", "compare", "report"])
def test_sizes_below_the_least_name_the_option(run: Runner, command: str, option: str, value: str, hint: int) -> None:
    """As it is written on the command line: c_in is a name of Python."""
    cin = () if option == "--cin" else ("--cin", "8")
    done = run(command, "conv", *cin, option, value)
    assert done.code == 2
    assert done.err.startswith(f"error: {option} is '{value}'; it must be a ")
    assert done.err.endswith(f"hint:  write for example {option} {hint}\n")
