"""Counters that hook modules, on a layer with each option that their rules read, next to their presets."""

from copy import deepcopy
from functools import partial
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from presets.beside import Calls
from presets.hooked import TOOLS, Case, calls, case, check
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import pack_padded_sequence

from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of

MAP = (2, 4, 7, 8)
VOLUME = (2, 4, 5, 6, 7)
# Steps, samples, features.
STEPS = (5, 2, 8)


class Rows(nn.Embedding):
    """A layer that computes by a function."""

    def forward(self, x: Tensor) -> Tensor:
        """The product with all rows."""
        out: Tensor = torch.matmul(x, self.weight)
        return out


class Scale(nn.Module):
    """A parameter with a name that torchinfo does not look for, and one with a name that has one of those."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.register_parameter(name, nn.Parameter(torch.ones(8)))

    def forward(self, x: Tensor) -> Tensor:
        """The product."""
        (scale,) = self.parameters()
        return x * scale


class Stretched(nn.AvgPool2d):
    """More outputs than there are windows in the input."""

    def forward(self, x: Tensor) -> Tensor:
        """Each output twice."""
        return super().forward(x).repeat_interleave(2, -1)


class Under(nn.Module):
    """A layer below one that has a rule. outside: also outside of it."""

    def __init__(self, outside: bool) -> None:
        super().__init__()
        self.above: Any = nn.ReLU()
        self.above.inner = nn.Linear(8, 8)
        if outside:
            self.outer = self.above.inner

    def forward(self, x: Tensor) -> Any:
        """Both layers."""
        return self.above(self.above.inner(x))


def _with_two() -> nn.Module:
    one = nn.Linear(8, 8)
    return nn.Sequential(nn.Sequential(one, nn.ReLU()), one)


def _in_lists() -> nn.Module:
    layer = nn.Linear(8, 8)
    module = Calls(lambda lists, x: lists[0](x), nn.ModuleList([layer]))
    module.more = nn.ModuleList([layer, nn.ModuleList([layer])])
    return module


def _root_with_rule() -> nn.Module:
    """A layer that has a rule, and calls another one before it runs."""
    module = nn.Linear(8, 6)
    module.inner = nn.Linear(8, 8)
    module.register_forward_pre_hook(lambda layer, args: layer.inner(args[0]))
    return module


def _by_name(layer: Any, name: str = "input") -> Any:
    return lambda: Calls(lambda one, x: one(**{name: x}), layer())


CASES: dict[str, Case] = {
    # Convolutions and products.
    "conv": case(lambda: nn.Conv2d(4, 6, (3, 2), groups=2), MAP),
    "conv1d": case(lambda: nn.Conv1d(4, 6, 3, bias=False), (2, 4, 9)),
    "conv3d": case(lambda: nn.Conv3d(4, 6, (1, 2, 3), groups=2), VOLUME),
    "conv, no batch": case(lambda: nn.Conv2d(4, 6, 3), MAP[1:]),
    "conv by name": case(_by_name(lambda: nn.Conv2d(4, 6, 3)), MAP, fails="thop"),
    "transposed": case(lambda: nn.ConvTranspose2d(4, 6, (3, 2), 2, groups=2), MAP),
    "transposed 3d": case(lambda: nn.ConvTranspose3d(4, 6, (3, 2, 1), 2, groups=2), VOLUME),
    "transposed, no batch": case(lambda: nn.ConvTranspose1d(4, 6, 3, 2), (4, 9)),
    "size by name": case(
        lambda: Calls(lambda one, x: one(output_size=(15, 17), input=x), nn.ConvTranspose2d(4, 6, 3, 2)),
        MAP, fails="thop",
    ),
    "spectral norm": case(lambda: nn.utils.spectral_norm(nn.Conv2d(4, 6, 3)), MAP),
    "weight norm": case(lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3)), MAP),
    "linear by name": case(_by_name(lambda: nn.Linear(8, 6)), MAP),
    "bilinear": case(lambda: nn.Bilinear(4, 5, 3), (2, 7, 4), (2, 7, 5)),
    # Norms and activations.
    **{
        str(one): case(partial(deepcopy, one), MAP)
        for one in (
            nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4),
            nn.LayerNorm(8), nn.LayerNorm(8, elementwise_affine=False), nn.RMSNorm(8), nn.PReLU(), nn.LeakyReLU(),
            nn.Softmax(0), nn.Softmax(1), nn.Softmax(-1), nn.LogSoftmax(-1), nn.Softmin(2), nn.Softmax2d(),
            nn.AvgPool2d(2), nn.AvgPool2d((3, 2), (2, 1)), nn.AvgPool2d(3, 2, 1), Stretched(3, 2),
            nn.AdaptiveAvgPool2d((3, 8)), nn.AdaptiveAvgPool2d((None, 3)),
            nn.UpsamplingBilinear2d(scale_factor=2), nn.UpsamplingNearest2d(scale_factor=2),
        )
    },
    **{
        f"{cls.__name__}, {axes} axes": case(cls, torch.ones((5, 3, 7, 2)[:axes]), fails=fails)
        for cls, fails in ((nn.Softmax, "thop"), (nn.LogSoftmax, ""), (nn.Softmin, ""))
        for axes in range(5)
    },
    "Softmax2d, no batch": case(nn.Softmax2d, MAP[1:]),
    "softmax of nothing": case(lambda: nn.Softmax(1), (2, 0), fails="thop"),
    "softmax of no rows": case(lambda: nn.Softmax(1), (0, 2)),
    # Pooling.
    **{
        f"average, {named}": case(partial(nn.AvgPool2d, **named), MAP)
        for named in (
            {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
            {"kernel_size": (3, 4), "stride": 3, "padding": (1, 2), "ceil_mode": True},
            {"kernel_size": (3, 4), "stride": 3, "padding": (1, 2), "ceil_mode": True, "count_include_pad": False},
        )
    },
    "average 1d": case(lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 4, 9)),
    "average 3d": case(lambda: nn.AvgPool3d(3, 2, 1), VOLUME),
    "average 3d, triples": case(lambda: nn.AvgPool3d((1, 2, 3), (1, 2, 1)), VOLUME),
    "average, no batch": case(lambda: nn.AvgPool2d(2), MAP[1:]),
    "adaptive 1d": case(lambda: nn.AdaptiveAvgPool1d(4), (2, 4, 9)),
    "adaptive 3d": case(lambda: nn.AdaptiveAvgPool3d((2, 6, 3)), VOLUME),
    "adaptive, no batch": case(lambda: nn.AdaptiveAvgPool2d(3), MAP[1:]),
    "adaptive to nothing": case(lambda: nn.AdaptiveAvgPool2d((0, 2)), MAP, fails="thop"),
    # Upsampling.
    **{
        f"upsample, {mode}": case(partial(nn.Upsample, scale_factor=2, mode=mode), (2, 4, 5, 3, 3)[:axes])
        for mode, axes in (
            ("nearest", 4), ("nearest-exact", 4), ("linear", 3), ("bilinear", 4), ("bicubic", 4), ("trilinear", 5),
        )
    },
    "upsample by name": case(_by_name(lambda: nn.Upsample(scale_factor=2)), MAP, fails="thop"),
    "upsample by name, trilinear": case(_by_name(lambda: nn.Upsample(None, 2, "trilinear")), VOLUME),
    # Recurrent layers.
    **{
        f"{cls.__name__}, {shape}": case(partial(cls, 8, 6, bias=bias), shape)
        for cls in (nn.RNNCell, nn.GRUCell, nn.LSTMCell)
        for shape, bias in (((3, 8), False), ((8,), True))
    },
    **{
        f"{cls.__name__}, {named}": case(partial(cls, 8, 6, **named), shape)
        for cls in (nn.RNN, nn.GRU, nn.LSTM)
        for shape, named in (
            (STEPS, {"bias": False}),
            (STEPS[::2], {"num_layers": 2}),
            (STEPS, {"num_layers": 3, "bidirectional": True, "batch_first": True}),
        )
    },
    "projected": case(lambda: nn.LSTM(8, 6, 2, proj_size=3, bidirectional=True), STEPS),
    "state first": case(
        lambda: Calls(lambda gru, x, h: gru(hx=h, input=x), nn.GRU(8, 6)), STEPS, (1, 2, 6), fails="thop",
    ),
    "states first": case(
        lambda: Calls(lambda lstm, x, h: lstm(hx=(h, h), input=x), nn.LSTM(8, 6)), STEPS, (1, 2, 6), fails="thop",
    ),
    # Which modules have rules, and how often they count.
    "shared": case(_with_two, MAP),
    "in several lists": case(_in_lists, MAP),
    "under a rule": case(partial(Under, False), MAP),
    "under a rule and outside": case(partial(Under, True), MAP),
    "under the outermost": case(_root_with_rule, MAP),
    "functions": calls(lambda x: x @ x.mT, MAP),
    "functions below a rule": case(lambda: Calls(lambda layer, x: layer(x), Rows(8, 3)), MAP),
    "functions of an embedding": case(lambda: Calls(lambda layer, x: x @ layer.weight, Rows(8, 3)), MAP),
    **{name: case(partial(Scale, name), MAP) for name in ("scale", "my_weight", "biases", "weight")},
    "a mapping": case(lambda: Calls(lambda layer, x: layer(x["a"]), nn.Linear(8, 6)), {"a": torch.ones(MAP)}),
    "sparse": case(
        lambda: Calls(lambda layer, x: layer(x["a"].to_dense() + x["b"]), nn.Linear(8, 6)),
        {"a": torch.eye(8).to_sparse(), "b": torch.ones(8)}, fails="torchinfo",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_layers(name: str) -> None:
    """The tools run beside the presets."""
    check(CASES[name], *TOOLS)


def test_pruned_parameters() -> None:
    """Torchinfo adds up masks, which are values; the others count 4 x 9 products for each of 2 x 6 x 5 x 6 outputs."""
    module = nn.Conv2d(4, 6, 3)
    prune.l1_unstructured(module, "weight", 0.5)  # type: ignore[no-untyped-call]
    log = log_of(module, (MAP,))
    for tool in ("thop", "ultralytics-thop"):
        assert sum(one.amount for one in RULES[tool](log)) == 4 * 9 * 2 * 6 * 5 * 6
    with pytest.raises(ToolFailsError, match="masks"):
        list(RULES["torchinfo"](log))


def test_packed_sequences() -> None:
    """Of 5 and 3 steps THOP takes the lengths, which are values; the other one counts the rows."""
    one = case(lambda: Calls(lambda rnn, x: rnn(pack_padded_sequence(x, torch.tensor([5, 3]))), nn.GRU(8, 6)), STEPS)
    check(one, "ultralytics-thop")
    with pytest.raises(ToolFailsError, match="lengths"):
        list(RULES["thop"](log_of(one.make(), one.args)))


@pytest.mark.parametrize(
    ("tool", "layer", "what"),
    [
        *(
            (tool, layer, what)
            for tool in ("thop", "ultralytics-thop")
            for layer, what in (
                (nn.BatchNorm2d(4), "batch norm"),
                (nn.InstanceNorm2d(4), "instance norm"),
                (nn.LayerNorm(8), "layer norm"),
            )
        ),
        ("ultralytics-thop", nn.GroupNorm(2, 4), "group norm"),
        ("ultralytics-thop", nn.RMSNorm(8), "RMS norm"),
        ("torchinfo", nn.Linear(8, 6), "products and biases"),
        ("torchinfo", nn.Conv2d(4, 6, 3), "products and biases"),
        ("torchinfo", nn.LayerNorm(8), "parameters of other layers, once per sample"),
        ("torchinfo", nn.LSTMCell(8, 6), "parameters of other layers, once per sample"),
    ],
)
def test_kinds_of_work(tool: str, layer: nn.Module, what: str) -> None:
    """The words of each kind, which users read."""
    shape = (2, 8) if isinstance(layer, nn.LSTMCell) else MAP
    assert {one.what for one in RULES[tool](log_of(layer, (shape,)))} == {what}
