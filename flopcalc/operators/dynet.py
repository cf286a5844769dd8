"""DyNet: each output channel mixes its own g_t kernels, with coefficients that depend on the input.

The paper predicts the coefficients of all convolutions of a block at once, from the mean of the block's input. With
`coefficients=block` a layer has its own rows of that prediction: the sum over the layers of a block is the prediction
of the block, apart from the mean, which the block computes once. With `coefficients=layer` it predicts from its own
input, mean included.

The paper's times on a CPU (1.87 times as fast for MobileNetV2, 1.32 for ResNet-18, 1.48 for ResNet-50) stay open: its
authors' code and a measurement by others were looked for in public repositories and issue trackers, and not found.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._dynamic import MODE, NOT_FIRST, TRAINING, fuse_kernels, overhead, ungrouped
from flopcalc.operators._most import MOST_COPIES
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Rule
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

DYNET = Paper(
    key="zhang2020dynet",
    authors=("Zhang, Yikang", "Zhang, Jian", "Wang, Qiang", "Zhong, Zhao"),
    title="DyNet: Dynamic Convolution for Accelerating Convolutional Neural Networks",
    venue="arXiv preprint",
    year=2020,
    arxiv="2004.10694",
)


def formula(g: Geometry, g_t: Dim, bias: bool, training: bool, c_seen: Dim, pools: bool) -> Iterable[Part]:
    """c_out * g_t coefficients sigmoid(fc(mean of each channel)), then fusion, then the convolution."""
    coefficients = g.c_out * g_t
    yield from parts.when(pools, lambda: (parts.global_avg_pool("routing.pool", g.c_in, g.p_in, g.batch, after=INPUT),))
    yield parts.linear("routing.fc", c_seen, coefficients, g.batch, bias=False, after=("routing.pool",))
    yield parts.called("Sigmoid", parts.act("routing.gate", coefficients, g.batch))
    yield from parts.when(not training, lambda: fuse_kernels(g, g_t, "routing.gate"))
    yield from parts.when(training, lambda: _fuse_outputs(g, g_t))
    yield from parts.when(bias, lambda: (_bias(g),))


def _fuse_outputs(g: Geometry, g_t: Dim) -> Iterable[Part]:
    every = parts.conv("convolution", g.c_in, g.c_out * g_t, g.area, g.p_in, g.p_out, groups=g.groups, after=INPUT)
    yield parts.called("own module, F.conv", every)
    # For each sample and output channel (1, g_t) times (g_t, positions).
    positions = g.h_out * g.w_out
    ready = ("routing.gate", "convolution")
    yield parts.called("torch.bmm", parts.matmul("aggregation", 1, g_t, positions, g.batch * g.c_out, after=ready))


def _bias(g: Geometry) -> Part:
    size = g.c_out * g.p_out
    return Part("bias", "add", g.c_out, adds=size, reads=size + g.c_out, writes=size, call="own module")


def _notes(e: Evaluation) -> Iterable[str]:
    yield from overhead(e)
    yield (
        "The paper's own figures differ in this: its ICLR submission prints 129M for Dy-mobile at every g_t; on arXiv "
        "it counts the overhead, 135.1M = 129.26 + 2.90 + 2.98."
    )
    if e.named["pools"]:
        yield (
            "The paper predicts the coefficients once for all convolutions of a block; here each layer predicts its "
            "own. coefficients=block,block_in=CHANNELS counts a layer of a block."
        )
    else:
        yield (
            f"The coefficients are predicted from the {e.named['c_seen']} means of the block's input, which are given: "
            "a block computes them once, and they are not counted here."
        )


def _one_source(g: Geometry, named: Named) -> str | None:
    if named["pools"] and named["block_in"] is not None and named["block_in"] != g.c_in:
        return (
            f"block_in = {named['block_in']} is given, and coefficients=layer reads the layer's own {g.c_in} channels"
        )
    return None


def _input(g: Geometry, named: Named) -> tuple[int, ...]:
    """The image, or the elements of the image and of the block's means."""
    image = g.c_in, g.h, g.w
    return image if named["pools"] else (g.c_in * g.h * g.w + named["c_seen"],)


