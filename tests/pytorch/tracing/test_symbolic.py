"""Closed forms of modules against forms that were worked out by hand, and what a module fixes."""

import random
from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import fresh
from torch import nn
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError
from flopcalc.networks.inputs import Input
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.tracing.axes import axes_of
from flopcalc.pytorch.tracing.extents import quotient
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, counted_at, symbolic_network
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope


class Of(nn.Module):
    """A function of (self, x), and modules and parameters for it."""

    def __init__(self, function: Callable[..., Any], **held: Any) -> None:
        super().__init__()
        for name, value in held.items():
            setattr(self, name, value)
        self.function = function

    def forward(self, *given: Any) -> Any:
        """The function."""
        return self.function(self, *given)


def _points(names: str, count: int = 40, least: int = 1) -> list[dict[str, int]]:
    draws = random.Random(7)  # noqa: S311 - not for secrets
    return [
        {name: draws.choice((1, 2, 3, 5)) if name == "N" else draws.randint(least, 300) for name in names}
        for _ in range(count)
    ]


def _agrees(found: SymbolicNetwork, kind: str, by_hand: Callable[..., int], least: int = 1) -> None:
    """The form and the formula by hand are the same at many sizes, odd ones included."""
    names = "".join(found.symbols)
    met = 0
    for point in _points(names, least=least):
        if found.allows(point):
            met += 1
            assert evaluate(found.network.total(kind), point) == by_hand(**point), point
    assert met >= 20


