"""`calls` of a description: names that no layer has, and ways of calling that are not known."""

from pathlib import Path

import pytest

from flopcalc import FlopcalcError
from flopcalc.networks.library import load
from flopcalc.networks.network import Network
from flopcalc.networks.part_names import part_names
from flopcalc.primitives.registry import PRIMITIVES

NET = """\
input: [8, 4, 4]
calls:
  {calls}
options: {{more: {{default: false}}}}
blocks:
  x: {{layers: [act: relu, 'n{{c}}': relu]}}
layers:
  - a: {{op: global_avgpool}}
  - sometimes: {{op: relu, when: more}}
  - +: {{block: x, repeat: 2}}
"""


def _load(folder: Path, calls: str) -> Network:
    path = folder / "net.yaml"
    path.write_text(NET.format(calls=calls))
    return load(str(path))


@pytest.mark.parametrize(
    "calls",
    [
        "{a: mean}",
        # A layer that other options have, a repetition, names of the layers of a block, and parts.
        "{sometimes: F.relu}",
        "{'0': F.relu}",
        "{0.act: F.relu, '*.act': F.relu, '1.n8': F.relu, '*': F.relu}",
        "{'*:pool': mean, 'a:p*': mean, 'sometimes:activation': F.relu, '*.n8:activation': F.relu}",
        # Products of sizes, after a way of calling or alone.
        "{a: 'mean, 2 products of sizes'}",
        "{a: 1 product of sizes}",
    ],
)
def test_calls(calls: str, tmp_path: Path) -> None:
    """They are kept."""
    assert _load(tmp_path, calls).calls


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ("{zz: mean}", "calls: 'zz': unknown layer 'zz'"),
        ("{'*.zz:pool': mean}", "calls: '*.zz:pool': unknown layer 'zz'"),
        ("{'a:gap': mean}", "calls: 'a:gap': unknown part 'gap'"),
        ("{'*:gap': mean}", "calls: '*:gap': unknown part 'gap'"),
        ("{'sometimes:pool': mean}", "calls: 'sometimes:pool': unknown part 'pool'"),
        ("{'a:': mean}", "calls: 'a:': unknown part ''"),
        ("{a: foo}", "calls: unknown way of calling 'foo'"),
        ("{a: 'foo, 2 products of sizes'}", "calls: unknown way of calling 'foo, 2 products of sizes'"),
        ("{a: 5}", "calls maps names of layers"),
        ("{a: mean, sometimes: 5}", "calls maps names of layers"),
        ("[a]", "calls maps names of layers"),
    ],
)
def test_calls_without_effect(calls: str, why: str, tmp_path: Path) -> None:
    """One line with the place, and a hint."""
    with pytest.raises(FlopcalcError) as caught:
        _load(tmp_path, calls)
    assert f"net.yaml, line {2 if 'maps' in why else 3}: {why}" in caught.value.message
    assert caught.value.code == "bad-network"
    assert caught.value.hint


def test_parts_of_other_options(tmp_path: Path) -> None:
    """A part that an operator or a primitive has at some option is known; the hint lists the parts."""
    path = tmp_path / "net.yaml"
    text = "input: [32, 8, 8]\ncalls: {{'it:{part}': mean}}\nlayers:\n  - it: {op}\n"
    known = {
        "{op: mbconv, out: 32}": "se.gap",
        "{op: instancenorm}": "repeat",
        "{op: groupnorm}": "groupnorm",
        "{op: roi_align, boxes: 1}": "levels",
        '{op: \'{"relu" if c else "gelu"}\'}': "whatever",
    }
    for op, part in known.items():
        path.write_text(text.format(op=op, part=part))
        assert load(str(path)).calls == {f"it:{part}": "mean"}
    # One of these layers may have it.
    path.write_text(text.replace("'it:", "'*:").format(op=f"{op}\n  - other: relu", part="whatever"))
    assert load(str(path)).calls
    path.write_text(text.format(op="dropout", part="gab"))
    with pytest.raises(FlopcalcError) as caught:
        load(str(path))
    assert caught.value.hint == "these layers have no parts; without `:` all parts of a layer are meant"
    path.write_text(text.format(op="{op: se}", part="gab"))
    with pytest.raises(FlopcalcError) as caught:
        load(str(path))
    assert caught.value.hint.startswith("did you mean gap? these layers have the parts act, expand, gap, ")


@pytest.mark.parametrize("calls", ["", "{}"])
def test_no_calls(calls: str, tmp_path: Path) -> None:
    """Written, and empty."""
    path = tmp_path / "net.yaml"
    path.write_text(f"input: [8, 4, 4]\ncalls: {calls}\nlayers:\n  - a: relu\n")
    assert not load(str(path)).calls


def test_a_layer_without_a_name(tmp_path: Path) -> None:
    """The error is that of a description without calls."""
    path = tmp_path / "net.yaml"
    path.write_text("input: [8, 4, 4]\ncalls: {a: mean}\nlayers:\n  - a: global_avgpool\n  - relu\n")
    with pytest.raises(FlopcalcError, match="line 5: each layer is written `- name: what`"):
        load(str(path))


def test_every_primitive_has_known_parts() -> None:
    """Those that have no parts have no cost; each other one works on one of the inputs that are tried."""
    without = {name for name in PRIMITIVES if not set(part_names(name))}
    assert without == {"dropout", "flatten", "chunk", "subsample", "crop", "to_tokens", "take_token", "transpose"}
