"""The modules do what the papers say, not only what the count needs. Small tensors, real arithmetic."""

from collections.abc import Callable
from math import prod
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer, registry
from flopcalc.analysis.cases import cases
from flopcalc.operator import Operator
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.layers import CompConv2d, DepthwiseSeparableConv2d, GhostConv2d, SIC2d, SPConv2d, input_shape
from flopcalc.pytorch.layers._topology import torus_neighbours
from flopcalc.pytorch.rules import tensors

OPERATORS = list(registry.every())


def _random(*shape: int) -> Tensor:
    torch.manual_seed(0)
    out: Tensor = torch.randn(*shape, dtype=torch.float64)
    return out


def _filled(shape: tuple[Any, ...], fill: Callable[..., Tensor] = _random) -> Any:
    """A tensor of the shape, or a tuple of them where the module takes several."""
    return tuple(_filled(one, fill) for one in shape) if isinstance(shape[0], tuple) else fill(*shape)


def _zeros(*shape: int) -> Tensor:
    out: Tensor = torch.zeros(shape, dtype=torch.float64)
    return out


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_trains(operator: Operator) -> None:
    """Forward gives the promised shape; every parameter gets a finite gradient that is not all zero."""
    tried = 0
    for evaluation in cases(operator):
        g = evaluation.geometry
        if g.c_in * g.c_out * g.p_out > 3_000_000 or tried >= 12:
            continue
        tried += 1
        module = build_layer(evaluation, dtype=torch.float64)
        given = _filled(input_shape(evaluation))
        for x in tensors(given):
            x.requires_grad_()
        outs = tensors(module(given))
        assert sum(out.numel() for out in outs) == g.n * prod(evaluation.out_shape)
        torch.stack([(out * _random(*out.shape)).sum() for out in outs]).sum().backward()
        # An operator without parameters still hands the gradient on.
        assert all(x.grad is not None and torch.isfinite(x.grad).all() for x in tensors(given))
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, f"{evaluation.label()}: {name}"
            assert torch.isfinite(parameter.grad).all()
            assert parameter.grad.abs().sum() > 0 or parameter.numel() == 0, f"{evaluation.label()}: {name}"
    assert tried >= 4


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_every_output_depends_on_the_input(operator: Operator) -> None:
    """No channel of the output is dead: each moves when the input does."""
    evaluation = next(e for e in cases(operator) if e.geometry.c_out <= 64)
    module = build_layer(evaluation, dtype=torch.float64).eval()
    shape = input_shape(evaluation)
    moved, still = tensors(module(_filled(shape))), tensors(module(_filled(shape, _zeros)))
    differences = [(a - b).abs() for a, b in zip(moved, still, strict=True)]
    channels = torch.cat([one.amax(dim=tuple(d for d in range(one.dim()) if d != 1)) for one in differences])
    # ReLU may silence some channels of SIC; most must live.
    assert (channels > 0).double().mean() > 0.6


def test_dsc_is_a_convolution_with_a_factored_kernel() -> None:
    """pointwise[o, c] * depthwise[c, i, j] as one dense kernel gives the same output."""
    module = DepthwiseSeparableConv2d(4, 6, 3, stride=2, dtype=torch.float64)
    depthwise, pointwise = module.depthwise.conv.weight, module.pointwise.conv.weight
    dense = pointwise * depthwise.transpose(0, 1)
    x = _random(2, 4, 9, 8)
    assert torch.allclose(module(x), F.conv2d(x, dense, stride=2, padding=1))


