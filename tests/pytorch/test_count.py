"""The counter, on modules with a cost worked out by hand, and compared with torch's own counter."""

import copy
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from flopcalc import FlopcalcError
from flopcalc.catalog.kernels import read_kernel_rules
from flopcalc.pytorch import count
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.failures import CHECK_INPUTS
from flopcalc.pytorch.counting.kernels import Work


def test_a_convolution_by_hand() -> None:
    """2 -> 4, 3x3, stride 2 on 5x7: output 3x4; 12 positions x 4 x 18 MACs."""
    found = count(nn.Conv2d(2, 4, 3, stride=2, padding=1), (1, 2, 5, 7))
    assert found.output == [(1, 4, 3, 4)]
    assert found.work[""] == Work(macs=12 * 4 * 18, adds=48, activations=48, reads=2 * 35 + 4 * 18 + 4, writes=48)
    assert found.own_params == {"": 4 * 18 + 4}
    assert found.steps == 1


@pytest.mark.parametrize(
    ("module", "shape", "macs"),
    [
        (nn.Conv1d(4, 6, 5, groups=2), (2, 4, 20), 2 * 16 * 6 * 2 * 5),
        (nn.Conv3d(2, 3, 3), (1, 2, 5, 5, 5), 27 * 3 * 2 * 27),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (1, 4, 5, 5), 25 * 4 * 6 * 9),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), (1, 4, 5, 5), 25 * 4 * 3 * 9),
        (nn.Linear(7, 5), (3, 7), 3 * 35),
        (nn.Linear(7, 5, bias=False), (3, 4, 7), 12 * 35),
        (nn.Bilinear(3, 4, 5), None, None),
    ],
)
def test_layers_by_hand(module: nn.Module, shape: tuple[int, ...] | None, macs: int | None) -> None:
    """Against arithmetic written out here, and against FlopCounterMode."""
    shapes = [shape] if shape else [(2, 3), (2, 4)]
    found = count(module, *shapes)
    with FlopCounterMode(display=False) as other, torch.no_grad():
        module(*(torch.zeros(one) for one in shapes))
    assert 2 * found.macs == other.get_total_flops() or shape is None
    if macs is not None:
        assert found.macs == macs


class Functional(nn.Module):
    """Calls functions, not modules; one module under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 4, 3, 3))
        self.inner = nn.Sequential(nn.Conv2d(8, 8, 1))
        self.again = self.inner

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.weight, padding=1)
        x = self.again(self.inner(x))
        out: Tensor = torch.einsum("nchw,mc->nmhw", x, self.weight.new_zeros(5, 8))
        return out


def test_functional_calls_belong_to_their_module() -> None:
    """Convolution and einsum are booked on the root; the shared module is counted each time it runs."""
    found = count(Functional(), (1, 4, 6, 6))
    assert found.work[""].macs == 36 * 8 * 36 + 36 * 5 * 8
    assert found.work["inner.0"].macs == 2 * 36 * 64
    assert found.own_params == {"": 8 * 36, "inner.0": 64 + 8}
    assert found.total("params") == sum(p.numel() for p in Functional().parameters())


def test_attention_and_lstm_are_not_missed() -> None:
    """Work that hooks on modules do not see: matrix products inside functions and fused modules."""
    n, length, width = 2, 10, 16
    attention = nn.MultiheadAttention(width, 4, batch_first=True)
    tokens = n * length
    products = tokens * width * (3 * width) + 2 * n * length * length * width + tokens * width * width
    assert count(attention, *[(n, length, width)] * 3).macs == products
    lstm = nn.LSTM(8, 16, batch_first=True)
    assert count(lstm, (n, length, 8)).macs == tokens * 4 * 16 * (8 + 16)


def test_an_encoder_layer_compared_with_torchs_counter() -> None:
    """FlopCounterMode on the meta device counts two for each multiply-accumulate."""
    with torch.device("meta"):
        module = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).eval()
        with FlopCounterMode(display=False) as other, torch.no_grad():
            torch.backends.mha.set_fastpath_enabled(False)
            module(torch.empty(2, 9, 32))
            torch.backends.mha.set_fastpath_enabled(True)
    found = count(module, (2, 9, 32))
    assert 2 * found.macs == other.get_total_flops()
    assert not found.uncounted


class Unknown(nn.Module):
    """Uses kernels without a rule: they iterate until they converge, so their work depends on the values."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.linalg.svdvals(x).sum() + torch.linalg.eigvalsh(x @ x.T)
        return out


