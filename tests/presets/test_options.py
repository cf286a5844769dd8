"""Options of functions and modules that few networks use: each preset next to its tool, to the unit."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: N812
from presets.beside import Run, compare

PROFILERS = ("calflops", "deepspeed")
REPLACING = (*PROFILERS, "ptflops")
TRACING = ("fvcore", "torchprofile")
KERNELS = ("flop-counter", "ptflops-aten")
LINE, MAP, BOX = (2, 6, 7), (2, 6, 7, 5), (2, 6, 4, 5, 3)
# Functions of one input. The other ones are as in torch's documentation, by position and by name.
CONVOLUTIONS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "no options": (lambda x, w: F.conv2d(x, w(4, 6, 3, 2)), MAP),
    "numbers": (lambda x, w: F.conv2d(x, w(4, 3, 3, 2), w(4), 2, 1, 2, 2), MAP),
    "same": (lambda x, w: F.conv2d(x, w(4, 6, 3, 4), padding="same"), MAP),
    "same, dilated": (lambda x, w: F.conv2d(x, w(4, 6, 3, 4), padding="same", dilation=(3, 2)), MAP),
    "valid": (lambda x, w: F.conv2d(x, w(4, 6, 3, 2), padding="valid", stride=(2, 1)), MAP),
    "no batch": (lambda x, w: F.conv2d(x[0], w(4, 6, 3, 2)), MAP),
    "no batch, as high as it has channels": (lambda x, w: F.conv2d(x[0], w(4, 6, 3, 2)), (1, 6, 6, 5)),
    "no batch, a line": (lambda x, w: F.conv1d(x[0], w(4, 6, 3)), (1, 6, 6)),
    "box": (lambda x, w: F.conv3d(x, w(4, 6, 2, 3, 1), padding=(1, 0, 2)), BOX),
    "transposed": (lambda x, w: F.conv_transpose2d(x, w(6, 4, 3, 2)), MAP),
    "transposed, bias": (lambda x, w: F.conv_transpose2d(x, w(6, 4, 3, 2), w(4)), MAP),
    "transposed, numbers": (lambda x, w: F.conv_transpose2d(x, w(6, 2, 3, 2), w(4), 3, 1, 1, 2, 2), MAP),
    "transposed, tuples": (
        lambda x, w: F.conv_transpose2d(x, w(6, 4, 3, 2), w(4), (3, 2), (1, 0), (2, 1), 1, (1, 3)), MAP,
    ),
    "transposed, padded": (lambda x, w: F.conv_transpose2d(x, w(6, 4, 3, 2), w(4), padding=(2, 1)), MAP),
    "transposed, box": (lambda x, w: F.conv_transpose3d(x, w(6, 4, 3, 2, 1), w(4), padding=1), BOX),
    "transposed, line": (lambda x, w: F.conv_transpose1d(x, w(6, 4, 3), w(4), 2, output_padding=1), LINE),
    "transposed, list": (lambda x, w: F.conv_transpose2d(x, w(6, 4, 3, 2), w(4), 2, output_padding=[1, 0]), MAP),
    "transposed, list of strides": (lambda x, w: F.conv_transpose2d(x, w(6, 4, 3, 2), w(4), [2, 1]), MAP),
    "transposed, no batch": (lambda x, w: F.conv_transpose2d(x[0], w(6, 4, 3, 2), w(4)), MAP),
    "transposed, no batch, no bias": (lambda x, w: F.conv_transpose2d(x[0], w(6, 4, 3, 2)), MAP),
    "transposed, no batch, groups": (lambda x, w: F.conv_transpose1d(x[0], w(6, 4, 3), groups=2), LINE),
    "transposed, many axes": (lambda x, w: F.conv_transpose3d(x, w(6, 4, 3, 2, 1), w(4), (1, 2, 3), dilation=2), BOX),
}  # fmt: skip
NORMS: dict[str, tuple[Any, tuple[int, ...]]] = {
    f"{norm} norm, {options}": (lambda x, w, call=call: call(x, w), MAP)
    for norm, calls in {
        "batch": {
            "plain": lambda x, w: F.batch_norm(x, w(6), w(6)),
            "weight": lambda x, w: F.batch_norm(x, w(6), w(6), w(6)),
            "bias": lambda x, w: F.batch_norm(x, w(6), w(6), None, w(6)),
            "weights": lambda x, w: F.batch_norm(x, w(6), w(6), w(6), w(6)),
            "training": lambda x, w: F.batch_norm(x, None, None, training=True),
            "weights, training": lambda x, w: F.batch_norm(x, None, None, w(6), w(6), True),
        },
        "layer": {
            "plain": lambda x, w: F.layer_norm(x, (7, 5)),
            "weight": lambda x, w: F.layer_norm(x, (5,), w(5)),
            "bias": lambda x, w: F.layer_norm(x, (5,), bias=w(5)),
        },
        "group": {
            "plain": lambda x, w: F.group_norm(x, 3),
            "weight": lambda x, w: F.group_norm(x, 3, w(6)),
            "bias": lambda x, w: F.group_norm(x, 3, bias=w(6)),
        },
        "instance": {
            "plain": lambda x, w: F.instance_norm(x),
            "weight": lambda x, w: F.instance_norm(x, None, None, w(6)),
            "statistics": lambda x, w: F.instance_norm(x, w(6), w(6)),
        },
    }.items()
    for options, call in calls.items()
}
NORMS |= {
    f"layer norm of {len(shape)} axes": (lambda x, w: F.layer_norm(x, x.shape[-1:], w(x.shape[-1])), shape)
    for shape in ((4,), (2, 4), (2, 1, 3, 2, 4), (2, 1, 3, 1, 2, 4))
}
SCALES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "size, a number": (lambda x, w: F.interpolate(x, 4), MAP),
    "size, a list": (lambda x, w: F.interpolate(x, [4, 3]), MAP),
    "size of a line": (lambda x, w: F.interpolate(x, 4), LINE),
    "scale, a number": (lambda x, w: F.interpolate(x, scale_factor=3), MAP),
    "scale, a line": (lambda x, w: F.interpolate(x, None, 3), LINE),
    "scale, upsample": (lambda x, w: F.upsample(x, scale_factor=3), MAP),
    "scales, upsample": (lambda x, w: F.upsample(x, scale_factor=(2.0, 3.0)), (1, 6, 7, 5)),
    "scale, a box": (lambda x, w: F.interpolate(x, scale_factor=2.0), BOX),
    "scale, a fraction": (lambda x, w: F.interpolate(x, scale_factor=1.5), MAP),
    "scales": (lambda x, w: F.interpolate(x, scale_factor=(2.0, 3.0)), MAP),
    "scales, fractions": (lambda x, w: F.interpolate(x, scale_factor=(1.5, 3.5)), MAP),
    "scales, a list": (lambda x, w: F.interpolate(x, scale_factor=[2.0, 3.0]), MAP),
    "scales, a box": (lambda x, w: F.interpolate(x, scale_factor=(2.0, 3.0, 1.0)), BOX),
    "scale, a tuple of one": (lambda x, w: F.interpolate(x, scale_factor=(3.0,)), LINE),
    **{
        f"{kind}, {axes} axes": (lambda x, w, kind=kind, axes=axes: getattr(F, f"{kind}_pool{axes}d")(x, 2), shape)
        for kind in ("max", "avg", "adaptive_max", "adaptive_avg")
        for axes, shape in ((1, LINE), (2, MAP), (3, BOX))
    },
    **{
        f"grid, {mode}": (lambda x, w, mode=mode: F.grid_sample(x, w(2, 3, 4, 2), mode, align_corners=False), MAP)
        for mode in ("bilinear", "nearest", "bicubic")
    },
    "bilinear": (lambda x, w: F.interpolate(x, (4, 3), mode="bilinear"), MAP),
    "pool, all by name": (lambda x, w: F.adaptive_avg_pool2d(input=x, output_size=2), MAP),
    "pool, input by name": (lambda x, w: F.max_pool2d(input=x, kernel_size=2), MAP),
}
PRODUCTS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "addmm": (lambda x, w: torch.addmm(w(3), x, w(7, 3)), (2, 7)),
    "addmm, beta": (lambda x, w: torch.addmm(w(3), x, w(7, 3), beta=2, alpha=3), (2, 7)),
    "addmm, no bias": (lambda x, w: torch.addmm(w(3), x, w(7, 3), beta=0), (2, 7)),
    "addmm, method": (lambda x, w: w(2, 3).addmm(x, w(7, 3)), (2, 7)),
    "addmm, mean": (lambda x, w: torch.addmm(w(3), x, w(7, 3), beta=0.5), (2, 7)),
    "addmv": (lambda x, w: torch.addmv(w(6), x, w(7)), (6, 7)),
    "baddbmm": (lambda x, w: torch.baddbmm(w(2, 6, 3), x, w(2, 7, 3)), LINE),
    "bmm": (lambda x, w: torch.bmm(x, w(2, 7, 3)), LINE),
    "mm": (lambda x, w: torch.mm(x, w(7, 3)), (6, 7)),
    "matmul": (lambda x, w: torch.matmul(x, w(4, 7, 3)), (2, 4, 6, 7)),
    "matmul, a batch": (lambda x, w: torch.matmul(w(5, 7), x), (2, 4, 7, 6)),
    "matmul, a vector": (lambda x, w: torch.matmul(x, w(7)), LINE),
    "matmul, a row": (lambda x, w: torch.matmul(w(6), x), LINE),
    "matmul, a matrix and a vector": (lambda x, w: torch.matmul(x, w(7)), (6, 7)),
    "matmul, vectors": (lambda x, w: torch.matmul(x, w(7)), (7,)),
    "linear, a vector": (lambda x, w: F.linear(x, w(3, 7)), (7,)),
    "linear": (lambda x, w: F.linear(x, w(3, 7), w(3)), (6, 7)),
    "attention, lines": (
        lambda x, w: F.scaled_dot_product_attention(x, w(2, 5, 7), w(2, 5, 3)), LINE,
    ),
    "attention, maps": (
        lambda x, w: F.scaled_dot_product_attention(x, w(2, 6, 3, 5), w(2, 6, 3, 4)), MAP,
    ),
    "einsum, weighted sums": (lambda x, w: torch.einsum("nkt,nkd->ntd", x, w(2, 6, 3)), LINE),
    "einsum, products of rows": (lambda x, w: torch.einsum("ijk, ilk -> ijl", x, w(2, 5, 7)), LINE),
    # NumPy prints four digits.
    "einsum, weighted sums of many": (lambda x, w: torch.einsum("nkt,nkd->ntd", x, w(2, 37, 43)), (2, 37, 41)),
    "einsum, products of many rows": (lambda x, w: torch.einsum("xyz,xwz->xwy", x, w(2, 43, 41)), (2, 37, 41)),
    "einsum, sums of many": (lambda x, w: torch.einsum("ntk,nkd->ntd", x, w(2, 41, 43)), (2, 37, 41)),
    "einsum, other letters": (lambda x, w: torch.einsum("zyx,zyw->zxw", x, w(2, 6, 3)), LINE),
    "einsum, all": (lambda x, w: torch.einsum("abc,cd,bd->a", x, w(7, 3), w(6, 3)), LINE),
    "einsum, a list": (lambda x, w: torch.einsum("ncl,ld->ncd", [x, w(7, 3)]), LINE),
    "einsum, a number of letters": (lambda x, w: torch.einsum("ab->ba", x), (6, 7)),
    "einsum, numbers": (lambda x, w: torch.einsum(x, [0, 1, 2], w(7, 3), [2, 3], [0, 1, 3]), LINE),
    "sum with a number": (lambda x, w: torch.add(x, 2), LINE),
    "number and sum": (lambda x, w: torch.mul(w(), x), LINE),
    "more axes": (lambda x, w: torch.add(x, w(3, 2, 6, 7)), LINE),
    "fewer axes": (lambda x, w: torch.mul(x, w(7)), (7, 6, 7)),
    "axes of one, and none": (lambda x, w: torch.mul(x, w(7)), (1, 1, 7)),
    "none, and axes of one": (lambda x, w: torch.mul(x, w(7, 1, 1)), (7,)),
    "axes of one": (lambda x, w: torch.mul(w(1, 6, 1), x[:, :1]), LINE),
    "axes of one, fewer": (lambda x, w: torch.mul(x[:, :, :1], w(5)), LINE),
    "no axes": (lambda x, w: torch.add(x.sum(), w()), LINE),
}  # fmt: skip
CASES = {
    name: (tools, *case)
    for tools, table in (
        ((*PROFILERS, *TRACING, *KERNELS), CONVOLUTIONS),
        ((*PROFILERS, *TRACING), NORMS),
        ((*REPLACING, *TRACING), SCALES),
        ((*REPLACING, *TRACING, *KERNELS), PRODUCTS),
    )
    for name, case in table.items()
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("tools", "function", "shape"), [pytest.param(*case, id=name) for name, case in CASES.items()])
def test_functions(tools: tuple[str, ...], function: Callable[..., Any], shape: tuple[int, ...]) -> None:
    """As the forward of a module."""
    compare(tools, lambda: Run(lambda x: function(x, lambda *sizes: torch.ones(sizes, device=x.device))), (shape,))


def test_expected() -> None:
    """Some of them by hand, so that no tool fails on all: multiply-adds, twice in the profilers."""
    function, shape = PRODUCTS["addmm"]
    figures = compare(
        (*REPLACING, *TRACING, *KERNELS),
        lambda: Run(lambda x: function(x, lambda *sizes: torch.ones(sizes, device=x.device))), (shape,),
    )  # fmt: skip
    # 2 x 7 x 3 multiply-adds, and a bias of 3 or of the 2 x 3 outputs.
    expected = {
        "calflops": 87, "deepspeed": 87, "ptflops": 45, "fvcore": 42, "torchprofile": 42, "flop-counter": 84,
        "ptflops-aten": 48,
    }  # fmt: skip
    assert figures == {tool: expected[tool] for tool in figures}