def test_ghost_first_maps_are_the_convolution() -> None:
    """The first m outputs are the primary convolution; the others are its maps, filtered one by one."""
    module = GhostConv2d(4, 7, 3, s=3, d=5, dtype=torch.float64)
    x = _random(1, 4, 8, 8)
    maps = F.conv2d(x, module.primary.conv.weight, padding=1)
    ghosts = [F.conv2d(maps[:, i // 2 : i // 2 + 1], module.cheap.conv.weight[i : i + 1], padding=2) for i in range(6)]
    assert torch.allclose(module(x), torch.cat([maps, *ghosts], 1)[:, :7])
    plain = GhostConv2d(4, 7, 3, s=1, dtype=torch.float64)
    assert torch.allclose(plain(x), F.conv2d(x, plain.primary.conv.weight, padding=1))


@pytest.mark.parametrize("stride", [1, 2])
def test_spconv_by_its_definition(stride: int) -> None:
    """Branches and fusion written out with functions; also at an odd size."""
    module = SPConv2d(8, 6, 3, stride=stride, alpha="1/4", norm=True, dtype=torch.float64).eval()
    x = _random(2, 8, 9, 7)
    pooled = x if stride == 1 else F.avg_pool2d(x, 2, 2, ceil_mode=True)
    first = F.conv2d(x[:, :2], module.gwc.weight, stride=stride, padding=1, groups=2)
    first = module.norm_rep(first + F.conv2d(pooled[:, :2], module.pwc.weight))
    second = module.norm_rest(F.conv2d(pooled[:, 2:], module.rest.weight, module.rest.bias))
    exp = [branch.mean((2, 3), keepdim=True).exp() for branch in (first, second)]
    expected = (first * exp[0] + second * exp[1]) / (exp[0] + exp[1])
    assert torch.allclose(module(x), expected)


def test_spconv_at_alpha_one_has_no_rest() -> None:
    """Only the representative part remains: one dense kernel, with the 1x1 in its centre."""
    module = SPConv2d(4, 6, 3, alpha=1, groups_k=1, dtype=torch.float64)
    kernel = module.gwc.weight + F.pad(module.pwc.weight, (1, 1, 1, 1))
    x = _random(1, 4, 6, 6)
    assert torch.allclose(module(x), F.conv2d(x, kernel, padding=1))


def test_compconv_follows_its_recursion() -> None:
    """d = 3, C_prim = 2, 28 channels as in the authors' figure, two of them surplus."""
    module = CompConv2d(16, 26, 3, depth=3, dtype=torch.float64)
    x = _random(1, 16, 6, 6)

    def conv(block: Any, y: Tensor) -> Tensor:
        return F.conv2d(y, block.conv.weight, padding=1)

    b2 = conv(module.primary, x)
    a2 = x[:, 0:2]
    b1 = conv(module.chain[0], torch.cat([a2, b2], 1))
    a1 = x[:, 2:6]
    b0 = conv(module.chain[1], torch.cat([a1, b1], 1))
    a0 = conv(module.tail, b0)[:, :6]
    ordered = torch.cat([b2, a2, b1, a1, b0, a0], 1)
    assert [t.shape[1] for t in (b2, a2, b1, a1, b0, a0)] == [2, 2, 4, 4, 8, 6]
    out = module(x)
    # The shuffle interleaves the two halves, and loses nothing.
    assert torch.allclose(out[:, 0::2], ordered[:, :13])
    assert torch.allclose(out[:, 1::2], ordered[:, 13:])


def test_compconv_copies_are_pooled_at_a_stride() -> None:
    """The identity copies reach the output as averages of the input, odd sizes included."""
    module = CompConv2d(16, 28, 3, stride=2, depth=3, dtype=torch.float64)
    x = _random(1, 16, 7, 7)
    out = module(x)
    ordered = torch.cat([out[:, 0::2], out[:, 1::2]], 1)
    copies = F.avg_pool2d(x, 2, 2, ceil_mode=True)
    assert torch.allclose(ordered[:, 2:4], copies[:, 0:2])
    assert torch.allclose(ordered[:, 8:12], copies[:, 2:6])


def test_compconv_at_depth_zero_is_a_convolution() -> None:
    """Its declared limit."""
    module = CompConv2d(4, 6, 3, depth=0, dtype=torch.float64)
    x = _random(1, 4, 5, 5)
    assert torch.allclose(module(x), F.conv2d(x, module.primary.conv.weight, padding=1))


def test_sic_by_its_definition() -> None:
    """Two stages of depthwise, projection, residual, ReLU; and the parallel form."""
    module = SIC2d(6, 6, 3, b=2, dtype=torch.float64)
    x = y = _random(1, 6, 7, 7)
    for i in range(2):
        inner = F.conv2d(y, module.intra[i].weight, padding=1, groups=6)
        y = F.relu(y + F.conv2d(inner, module.projection[i].weight))
    assert torch.allclose(module(x), y)
    parallel = SIC2d(6, 6, 3, b=2, form="parallel", dtype=torch.float64)
    inner = F.conv2d(x, parallel.intra[0].weight, padding=1, groups=6)
    assert torch.allclose(parallel(x), F.relu(x + F.conv2d(inner, parallel.projection[0].weight)))


def test_topological_projection_is_cyclic() -> None:
    """On a 2 x 3 torus with a 1 x 2 neighbourhood, channel (r, c) sees (r, c) and (r, c + 1 mod 3)."""
    assert torus_neighbours((2, 3), (1, 2)).tolist() == [[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]]
    module = SIC2d(6, 6, 1, b=1, dims=(2, 3), neighbourhood=(1, 2), dtype=torch.float64)
    weight = module.projection[0].weight.reshape(6, 2)
    x = _random(1, 6, 4, 4)
    inner = F.conv2d(x, module.intra[0].weight, groups=6)
    rows = [[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]]
    mixed = torch.stack([sum(weight[o, j] * inner[:, row[j]] for j in range(2)) for o, row in enumerate(rows)], 1)
    assert torch.allclose(module(x), F.relu(x + mixed))


def test_layers_are_torch_citizens() -> None:
    """device, dtype, state_dict and half of the arguments of Conv2d work as in torch."""
    module = SPConv2d(8, 8, (3, 5), stride=(2, 1), dilation=2, device="meta", dtype=torch.float16)
    assert {(p.device.type, p.dtype) for p in module.parameters()} == {("meta", torch.float16)}
    one, other = SPConv2d(8, 8, 3, norm=True), SPConv2d(8, 8, 3, norm=True)
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, 8, 6, 6)
    assert torch.equal(one.eval()(x), other.eval()(x))
    half = CompConv2d(16, 28, 3, depth=2, dtype=torch.bfloat16)
    assert half(torch.randn(1, 16, 5, 5, dtype=torch.bfloat16)).dtype == torch.bfloat16
    moved = CompConv2d(16, 28, 3, depth=2).to(torch.float64)
    assert moved(_random(1, 16, 5, 5)).dtype == torch.float64


def test_impossible_layers_are_refused_like_in_the_formula() -> None:
    """The rules are the operator's, so module and formula refuse alike."""
    makers: tuple[Callable[[], nn.Module], ...] = (
        lambda: SPConv2d(63, 64, 3),
        lambda: CompConv2d(3, 64, 3, depth=3),
        lambda: SIC2d(4, 6, 3),
        lambda: SPConv2d(8, 8, 3, padding=0),
        lambda: GhostConv2d(8, 8, 3, d=2),
    )
    for make in makers:
        with pytest.raises(FlopcalcError, match="cannot stand"):
            make()


def test_a_replaced_layer_keeps_the_output_shape() -> None:
    """Strides and odd sizes give what the plain convolution gives."""
    for hw in (7, 8, 15):
        for stride in (1, 2, 3):
            plain = nn.Conv2d(16, 32, 3, stride, 1)(torch.zeros(1, 16, hw, hw)).shape
            for name in ("dsc", "ghost", "spconv", "compconv"):
                e = layer(name, 16, 32, hw=hw, stride=stride, **({"depth": 2} if name == "compconv" else {}))
                assert build_layer(e)(torch.zeros(1, 16, hw, hw)).shape == plain