def test_unknown_is_not_zero() -> None:
    """Kernels without a rule are listed, with the module that ran them."""
    found = count(nn.Sequential(Unknown()), (2, 8))
    assert {name for name, _ in found.uncounted} == {"aten._linalg_svd", "aten._linalg_eigh"}
    assert {where for _, where in found.uncounted} == {"0"}


def test_steps_follow_the_longest_chain() -> None:
    """Two branches of 1 and 2 convolutions, summed: 3 kernels in a row; views cost none."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.a(x[:, :2].transpose(2, 3)) + self.c(self.b(x))
            return out

    assert count(Branches(), (1, 2, 4, 4)).steps == 3


def _snapshot(module: nn.Module) -> Any:
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in module.modules()]
    state = {name: (id(t), t.device, t.clone()) for name, t in module.state_dict(keep_vars=True).items()}
    return hooks, [m.training for m in module.modules()], state


def _same(a: Any, b: Any) -> bool:
    hooks, training, state = a
    return bool(
        hooks == b[0]
        and training == b[1]
        and all(v[0] == b[2][k][0] and torch.equal(v[2], b[2][k][2]) for k, v in state.items())
    )


class Raises(nn.Module):
    """Raises an error of its own in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        if x.shape[0] < 2:
            raise ValueError("negative")
        return x


def test_nothing_is_left_behind() -> None:
    """Hooks, modes, training flags, parameters and statistics stay as they were, also on an error."""
    fine = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout())
    fine[2].eval()
    before = _snapshot(fine)
    count(fine, (2, 3, 4, 4))
    assert _same(before, _snapshot(fine))
    broken = Raises()
    before = _snapshot(broken)
    with pytest.raises(FlopcalcError, match="negative") as caught:
        count(broken, (1, 3, 4, 4))
    assert caught.value.code == "uncountable-module"
    assert _same(before, _snapshot(broken))
    assert torch.backends.mha.get_fastpath_enabled()
    # No mode stays active: a real forward works.
    assert broken(torch.zeros(2, 3, 4, 4)).device.type == "cpu"


class Shared(nn.Module):
    """One linear layer and one batch norm under two names each."""

    def __init__(self) -> None:
        super().__init__()
        self.a = self.b = nn.Linear(8, 8)
        self.norms = nn.ModuleList([nn.BatchNorm1d(8)] * 2)

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.b(self.a(x))
        if not hasattr(self, "seen"):
            self.register_buffer("seen", x.sum())
        out: Tensor = self.norms[1](self.norms[0](self.last))
        return out


def test_shared_modules_and_what_a_forward_sets() -> None:
    """A shared module runs twice, has its weights once, and keeps them; attributes of the forward are gone."""
    module = Shared()
    before = _snapshot(module)
    found = count(module, (2, 8))
    assert (found.macs, found.total("params")) == (2 * 2 * 64, 64 + 8 + 16)
    assert _same(before, _snapshot(module))
    assert isinstance(module.a.weight, nn.Parameter)
    assert not hasattr(module, "last")
    assert not hasattr(module, "seen")
    assert module(torch.zeros(2, 8)).device.type == "cpu"


def test_recurrent_layers_keep_their_lists_of_weights() -> None:
    """nn.GRU holds its weights in a list next to the parameters."""
    gru = nn.GRU(4, 6)
    found = count(gru, (5, 2, 4))
    assert found.macs == 10 * 3 * 6 * (4 + 6)
    assert not found.uncounted
    assert {weight.device.type for weight in gru._flat_weights} == {"cpu"}  # type: ignore[union-attr]
    assert gru(torch.zeros(5, 2, 4))[0].shape == (5, 2, 6)


