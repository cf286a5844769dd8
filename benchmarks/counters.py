"""Run other counters on many modules, and compare each figure with that of the preset that is named after the tool.

    python benchmarks/counters.py run GROUP figures.json [TOOL ...]
    python benchmarks/counters.py compare GROUP figures.json [TOOL ...]

Groups: operators, primitives, networks, torchvision, timm, transformers. `run` writes what each installed tool reports
(see `flopcalc.pytorch.counters`) as target -> tool -> figure, or the reason why there is none. Targets that the file
has already are kept. `compare` works out the same figures by the presets, and shows each one that differs from its
tool. If one differs without a remark that has the difference, the exit code is 1.
"""

import ast
import csv
import gc
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from witnesses import TRANSFORMERS as TRANSFORMERS_INPUTS
from witnesses import _torchvision as build_torchvision
from witnesses import _transformers as build_transformers

from flopcalc import FlopcalcError, network
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks import library
from flopcalc.networks.counted import counted
from flopcalc.networks.inputs import FORWARD, Input
from flopcalc.networks.network import Network
from flopcalc.pytorch import build_layer, build_network
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.network import as_network, replay_of
from flopcalc.pytorch.layers import input_shape
from flopcalc.pytorch.loading import torchvision_operators
from flopcalc.spec.operator import Operator

HERE = Path(__file__).parent
# One network of each family.
TORCHVISION = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0"),
    *("efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t"),
    *("mnasnet0_5", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
    *("regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_0"),
    *("squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn"),
    *("vit_b_16", "vit_b_32", "wide_resnet50_2"),
    *("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50"),
    *("lraspp_mobilenet_v3_large", "r3d_18", "mc3_18", "r2plus1d_18", "s3d"),
    *("swin3d_t", "mvit_v2_s", "raft_small", "fasterrcnn_mobilenet_v3_large_fpn"),
)
TRANSFORMERS = ("bert", "gpt2", "distilbert", "deberta", "opt", "llama", "t5", "vit", "swin", "segformer")
VIDEO = ("r3d", "mc3", "r2plus1d", "swin3d")


class Module(NamedTuple):
    """A module, and how it is called. call: the inputs as text."""

    module: nn.Module
    args: tuple[Any, ...]
    named: dict[str, Any]
    call: str


Case = tuple[str, Callable[[], Module]]


def of_torchvision() -> Iterator[Case]:
    """40 networks of torchvision, one of each family."""
    for name in TORCHVISION:
        yield f"torchvision:{name}", partial(_torchvision, name)


def _torchvision(name: str) -> Module:
    import torchvision

    module, shapes, named = build_torchvision(torchvision.models, name)
    if name.startswith(VIDEO):
        shapes = ((1, 3, 8, 112, 112),)
    return Module(module, shapes, named, _text(shapes, named))


