"""What the tracer must not do: miss work, hide errors, change the process; and what it leaves to the mode below it."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from flopcalc import FlopcalcError
from flopcalc.catalog.kernels import KernelRule
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.tracing.functions import RULES

# 3 -> 16 channels, 3x3, on 8x8, and a linear layer 16 -> 10.
CONV, FC = 64 * 16 * 27, 160


class Of(nn.Module):
    """A convolution, a linear layer, and a function of (self, x)."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 16, 3, padding=1), nn.Linear(16, 10)
        self.function = function

    def forward(self, x: Any) -> Any:
        """The function."""
        return self.function(self, x)


def _same(function: Callable[[Any, Any], Any], on: str = "meta") -> Any:
    """The count, which is the same by both witnesses."""
    traced, dispatched = (
        count_call(Of(function), ((1, 3, 8, 8),), witness=witness) for witness in ("trace", "dispatch")
    )
    assert asdict(traced) == asdict(dispatched)
    assert traced.on == on
    return traced


def _plain(self: Any, x: Any) -> Any:
    return self.fc(F.relu(self.conv(x)).mean((2, 3)))


def test_common_functions_need_no_kernel(kernels: list[Any]) -> None:
    """Counting is fast because rules apply: no kernel reaches the dispatch mode."""
    found = count_call(Of(_plain), ((1, 3, 8, 8),))
    assert found.macs == CONV + FC
    assert not kernels


def _with_out(self: Any, x: Any) -> Any:
    y = self.conv(x)
    torch.add(y, y, out=(z := torch.empty_like(y)))
    torch.mul(z, 2, out=y)
    torch.exp(y, out=z)
    torch.sigmoid(z, out=y)
    torch.eq(y, z, out=torch.empty_like(y, dtype=torch.bool))
    w = torch.matmul(y, z, out=torch.empty_like(y))
    return torch.add(w, z, alpha=2)


def _in_place(self: Any, x: Any) -> Any:
    y = self.conv(x)
    y += 1
    y *= y
    y.relu_().add_(y, alpha=3).clamp_(0, 1)
    y[:, 0] = 0.0
    y[:, 1] = y[:, 2]
    y[y > 0] = 1.0
    y.transpose_(2, 3)
    return torch.sigmoid_(y)


def _unusual(self: Any, x: Any) -> Any:
    y = self.conv(x)
    a = torch.cat(tensors=(y, y), dim=1).transpose(1, 3) @ self.fc.weight.new_ones(32, 4)
    b = F.softmax(y, dim=1, dtype=torch.float64).to(torch.float16) + y
    c = F.linear(y.permute(0, 2, 3, 1), self.fc.weight, self.fc.bias)
    d = torch.where(y > 0, y, torch.zeros_like(y)).softmax(1) / 3 // 2
    return a, b, c, d, y.expand(4, -1, -1, -1).relu(), y.reshape(16, 64).t().reshape(8, 128), y.mean()


def _mixed(self: Any, x: Any) -> Any:
    y = self.conv(x)
    whole = torch.arange(8, device=x.device)
    return y * whole, whole / 2, whole + 1.5, y.double() + y, y.half() * 2, ~(whole > 3), y * torch.tensor(2.0)


def _attends(self: Any, x: Any) -> Any:
    y = self.conv(x).flatten(2).transpose(1, 2).reshape(2, 32, 2, 8).transpose(1, 2)
    mask = torch.ones(32, 32, device=x.device)
    one = F.scaled_dot_product_attention(y, y, y)
    two = F.scaled_dot_product_attention(y, y, y, attn_mask=mask)
    return one, two, F.scaled_dot_product_attention(y, y, y, is_causal=True, scale=0.1)


def _attends_in_other_shapes(self: Any, x: Any) -> Any:
    y = self.conv(x).flatten(2)
    heads = y.reshape(2, 32, 2, 8).transpose(1, 2)
    one, two = F.scaled_dot_product_attention(y, y, y), F.scaled_dot_product_attention(y[0], y[0], y[0])
    return one, two, F.scaled_dot_product_attention(heads[:1], heads, heads)


def _attends_to_itself(self: Any, x: Any) -> Any:
    y = self.conv(x).flatten(2).permute(2, 0, 1).contiguous()
    weight, bias = y.new_ones(48, 16), y.new_ones(48)
    out, scores = F.multi_head_attention_forward(
        y, y, y, 16, 4, weight, bias, None, None, False, 0.0, weight[:16], bias[:16], False, need_weights=False
    )
    assert out.shape == (64, 1, 16)
    assert scores is None
    return out


