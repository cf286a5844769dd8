"""Replacement in described networks: requests, where clauses, kept layers, and what the command line says of them."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner, for_author

from flopcalc import FlopcalcError, network
from flopcalc.networks.network import Network
from flopcalc.replacing import clause
from flopcalc.replacing.decide import plan, read_request
from flopcalc.replacing.described import Replacement, replace_layers

# By hand: the bottlenecks of ResNet-50 and what their convolutions are.
BLOCKS = [f"layer{stage}.{i}" for stage, count in ((1, 3), (2, 4), (3, 6), (4, 3)) for i in range(count)]
THREES = [f"{block}.conv2" for block in BLOCKS]
ONES = [f"{block}.conv{i}" for block in BLOCKS for i in (1, 3)] + [f"layer{s}.0.downsample.0" for s in (1, 2, 3, 4)]


def _replace(*what: str, net: Network | None = None, **rest: Any) -> Replacement:
    return replace_layers(net or network("resnet50"), plan(what, **rest))


# Requests and clauses ---------------------------------------------------------------------------


def test_a_request_is_read() -> None:
    """Operator, options and clause; the text is what was written."""
    request = read_request(" spconv:alpha=1/4,norm=true  where  k == 3 ")
    assert (request.operator.name, request.where) == ("spconv", "k == 3")
    assert request.text == "spconv:alpha=1/4,norm=true where k == 3"
    assert read_request("topological:dims=4,16 where stage == 'where'").where == "stage == 'where'"
    assert read_request("ghost").where is None


def test_without_a_clause_the_policy_decides() -> None:
    """SPConv replaces 3x3, by its own rule."""
    found = _replace("spconv")
    assert list(found.replaced) == THREES
    reasons = dict(found.skipped)
    assert set(reasons) == {"conv1", *ONES}
    assert reasons["conv1"] == "7x7 kernel; SPConv replaces 3x3 convolutions"
    assert not found.notes


def test_a_clause_decides_in_the_place_of_the_policy() -> None:
    """It widens (the 7x7 too) and says how far it went beyond; `policy and` narrows."""
    wide = _replace("dsc where k > 1")
    assert list(wide.replaced) == ["conv1", *THREES]
    (note,) = wide.notes
    assert "except the first" in note
    assert "keep 1 of these 17 layers" in note
    narrow = _replace("dsc where policy and stage != 'layer4'")
    assert list(narrow.replaced) == [name for name in THREES if not name.startswith("layer4")]
    assert not narrow.notes
    either = _replace("dsc", where="policy or first")
    assert list(either.replaced) == ["conv1", *THREES]
    assert not either.notes


def test_what_an_operator_cannot_do_no_clause_can_ask() -> None:
    """Its rules hold all the same: SIC adds its own input, and 3 channels do not go into SPConv's groups."""
    found = _replace("sic where k == 3")
    assert dict(found.skipped)["layer2.0.conv2"] == "stride 2"
    assert "conv1" in dict(_replace("spconv where k > 1").skipped)
    for name in ("linear", "octconv", "transposed", "conv1d", "conv3d", "gconv"):
        assert not _replace(f"{name} where k >= 1").replaced, name


def test_the_first_that_takes_a_layer_has_it() -> None:
    """Two operators, and a third that comes too late; a layer that none takes has the reasons of all."""
    found = _replace("spconv:alpha=1/4 where k == 3", "ghost where k == 1", "dsc where k == 3")
    assert {name for name, by in found.replaced_by.items() if by == "spconv:alpha=1/4"} == set(THREES)
    assert {name for name, by in found.replaced_by.items() if by == "ghost"} == set(ONES)
    ((name, reason),) = found.skipped
    assert name == "conv1"
    assert reason.startswith("spconv:alpha=1/4: where k == 3 does not hold; ghost: where k == 1 does not hold; dsc: ")
    # Where the first does not apply, the next one does.
    fallback = _replace("sic where k == 3", "dsc where k == 3")
    assert fallback.replaced_by["layer2.0.conv2"] == "dsc"
    assert fallback.replaced_by["layer2.1.conv2"] == "sic"


def test_costs_add_up_layer_by_layer() -> None:
    """A mixed network costs what each layer costs in the network with that operator alone."""
    mixed = _replace("spconv where k == 3", "ghost where k == 1").network
    alone = {text: {one.name: one.cost for one in _replace(text).network.layers} for text in ("spconv", "ghost")}
    plain = {one.name: one.cost for one in network("resnet50").layers}
    for layer in mixed.layers:
        source = alone["spconv"] if layer.name in THREES else alone["ghost"] if layer.name in ONES else plain
        assert layer.cost == source[layer.name], layer.name


