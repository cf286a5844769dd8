"""Products: the same function written in several ways, FlopCounterMode, and figures by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import cost, run
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from flopcalc.pytorch.counting.kernels import Work, work_of

Call = Callable[..., Any]


def x(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape).to(dtype)


pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


# 5 rows of 4, weights 3 x 4: 60 multiply-adds, whichever way it is written.
LINEAR: dict[str, Call] = {
    "linear": F.linear,
    "matmul": lambda a, w: a @ w.T,
    "mm": lambda a, w: torch.mm(a, w.T),
    "einsum": lambda a, w: torch.einsum("ni,oi->no", a, w),
    "tensordot": lambda a, w: torch.tensordot(a, w, dims=([1], [1])),
    "inner": torch.inner,
    "bmm": lambda a, w: torch.bmm(a[None], w.T[None])[0],
    "conv1d": lambda a, w: F.conv1d(a.T[None], w[..., None]),
    "conv2d": lambda a, w: F.conv2d(a[..., None, None], w[..., None, None]),
    "addmm": lambda a, w: torch.addmm(torch.zeros(3), a, w.T),
    "addmm without its input": lambda a, w: torch.addmm(torch.zeros(3), a, w.T, beta=0),
    "baddbmm": lambda a, w: torch.baddbmm(torch.zeros(1, 5, 3), a[None], w.T[None]),
    "addbmm": lambda a, w: torch.addbmm(torch.zeros(5, 3), a[None], w.T[None]),
    "addmm_": lambda a, w: torch.zeros(5, 3).addmm_(a, w.T),
    "out": lambda a, w: torch.mm(a, w.T, out=torch.empty(5, 3)),
    "row by row": lambda a, w: [torch.mv(w, row) for row in a],
    "dot by dot": lambda a, w: [[torch.dot(row, other) for other in w] for row in a],
    "vdot": lambda a, w: [[torch.vdot(row, other) for other in w] for row in a],
    "vmap": lambda a, w: torch.vmap(lambda row: w @ row)(a),
    "sparse": lambda a, w: torch.sparse.mm(a.to_sparse(), w.T),
    "CSR": lambda a, w: a.to_sparse_csr() @ w.T,
    "two sparse": lambda a, w: torch.sparse.mm(a.to_sparse(), w.T.to_sparse()),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_linear_layer_in_many_ways(name: str, inference: bool) -> None:
    """60 MACs each, inside inference mode too. No element is 0, so that sparse ones hold all."""
    a, w = x(5, 4) + 1, x(3, 4) + 1
    with torch.inference_mode(inference):
        found = run(LINEAR[name], a, w)
    assert found.work.macs == 60
    assert not found.unknown


BILINEAR: dict[str, Call] = {
    "bilinear": F.bilinear,
    "outer": lambda a, b, w: (a[:, :, None] * b[:, None]).flatten(1) @ w.flatten(1).T,
}


@pytest.mark.parametrize("name", BILINEAR)
def test_bilinear(name: str) -> None:
    """The outer products 5 x 2 x 3 (muls), then a linear layer of 6 on 4: 5 x 6 x 4 MACs."""
    assert cost(BILINEAR[name], x(5, 2), x(5, 3), x(4, 2, 3)) == {"macs": 120, "muls": 30}


ATTENTION: dict[str, Call] = {
    "function": F.scaled_dot_product_attention,
    "by hand": lambda q, k, v: (q @ k.mT).softmax(-1) @ v,
    "einsum": lambda q, k, v: torch.einsum("bhqk,bhkd->bhqd", torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1), v),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_in_many_ways(name: str, device: str) -> None:
    """Scores 2 x 3 x 8 x 10 over 4 and, times the values, over 10 with 4 columns; softmax: 1 add, 2 other a score."""
    q, k, v = (x(2, 3, n, 4).to(device) for n in (8, 10, 10))
    found = cost(ATTENTION[name], q, k, v)
    assert found["macs"] == 480 * (4 + 4)
    assert found["adds"] == 480
    assert found["other"] == 2 * 480


@pytest.mark.parametrize("padded", [False, True])
def test_a_fused_encoder_layer(padded: bool) -> None:
    """CPU runs the whole layer as one kernel; with a padding mask only the tokens that are there: 10 and 16 of 16."""
    layer = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 1).eval()
    mask = torch.zeros(2, 16).bool()
    mask[0, 10:] = padded
    found = run(lambda: layer(x(2, 16, 32), src_key_padding_mask=mask))
    tokens = [10 if padded else 16, 16]
    assert found.work.macs == sum(n * 4 * 32 * 32 + 2 * n * n * 32 + 2 * n * 32 * 64 for n in tokens)
    assert not found.unknown


def test_fused_attention_costs_what_its_kernels_cost() -> None:
    """MultiheadAttention as one kernel on CPU, and as single kernels on the meta device."""
    given = x(2, 16, 32)
    module = nn.MultiheadAttention(32, 4, batch_first=True).eval()
    fused = run(lambda: module(given, given, given, need_weights=False))
    assert "aten::_native_multi_head_attention" in fused.kernels
    module, given = module.to("meta"), given.to("meta")
    single = run(lambda: module(given, given, given, need_weights=False))
    assert len(single.kernels) > 5
    for kind in ("macs", "adds", "muls", "other"):
        assert getattr(fused.work, kind) == getattr(single.work, kind), kind


def test_attention_of_grouped_heads() -> None:
    """All 4 heads of the query have their scores."""
    q, k = x(1, 4, 8, 16), x(1, 2, 8, 16)
    found = cost(lambda: F.scaled_dot_product_attention(q, k, k, enable_gqa=True))
    assert found["macs"] == 2 * 4 * 64 * 16


def test_attention_of_samples_of_unequal_length() -> None:
    """Nested tensors: 3 x 3 and 5 x 5 scores of 2 heads, over 8 and times 8 columns; linear layers on 8 tokens."""
    for layout in (torch.jagged, torch.strided):
        q = torch.nested.nested_tensor([x(3, 16), x(5, 16)], layout=layout)
        assert run(lambda q: F.linear(q, x(4, 16)), q).work.macs == 8 * 16 * 4
        heads = q.reshape(2, -1, 2, 8).transpose(1, 2)
        heads = heads if layout is torch.jagged else heads.contiguous()
        found = run(F.scaled_dot_product_attention, heads, heads, heads)
        assert found.work.macs == 2 * (9 + 25) * 16, layout


CASES: dict[str, tuple[Call, tuple[Any, ...]]] = {
    "conv groups": (lambda a, w: F.conv2d(a, w, groups=2, padding=1, stride=2), ((2, 4, 9, 7), (6, 2, 3, 3))),
    "conv transposed": (lambda a, w: F.conv_transpose2d(a, w, stride=2, groups=2), ((2, 4, 5, 5), (4, 3, 3, 3))),
    "conv3d": (F.conv3d, ((1, 2, 4, 5, 6), (3, 2, 2, 2, 2))),
    "mm": (torch.mm, ((3, 4), (4, 5))),
    "bmm": (torch.bmm, ((2, 3, 4), (2, 4, 5))),
    "addmm": (torch.addmm, ((5,), (3, 4), (4, 5))),
    "baddbmm": (torch.baddbmm, ((2, 3, 5), (2, 3, 4), (2, 4, 5))),
    "attention": (F.scaled_dot_product_attention, ((2, 3, 8, 4), (2, 3, 10, 4), (2, 3, 10, 4))),
    "multi_dot": (lambda *m: torch.linalg.multi_dot(m), ((3, 9), (9, 2), (2, 7))),
    "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), ((2, 3, 4), (2, 4, 5))),
    "kron": (torch.kron, ((2, 3), (4, 5))),
}


@pytest.mark.parametrize("name", CASES)
def test_products_compared_with_torchs_counter(name: str) -> None:
    """FlopCounterMode on the meta device counts two for each multiply-add."""
    function, shapes = CASES[name]
    args = [torch.empty(shape, device="meta") for shape in shapes]
    with FlopCounterMode(display=False) as other, torch.no_grad():
        function(*args)
    assert 2 * run(function, *args).work.macs == other.get_total_flops()


SINGLE: dict[str, tuple[Call, dict[str, int]]] = {
    # 2 x 3 heads, 8 queries of 4 channels, 10 keys, values of 4: the scores again, and one product for each of the
    # gradients of values, shares, queries and keys. Of each score: its scale, what is taken off, an exponential, the
    # product and the sum of the inner product with its gradient, the difference and the product of softmax, the scale.
    "attention backwards": (
        lambda: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            x(2, 3, 8, 4), x(2, 3, 8, 4), x(2, 3, 10, 4), x(2, 3, 10, 4), x(2, 3, 8, 4), x(2, 3, 8), 0.0, False
        ),
        {"macs": 480 * 4 * 5, "other": 480, "adds": 3 * 480, "muls": 4 * 480},
    ),
    "conv_tbc, 10 steps x 2 x 16 outputs x 24": (
        lambda: torch.conv_tbc(x(10, 2, 8), x(3, 8, 16), x(16), 1),
        {"macs": 10 * 2 * 16 * 24, "adds": 320},
    ),
    "int8": (
        lambda: torch._int_mm(x(32, 64, dtype=torch.int8), x(64, 32, dtype=torch.int8)),
        {"macs": 32 * 64 * 32},
    ),
    "4 experts": (
        lambda: torch._grouped_mm(x(4, 16, 32, dtype=torch.bfloat16), x(4, 32, 64, dtype=torch.bfloat16)),
        {"macs": 4 * 16 * 32 * 64},
    ),
    "outer": (lambda: torch.outer(x(8), x(9)), {"muls": 72}),
    "addr": (lambda: torch.addr(x(8, 9), x(8), x(9)), {"muls": 72, "adds": 72}),
    "L1 distances, 3 x 5 pairs of 4": (lambda: torch.cdist(x(3, 4), x(5, 4), p=1), {"adds": 120}),
    "complex matrix, 4 real products each": (
        lambda: x(3, 4).to(torch.complex64) @ x(4, 5).to(torch.complex64),
        {"macs": 4 * 60},
    ),
    "complex bias: 2 real sums each": (
        lambda: F.linear(*(x(*s).to(torch.complex64) for s in ((3, 4), (5, 4), (5,)))),
        {"macs": 4 * 60, "adds": 30},
    ),
    "complex product": (
        lambda: x(6).to(torch.complex64) * x(6).to(torch.complex64),
        {"muls": 24, "adds": 12},
    ),
    "complex times real": (lambda: x(6).to(torch.complex64) * x(6), {"muls": 12}),
    "complex sum": (lambda: x(6).to(torch.complex64) + x(6).to(torch.complex64), {"adds": 12}),
    "sparse, 2 entries times 5 columns": (
        lambda: torch.eye(2).to_sparse() @ x(2, 5),
        {"macs": 10},
    ),
}


@pytest.mark.parametrize("name", SINGLE)
def test_by_hand(name: str) -> None:
    """Each name says where the figure comes from."""
    function, wanted = SINGLE[name]
    prepared = cost(function)
    # Making the operands costs no products.
    assert prepared == wanted


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_gradients_of_grouped_convolutions(groups: int) -> None:
    """Two gradients, each as expensive as the convolution: 2 x 6 x 16 positions x c_in / groups x 9."""
    a, w, b = x(2, 4, 6, 6), x(8, 4 // groups, 3, 3), x(8)
    for tensor in (a, w, b):
        tensor.requires_grad_()
    found = run(lambda: torch.autograd.grad(F.conv2d(a, w, b, groups=groups).sum(), [a, w, b]), grad=True)
    assert found.work.macs == 3 * (2 * 8 * 16) * (4 // groups) * 9
    assert not found.unknown


def test_gradients_of_a_network() -> None:
    """Norms, activations, pooling, softmax and tables have gradients with rules; products cost three times."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.GroupNorm(2, 8),
        nn.MaxPool2d(2),
        nn.Hardswish(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 8),
        nn.LayerNorm(8),
        nn.GELU(),
        nn.Softmax(-1),
    )
    weights = list(network.parameters())
    found = run(
        lambda: torch.autograd.grad(F.cross_entropy(network(x(2, 3, 8, 8)), torch.tensor([1, 2])), weights), grad=True
    )
    # The gradient of the image is not wanted: two thirds of the convolution.
    assert found.work.macs == 2 * (2 * 64 * 8 * 27) + 3 * (2 * 64)
    assert not found.unknown