def test_steps_see_writes_through_views() -> None:
    """clone, then three kernels into a slice of it, then one on the whole: 1 + 3 + 1 + 1 in a row."""

    class Slices(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.clone()
            y[:, :1].add_(x[:, :1].exp().exp().exp())
            return y.mul(2)

    assert count(Slices(), (2, 4)).steps == 5


def test_inputs_of_all_kinds() -> None:
    """The module's own dtype for shapes; keywords, dicts, lists, None."""

    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, items: list[Tensor], scale: Tensor | None = None, extra: Any = None) -> dict[str, Tensor]:
            assert extra["flag"] is True
            return {"out": self.linear(items[0]) if scale is None else self.linear(items[0]) * scale}

    found = count(Many(), [(2, 4)], None, extra={"flag": True})
    assert (found.macs, found.output) == (24, [(2, 3)])
    assert count(Many(), [torch.zeros(2, 4)], scale=(2, 3), extra={"flag": True}).total("muls") == 6
    half = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).to(torch.bfloat16)
    assert count(half, (1, 3, 5, 5)).macs == 25 * 12


def test_pooling_onto_any_grid() -> None:
    """7 columns onto 3: windows 0-3, 2-5, 4-7, each axis 9 taps; 2 channels."""
    found = count(nn.AdaptiveAvgPool2d(3), (1, 2, 7, 7))
    assert (found.total("adds"), found.total("other")) == (2 * 9 * 9, 2 * 9)
    assert not found.uncounted


def test_not_a_module() -> None:
    """Classes and numbers are refused in words."""
    wrong: tuple[Any, ...] = (42, nn.Linear)
    for what in wrong:
        with pytest.raises(FlopcalcError) as caught:
            count(what, (1, 2))
        assert caught.value.code == "uncountable-module"


def test_wrong_shape() -> None:
    """A clear error, not a traceback. On either device it is about the inputs, and not about values."""
    for on in ("auto", "meta", "cpu"):
        with pytest.raises(FlopcalcError, match="Conv2d") as caught:
            count_call(nn.Conv2d(3, 3, 1), ((1, 4, 4, 4),), on=on)
        assert caught.value.hint == CHECK_INPUTS


class OnTheFirst(nn.Linear):
    """Names the first GPU by its number."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(0) + x.to(0, torch.float64, True, copy=True) + x.to(torch.float32, True)
        out: Tensor = super().forward(x.to(self.weight.dtype)) + torch.zeros(4, device=0)
        return out


@pytest.mark.parametrize("on", ["meta", "cpu"])
@pytest.mark.parametrize("witness", ["trace", "dispatch"])
def test_a_device_by_its_number(on: Any, witness: Any) -> None:
    """As by its name, the count keeps the forward on its own device."""
    assert count_call(OnTheFirst(4, 4), ((1, 4),), on=on, witness=witness).macs == 16


RUNS: list[int] = []


class Noted(nn.Linear):
    """Notes each run, outside of the module."""

    def forward(self, x: Tensor) -> Tensor:
        RUNS.append(len(RUNS))
        return super().forward(x).relu()


def test_a_wrong_rule_of_the_user_ends_the_count() -> None:
    """No other device and no other way to read the inputs makes it right, so the forward runs once."""
    RUNS.clear()
    with pytest.raises(FlopcalcError, match="aten::relu") as caught:
        count_call(Noted(4, 4), ((1, 4),), kernels=read_kernel_rules({"aten::relu": "x_9"}))
    assert caught.value.code == "bad-kernel-rule"
    assert RUNS == [0]


def test_counting_a_large_model_needs_no_memory() -> None:
    """A layer of 40 GB on the meta device."""
    with torch.device("meta"):
        module = nn.Linear(100_000, 100_000)
    assert count(module, (1, 100_000)).macs == 10**10
    assert count(copy.deepcopy(module), (8, 100_000)).macs == 8 * 10**10


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_padding_modes_move_data_and_are_counted(mode: Any) -> None:
    """A padding of its own is a copy: what is read, and what is written; nothing is left uncounted."""
    conv = nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode, bias=False)
    found = count(conv, (2, 3, 8, 6))
    assert not found.uncounted
    # The copy reads 3 x 8 x 6 and writes 3 x 10 x 8; the convolution reads that and its weights.
    traffic = 2 * 3 * (8 * 6 + 10 * 8) + 2 * 3 * 10 * 8 + 4 * 3 * 9 + 2 * 4 * 8 * 6
    assert (found.macs, found.total("traffic"), found.steps) == (2 * 8 * 6 * 4 * 27, traffic, 2)