def of_timm() -> Iterator[Case]:
    """The 40 cheapest of timm's families: in each one the cheapest network of which timm prints figures."""
    with (HERE / "timm_published.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: float(row["gmacs"]))[:40]
    for row in sorted(rows, key=lambda row: row["name"]):
        yield f"timm:{row['name']}", partial(_timm, row["name"], int(row["img_size"]))


def _timm(name: str, size: int) -> Module:
    import timm

    shapes = ((1, 3, size, size),)
    return Module(timm.create_model(name, pretrained=False), shapes, {}, _text(shapes, {}))


def of_transformers() -> Iterator[Case]:
    """Ten models of transformers with two layers."""
    for kind in TRANSFORMERS:
        yield f"transformers:{kind}", partial(_transformers, kind)


def _transformers(kind: str) -> Module:
    module, shapes, named = build_transformers(kind, TRANSFORMERS_INPUTS[kind])
    return Module(module, shapes, named, _text(shapes, named))


def of_operators(operators: Iterable[Operator] = ()) -> Iterator[Case]:
    """The module of each operator, or of these: the cheapest with the defaults, and one with each other option."""
    for operator in operators or lookup.every():
        chosen: dict[str, Any] = {}
        for evaluation in sorted(cases(operator), key=lambda one: one.cost.total("macs")):
            g = evaluation.geometry
            # With default options, a case for each form of the layer.
            form = (g.batch > 1, g.stride != (1,) * len(g.stride), g.groups > 1) if not evaluation.options else ()
            chosen.setdefault(f"{evaluation.options}{form}", evaluation)
        for evaluation in chosen.values():
            label = f"{evaluation.label()} {evaluation.geometry}"
            yield f"operator:{label}", partial(_operator, evaluation)


def _operator(evaluation: Any) -> Module:
    # Several shapes are one argument: a tuple of tensors.
    shapes = (input_shape(evaluation),)
    return Module(build_layer(evaluation), shapes, {}, _text(shapes, {}))


def of_primitives() -> Iterator[Case]:
    """Each primitive by itself, with the settings of the test that has all of them."""
    tree = ast.parse((HERE.parent / "tests" / "primitives" / "test_primitives.py").read_text(encoding="utf-8"))
    text = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EVERY_PRIMITIVE"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "primitives.yaml"
        path.write_text(text, encoding="utf-8")
        described = network(str(path), batch=2)
    for layer in described.layers:
        yield f"primitive:{layer.name}: {layer.kind}", partial(_primitive, described, layer)


def _primitive(described: Any, layer: Any) -> Module:
    module = build_network(described).get_submodule(layer.name)
    shapes = tuple((described.batch, *shape) for shape in (layer.in_shape, *layer.further))
    return Module(module, shapes, {}, _text(shapes, {}))


def of_networks() -> Iterator[Case]:
    """Each described network as a module, and the module of torchvision or timm that it mirrors; the cheapest first."""
    for described in sorted(map(network, library.names()), key=lambda one: one.macs):
        name = described.name
        yield name, partial(_network, name)
        words = described.mirrors.split()
        if described.mirrors.startswith("torchvision.models.") and "detection" not in described.mirrors:
            yield f"torchvision:{words[0].rsplit('.', 1)[1]}", partial(_mirrored, "torchvision", name)
        elif described.mirrors.startswith("timm ") and len(words) == 2:
            yield f"timm:{words[1]}", partial(_mirrored, "timm", name)


def _network(name: str) -> Module:
    described = network(name)
    shapes = ((1, *described.input_shape),)
    return Module(build_network(described, all_outputs=True, device="meta"), shapes, {}, _text(shapes, {}))


def _mirrored(package: str, name: str) -> Module:
    described = network(name)
    size = described.input_shape[-1]
    other = described.mirrors.replace(".", " ").split()[-1]
    if package == "timm":
        return _timm(other, size)
    module = _torchvision(other).module
    shapes = ((1, *described.input_shape),)
    return Module(module, shapes, {}, _text(shapes, {}))


def _text(shapes: tuple[Any, ...], named: dict[str, Any]) -> str:
    found = ["x".join(map(str, shape)) if isinstance(shape[0], int) else f"({_text(shape, {})})" for shape in shapes]
    found += [
        f"{name}={tuple(value.shape) if isinstance(value, torch.Tensor) else value}" for name, value in named.items()
    ]
    return ", ".join(found)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "torchvision": of_torchvision,
    "operators": of_operators,
    "primitives": of_primitives,
    "networks": of_networks,
    "timm": of_timm,
    "transformers": of_transformers,
}


def built(make: Callable[[], Module]) -> Module:
    """The module, on the meta device if it can be built there: nothing needs its values."""
    try:
        with torch.device("meta"):
            found = make()
    except Exception:
        found = make()
    found.module.eval()
    return found


def figures(case: Module, tools: list[str]) -> dict[str, Any]:
    """What each tool reports for a module: its figures, or the reason why there is none."""
    found: dict[str, Any] = {"input": case.call}
    for tool in tools:
        result = run_counter(tool, case.module, case.args, case.named)
        if isinstance(result, Figure):
            found[tool] = {"value": result.value, "on": result.on}
            if result.macs is not None:
                found[tool]["macs"] = result.macs
        else:
            found[tool] = result
    return found