def test_quantised_layers_count_as_dense_ones() -> None:
    """Linear 64 -> 32 on 3 rows, and a static 3 x 3 convolution 4 -> 8 on 5 x 5."""
    dynamic = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
        nn.Sequential(nn.Linear(64, 32)), {nn.Linear}, torch.qint8
    )
    assert run(dynamic, x(3, 64)).work.macs == 3 * 64 * 32
    if "onednn" not in torch.backends.quantized.supported_engines:
        pytest.skip("no engine for quantised convolutions")
    packed = torch.ops.quantized.conv2d_prepack(
        torch.quantize_per_tensor(x(8, 4, 3, 3), 0.1, 0, torch.qint8), x(8), [1, 1], [1, 1], [1, 1], 1
    )
    given = torch.quantize_per_tensor(x(1, 4, 5, 5), 0.1, 0, torch.quint8)
    found = run(lambda: torch.ops.quantized.conv2d_relu(given, packed, 0.1, 0))
    assert found.work.macs == 25 * 8 * 4 * 9
    assert found.work.other == 25 * 8
    # The map, the weights and the 8 biases are read.
    assert (found.work.reads, found.work.writes) == (100 + 8 * 4 * 9 + 8, 25 * 8)


def test_flash_attention_of_samples_in_a_row() -> None:
    """Queries of 3 and 2 tokens see keys of 4 and 1: 14 scores, in 2 heads of 8 channels, used twice."""
    query, key = x(5, 2, 8), x(5, 2, 8)
    ends = torch.tensor([0, 3, 5]), torch.tensor([0, 4, 5])
    kernel = torch.ops.aten._flash_attention_forward.default
    found = work_of(kernel, (query, key, key, *ends, 3, 4, 0.0, False, False), {}, (query,), 240)
    assert isinstance(found, Work)
    assert (found.macs, found.other) == (14 * 2 * (8 + 8), 2 * 14 * 2)
    # Without the ends of the samples the first axis is the batch: 3 x 5 x 4 scores.
    query, key = x(3, 5, 2, 8), x(3, 4, 2, 8)
    found = work_of(kernel, (query, key, key, None, None, 5, 4, 0.0, False, False), {}, (query,), 624)
    assert isinstance(found, Work)
    assert found.macs == 3 * 5 * 4 * 2 * (8 + 8)


def test_kernels_that_a_cpu_does_not_run() -> None:
    """A linear layer as one kernel, with and without a bias; a mask and a scale."""
    given, weight, out = x(5, 4), x(3, 4), x(5, 3)
    linear = torch.ops.aten.linear.default
    for bias, adds in ((None, 0), (x(3), 15)):
        found = work_of(linear, (given, weight, bias), {}, (out,), 60)
        assert isinstance(found, Work)
        assert (found.macs, found.adds) == (15 * 4, adds)
    found = work_of(torch.ops.aten._masked_scale.default, (given, x(5, 4), 2.0), {}, (x(5, 4),), 40)
    assert isinstance(found, Work)
    assert (found.muls, found.reads, found.writes) == (2 * 20, 2 * 20, 20)