@pytest.mark.parametrize(
    "function",
    [_with_out, _in_place, _unusual, _mixed, _attends, _attends_in_other_shapes, _attends_to_itself],
)
def test_forms(function: Callable[[Any, Any], Any]) -> None:
    """Arguments by name, out=, in place, promotion, expanded and transposed tensors, attention."""
    _same(function)


def _caught(self: Any, x: Any) -> Any:
    for wrong in (lambda: F.linear(x, self.fc.weight), lambda: x + x[:, :2], lambda: x @ x[:, :2], lambda: x.view(5)):
        try:
            wrong()
        except RuntimeError:
            continue
        raise AssertionError("torch accepts what it should not")
    return _plain(self, x)


POOLS = [
    nn.MaxPool2d(2),
    nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    nn.MaxPool2d(2, dilation=2),
    nn.AdaptiveAvgPool2d(1),
    nn.AdaptiveAvgPool2d((1, None)),
    nn.AdaptiveAvgPool2d(3),
    nn.Flatten(),
    nn.Flatten(0, -2),
]


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_pooling_modules(pool: nn.Module) -> None:
    """Their shortcuts: batched or not, with channels innermost, and on a view."""

    def function(self: Any, x: Any) -> Any:
        y = self.pool(self.conv(x))
        last = self.pool(self.conv(x).contiguous(memory_format=torch.channels_last))
        return y, last, self.pool(self.conv(x)[0]), self.pool(self.conv(x).transpose(2, 3)), last.shape, last.stride()

    def build() -> nn.Module:
        module = Of(function)
        module.pool = pool
        return module

    traced, dispatched = (count_call(build(), ((1, 3, 8, 8),), witness=witness) for witness in ("trace", "dispatch"))
    assert asdict(traced) == asdict(dispatched)


def test_errors_are_torchs_and_leave_nothing() -> None:
    """A forward may catch them; those that it does not catch are reported, and no mode stays."""
    assert _same(_caught).macs == CONV + FC
    with pytest.raises(FlopcalcError, match="must match"):
        count_call(Of(lambda self, x: self.conv(x) + x), ((1, 3, 8, 8),))
    with pytest.raises(FlopcalcError, match="Dimension out of range"):
        count_call(Of(lambda self, x: x.flatten(5)), ((1, 3, 8, 8),))
    with pytest.raises(FlopcalcError, match="cannot come after"):
        count_call(Of(lambda self, x: x.flatten(2, 1)), ((1, 3, 8, 8),))
    assert torch._C._len_torch_function_stack() == torch._C._len_torch_dispatch_stack() == 0
    assert torch.is_grad_enabled()


def _mapped(self: Any, x: Any) -> Any:
    one = torch.func.vmap(lambda row: F.linear(row, self.fc.weight))(self.conv(x).mean(3).transpose(1, 2))
    return one, torch.func.jvp(torch.tanh, (one,), (one,))


def _inferred(self: Any, x: Any) -> Any:
    with torch.inference_mode():
        return F.linear(F.relu(self.conv(x)).transpose(1, 3), self.fc.weight).softmax(-1)


def _enabled(self: Any, x: Any) -> Any:
    with torch.enable_grad():
        return _plain(self, x)


class Tagged(torch.Tensor):  # type: ignore[misc]
    """A subclass without functions of its own."""


@pytest.mark.parametrize("function", [_mapped, _inferred, _enabled, lambda s, x: s.conv(x.as_subclass(Tagged)) + 1])
def test_where_no_rule_applies(function: Callable[[Any, Any], Any]) -> None:
    """Transforms, inference mode, gradients, subclasses: the kernels reach the dispatch mode."""
    _same(function)


class Twice(torch.Tensor):  # type: ignore[misc]
    """A subclass that runs each convolution twice."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func is torch.conv2d:
                func(*args, **(kwargs or {}))
            return func(*args, **(kwargs or {}))


def test_a_subclass_with_functions_of_its_own() -> None:
    """No rule takes a function before the class of its tensor has seen it."""
    assert _same(lambda self, x: self.conv(x.as_subclass(Twice))).macs == 2 * CONV


def _differentiates(self: Any, x: Any) -> Any:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(self.conv(x).sum(), x)


def _differentiates_if_it_can(self: Any, x: Any) -> Any:
    try:
        return _differentiates(self, x)
    except Exception:
        return self.conv(x)


@pytest.mark.parametrize("function", [_differentiates, _differentiates_if_it_can])
def test_gradients(function: Callable[[Any, Any], Any]) -> None:
    """Forward and gradient by the input: two convolutions' work. Also where the forward catches every error."""
    assert count_call(Of(function), ((1, 3, 8, 8),)).macs == 2 * CONV


