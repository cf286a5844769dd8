"""Names that an option or an argument of a block cannot have, since they mean something else."""

from pathlib import Path

import pytest

from flopcalc import FlopcalcError
from flopcalc.networks.blocks import COMMON
from flopcalc.networks.library import load, names
from flopcalc.networks.network import Network


def _load(folder: Path, text: str) -> Network:
    path = folder / "net.yaml"
    path.write_text(text)
    return load(str(path))


@pytest.mark.parametrize(
    "name", ["c", "h", "w", "i", "true", "False", "input", "batch", "lambda", "if", "for", "class"]
)
def test_an_option_with_a_name_that_is_taken(name: str, tmp_path: Path) -> None:
    """Sizes, keywords of Python, and the arguments of `flopcalc.network`, to which options are keywords."""
    with pytest.raises(FlopcalcError) as caught:
        _load(tmp_path, f'options:\n  "{name}": {{default: 3}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu\n')
    assert (caught.value.code, caught.value.hint) == ("bad-network", "choose another name")
    assert f"line 2: the option name '{name}' has another meaning" in caught.value.message


@pytest.mark.parametrize("name", sorted({*COMMON, "c", "i", "true", "False"}))
def test_an_argument_with_a_name_that_is_taken(name: str, tmp_path: Path) -> None:
    """An entry that uses the block could not give the argument: the key means something else there."""
    block = f'{{args: {{"{name}": 1}}, layers: [b: relu]}}'
    text = f"blocks: {{x: {block}}}\ninput: [3, 8, 8]\nlayers:\n  - a: {{block: x}}\n"
    with pytest.raises(FlopcalcError, match=f"line 1: block x: the argument {name} has another meaning"):
        _load(tmp_path, text)


@pytest.mark.parametrize("name", ["c", "h", "w", "i", "true"])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "let:\n  '{name}': 5\ninput: [3, 8, 8]\nlayers:\n  - a: relu\n",
            "line 2: (top level): the name {name} of let",
        ),
        (
            "input: [3, 8, 8]\nblocks:\n  x: {{let: {{'{name}': 5}}, layers: [b: relu]}}\n"
            "layers:\n  - a: {{block: x}}\n",
            "line 3: layer a: the name {name} of let",
        ),
        (
            "input: [3, 8, 8]\nlayers:\n  - a:\n      repeat: 2\n      let: {{'{name}': 7}}\n      layers: [b: relu]\n",
            "line 5: layer a: the name {name} of let",
        ),
        (
            "input: [3, 8, 8]\nlayers:\n  - a: {{each: {{'{name}': [7]}}, layers: [b: relu]}}\n",
            "line 3: layer a: the column {name}",
        ),
    ],
    ids=["top", "block", "group", "each"],
)
def test_a_name_that_the_sizes_or_the_index_would_hide(name: str, text: str, place: str, tmp_path: Path) -> None:
    """It was accepted, and expressions did not see it."""
    with pytest.raises(FlopcalcError) as caught:
        _load(tmp_path, text.format(name=name))
    assert f"{place.format(name=name)} has another meaning" in caught.value.message
    assert (caught.value.code, caught.value.hint) == ("bad-network", "choose another name")


DEPTH = {
    "option": "options: {d: {default: 5}}",
    "let": "let: {d: 5}",
    "argument": "blocks: {x: {args: {d: 5}, layers: [b: {op: pointwise, out: d}]}}",
}


@pytest.mark.parametrize("text", DEPTH.values(), ids=DEPTH)
def test_the_depth_is_a_size_of_volumes_only(text: str, tmp_path: Path) -> None:
    """On images `d` is a name as any other: 3 to 5 channels are 15 weights."""
    layer = "{block: x}" if "blocks" in text else "{op: pointwise, out: d}"
    assert _load(tmp_path, f"{text}\ninput: [3, 8, 8]\nlayers:\n  - a: {layer}\n").params == 15
    with pytest.raises(FlopcalcError, match=r"line 1: .*\bd\b.* has another meaning"):
        _load(tmp_path, f"{text}\ninput: [3, 4, 8, 8]\nlayers:\n  - a: {layer}\n")


def test_shipped_networks_have_no_such_option() -> None:
    """Options of shipped networks are keywords that Python accepts."""
    for name in names():
        for option in load(name).options:
            assert option.isidentifier()
            assert option not in ("input", "batch")


@pytest.mark.parametrize("layer", ["half: relu", "block: {layers: [train: relu]}", "type: {layers: [a: relu]}"])
def test_a_layer_with_the_name_of_an_attribute_of_modules(layer: str, tmp_path: Path) -> None:
    """The description has a cost; a module of torch cannot have such a layer, and the error says which."""
    pytest.importorskip("torch")
    from flopcalc.pytorch import build_network

    net = _load(tmp_path, f"input: [3, 8, 8]\nlayers:\n  - {layer}\n")
    assert net.params == 0
    with pytest.raises(FlopcalcError, match=r"a module of torch has an attribute `(half|train|type)`") as caught:
        build_network(net)
    assert (caught.value.code, caught.value.hint) == ("bad-network", "choose another name for the layer")
