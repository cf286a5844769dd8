"""Tests of the module of every operator."""

from collections.abc import Callable
from math import prod
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import for_author, random_tensor
from torch import Tensor

from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.layers import input_shape
from flopcalc.spec.operator import Evaluation, Operator

OPERATORS = list(lookup.every())


def _filled(shape: tuple[Any, ...], fill: Callable[..., Tensor] = random_tensor) -> Any:
    """A tensor of the shape, or a tuple of them where the module takes several."""
    return tuple(_filled(one, fill) for one in shape) if isinstance(shape[0], tuple) else fill(*shape)


def _zeros(*shape: int) -> Tensor:
    out: Tensor = torch.zeros(shape, dtype=torch.float64)
    return out


def _size(evaluation: Evaluation) -> int:
    """Products of channels at all positions, as a measure of the time that the module takes."""
    g = evaluation.geometry
    return int(g.c_in * g.c_out * max(g.p_in, g.p_out))


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_trains(operator: Operator) -> None:
    """Forward gives the promised shape; every parameter gets a finite gradient that is not all zero."""
    tried = 0
    for evaluation in cases(operator):
        if _size(evaluation) > 1_000_000 or tried >= 12:
            continue
        g = evaluation.geometry
        tried += 1
        module = build_layer(evaluation, dtype=torch.float64)
        given = _filled(input_shape(evaluation))
        for x in tensors(given):
            x.requires_grad_()
        outs = tensors(module(given))
        assert sum(out.numel() for out in outs) == g.batch * prod(evaluation.out_shape), for_author(
            evaluation.label(),
            f"on {g} the module gives {[tuple(out.shape) for out in outs]}, the record promises "
            f"{evaluation.out_shape} for each sample; correct the module, or give the operator an `out_shape`",
        )
        torch.stack([(out * random_tensor(*out.shape)).sum() for out in outs]).sum().backward()
        # An operator without parameters still hands the gradient on.
        assert all(x.grad is not None and torch.isfinite(x.grad).all() for x in tensors(given)), for_author(
            evaluation.label(), f"on {g} the input gets no finite gradient; do not detach it in the module's forward"
        )
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, for_author(
                evaluation.label(), f"the parameter {name} gets no gradient; use it in forward, or do not make it"
            )
            assert torch.isfinite(parameter.grad).all(), for_author(
                evaluation.label(), f"the gradient of {name} is not finite; look for a division by 0 in forward"
            )
            assert parameter.grad.abs().sum() > 0 or parameter.numel() == 0, for_author(
                evaluation.label(),
                f"the gradient of {name} is 0 everywhere; initialise what multiplies it other than 0",
            )
    assert tried >= 4, for_author(
        operator.name,
        f"only {tried} small shapes could be trained, and 4 are needed; give it small `shapes` that it takes",
    )


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_the_module_takes_the_promised_input(operator: Operator) -> None:
    """As many elements for each sample as the record says, in one tensor or in several."""
    for evaluation in cases(operator):
        shape = input_shape(evaluation)
        shapes = shape if isinstance(shape[0], tuple) else (shape,)
        assert sum(map(prod, shapes)) == evaluation.geometry.batch * prod(evaluation.in_shape), for_author(
            evaluation.label(),
            f"on {evaluation.geometry} the module takes {shape}, the record promises {evaluation.in_shape} for each "
            "sample; give the operator an `in_shape`",
        )


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_every_output_depends_on_the_input(operator: Operator) -> None:
    """No channel of the output is dead: each moves when the input does."""
    evaluation = next((e for e in cases(operator) if _size(e) <= 3_000_000), None)
    assert evaluation is not None, for_author(operator.name, "give it small `shapes`, with 32 output channels or fewer")
    module = build_layer(evaluation, dtype=torch.float64).eval()
    shape = input_shape(evaluation)
    moved, still = tensors(module(_filled(shape))), tensors(module(_filled(shape, _zeros)))
    differences = [(a - b).abs() for a, b in zip(moved, still, strict=True)]
    channels = torch.cat([one.amax(dim=tuple(d for d in range(one.dim()) if d != 1)) for one in differences])
    # ReLU may silence some channels of SIC; most must live.
    assert (channels > 0).double().mean() > 0.6, for_author(
        evaluation.label(),
        "many output channels of the module do not change with the input; connect them, or initialise their weights "
        "other than 0",
    )