def test_the_common_clause_applies_in_addition_to_their_own() -> None:
    """`--where` narrows every request."""
    found = _replace("spconv where k == 3", "ghost where k == 1", where="stage == 'layer1'")
    assert set(found.replaced) == {name for name in THREES + ONES if name.startswith("layer1.")}
    assert dict(found.skipped)["layer2.0.conv2"].startswith("spconv: where stage == 'layer1' does not hold")


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (["layer1.0.conv2"], {"layer1.0.conv2"}),
        (["layer1"], {"layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2"}),
        (["layer1.1", "layer4.2"], {"layer1.1.conv2", "layer4.2.conv2"}),
        (["layer?.0"], {f"layer{s}.0.conv2" for s in (1, 2, 3, 4)}),
        (["*.2.conv2"], {f"layer{s}.2.conv2" for s in (1, 2, 3, 4)}),
        (["fc", "bn1"], set()),
        (["layer[34]"], {name for name in THREES if name[5] in "34"}),
    ],
)
def test_kept_layers(keep: list[str], kept: set[str]) -> None:
    """Names, all below a name, patterns."""
    found = _replace("spconv", keep=keep)
    assert set(found.replaced) == set(THREES) - kept
    for name in kept:
        assert dict(found.skipped)[name].startswith("kept as asked: ")


def test_a_kept_name_is_no_prefix_of_another() -> None:
    """layer1 keeps layer1.0, and not layer10."""
    text = "input: [4, 8, 8]\nlayers:\n  - a: conv\n  - a1: conv\n  - ab: {layers: [{a: conv}]}"
    from flopcalc.networks.description import read_description
    from flopcalc.text.yaml_file import read_text

    net = read_description(read_text(text, "x"), "x", {}, None, 1)
    assert list(_replace("ghost", net=net, keep=["a"]).replaced) == ["a1", "ab.a"]


# Fields -----------------------------------------------------------------------------------------