def _beside_condconv(part: str) -> tuple[Evidence, Evidence]:
    """The MACs of a part, 64 -> 64 channels, k = 3, with 6 kernels: of DyNet and of CondConv."""
    what = {"aggregation": "fusion", "routing": "prediction of the coefficients"}[part]
    where = "64 -> 64, k = 3, 6 kernels: MACs of the"
    return (
        Evidence(f"DyNet, {where} {what}", operator="dynet", shape={"c_in": 64, "g_t": 6}, field=f"macs of {part}"),
        Evidence("CondConv, the same", operator="condconv", shape={"c_in": 64, "experts": 6}, field=f"macs of {part}"),
    )


_LETTERS = {"C_in": "c_in", "C_out": "c_out", "g_t": "g_t", "k": "k"}

OPERATOR = Operator(
    name="dynet",
    title="DyNet: dynamic convolution of grouped kernels",
    family="dynamic convolutions",
    paper=DYNET,
    formula=formula,
    params=(
        Param("g_t", "int", 6, "kernels that each output channel mixes", 1, MOST_COPIES, letter="g_t", samples=(1, 3)),
        MODE,
        Param(
            "coefficients",
            "choice",
            "layer",
            "predicted from the layer's own input, or from that of its block, once for all its layers",
            choices=("layer", "block"),
            samples=("block",),
        ),
        Param(
            "block_in",
            "int",
            AUTO,
            "channels of the block's input, for coefficients=block",
            1,
            auto="c_in",
        ),
        Param("bias", "bool", False, "one bias for each output channel, not mixed", samples=(True,)),
    ),
    derived=(
        TRAINING,
        Derived("pools", lambda g, coefficients: coefficients == "layer"),
        Derived("c_seen", lambda g, block_in: g.c_in if block_in is None else block_in),
    ),
    rules=(
        GROUPS_DIVIDE,
        Rule("block_in is given with coefficients=block only", _one_source, "set coefficients=block, or no block_in"),
    ),
    limits=(
        Limit(
            {"g_t": 1},
            "conv",
            surviving=("routing.pool", "routing.fc", "routing.gate", "aggregation", "aggregation.order"),
        ),
    ),
    policy=NOT_FIRST,
    equations=(
        Equation(
            "coefficient prediction, from its description",
            "C_in * C_out * g_t",
            {**_LETTERS, "C_in": "c_seen"},
            "macs of routing",
        ),
        Equation(
            "kernel fusion, from its description",
            "g_t * C_out * C_in * k^2",
            _LETTERS,
            "macs of aggregation",
            given={"mode": "inference"},
            domain=ungrouped,
            domain_text="one group",
        ),
        Equation(
            "training, from its description",
            "g_t * H * W * C_out * C_in * k^2",
            {**_LETTERS, "H": "h_out", "W": "w_out"},
            "macs of convolution",
            given={"mode": "training"},
            domain=ungrouped,
            domain_text="one group",
        ),
    ),
    notes=_notes,
    errata=(
        Erratum(
            where="on the size of the model",
            printed="with g_t = 6 the model has 6 times the parameters",
            right="the kernels are 6 times as many, their prediction is added, the classifier stays: Dy-mobile has "
            "3.46 times the parameters of the same network without dynamic kernels",
            evidence=(
                Evidence(
                    "parameters of Dy-mobile over those of Fix-mobile",
                    network="dy_mobile",
                    field="params",
                    over={"dynamic": False},
                    divided=True,
                ),
                Evidence(
                    "the same without the classifier",
                    network="dy_mobile",
                    shape={"classes": 0},
                    field="params",
                    over={"dynamic": False, "classes": 0},
                    divided=True,
                ),
            ),
        ),
        Erratum(
            where="on CondConv",
            printed="fewer computations than CondConv",
            right="at an equal number of kernels the fusion costs the same, and the coefficients cost more: CondConv "
            "has one for each kernel, DyNet one for each kernel and output channel",
            evidence=(*_beside_condconv("aggregation"), *_beside_condconv("routing")),
        ),
    ),
    in_shape=_input,
    inputs=lambda named: 1 if named["pools"] else 2,
    samples=(
        {"mode": "training", "bias": True, "g_t": 3},
        {"coefficients": "block", "block_in": 20, "g_t": 3, "mode": "training"},
    ),
)
