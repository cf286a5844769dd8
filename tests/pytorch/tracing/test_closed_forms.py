"""Closed forms of real models, and of modules full of traps, against ordinary counts at other sizes, layer by layer.

`benchmarks/closed_forms.py` compares many more models.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
# Some kernels of torch load its compiler, which replaces torch.manual_seed, whoever is the first to load it.
pytest.importorskip("torch._dynamo")

from helpers import import_torchvision
from pytorch import snapshots
from pytorch.traps import (  # noqa: F401  (they add to the list)
    attention,
    convolutions,
    higher_order,
    inputs,
    modules,
    more_functions,
    more_modules,
    more_objects,
    more_products,
    more_python,
    products,
    special_modules,
    values,
)
from pytorch.traps.table import MORE, TRAPS, Trap
from torch import nn

from flopcalc import FlopcalcError
from flopcalc.networks.inputs import Input, parse_input
from flopcalc.pytorch import counted_network
from flopcalc.pytorch.counting.inputs import as_shape
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.module import load_module
from flopcalc.pytorch.tracing.checking import differences
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, counted_at, symbolic_network


def _points(found: SymbolicNetwork, count: int, sizes: tuple[int, ...]) -> Iterator[dict[str, int]]:
    """Sizes at which the conditions hold: random ones, odd ones included, and multiples of what divides the usual."""
    draws = random.Random(3)  # noqa: S311 - not for secrets
    given = 0
    for attempt in range(600):
        point = {}
        for axis in found.axes:
            least = int(found.scope.least[axis.symbol])
            size = draws.choice((1, 2, 3)) if axis.name == "batch" else draws.choice((*sizes, least, 2 * axis.size + 1))
            step = (1, 1, 8, 14, 32)[attempt % 5] if axis.name != "batch" else 1
            point[axis.symbol] = max(least, size - size % step)
        if found.allows(point):
            yield point
            given += 1
            if given == count:
                return


def _is_exact(module: nn.Module, given: list[Input], sizes: tuple[int, ...], batch: int = 1) -> SymbolicNetwork:
    found = symbolic_network(module, given, batch)
    for point in _points(found, 4, sizes):
        assert differences(found, point, counted_at(found, module, given, batch, point)) == [], point
    return found


PIXELS = (31, 64, 97, 128, 225, 256)
# The axes that vary, in order of their symbols.
NETWORKS = {
    "torchvision:resnet18": "NHW",
    "torchvision:mobilenet_v3_small": "NHW",
    "torchvision:shufflenet_v2_x0_5": "NHW",
    "torchvision:squeezenet1_0": "NHW",
    "torchvision:googlenet": "NHW",
    "torchvision:densenet121": "NHW",
    "torchvision:efficientnet_b0": "NHW",
    "torchvision:swin_t": "NHW",
    "torchvision:convnext_tiny": "NHW",
    "torchvision:vit_b_16": "N",
    "torchvision:maxvit_t": "N",
    "timm:test_byobnet": "NHW",
    # Its equalities follow from each other, which is not proved: its height and width are reported as fixed.
    "timm:eca_halonext26ts": "N",
    "timm:mvitv2_tiny": "NHW",
    "timm:davit_tiny": "NHW",
    "timm:hiera_tiny_224": "N",
    "timm:convit_tiny": "N",
    "timm:tf_mobilenetv3_small_075": "NHW",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", NETWORKS)
def test_networks_on_pixels(target: str) -> None:
    """Every kind of every layer, at random sizes; those that fix their input say so."""
    import_torchvision()
    library, _, name = target.partition(":")
    pytest.importorskip(library)
    with visiting(target):
        module = load_module(target, {}).module
    size = 256 if name == "eca_halonext26ts" else 224
    found = _is_exact(module, [Input((3, size, size))], PIXELS)
    assert "".join(found.symbols) == NETWORKS[target]
    fixed = {one.symbol: one.value for one in found.fixed}
    assert fixed == {symbol: size for symbol in "HW" if symbol not in NETWORKS[target]}
    assert all(one.by and one.why for one in found.fixed)


TOKENS: dict[str, dict[str, Any]] = {
    "bert": {"num_hidden_layers": 1},
    "gpt2": {"n_layer": 1},
    "llama": {"num_hidden_layers": 1},
    "t5": {"num_layers": 1},
    "mistral": {"num_hidden_layers": 1},
    "falcon": {"num_hidden_layers": 1},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TOKENS)
def test_transformers_in_tokens(name: str) -> None:
    """At most as many tokens as the model has positions, where it slices them."""
    pytest.importorskip("transformers")
    from flopcalc.pytorch.loading.transformers_models import model_inputs

    target = f"hf:{name}"
    with visiting(target):
        module: Any = load_module(target, TOKENS[name]).module
        given, _ = model_inputs(module, target, (parse_input("32:int64"),))
    found = _is_exact(module, list(given), (1, 7, 50, 99, 300))
    assert list(found.symbols) == ["N", "T"]
    if name == "bert":
        most = module.config.max_position_embeddings
        assert [found.allows({"N": 2, "T": size}) for size in (most, most + 1)] == [True, False]


# Traps ---------------------------------------------------------------------------------------------


def _as_inputs(trap: Trap) -> tuple[nn.Module, list[Input], int] | None:
    """The module of a trap, its inputs without the batch, and the batch; None where they are not tensors alone."""
    module, given, named = trap.build()
    found = []
    for name, value in [*((None, one) for one in given), *named.items()]:
        if isinstance(value, torch.Tensor) and value.dim() and value.layout is torch.strided and not value.is_nested:
            found.append((value.shape[0], Input(tuple(value.shape[1:]), str(value.dtype).removeprefix("torch."), name)))
        elif isinstance(value, tuple) and (shape := as_shape(value)):
            found.append((shape[0], Input(shape[1:], None, name)))
        else:
            return None
    batches = {batch for batch, _ in found}
    return (module, [one for _, one in found], batches.pop()) if len(batches) == 1 else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trap", [*TRAPS, *MORE], ids=lambda trap: trap.name)
def test_traps_have_no_wrong_form(trap: Trap) -> None:
    """Exact wherever the conditions hold, or no form, with a reason; and nothing is changed."""
    if trap.name == "deform_conv":
        import_torchvision()
    made = _as_inputs(trap)
    if made is None:
        return
    module, given, batch = made
    try:
        counted_network(module, given, batch)
    except FlopcalcError:
        return
    before, process = snapshots.of_module(module), snapshots.of_process()
    found, code = None, "no-closed-form"
    try:
        found = symbolic_network(module, given, batch)
    except FlopcalcError as error:
        code = error.code
    assert code == "no-closed-form"
    after, now = snapshots.of_module(module), snapshots.of_process()
    assert {path: one for path, one in after.items() if before.get(path) != one} == {}
    assert before.keys() == after.keys()
    assert {what: (process[what], now[what]) for what in process if process[what] != now[what]} == {}
    if found is not None:
        for point in _points(found, 3, (1, 2, 3, 8, 13, 32)):
            assert differences(found, point, counted_at(found, module, given, batch, point)) == [], point