def run(group: str, path: Path, tools: list[str]) -> int:
    """Write what the tools report for a group of modules; the exit code."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known["versions"] = {name: version_of(COUNTERS[name].package) for name in COUNTERS}
    for target, make in GROUPS[group]():
        missing = [tool for tool in tools if tool not in known.get(target, {})]
        if not missing:
            continue
        started = time.perf_counter()
        try:
            case = built(make)
        except Exception as error:
            print(f"{target}: cannot be built: {error!s:.200}", flush=True)
            continue
        known[target] = {**known.get(target, {}), **figures(case, missing)}
        path.write_text(json.dumps(known, indent=1), encoding="utf-8")
        print(f"{target}: {time.perf_counter() - started:.1f} s", flush=True)
        del case
        gc.collect()
    return 0


class Difference(NamedTuple):
    """A preset that differs from its tool. remark: what the output says about it, empty if nothing."""

    tool: str
    figure: int
    preset: int
    remark: str


def as_counted(case: Module) -> Network:
    """The module as `flopcalc model` counts it."""
    count = count_call(case.module, case.args, case.named)
    first = next((one for one in case.args if isinstance(one[0], int)), (1,))
    record = partial(as_network, case.module, inputs=[Input(tuple(first[1:]))], batch=first[0])
    return record(count, replay=replay_of(case.module, case.args, case.named, FORWARD, record))


def differences(network: Network, figures: Mapping[str, Any], tools: Iterable[str]) -> Iterator[Difference]:
    """The presets whose figure is not that of the tool. figures: of the tools."""
    for tool in tools:
        figure = figures.get(tool)
        if tool not in CONVENTIONS or not isinstance(figure, dict):
            continue
        found = counted(network, CONVENTIONS[tool])
        if found.total != figure["value"]:
            gap = f"{abs(found.total - figure['value']):,}"
            remarks = [one for one in (*found.remarks, *network.remarks) if gap in one]
            yield Difference(tool, figure["value"], found.total, next(iter(remarks), ""))


def of_descriptions(known: Mapping[str, Any]) -> Iterator[tuple[str, Network, Mapping[str, Any]]]:
    """The described networks, with the figures of the module that each one mirrors, or else of the one built of it."""
    for name in library.names():
        described = network(name)
        mirrored = described.mirrors.replace("torchvision.models.", "torchvision:").replace("timm ", "timm:")
        figures = known.get(mirrored, known.get(name))
        if figures is not None:
            yield f"{name} (described)", described, figures


def compare(group: str, path: Path, tools: list[str]) -> int:
    """Show the presets that differ from their tools; the exit code."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    silent = compared = 0
    for target, net, figures in (*_counted(group, known), *(of_descriptions(known) if group == "networks" else ())):
        compared += 1
        for one in differences(net, figures, tools):
            silent += not one.remark
            print(
                f"{target} [{figures['input']}]: {one.tool} {one.figure:,}, preset {one.preset:,} "
                f"({one.preset - one.figure:+,}){': ' + one.remark if one.remark else ''}",
                flush=True,
            )
    print(f"{group}: {compared} targets compared, {silent} silent differences")
    return 1 if silent or not compared else 0


def _counted(group: str, known: Mapping[str, Any]) -> Iterator[tuple[str, Network, Mapping[str, Any]]]:
    seen = set()
    for target, make in GROUPS[group]():
        if target not in known or target in seen:
            continue
        seen.add(target)
        try:
            yield target, as_counted(built(make)), known[target]
        except FlopcalcError as error:
            print(f"{target}: cannot be counted: {error!s:.200}", flush=True)
        gc.collect()


def main(arguments: list[str]) -> int:
    """The command line."""
    warnings.simplefilter("ignore")
    torchvision_operators.declare()
    commands = {"run": run, "compare": compare}
    if len(arguments) < 3 or arguments[0] not in commands or arguments[1] not in GROUPS:
        print(__doc__)
        return 2
    command, group, path, *tools = arguments
    return commands[command](group, Path(path), tools or list(COUNTERS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
