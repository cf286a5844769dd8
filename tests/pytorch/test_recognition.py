"""Layers of operators are recognised by their class, whoever wrote the operator and however the layer was made."""

import copy
import io
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, fresh

torch: Any = pytest.importorskip("torch")

from torch import nn

import flopcalc
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.pytorch import build_layer, counted_network, replace
from flopcalc.pytorch.layers import GhostConv2d, SPConv2d, input_shape
from flopcalc.pytorch.recognition import operator_of


class Wider(SPConv2d):  # type: ignore[misc]
    """A user's subclass of our layer."""


def _kinds(module: nn.Module) -> list[tuple[str, str]]:
    return [(layer.name, layer.kind) for layer in counted_network(module, (16, 8, 8)).layers]


def _pickled(module: nn.Module) -> Any:
    return pickle.loads(pickle.dumps(module))  # noqa: S301 - it was written in this line


@pytest.mark.parametrize("name", lookup.names())
def test_each_operator_is_one_layer(name: str) -> None:
    """Alone and nested. Modules that are torch's own layers have no operator, and are one layer too."""
    case = next(iter(cases(lookup.get(name))))
    module = build_layer(case, device="meta")
    what = f"the module of {name} must be of the class LAYER of its layer file, or a single layer of torch"
    if operator_of(module) is None:
        assert type(module) in (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear), what
        return
    assert operator_of(module) == name, what
    shape = input_shape(case)
    if not isinstance(shape[0], tuple):
        net = counted_network(nn.Sequential(nn.Sequential(module)), shape[1:], shape[0])
        assert [(layer.name, layer.kind) for layer in net.layers] == [("0.0", name)], what


@pytest.mark.parametrize("make", [SPConv2d, Wider, lambda *args: build_layer(flopcalc.layer("spconv", 16, 16))])
def test_however_it_was_made(make: Any) -> None:
    """By its class, by a subclass, by build_layer; copied, pickled, loaded and moved."""
    plain = nn.Sequential(make(16, 16, 3), nn.Sequential(make(16, 16, 3)))
    expected = [("0", "spconv"), ("1.0", "spconv")]
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    buffer.seek(0)
    loaded = nn.Sequential(make(16, 16, 3), nn.Sequential(make(16, 16, 3)))
    loaded.load_state_dict(plain.state_dict())
    for module in (
        plain,
        copy.deepcopy(plain),
        _pickled(plain),
        torch.load(buffer, weights_only=False),
        loaded,
        plain.to(torch.float64),
    ):
        assert _kinds(module) == expected
        done = replace(module, "dsc where k > 0", inputs=(1, 16, 8, 8))
        assert not done.replaced
        assert "left alone: 2 layers that are operators already (0, 1.0)" in done.notes


def test_a_replaced_layer_stays_an_operator() -> None:
    """With its mark, copied or pickled; depthwise layers of a description are still convolutions."""
    done = replace(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1)), "depthwise where k == 3")
    for module in (done.module, copy.deepcopy(done.module), _pickled(done.module)):
        assert _kinds(module) == [("0", "depthwise")]
        assert not replace(module, "spconv where k == 3").replaced
    plain = nn.Sequential(build_layer(flopcalc.layer("depthwise", 16, 16)))
    assert replace(plain, "spconv where k == 3").replaced == {}
    assert list(replace(plain, "mixconv where k == 3").replaced) == ["0"]


def test_layers_of_others_are_not_ours() -> None:
    """A class of the same name, and a class of torch."""
    other = type("SPConv2d", (nn.Module,), {})
    for module in (other(), nn.Conv2d(3, 3, 3), nn.Linear(3, 3), nn.Sequential(GhostConv2d(4, 4, 3))):
        assert operator_of(module) is None


def _site(tmp_path: Path, name: str, value: str, **files: str) -> str:
    """A folder with the metadata of an installed plug-in."""
    for file, text in files.items():
        (tmp_path / f"{file}.py").write_text(text)
    info = tmp_path / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flopcalc.operators]\n{name} = {value}\n")
    return str(tmp_path)


# What both plug-ins must pass; NAME and Layer are filled in.
CHECKS = """
import copy, pickle
import flopcalc
from torch import nn
from flopcalc.pytorch import build_layer, counted_network, replace
direct = nn.Sequential(Layer(16, 16, 3, padding=1), nn.Sequential(Layer(16, 16, 3, padding=1)))
evaluation = flopcalc.layer(NAME, 16, 16)
built = nn.Sequential(build_layer(evaluation), nn.Sequential(build_layer(evaluation)))
convolutions = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.Sequential(nn.Conv2d(16, 16, 3, padding=1)))
replaced = replace(convolutions, NAME + " where k == 3").module
for module in (direct, built, replaced, copy.deepcopy(built), pickle.loads(pickle.dumps(direct))):
    net = counted_network(module, (16, 8, 8))
    assert [(layer.name, layer.kind) for layer in net.layers] == [("0", NAME), ("1.0", NAME)], net.layers
    assert net.macs == 2 * evaluation.cost.macs // 49
    done = replace(module, "dsc where k > 0", inputs=(1, 16, 8, 8))
    assert not done.replaced, done.replaced
    assert "left alone: 2 layers that are operators already (0, 1.0)" in done.notes, done.notes
"""