MIXED = """
name: mixed
input: [3, 33, 32]
layers:
  - stem: {op: conv, out: 16, k: 3, stride: 2, bias: true, stage: stem}
  - wide: {op: conv, out: 16, k: [1, 7], stride: [1, 1]}
  - dw: {op: depthwise, k: 5}
  - pw: {op: pointwise, out: 32}
  - act: relu
  - grouped: {op: group, out: 32, groups: 4, stride: [2, 1]}
  - atrous: {op: dilated, dilation: 2}
  - sp: {op: spconv, out: 32}
  - block: {layers: [{dw: {op: conv, groups: c}}, {pw: {op: conv, k: 1, out: 48}}], stage: tail}
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Network:
    """A description with every kind of convolution."""
    path = tmp_path / "mixed.yaml"
    path.write_text(MIXED)
    found: Network = network(str(path))
    return found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("depthwise", ["dw", "block.dw"]),
        ("pointwise", ["pw", "block.pw"]),
        ("groups > 1", ["dw", "grouped", "block.dw"]),
        ("dilation == 2", ["atrous"]),
        ("k == 3", ["stem", "grouped", "atrous", "block.dw"]),
        ("k == '1x7'", ["wide"]),
        ("k_w == 7 and k_h < k_w", ["wide"]),
        ("stride == 2", ["stem"]),
        ("stride == '2x1'", ["grouped"]),
        ("padding == '0x3'", ["wide"]),
        ("bias", ["stem"]),
        ("first or last", ["stem", "block.pw"]),
        ("index == 1 or index == 7", ["wide", "block.pw"]),
        ("type == 'conv'", ["stem", "wide", "block.dw", "block.pw"]),
        ("type == 'group'", ["grouped"]),
        ("stage == 'tail'", ["block.dw", "block.pw"]),
        ("name == 'pw' or matches(name, 'block.*w')", ["pw", "block.dw", "block.pw"]),
        # 33 -> 17 rows at stride 2, then 9.
        ("h == 33", ["stem"]),
        ("h_out == 9 and w == 16", ["grouped", "atrous", "block.dw", "block.pw"]),
        ("c_in == 3 or c_out == 48", ["stem", "block.pw"]),
        # 16 channels of 5 x 5; 3 * 16 * 9 + 16.
        ("params == 16 * 25 or params == 448", ["stem", "dw"]),
        ("macs == 16 * 25 * 17 * 16", ["dw"]),
        ("not pointwise and (c_in >= 32 if depthwise else k == '1x7')", ["wide", "block.dw"]),
    ],
)
def test_fields(mixed: Network, text: str, names: list[str]) -> None:
    """Each field, on layers with a known value. The operator applies to every layer, so the clause alone selects."""
    found = _replace(f"dynet where {text}", net=mixed)
    assert list(found.replaced) == names


def test_every_field_is_tested(mixed: Network) -> None:
    """The documentation of fields is the list of fields."""
    from flopcalc.replacing.decide import fields_of
    from flopcalc.replacing.described import spots_of

    spots = spots_of(mixed)
    assert list(fields_of(spots[0], spots[0].geometries[0], True)) == list(clause.FIELDS), for_author(
        "fields of where clauses",
        "what a clause can read and what its errors and the guide list must be the same, in the same order",
        "docs/replacing.md",
    )


def test_operators_for_plain_convolutions_leave_grouped_ones(mixed: Network) -> None:
    """By default, and with the reason; a layer that is already an operator is not a candidate."""
    found = _replace("ghost", net=mixed)
    reasons = dict(found.skipped)
    assert reasons["dw"] == reasons["block.dw"] == "it is depthwise, and this operator has no grouped form"
    assert reasons["grouped"] == "groups = 4, and this operator has no grouped form"
    assert "sp" not in {*found.replaced, *reasons}
    assert list(_replace("mixconv:kernels=3,5", net=mixed).replaced) == ["dw", "block.dw"]


@pytest.mark.parametrize("name", ["conv", "depthwise", "group", "pointwise", "dilated"])
def test_what_is_there_already_is_not_replaced(mixed: Network, name: str) -> None:
    """A convolution by the same convolution."""
    found = _replace(f"{name} where k == k", net=mixed)
    already = {layer for layer, reason in found.skipped if reason == "it is this convolution already"}
    expected = {
        "conv": {"stem", "wide", "dw", "pw", "grouped", "atrous", "block.dw", "block.pw"},
        "depthwise": {"dw", "block.dw"},
        "pointwise": {"pw", "block.pw"},
    }
    assert already == expected.get(name, expected["conv"])


def test_only_dilated_convolutions_become_dilated_ones(mixed: Network) -> None:
    """Without a clause, by its own rule; `atrous` is one already."""
    found = _replace("dilated", net=mixed)
    reasons = dict(found.skipped)
    assert not found.replaced
    assert reasons.pop("atrous") == "it is this convolution already"
    assert set(reasons.values()) == {"it is not dilated, and a replacement keeps the dilation of the network"}


# Wrong input ------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, str]] = {
    "k = 3": ("bad-where", "write =="),
    "": ("bad-where", "empty"),
    "   ": ("bad-where", "empty"),
    "kk == 3": ("unknown-field", "unknown field 'kk'"),
    "k == 3 or staeg == 'a'": ("unknown-field", "unknown field 'staeg'"),
    "open('x') == 3": ("unknown-field", "unknown field 'open'"),
    "k == {3}": ("bad-where", "a name in braces, such as {classes}, is not allowed"),
    "name.upper() == 'A'": ("bad-where", "a dot behind a name is not allowed"),
    "name[0] == 'A'": ("bad-where", "an index in brackets is not allowed"),
    "name in 'abc'": ("bad-where", "In is not allowed"),
    "k": ("bad-where", "`k` is a number or a text"),
    "3": ("bad-where", "`3` is a number or a text"),
    "'k == 3'": ("bad-where", "is a number or a text"),
    "k * 2": ("bad-where", "is a number or a text"),
    "stage == 'a' or 'b'": ("bad-where", "`'b'` is a number or a text"),
    "not k": ("bad-where", "`k` is a number or a text"),
    "k if first else k == 3": ("bad-where", "`k` is a number or a text"),
    "k > 9^9^9^9": ("bad-where", "power is too large"),
    "k > 10^4000 * 10^4000": ("bad-where", "too large"),
    "name > 3": ("bad-where", "at layer conv1"),
    "name * 3 == 'a'": ("bad-where", "arithmetic on text"),
    "k == 3 / 0": ("bad-where", "division by zero"),
    "matches(k, 3)": ("bad-where", "both as text"),
    "matches(name)": ("bad-where", "matches"),
    "k == 3 " + "and k == 3 " * 200: ("bad-where", "longer than"),
    "(" * 300 + "k" + ")" * 300: ("bad-where", ""),
    "log2(name) == 3": ("bad-where", ""),
    "ceil(name) == 3": ("bad-where", ""),
    "k == 3 where k == 1": ("bad-where", "not an arithmetic expression"),
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: str(text)[:30])
@pytest.mark.parametrize("common", [False, True])
def test_wrong_clauses(text: str, common: bool) -> None:
    """One line for what is wrong, one for what to do, in a request and as the common clause."""
    code, message = WRONG[text]
    with pytest.raises(FlopcalcError) as caught:
        _replace("conv", where=text) if common else _replace(f"conv where {text}")
    error = caught.value
    assert error.code == code
    assert message in error.message
    assert error.hint
    assert "\n" not in error.message + error.hint


@pytest.mark.parametrize(
    ("what", "rest", "code"),
    [
        ([], {}, "bad-usage"),
        ([""], {}, "unknown-operator"),
        (["where k == 3"], {}, "unknown-operator"),
        (["spconw where k == 3"], {}, "unknown-operator"),
        (["spconv:alpha=7 where k == 3"], {}, "bad-option"),
        (["spconv:beta=7"], {}, "unknown-option-of-spconv"),
        (["spconv"], {"keep": ["layr1"]}, "unknown-layer"),
        (["spconv"], {"keep": ["layer1*x"]}, "unknown-layer"),
        (["spconv"], {"keep": [""]}, "unknown-layer"),
        (["spconv"], {"keep": ["layer1."]}, "unknown-layer"),
    ],
)
def test_wrong_requests(what: list[str], rest: dict[str, Any], code: str) -> None:
    """Each is named."""
    with pytest.raises(FlopcalcError) as caught:
        _replace(*what, **rest)
    assert caught.value.code == code
    assert caught.value.hint


def test_the_nearest_layer_is_suggested() -> None:
    """A name that nothing has."""
    with pytest.raises(FlopcalcError, match=r"'layer1\.0\.cnv2'") as caught:
        _replace("spconv", keep=["layer1.0.cnv2"])
    assert "layer1.0.conv2" in caught.value.hint


def test_nothing_replaced_is_noted(mixed: Network) -> None:
    """With the reason."""
    assert _replace("ghost where k == 99").notes == (
        "nothing was replaced: no convolution of resnet50 was taken by ghost",
    )
    only = dataclasses.replace(mixed, layers=tuple(one for one in mixed.layers if one.kind == "relu"))
    assert _replace("ghost", net=only).notes == ("nothing was replaced: mixed has no convolution",)


# The command line -------------------------------------------------------------------------------


def test_json(run: Runner) -> None:
    """The contract: text or null, a count, and who was left with the reason; and who replaced whom."""
    done = run(
        "model",
        "resnet50",
        "--replace",
        "spconv where k==3",
        "--replace",
        "ghost:s=4 where k==1",
        "--where",
        "stage != 'layer4'",
        "--keep",
        "layer1",
        "--keep",
        "layer2.0",
        "--format",
        "json",
    )
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["replace"] == "spconv where k==3; ghost:s=4 where k==1"
    assert (data["where"], data["keep"]) == ("stage != 'layer4'", ["layer1", "layer2.0"])
    taken = [n for n in THREES + ONES if n.startswith(("layer2", "layer3")) and not n.startswith("layer2.0")]
    assert data["replaced"] == len(taken)
    by = {name: "spconv" if name in THREES else "ghost:s=4" for name in taken}
    assert data["replaced_by"] == by
    assert {skip["name"] for skip in data["skipped"]} == {"conv1", *THREES, *ONES} - set(taken)
    types = {layer["name"]: layer["type"] for layer in data["layers"]}
    assert {name: types[name] for name in by} == {name: label.split(":")[0] for name, label in by.items()}
    plain = json.loads(run("model", "resnet50", "--format", "json").out)
    assert (plain["replace"], plain["replaced"], plain["skipped"]) == (None, 0, [])
    assert (plain["where"], plain["keep"], plain["replaced_by"]) == (None, [], {})


def test_text(run: Runner) -> None:
    """Each operator with its layers."""
    done = run(
        "model", "resnet50", "--replace", "spconv where k==3", "--replace", "ghost where first", "--where", "k>1"
    )
    assert "Replaced by spconv where k==3; ghost where first, where k>1" in done.out
    assert "16 layers replaced by spconv: layer1.0.conv2" in done.out
    assert "1 layer replaced by ghost: conv1" in done.out


@pytest.mark.parametrize(
    "options",
    [
        ["--where", "k == 3"],
        ["--keep", "layer1"],
        ["--replace", "spconv", "--where", "k"],
        ["--replace", "spconv", "--where", "__import__('os')"],
        ["--replace", "spconv", "--where", ""],
        ["--replace", "spconv where"],
        ["--replace", "spconv", "--keep", "nothing"],
        ["--replace", "spconv", "--replace", "nothing"],
    ],
)
def test_wrong_command_lines(run: Runner, options: list[str]) -> None:
    """Exit code 2, two lines, nothing else."""
    done = run("model", "resnet50", *options)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.strip().splitlines()) == 2, done.err


def test_several_clauses_must_all_hold(run: Runner) -> None:
    """--where given twice is one condition more, not another."""
    done = run("model", "resnet18", "--replace", "spconv", "--where", "k == 3", "--where", 'stage != "layer1"')
    assert "where (k == 3) and (stage != " in " ".join(done.out.split())
    # Three stages of four 3x3 convolutions.
    assert "12 layers replaced: layer2.0.conv1" in done.out