class Noted(TorchFunctionMode):
    """A user's mode that notes functions."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


def _observes_itself(self: Any, x: Any) -> Any:
    with FlopCounterMode(display=False) as counter:
        out = _plain(self, x)
    assert counter.get_total_flops() == 2 * (CONV + FC)
    with Noted() as noted:
        _plain(self, x)
    assert {torch.conv2d, F.relu, F.linear} <= set(noted.seen)
    return out


def test_modes_of_the_forward() -> None:
    """A forward's own counter and its own mode see all that they would see; a failed assertion is an error here."""
    assert _same(_observes_itself).macs == 2 * (CONV + FC)


def test_users_rules_for_kernels_of_torch() -> None:
    """They come before ours, for the tracer too."""
    rule = KernelRule("aten::convolution", lambda *args: 7)
    assert count_call(Of(_plain), ((1, 3, 8, 8),), kernels=[rule]).macs == 7 + FC


def test_threads() -> None:
    """One module, counted from eight threads."""
    module = Of(_plain)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: asdict(count_call(module, ((1, 3, 8, 8),))), range(32)))
    assert all(one == found[0] for one in found)


SCRIPT = """
import sys, torch
from torch import nn
from flopcalc.pytorch import count
block = lambda c: nn.Sequential(nn.Conv2d(c, 6 * c, 1, bias=False), nn.BatchNorm2d(6 * c), nn.ReLU6(), nn.Hardswish(),
    nn.Conv2d(6 * c, 6 * c, 3, padding=1, groups=6 * c, bias=False), nn.BatchNorm2d(6 * c), nn.SiLU(),
    nn.Conv2d(6 * c, c, 1))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.pool, self.norm = block(8), block(8), nn.MaxPool2d(2), nn.LayerNorm(8)
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.group, self.up, self.table = nn.GroupNorm(2, 8), nn.Upsample(scale_factor=2), nn.Embedding(10, 8)
    def forward(self, x, i):
        x = x + self.a(x)
        x = self.up(self.pool(torch.cat((x, x * self.b(x).sigmoid()), 1)).chunk(2, 1)[0])
        x = self.norm(self.group(x).flatten(2).transpose(1, 2)) + self.table(i).mean(1, keepdim=True) / 2
        x = self.attention(x.masked_fill(x > 3, 0.0) - x.pow(2).clamp(min=0).sqrt())
        return x.softmax(-1), x.sum(1), x.argmax(-1), torch.stack([x, x]), torch.arange(4, device=x.device)
found = count(Net(), (1, 8, 8, 8), torch.zeros(1, 4, dtype=torch.long))
assert found.on == "meta" and not found.uncounted
print(*sorted({name.split(".")[0] for name in sys.modules if name == "torch._dynamo" or name.split(".")[0] == "sympy"}))
print(*(name for name in sys.modules if name == "torch._dynamo"))
"""


def test_a_count_loads_no_compiler() -> None:
    """Neither SymPy nor torch's compiler, which its own meta kernels load: half of the time of a whole process."""
    out = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


def test_rules_are_for_functions_of_torch() -> None:
    """Rules are found by the function that a mode is asked about; a name that torch has lost has none."""
    assert {torch.conv2d, F.linear, F.batch_norm, F.layer_norm, torch.Tensor.add, torch.Tensor.matmul} <= set(RULES)
    assert all(callable(func) for func in RULES)


def test_an_index_that_is_a_number() -> None:
    """Torch reads it, which the meta device cannot."""
    _same(lambda self, x: self.conv(x)[0][x.new_zeros((), dtype=torch.int64)], on="cpu")


def test_numbers_drawn_by_the_forward() -> None:
    """Both witnesses draw the same number of rows."""
    _same(lambda self, x: self.fc(x.new_ones(int(torch.tensor([0.0]).uniform_(1, 1000)), 16)))


def _with_constants(self: Any, x: Any) -> Any:
    low = torch.tensor(-1e9, device=x.device)
    x = x[..., [1, 0, 2, 3, 4, 5, 6, 7], :]
    return self.conv(torch.where(x > 0, x, low) + x.new_tensor([1.0] * 8) + torch.as_tensor([2.0], device=x.device))


def test_constants() -> None:
    """Tensors made of numbers are made without a kernel; for the dispatch mode alone they are not from elsewhere."""
    assert not _same(_with_constants).uncounted