def test_a_convolution() -> None:
    """8 x 3 x 9 weights at each place of the halved map, and a bias for each element of it."""
    found = symbolic_network(nn.Conv2d(3, 8, 3, 2, 1), (3, 32, 32))
    assert found.symbols == {"N": "batch", "H": "height", "W": "width"}
    _agrees(found, "macs", lambda N, H, W: 216 * N * ((H + 1) // 2) * ((W + 1) // 2))  # noqa: N803
    _agrees(found, "adds", lambda N, H, W: 8 * N * ((H + 1) // 2) * ((W + 1) // 2))  # noqa: N803
    reads = 216 + 8
    _agrees(
        found,
        "traffic",
        lambda N, H, W: 3 * N * H * W + reads + 8 * N * ((H + 1) // 2) * ((W + 1) // 2),  # noqa: N803
    )
    assert found.network.total("params") == 224
    assert repr(found.network).endswith("224 params, 216*N*ceil(H/2)*ceil(W/2) MACs, input 3xHxW, batch N>")
    assert str(found.network.total("macs")) == "216*N*ceil(H/2)*ceil(W/2)"
    assert found.scope.conditions == []


def test_an_encoder_layer() -> None:
    """Width 32, inner width 64: four projections, two layers, and two products over all pairs of tokens."""
    found = symbolic_network(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), (10, 32))
    assert found.symbols == {"N": "batch", "T": "tokens"}
    _agrees(found, "macs", lambda N, T: N * T * (4 * 32 * 32 + 2 * 32 * 64) + 2 * N * T * T * 32)  # noqa: N803


def test_maps_that_change_their_size() -> None:
    """Ceiling pooling, a transposed convolution, interpolation by 1.5, pixels shuffled, a mean over what is left."""
    layers = nn.Sequential(
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.ConvTranspose2d(4, 8, 4, 2, 1),
        nn.Upsample(scale_factor=1.5),
        nn.PixelShuffle(2),
        nn.Conv2d(2, 1, 3),
        nn.AdaptiveAvgPool2d(1),
    )
    found = symbolic_network(layers, (4, 40, 40))

    def pooled(size: int) -> int:
        # Windows of 3 by steps of 2; the last one may pass the end.
        return -(-(size - 3) // 2) + 1

    def macs(N: int, H: int, W: int) -> int:  # noqa: N803
        h, w = pooled(H), pooled(W)
        rows, columns = (2 * (3 * 2 * size // 2) - 2 for size in (h, w))
        return N * (h * w * 4 * 8 * 16 + rows * columns * 18)

    _agrees(found, "macs", macs, least=8)


def test_a_map_padded_to_windows() -> None:
    """Both ways to write the padding, and a linear layer on each window."""

    def forward(self: Any, x: Any) -> Any:
        n, c, h, w = x.shape
        x = F.pad(x, (0, (7 - w % 7) % 7, 0, -h % 7))
        rows, columns = x.shape[2] // 7, x.shape[3] // 7
        x = x.view(n, c, rows, 7, columns, 7).permute(0, 2, 4, 3, 5, 1).reshape(-1, 49, c)
        return self.fc(x)

    found = symbolic_network(Of(forward, fc=nn.Linear(6, 5)), (6, 30, 30))
    _agrees(found, "macs", lambda N, H, W: 30 * N * (-(-H // 7) * 7) * (-(-W // 7) * 7))  # noqa: N803


def test_a_turned_map_padded_to_windows() -> None:
    """Torch pads to a contiguous map, or copies the turned one as it lies: these are two paths with other copies."""

    def forward(self: Any, x: Any) -> Any:
        return self.fc(F.pad(x.transpose(2, 3), (0, -x.shape[2] % 7)).flatten(2).transpose(1, 2))

    module = Of(forward, fc=nn.Linear(6, 5))
    found = symbolic_network(module, (6, 30, 32))
    points = [{"N": 2, "H": size, "W": 32} for size in range(27, 37)]
    assert [point["H"] for point in points if not found.allows(point)] == [28, 35]
    for point in filter(found.allows, points):
        works = count_call(module, ((2, 6, point["H"], 32),)).work.values()
        assert evaluate(found.network.total("traffic"), point) == sum(one.reads + one.writes for one in works)


def test_same_padding_as_tensorflow_has_it() -> None:
    """The size of the result is the size over the stride, rounded up."""

    def forward(self: Any, x: Any) -> Any:
        pads = []
        for size in (x.shape[3], x.shape[2]):
            more = max((-(-size // 2) - 1) * 2 + 5 - size, 0)
            pads += [more // 2, more - more // 2]
        return self.conv(F.pad(x, pads))

    found = symbolic_network(Of(forward, conv=nn.Conv2d(1, 2, 5, 2)), (1, 31, 31))
    _agrees(found, "macs", lambda N, H, W: 50 * N * ((H + 1) // 2) * ((W + 1) // 2))  # noqa: N803


def test_a_condition_is_part_of_the_form() -> None:
    """Without padding a window must fit, and a map in windows of 4 has a multiple of 4 rows."""
    found = symbolic_network(nn.Conv2d(3, 8, 5), (3, 32, 32))
    assert found.allows({"N": 1, "H": 5, "W": 9})
    assert not found.allows({"N": 1, "H": 4, "W": 9})

    def forward(self: Any, x: Any) -> Any:
        assert x.shape[2] % 4 == 0
        return self.fc(x.unflatten(2, (-1, 4)))

    windows = symbolic_network(Of(forward, fc=nn.Linear(32, 2)), (3, 32, 32), vary=["height"])
    assert windows.fixed == ()
    assert [size for size in range(1, 20) if windows.allows({"H": size})] == [4, 8, 12, 16]
    assert evaluate(windows.network.total("macs"), {"H": 12}) == 3 * 12 * 32 * 2


def test_two_paths() -> None:
    """The form is that of the path that the reference point takes."""

    def forward(self: Any, x: Any) -> Any:
        return self.large(x) if x.shape[1] > 64 else self.small(x)

    module = Of(forward, large=nn.Linear(4, 100), small=nn.Linear(4, 10))
    below, above = symbolic_network(module, (20, 4)), symbolic_network(module, (100, 4))
    assert [below.allows({"N": 1, "T": size}) for size in (64, 65)] == [True, False]
    assert [above.allows({"N": 1, "T": size}) for size in (64, 65)] == [False, True]
    point = {"N": 3, "T": 50}
    assert (evaluate(below.network.total("macs"), point), evaluate(above.network.total("macs"), point)) == (6000, 60000)


def test_a_quotient_under_an_equality() -> None:
    """Where H is W, (H H + H N)/W is H + N; without, W must be a number."""
    scope = Scope({"N": 2, "H": 224, "W": 224})
    n, height, width = (scope.symbol(name) for name in "NHW")
    assert height == width
    found = quotient(height * height + height * n, width)
    assert evaluate(found, {"N": 5, "H": 7, "W": 7}) == 12
    assert len(scope.conditions) == 1


# What a module fixes ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["add", "add_", "div_", "atan2_"])
def test_a_position_embedding_fixes_the_tokens(method: str) -> None:
    """The axis, its value and the parameter; the batch stays. So it is where the map is changed in place."""

    def forward(self: Any, x: Any) -> Any:
        return self.fc(getattr(x * 2, method)(self.position))

    module = Of(forward, fc=nn.Linear(8, 3), position=nn.Parameter(torch.zeros(16, 8)))
    found = symbolic_network(module, (16, 8))
    (fixed,) = found.fixed
    assert fixed[:5] == ("T", "tokens", 16, "position", "the parameter has this size")
    assert fixed.place.startswith("position in test_symbolic.py:")
    assert found.symbols == {"N": "batch"}
    assert str(found.network.total("macs")) == "384*N"


def test_an_axis_of_one_element_may_be_fixed() -> None:
    """A linear layer from 1 row to 3 on each of 5 channels and of all columns."""
    found = symbolic_network(Of(lambda self, x: self.fc(x.transpose(2, 3)), fc=nn.Linear(1, 3)), (5, 1, 16))
    assert [(one.name, one.value, one.by) for one in found.fixed] == [("height", 1, "fc.weight")]
    assert str(found.network.total("macs")) == "15*N*W"


def test_patches_fix_height_and_width() -> None:
    """14 x 14 patches of 16, and a head on all of them."""
    layers = nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
    found = symbolic_network(layers, (3, 224, 224))
    assert [(one.name, one.value, one.by) for one in found.fixed] == [
        ("height", 224, "2.weight"),
        ("width", 224, "2.weight"),
    ]
    assert evaluate(found.network.total("macs"), {"N": 5}) == 5 * (196 * 8 * 768 + 8 * 196 * 10)


def test_a_size_that_is_needed_as_a_number() -> None:
    """int() of a size leaves no symbol: the line is named."""

    def forward(self: Any, x: Any) -> Any:
        return self.fc(x[:, : int(x.shape[1] / 2)])

    found = symbolic_network(Of(forward, fc=nn.Linear(4, 3)), (12, 4))
    assert [(one.name, one.value) for one in found.fixed] == [("tokens", 12)]
    assert found.fixed[0].why == "it needs a size as a number"
    assert found.fixed[0].line.startswith("test_symbolic.py:")
    assert str(found.network.total("macs")) == "72*N"


def test_the_reason_is_that_of_the_path_that_is_taken() -> None:
    """Other sizes would be fixed too, by a line that does not run at the size that was asked for."""

    def forward(self: Any, x: Any) -> Any:
        return self.fc(x + self.position if x.shape[1] == 16 else x[:, : int(x.shape[1] / 2)])

    module = Of(forward, fc=nn.Linear(8, 3), position=nn.Parameter(torch.zeros(16, 8)))
    found = symbolic_network(module, (16, 8))
    assert [(one.name, one.value) for one in found.fixed] == [("tokens", 16)]
    assert found.fixed[0].why != "it needs a size as a number"
    assert str(found.network.total("macs")) == "384*N"


def test_a_loop_over_tokens_fixes_them() -> None:
    """Each turn is a kernel of its own."""

    def forward(self: Any, x: Any) -> Any:
        return sum(self.fc(x[:, place]) for place in range(x.shape[1]))

    found = symbolic_network(Of(forward, fc=nn.Linear(4, 3)), (6, 4))
    assert [(one.name, one.value) for one in found.fixed] == [("tokens", 6)]
    assert str(found.network.total("macs")) == "72*N"


def test_a_batch_of_one() -> None:
    """A view that is for one sample only."""
    found = symbolic_network(Of(lambda self, x: self.fc(x.view(1, x.shape[1], 4)), fc=nn.Linear(4, 3)), (6, 4))
    assert [(one.name, one.value) for one in found.fixed] == [("batch", 1)]
    assert str(found.network.total("macs")) == "12*T"


@pytest.mark.parametrize("batch", [1, 3])
def test_a_loop_over_the_batch_fixes_it(batch: int) -> None:
    """The batch alone: the tokens stay."""
    module = Of(lambda self, x: sum(self.fc(x[place]) for place in range(x.shape[0])), fc=nn.Linear(4, 3))
    found = symbolic_network(module, (6, 4), batch)
    assert [(one.name, one.value) for one in found.fixed] == [("batch", batch)]
    assert str(found.network.total("macs")) == f"{12 * batch}*T"


def test_a_square_of_sevens_takes_a_path_of_its_own() -> None:
    """Neither sizes next to it nor the square itself have the common path: multiples that differ do."""

    def forward(self: Any, x: Any) -> Any:
        assert x.shape[2] % 7 == x.shape[3] % 7 == 0
        return self.conv(x) if x.shape[2] == x.shape[3] else 2 * self.conv(x)

    found = symbolic_network(Of(forward, conv=nn.Conv2d(3, 4, 1)), (3, 14, 14))
    assert found.fixed == ()
    assert str(found.network.total("macs")) == "12*N*H*W"
    assert found.allows({"N": 1, "H": 7, "W": 21})
    assert not found.allows({"N": 1, "H": 7, "W": 7})


def test_what_has_no_form() -> None:
    """Values that decide, with the line; and what cannot be counted at all says that."""

    def forward(self: Any, x: Any) -> Any:
        return self.fc(x) if x.sum() > 0 else x

    with pytest.raises(FlopcalcError, match=r"reads values.*test_symbolic\.py") as caught:
        symbolic_network(Of(forward, fc=nn.Linear(4, 3)), (6, 4))
    assert caught.value.code == "no-closed-form"
    with pytest.raises(FlopcalcError) as caught:
        symbolic_network(nn.Linear(5, 3), (6, 4))
    assert caught.value.code == "uncountable-module"
    for first, last in ((2, 1), (3, 3), (0, -4)):
        with pytest.raises(FlopcalcError) as caught:
            symbolic_network(nn.Flatten(first, last), (6, 4))
        assert caught.value.code == "uncountable-module"


# Named axes ------------------------------------------------------------------------------------


def test_axes_by_name() -> None:
    """Only those that are named vary; the others stay numbers."""
    conv = nn.Conv2d(3, 8, 3, padding=1)
    found = symbolic_network(conv, (3, 10, 12), 4, vary=["width"])
    assert found.symbols == {"W": "width"}
    assert str(found.network.total("macs")) == f"{216 * 4 * 10}*W"
    assert found.network.batch == 4
    volume = symbolic_network(nn.Conv3d(1, 2, 3, padding=1), (1, 4, 5, 6), vary=["frames", "batch"])
    assert volume.symbols == {"N": "batch", "D": "depth"}
    assert str(volume.network.total("macs")) == f"{54 * 30}*N*D"


@pytest.mark.parametrize(("vary", "has"), [(["tokens"], "batch, height, width"), (["hight"], "batch, height, width")])
def test_an_axis_that_is_not_there(vary: list[str], has: str) -> None:
    """The error lists those that are."""
    with pytest.raises(FlopcalcError, match=f"no axis '?{vary[0]}'? to vary") as caught:
        symbolic_network(nn.Conv2d(3, 8, 3), (3, 10, 10), vary=vary)
    assert has in caught.value.hint


def test_the_batch_is_an_axis_unless_it_is_a_list() -> None:
    """As for every input but a list of images."""
    inputs = [Input((3, 8, 9))]
    assert [axis[:3] for axis in axes_of(inputs, 2)] == [("N", "batch", 2), ("H", "height", 8), ("W", "width", 9)]
    assert [axis.symbol for axis in axes_of(inputs, 2, batched=False)] == ["H", "W"]


def test_several_inputs() -> None:
    """Axes of one size are one axis, and others are not."""

    def forward(self: Any, query: Any, key: Any, mask: Any) -> Any:
        return torch.softmax(query @ key.transpose(1, 2) + mask[:, :, None], 2) @ self.fc(key)

    inputs = [Input((7, 4)), Input((9, 4)), Input((7,))]
    found = symbolic_network(Of(forward, fc=nn.Linear(4, 4)), inputs)
    assert found.symbols == {"N": "batch", "T": "tokens", "T2": "tokens"}
    for point in ({"N": 2, "T": 5, "T2": 8}, {"N": 3, "T": 10, "T2": 10}):
        expected = point["N"] * (2 * point["T"] * point["T2"] * 4 + point["T2"] * 16)
        assert evaluate(found.network.total("macs"), point) == expected
        assert counted_at(found, Of(forward, fc=nn.Linear(4, 4)), inputs, 1, point).macs == expected


def test_channels_before_the_length() -> None:
    """A sample of two axes is tokens and channels, unless the module fixes the first one."""
    found = symbolic_network(nn.Conv1d(3, 8, 5, 2), (3, 100))
    assert found.symbols == {"N": "batch", "T": "length"}
    _agrees(found, "macs", lambda N, T: 120 * N * ((T - 5) // 2 + 1), least=5)  # noqa: N803


def test_keywords_of_a_forward() -> None:
    """As for a count: by name, with a dtype."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.fc = nn.Embedding(10, 4), nn.Linear(4, 2)

        def forward(self, ids: Any) -> Any:
            return self.fc(self.table(ids))

    found = symbolic_network(Model(), {"ids": "6:int64"})
    assert str(found.network.total("macs")) == "8*N*T"


# Cost of the form itself -------------------------------------------------------------------------


def test_expressions_do_not_grow_with_the_depth() -> None:
    """A module of ten times the layers has the same factors: neither memory nor time grow faster than the layers."""

    def atoms(depth: int) -> int:
        layers = [nn.Conv2d(3, 3, 3, 2 if index < 3 else 1, 1) for index in range(depth)]
        found = symbolic_network(nn.Sequential(*layers), (3, 64, 64))
        assert len(found.network.layers) == depth
        return len(found.scope.atoms)

    assert atoms(400) == atoms(40)


def test_nothing_heavy_is_loaded() -> None:
    """Neither SymPy nor torch's compiler."""
    done = fresh(
        "import sys\nfrom torch import nn\nfrom flopcalc.pytorch.tracing.symbolic import symbolic_network\n"
        "net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),"
        " nn.Linear(8, 2))\nsymbolic_network(net, (3, 32, 32))\n"
        "symbolic_network(nn.TransformerEncoderLayer(32, 4, batch_first=True), (10, 32))\n"
        "sys.exit(9 if {'sympy', 'torch._dynamo'} & set(sys.modules) else 0)"
    )
    assert done.code == 0, done.err


def _is_counted(found: SymbolicNetwork, module: nn.Module, shape: Any, points: list[dict[str, int]]) -> None:
    """The form has the ordinary count in each kind."""
    for point in points:
        assert found.allows(point)
        counted = counted_at(found, module, shape, 1, point)
        for kind in ("params", "macs", "activations", "traffic", "adds", "muls", "other"):
            assert evaluate(found.network.total(kind), point) == counted.total(kind), (kind, point)


def test_a_grid_made_on_the_cpu() -> None:
    """As optical flow has it: rows and columns, stacked, repeated, and brought to the device; 2 x 3 weights."""

    def forward(self: Any, x: Any) -> Any:
        n, _, h, w = x.shape
        grid = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")[::-1], 0)
        return self.conv(grid.float()[None].repeat(n, 1, 1, 1).to(x.device))

    module = Of(forward, conv=nn.Conv2d(2, 3, 1))
    found = symbolic_network(module, (3, 8, 6))
    _agrees(found, "macs", lambda N, H, W: 6 * N * H * W, least=2)  # noqa: N803
    _is_counted(found, module, (3, 8, 6), [{"N": 2, "H": 7, "W": 9}, {"N": 3, "H": 16, "W": 5}])


def test_a_constant_repeated_for_a_batch() -> None:
    """It has a size of its own, and is on the CPU: 4 products for each of its 2 rows."""

    def forward(self: Any, x: Any) -> Any:
        return torch.ones(2, 4).repeat(x.shape[0], 1) @ self.weight

    module = Of(forward, weight=nn.Parameter(torch.ones(4)))
    found = symbolic_network(module, (2, 4))
    _agrees(found, "macs", lambda N, T: 8 * N)  # noqa: N803
    _is_counted(found, module, (2, 4), [{"N": 3, "T": 2}, {"N": 7, "T": 9}])


def test_positions_by_complex_numbers() -> None:
    """As LLaMA has them: a table of 32 positions, of which the first T rotate the pairs; 8 x 8 weights."""

    def forward(self: Any, x: Any) -> Any:
        n, t, _ = x.shape
        pairs = torch.view_as_complex(self.fc(x).reshape(n, t, 4, 2))
        return torch.view_as_real(pairs * self.table[:t]).flatten(2)

    module = Of(forward, fc=nn.Linear(8, 8, bias=False), table=torch.polar(torch.ones(32, 4), torch.ones(32, 4)))
    found = symbolic_network(module, (6, 8))
    assert found.symbols == {"N": "batch", "T": "tokens"}
    assert str(found.network.total("macs")) == "64*N*T"
    points = [{"N": 2, "T": 5}, {"N": 3, "T": 32}]
    _is_counted(found, module, (6, 8), points)
    # A product of complex numbers is four muls and two adds.
    assert all(evaluate(found.network.total("muls"), point) == 16 * point["N"] * point["T"] for point in points)
    assert not found.allows({"N": 2, "T": 33})


def test_a_fourier_transform_of_a_fixed_axis() -> None:
    """8 real numbers: 3/2 x 8 x 3 adds and 8 x 3 muls for each of N T rows, then 8 sums, and a layer with its bias."""

    def forward(self: Any, x: Any) -> Any:
        return self.fc(x + torch.fft.fft(x, dim=-1).real)

    module = Of(forward, fc=nn.Linear(8, 8))
    found = symbolic_network(module, (6, 8))
    _agrees(found, "macs", lambda N, T: 64 * N * T)  # noqa: N803
    _agrees(found, "adds", lambda N, T: (36 + 8 + 8) * N * T)  # noqa: N803
    _agrees(found, "muls", lambda N, T: 24 * N * T)  # noqa: N803
    _is_counted(found, module, (6, 8), [{"N": 1, "T": 5}, {"N": 3, "T": 4}])


def test_a_fourier_transform_fixes_its_axes() -> None:
    """The levels of a transform are no form of its size; the batch varies. 6 x 6 weights at 8 x 5 frequencies."""

    def forward(self: Any, x: Any) -> Any:
        found = torch.fft.rfft2(x, norm="ortho")
        both = self.conv(torch.cat([found.real, found.imag], 1))
        return torch.fft.irfft2(torch.complex(*both.chunk(2, 1)), s=x.shape[-2:], norm="ortho")

    module = Of(forward, conv=nn.Conv2d(6, 6, 1))
    found = symbolic_network(module, (3, 8, 8))
    assert [(one.name, one.value) for one in found.fixed] == [("height", 8), ("width", 8)]
    assert str(found.network.total("macs")) == "1440*N"
    _is_counted(found, module, (3, 8, 8), [{"N": 2}, {"N": 3}])


def test_random_numbers_of_symbolic_sizes() -> None:
    """On the device of the input and on the CPU; integers and permutations. 8 x 8 weights for each token."""

    def forward(self: Any, x: Any) -> Any:
        n, t, _ = x.shape
        kept = x * (torch.rand(n, t, 1, device=x.device) > 0.5)
        shuffled = kept[:, torch.randperm(t)] + torch.randn(n, 1, 8).to(x.device)
        return self.fc(shuffled) * torch.randint(0, 2, (n, 1, 1), device=x.device)

    module = Of(forward, fc=nn.Linear(8, 8))
    found = symbolic_network(module, (6, 8))
    assert found.fixed == ()
    _agrees(found, "macs", lambda N, T: 64 * N * T)  # noqa: N803
    _is_counted(found, module, (6, 8), [{"N": 2, "T": 5}, {"N": 3, "T": 9}])


def test_a_length_next_to_tokens_has_a_symbol_of_its_own() -> None:
    """Where the first input may be channels and length, the second one has tokens: 5 weights for each of 6."""

    def forward(self: Any, x: Any, mask: Any) -> Any:
        scores = self.fc(x)
        for at in range(x.shape[1]):
            scores = torch.where(mask[:, at, None, None], scores, -scores)
        return scores

    found = symbolic_network(Of(forward, fc=nn.Linear(8, 5)), [Input((6, 8)), Input((6,), "bool")])
    assert [one.name for one in found.fixed] == ["tokens"]
    assert str(found.network.total("macs")) == "240*N"


def test_a_layer_that_is_made_in_a_first_pass() -> None:
    """The first pass has symbolic sizes, too: 3 planes of H x W in a row, whose sums have 5 weights each."""

    def forward(self: Any, x: Any) -> Any:
        return self.fc(x.movedim(1, 3).unfold(1, 2, 2).unfold(2, 2, 2).flatten(3).flatten(1, 2))

    module = Of(forward, fc=nn.LazyLinear(5))
    found = symbolic_network(module, (3, 8, 12))
    assert found.fixed == ()
    assert found.network.total("params") == 3 * 4 * 5 + 5
    at = {"N": 2, "H": 6, "W": 10}
    assert evaluate(found.network.total("macs"), at) == 2 * 3 * 5 * 12 * 5
    _is_counted(found, module, (3, 8, 12), [at, {"N": 3, "H": 9, "W": 4}])


def test_a_condition_inside_of_vmap() -> None:
    """A tensor there does not show its storage: 8 weights for each token, with a factor for each head."""

    def forward(self: Any, x: Any) -> Any:
        return torch.vmap(lambda head, weight: self.fc(head * weight).sum(0), in_dims=(1, 0))(x, self.factors)

    module = Of(forward, fc=nn.Linear(8, 8))
    module.factors = nn.Parameter(torch.ones(4, 8))
    found = symbolic_network(module, (4, 8))
    assert [(one.name, one.value) for one in found.fixed] == [("tokens", 4)]
    assert str(found.network.total("macs")) == "256*N"


CELLS = {"LSTM": 4, "GRU": 3, "RNN": 1}


@pytest.mark.parametrize("kind", CELLS)
def test_recurrent_layers(kind: str) -> None:
    """Of each sample 6 steps in two directions, with 8 + 4 weights for each of 4 states; and the same of a cell."""
    layer = getattr(nn, kind)(8, 4, batch_first=True, bidirectional=True)
    found = symbolic_network(layer, (6, 8))
    assert [(one.name, one.value) for one in found.fixed] == [("tokens", 6)]
    assert str(found.network.total("macs")) == f"{CELLS[kind] * 2 * 6 * (8 + 4) * 4}*N"
    _is_counted(found, layer, (6, 8), [{"N": 2}, {"N": 5}])
    cell = getattr(nn, f"{kind}Cell")(8, 4)
    found = symbolic_network(cell, (8,), vary=["batch"])
    assert str(found.network.total("macs")) == f"{CELLS[kind] * (8 + 4) * 4}*N"
    _is_counted(found, cell, (8,), [{"N": 2}, {"N": 5}])
