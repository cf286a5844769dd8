"""`calls` of a description: names that no layer has, and ways of calling that are not known."""

from pathlib import Path

import pytest

from flopcalc import FlopcalcError
from flopcalc.networks.library import load
from flopcalc.networks.network import Network

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
        "{'*:gap': mean}",
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
        ("{'*.zz:gap': mean}", "calls: '*.zz:gap': unknown layer 'zz'"),
        ("{a: foo}", "calls: unknown way of calling 'foo'"),
        ("{a: 'foo, 2 products of sizes'}", "calls: unknown way of calling 'foo, 2 products of sizes'"),
        ("{a: 5}", "calls maps names of layers"),
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
