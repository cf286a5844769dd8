"""Networks that are like others: what they have of their own, chains, and errors."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from flopcalc import FlopcalcError, network
from flopcalc.networks import library
from flopcalc.networks.like import read_network_file

BASE = """
name: base
title: Width {width}
mirrors: module
reference: [{params: 3}]
input: [8]
options:
  width: {default: 1.5}
  blocks: {default: [1, 2]}
  bias: {default: false}
  depth: {default: 3, least: 0}
  mode: {default: 0.29, choices: [0.29, 0.57]}
  act: {default: relu, choices: [relu, gelu]}
layers:
  - a: {op: linear, out: 8 * width, bias: bias}
"""


def derived(folder: Path, text: str, base: str = BASE) -> str:
    """The path of a file that is like another one."""
    (folder / "base.yaml").write_text(base)
    path = folder / "own.v2.yaml"
    path.write_text(f"like: base.yaml\n{text}\n")
    return str(path)


def refusal(path: str, **given: Any) -> str:
    """The message, with the names of files only."""
    with pytest.raises(FlopcalcError) as caught:
        network(path, **given)
    return caught.value.message.replace(f"{Path(path).parent}/", "")


# What a network has of its own ---------------------------------------------------------------------------


def test_what_it_has_of_its_own(tmp_path: Path) -> None:
    """Its name is that of the file, and the figures of the other network are not its own."""
    path = derived(tmp_path, "source: paper\ninput: [16]")
    net = network(path)
    assert (net.name, net.title, net.mirrors) == ("own.v2", "Width 3/2", "module")
    # 16 features in, and 8 * 3/2 out.
    assert net.params == 16 * 12
    assert "reference" not in read_network_file(path, library.source)[0]
    path = derived(tmp_path, "name: mine\ntitle: Mine\nmirrors: other\nreference: [{params: 4}]")
    net = network(path)
    assert (net.name, net.title, net.mirrors, net.params) == ("mine", "Mine", "other", 8 * 12)
    assert read_network_file(path, library.source)[0]["reference"] == [{"params": 4}]


@pytest.mark.parametrize(
    ("text", "options", "params"),
    [
        ("width: 2", {"width": 2}, 8 * 16),
        ("width: '2'", {"width": 2}, 8 * 16),
        ("width: 2.5", {"width": Fraction(5, 2)}, 8 * 20),
        ("width: 13/8", {"width": Fraction(13, 8)}, 8 * 13),
        ("blocks: '3,4', bias: 'true'", {"blocks": (3, 4), "bias": True}, 8 * 12 + 12),
        ("blocks: [3], bias: true", {"blocks": (3,), "bias": True}, 8 * 12 + 12),
        ("depth: '0'", {"depth": 0}, 8 * 12),
        ("mode: '0.57'", {"mode": Fraction(57, 100)}, 8 * 12),
        ("act: gelu", {"act": "gelu"}, 8 * 12),
        ("mode: 0.57", {"mode": Fraction(57, 100)}, 8 * 12),
    ],
)
def test_defaults_of_its_own(text: str, options: dict[str, Any], params: int, tmp_path: Path) -> None:
    """As text too, as in expressions; each option keeps its type, with the defaults of a third network too."""
    path = derived(tmp_path, f"set: {{{text}}}")
    third = tmp_path / "third.yaml"
    third.write_text("like: own.v2.yaml\nset: {width: 1}\n")
    own = {
        "width": Fraction(3, 2),
        "blocks": (1, 2),
        "bias": False,
        "depth": 3,
        "mode": Fraction(29, 100),
        "act": "relu",
    }
    own |= options
    assert (network(path).options, network(path).params) == (own, params)
    assert network(third).options == own | {"width": 1}
    for one in (path, str(third)):
        assert network(one, width=1.25).layers[0].out_shape == (10,)
        assert "a whole number of 0 or more" in refusal(one, depth=2.5)
        assert "true or false" in refusal(one, bias=3)
        assert "whole numbers of 1 or more" in refusal(one, blocks=3)
        assert "one of 0.29, 0.57" in refusal(one, mode=1)


def test_a_fraction_stays_exact(tmp_path: Path) -> None:
    """The decimal next to a third, times 96, is below 32."""
    path = derived(tmp_path, "set: {width: 1/3}", BASE.replace("8 * width", "floor(96 * width)"))
    assert network(path).layers[0].out_shape == (32,)


# Errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set: [2]", "set maps options of the other network to their defaults here"),
        ("set: {width: 0}", "option width is 0; it must be a positive number"),
        ("set: {depth: 1/2}", "option depth is '1/2'; it must be a whole number of 0 or more"),
        ("set: {wide: 2}", "unknown option of base.yaml 'wide'"),
        ("input: 3", "input is 3, not [channels, height, width], each from 1 to 10^9"),
        ("title: [a]", "title is ['a'], not text"),
        ("reference: 3", "reference is 3, not a list of mappings"),
        ("calls: 3", "calls maps names of layers, with * for any text, to ways of calling"),
        ("calls: {b: ReLU}", "calls: 'b': unknown layer 'b'"),
    ],
)
def test_an_error_in_the_own_file(text: str, message: str, tmp_path: Path) -> None:
    """It names that file, and the line there."""
    assert refusal(derived(tmp_path, text)) == f"own.v2.yaml, line 2: {message}"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("- a", "base.yaml: a network is a mapping with name, input and layers"),
        ("input: [8]\noptions: {v: 3}", "base.yaml, line 2: option v is 3, not {default: ..., help: ...}"),
        ("input: [8]\noptions: {v: {help: a}}", "base.yaml, line 2: option v has no default"),
        (
            f"calls: 3\n{BASE}".replace("width:", "v:"),
            "base.yaml, line 1: calls maps names of layers, with * for any text, to ways of calling",
        ),
        ("input: [8]\noptions: [v]", "base.yaml, line 2: options maps names to {default: ..., help: ...}"),
    ],
)
def test_an_error_in_the_other_file(base: str, message: str, tmp_path: Path) -> None:
    """Also where an option of it is set; some ended in a traceback."""
    assert refusal(derived(tmp_path, "set: {v: 2}", base)) == message


# Chains --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["", "./"])
def test_the_circle_is_shown(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths had a ./ for each turn: ./././two.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("like: ./two.yaml\n")
    Path("two.yaml").write_text("name: two\nlike: .//./one.yaml\n")
    chain = " like ".join(f"{start}{name}.yaml" for name in ("one", "two", "one"))
    with pytest.raises(FlopcalcError) as caught:
        network(f"{start}one.yaml")
    assert caught.value.message == f"{start}two.yaml, line 2: the network is like itself: {chain}"


def test_a_long_chain_is_no_circle(tmp_path: Path) -> None:
    """Five steps to the network that has the layers, and no more."""
    for number in range(6):
        (tmp_path / f"n{number}.yaml").write_text(f"like: n{number + 1}.yaml\n")
    (tmp_path / "n6.yaml").write_text("input: [8]\nlayers:\n  - a: {op: linear, out: 3}\n")
    assert network(tmp_path / "n1.yaml").params == 8 * 3 + 3
    assert refusal(str(tmp_path / "n0.yaml")) == "n5.yaml, line 1: more than 5 networks, each like the next"


def test_it_is_read_again_where_a_file_changed(tmp_path: Path) -> None:
    """Its own file, or the one that it is like."""
    path = derived(tmp_path, "set: {width: 2}")
    first = library.compiled(path)
    assert library.compiled(path) is first
    (tmp_path / "base.yaml").write_text(BASE.replace("8 * width", "10 * width"))
    second = library.compiled(path)
    assert (first.at().params, second.at().params) == (8 * 16, 8 * 20)
    derived(tmp_path, "set: {width: 3}", BASE.replace("8 * width", "10 * width"))
    assert library.compiled(path).at().params == 8 * 30
