"""Every operator: the backward pass by its parts equals that of its module, which runs."""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice, product
from math import prod
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import for_author, import_torchvision
from pytorch.training.plain import Behind, plain_macs, sums_of_gradients
from torch import nn

from flopcalc import training
from flopcalc.analysis.training.training import Training, graph_training
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost.cost import Cost, Part
from flopcalc.networks.network import INPUT, Layer, Network
from flopcalc.networks.training import TrainingOptions
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.layers import input_shape
from flopcalc.spec.operator import Evaluation, Operator

# torchvision's kernel computes both gradients; without its compiled part, ours computes the forward again.
OTHER_KERNELS = {"deform_conv"}
OPERATORS = [one for one in lookup.every() if one.name not in OTHER_KERNELS]
# Where gradients of one tensor meet, they are added; the parts of a description do not say so (docs/training.md). Here
# they leave out more: gradients of elements that a gather, a broadcast or overlapping windows read several times.
MORE_SUMS = {
    *("adder", "attention", "compconv", "gconv", "hetconv", "involution", "mamba", "scconv", "sic", "spconv"),
    "topological",
}
# Its parts say how many gradients meet in each element of a tile.
ALL_SUMS = {"winograd"}


def _empty(shape: Any) -> Any:
    if isinstance(shape[0], tuple):
        return tuple(map(_empty, shape))
    return torch.empty(shape, device="meta")


def _by_parts(e: Evaluation, first: bool, freeze: Sequence[str]) -> Training:
    """The backward pass of the operator behind a trained factor, or behind nothing."""
    factor = Part("factor", "mul", params=1, muls=1)
    layers = (
        Layer("before", "factor", (INPUT,), (1,), (1,), Cost(() if first else (factor,)), ""),
        Layer("layer", e.operator.name, ("before",), (1,), e.out_shape, e.cost, "", e),
    )
    net = Network("net", "net", (1,), 1, layers, "layer", {})
    return graph_training(net, TrainingOptions(tuple(freeze)))


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_backward(operator: Operator) -> None:
    """As the first layer, behind others, and frozen behind others."""
    import_torchvision()
    small = (e for e in cases(operator) if e.geometry.c_in * e.geometry.c_out * e.geometry.p_out < 1_000_000)
    for e in islice(small, 3):
        advice = (
            f"on {e.geometry} its backward pass has other MACs than its parts; name in `after` the parts whose results "
            "a part multiplies, or add what they do not say to flopcalc/analysis/training/special.py"
        )
        given = _empty(input_shape(e))
        module = build_layer(e, device="meta")
        first, inner = _by_parts(e, True, ()), _by_parts(e, False, ())
        whole = plain_macs(Behind(module), (given,))[1]
        assert first.backward.macs == plain_macs(module, (given,))[1], for_author(e.label(), advice)
        assert inner.backward.macs == whole, for_author(e.label(), advice)
        module.requires_grad_(False)
        frozen = plain_macs(Behind(module), (given,))[1]
        found = _by_parts(e, False, ("layer",))
        assert found.backward.macs == frozen, for_author(e.label(), f"frozen, {advice}")
        # With frozen weights, only the gradients of tensors that depend on the input run.
        assert (inner.input_gradient_macs, inner.weight_gradient_macs) == (frozen, whole - frozen), e.label()
        assert (found.input_gradient_macs, found.weight_gradient_macs) == (frozen, 0), e.label()
        assert first.input_gradient_macs + first.weight_gradient_macs == first.backward.macs, e.label()
        assert tensors(given)
        # What users call is the same.
        own = training(e)
        assert (own.forward.macs, own.gradients) == (e.macs, inner.gradients[1:]), e.label()
        assert training(e, first=True).gradients == first.gradients[1:], e.label()


class Together(nn.Module):
    """A module of one tensor or of several, which are given one by one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *given: Any) -> Any:
        return self.module(given if len(given) > 1 else given[0])


def _of_each_option(operator: Operator) -> Iterator[Evaluation]:
    """A small shape for each set of options; of recurrent layers one with few steps."""
    small = (e for e in cases(operator) if e.geometry.c_in * e.geometry.c_out * e.geometry.p_out < 300_000)
    for _, found in groupby((e for e in small if e.total("steps") < 400), key=lambda e: repr(e.options)):
        yield next(found)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.name)
def test_products_and_functions(operator: Operator) -> None:
    """As the first layer and behind another: as many multiplications and other operations as its module, for each set
    of options; and as many additions, but for the sums of gradients that meet.
    """
    import_torchvision()
    for e, first in product(_of_each_option(operator), (True, False)):
        given = input_shape(e)
        shapes = given if isinstance(given[0], tuple) else (given,)
        module = build_layer(e, device="meta")
        ran = training(
            Together(module if first else Behind(module)), input=[one[1:] for one in shapes], batch=shapes[0][0]
        ).backward
        own = training(e, first=first).backward
        # The trained factor before it has one product for each element of the input.
        factor = 0 if first else sum(map(prod, shapes))
        advice = (
            f"{'as the first layer' if first else 'behind another layer'} on {e.geometry} its backward pass has other "
            "element-wise work than its parts; name both factors of a product in `after` (GIVEN for the input), and "
            "how a part of the kind `other` is called"
        )
        assert (own.muls, own.other) == (ran.muls - factor, ran.other), for_author(e.label(), advice)
        assert own.adds <= ran.adds, for_author(e.label(), advice)
        if not first:
            rest = ran.adds - factor - own.adds
            meet = 0 if operator.name in ALL_SUMS else sums_of_gradients(tensors(Behind(module).eval()(_empty(given))))
            assert rest >= meet if operator.name in MORE_SUMS else rest == meet, for_author(
                e.label(),
                f"behind another layer on {e.geometry} its backward pass has {ran.adds - factor} additions, {meet} of "
                f"them where gradients meet, and its parts have {own.adds}; say in `call` which operator computes a "
                "part, or list it in MORE_SUMS",
            )