def test_the_example_plug_in(tmp_path: Path) -> None:
    """Recognised before any command names the operator: the class is used directly."""
    shutil.copytree(ROOT / "examples" / "flopcalc-flattened" / "flopcalc_flattened", tmp_path / "flopcalc_flattened")
    site = _site(tmp_path, "flattened", "flopcalc_flattened:OPERATOR")
    first = """
from torch import nn
from flopcalc.pytorch import counted_network
from flopcalc_flattened.layer import FlattenedConv2d as Layer
(layer,) = counted_network(nn.Sequential(Layer(16, 16, 3, padding=1)), "16x8x8").layers
assert (layer.name, layer.kind) == ("0", "flattened"), layer
NAME = "flattened"
"""
    done = fresh(first + CHECKS, env={"PYTHONPATH": f"{site}:{ROOT}"})
    assert done.code == 0, done.err


OPERATOR = """
from flopcalc.cost import parts
from flopcalc.spec.operator import Operator
from flopcalc.spec.source import Paper
def formula(g):
    yield parts.conv("inner", g.c_in, g.c_out, g.area, g.p_in, g.p_out)
OPERATOR = Operator(
    name="mine", title="Mine", family="mine", formula=formula, layer_file="mine_layer",
    paper=Paper(key="a", authors=("A, B",), title="T", venue="V", year=2020),
)
"""
BY_CLASS = """
from torch import nn
class Mine(nn.Sequential):
    def __init__(self, c_in, c_out, k, stride=1, padding=0, dilation=1, groups=1, **factory):
        super().__init__(nn.Conv2d(c_in, c_out, k, stride, padding, bias=False, **factory))
LAYER = Mine
"""
BY_FUNCTION = """
from torch import nn
def build(evaluation, **factory):
    g = evaluation.geometry
    return nn.Sequential(nn.Conv2d(g.c_in, g.c_out, g.kernel, g.stride, g.padding, bias=False, **factory))
"""


def test_a_plug_in_of_two_files(tmp_path: Path) -> None:
    """Its layer file is a top-level module of its own."""
    site = _site(tmp_path, "mine", "mine_operator:OPERATOR", mine_operator=OPERATOR, mine_layer=BY_CLASS)
    done = fresh('from mine_layer import Mine as Layer\nNAME = "mine"\n' + CHECKS, env={"PYTHONPATH": f"{site}:{ROOT}"})
    assert done.code == 0, done.err


def test_a_plug_in_that_builds_from_classes_of_torch(tmp_path: Path) -> None:
    """The modules that flopcalc builds are recognised, and other modules of these classes are not."""
    site = _site(tmp_path, "mine", "mine_operator:OPERATOR", mine_operator=OPERATOR, mine_layer=BY_FUNCTION)
    source = """
import flopcalc
from flopcalc.pytorch import build_layer
NAME = "mine"
Layer = lambda *args, **settings: build_layer(flopcalc.layer("mine", 16, 16))
"""
    last = """
from flopcalc.pytorch.recognition import operator_of
assert operator_of(nn.Sequential(nn.Conv2d(3, 3, 3))) is None
"""
    done = fresh(source + CHECKS + last, env={"PYTHONPATH": f"{site}:{ROOT}"})
    assert done.code == 0, done.err


EXITS = "import sys\nsys.exit(3)"


def test_a_plug_in_whose_layers_fail_stops_nothing(tmp_path: Path) -> None:
    """A count of another module goes on; building the layer is one clear error, also for sys.exit."""
    site = _site(tmp_path, "mine", "mine_operator:OPERATOR", mine_operator=OPERATOR, mine_layer=EXITS)
    source = """
import flopcalc
from torch import nn
from flopcalc.pytorch import build_layer, counted_network
class Net(nn.Sequential):
    pass
assert counted_network(Net(nn.Conv2d(3, 4, 1)), "3x2x2").macs == 48
try:
    build_layer(flopcalc.layer("mine", 16, 16))
except flopcalc.FlopcalcError as error:
    assert error.code == "broken-plug-in", error.code
    assert "mine (mine_layer)" in error.message, error.message
else:
    raise AssertionError
"""
    done = fresh(source, env={"PYTHONPATH": f"{site}:{ROOT}"})
    assert done.code == 0, done.err
