"""Modules, and functions of their own kernels, as few networks use them: each preset next to its tool, to the unit."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: N812
from helpers import import_torchvision
from presets.beside import Run, compare
from torch import nn

from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of

OF_WEIGHTS = ("calflops", "deepspeed", "ptflops")
RECURRENT = (*OF_WEIGHTS, "ptflops-aten", "torchprofile", "thop", "ultralytics-thop")
ATTENTION = ("torchprofile", "ptflops-aten", "deepspeed", "flop-counter")
ALL = (*RECURRENT, "fvcore", "torchinfo", "flop-counter")
ROWS, MAP, LINE = (2, 3, 4), (2, 6, 7, 5), (2, 6, 7)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True},
    {"bidirectional": True, "bias": False},
]
Shape = tuple[int, ...]
Case = tuple[tuple[str, ...], Callable[[], nn.Module], tuple[Any, ...]]


class Shared(nn.Module):
    """Two modules hold the same one, which only the first one calls."""

    def __init__(self, shared: nn.Module) -> None:
        super().__init__()
        self.first, self.second = nn.Sequential(shared), nn.Sequential(shared)

    def forward(self, x: Any) -> Any:
        """The result of the first one."""
        return self.first(x)

    def forward_of_first(self, x: Any) -> Any:
        """The same, not as the forward."""
        return self.first(x)


class Grows(nn.Module):
    """Makes its second layer in the first forward."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.layers = nn.Linear(4, 4), nn.ModuleList()

    def forward(self, x: Any) -> Any:
        """The output of the second layer."""
        if not self.layers:
            self.layers.append(nn.Linear(4, 4, device=x.device))
        return self.layers[0](self.first(x))


def _first(module: nn.Module, x: Any) -> Any:
    return module(x)[0]


def _layer(kind: Any, forward: Callable[..., Any] = _first, **settings: Any) -> Callable[[], nn.Module]:
    return lambda: Run(forward, kind(4, 5, **settings))


def _recurrent() -> Iterator[tuple[str, Case]]:
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        for named in OPTIONS:
            for first in (True, False):
                settings = {**named, "batch_first": first}
                yield f"{kind.__name__}, {settings}", (RECURRENT, _layer(kind, **settings), (ROWS,))
    for named in OPTIONS:
        settings = {**named, "proj_size": 3, "batch_first": True}
        yield f"LSTM, {settings}", ((*OF_WEIGHTS, "ptflops-aten"), _layer(nn.LSTM, **settings), (ROWS,))
    rows = nn.utils.rnn.pack_padded_sequence(torch.ones(ROWS), torch.tensor([3, 2]), batch_first=True)
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        packed = _layer(kind, lambda module, x: module(x)[0].data)
        yield f"{kind.__name__}, packed", ((*OF_WEIGHTS, "ptflops-aten"), packed, (rows,))
    yield "packed rows", (("calflops",), lambda: Run(lambda x: F.relu(x.data)), (rows,))
    for cell in (nn.RNNCell, nn.GRUCell, nn.LSTMCell):
        yield f"{cell.__name__}, no bias", ((*OF_WEIGHTS, "thop"), partial(cell, 4, 5, bias=False), ((3, 4),))


def _deformable(mask: Callable[[Any], tuple[Any, ...]]) -> nn.Module:
    import_torchvision()
    from torchvision.ops import DeformConv2d

    def forward(layer: Any, x: Any) -> Any:
        sizes = {"dtype": x.dtype, "device": x.device}
        return layer(x, torch.zeros(2, 18, 7, 5, **sizes), *mask(torch.zeros(2, 9, 7, 5, **sizes)))

    return Run(forward, DeformConv2d(6, 4, 3, padding=1))


def _in_a_tuple(module: nn.Module) -> nn.Module:
    """A module whose output is a tuple."""
    module.register_forward_hook(lambda module, args, out: (out,))
    return Run(_first, module)


def _frozen(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)


_ATTENTION = partial(nn.MultiheadAttention, 16, 4, batch_first=True)
_ENCODER_LAYER = partial(nn.TransformerEncoderLayer, 16, 4, 32, batch_first=True)


def _alone(attention: Any, x: Any) -> Any:
    return attention(x, x, x, need_weights=False)[0]


def _attention(key: Shape = (2, 3, 6, 5), value: Shape = (), query: Shape = (2, 3, 4, 5), **named: Any) -> Case:
    """Attention, and a layer, of 3 x 4 x 5 multiply-adds; in named: functions of the weights of the layer."""

    def forward(layer: Any, x: Any) -> Any:
        parts = (torch.ones(shape, device=x.device) for shape in (query, key, value or key))
        options = {name: one(layer.weight) if callable(one) else one for name, one in named.items()}
        return F.scaled_dot_product_attention(*parts, **options).sum() + layer(x)

    return ATTENTION, lambda: Run(forward, nn.Linear(4, 5)), (ROWS,)


def _turned(layer: Any, x: Any) -> Any:
    parts = (torch.ones(2, 3, *sizes, device=x.device) for sizes in ((5, 4), (6, 5), (6, 5)))
    query, key, value = parts
    return F.scaled_dot_product_attention(query.mT, key, value).sum() + layer(x)


def _plain_kernels(x: Any) -> Any:
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return F.scaled_dot_product_attention(x, x, x)


CASES: dict[str, Case] = {
    **dict(_recurrent()),
    "input by name": (("ptflops",), lambda: Run(lambda m, x: m(input=x), nn.Linear(4, 5)), (ROWS,)),
    "LSTM by name": (OF_WEIGHTS, lambda: Run(lambda m, x: m(input=x)[0], nn.LSTM(4, 5)), (ROWS,)),
    "cell by name": (OF_WEIGHTS, lambda: Run(lambda m, x: m(input=x), nn.GRUCell(4, 5)), ((3, 4),)),
    "a tuple": (("ptflops",), lambda: _in_a_tuple(nn.ReLU()), (ROWS,)),
    "a layer that two modules hold": (OF_WEIGHTS, lambda: Shared(nn.Linear(4, 5)), (ROWS,)),
    "a recurrent layer that two modules hold": (OF_WEIGHTS, lambda: Shared(Run(_first, nn.GRU(4, 5))), (ROWS,)),
    "upsampling": (("ptflops",), lambda: nn.Upsample(scale_factor=2), (MAP,)),
    "deformable": (("ptflops",), lambda: _deformable(lambda mask: ()), (MAP,)),
    "deformable, mask": (("ptflops",), lambda: _deformable(lambda mask: (mask,)), (MAP,)),
    "deformable, no mask": (("ptflops",), lambda: _deformable(lambda mask: (None,)), (MAP,)),
    "attention, no bias": (
        ("ptflops",), lambda: Run(lambda m, x: m(x, x, x)[0], nn.MultiheadAttention(4, 2, bias=False)), (ROWS,),
    ),
    "attention by name": (
        ("ptflops",), lambda: Run(lambda m, x: m(x, key=x, value=x)[0], nn.MultiheadAttention(4, 2)), (ROWS,),
    ),
    # One kernel where no gradient is needed.
    "encoder, then attention": (
        ("torchprofile",),
        lambda: _frozen(Run(lambda layer, m, x: _alone(m, layer(x)), _ENCODER_LAYER(), _ATTENTION())),
        ((2, 5, 16),),
    ),
    "encoder, then its attention": (
        ("torchprofile",), lambda: _frozen(Run(lambda m, x: _alone(m.self_attn, m(x)), _ENCODER_LAYER())),
        ((2, 5, 16),),
    ),
    # What the CPU has one kernel for, and what it has not.
    "attention": _attention(),
    "attention, values of another width": _attention(value=(2, 3, 6, 7)),
    "attention, one head": _attention((2, 6, 5), query=(2, 4, 5)),
    "attention, two axes of heads": _attention((2, 3, 2, 6, 5), query=(2, 3, 2, 4, 5)),
    "attention, one key for all heads": _attention((2, 1, 6, 5)),
    "attention, one key for the batch": _attention((1, 3, 6, 5)),
    "attention, one value for the batch": _attention(value=(1, 3, 6, 5)),
    "attention, groups of heads": _attention((2, 3, 6, 5), query=(2, 6, 4, 5), enable_gqa=True),
    "attention, dropout": _attention(dropout_p=0.1),
    "attention, no dropout": _attention(dropout_p=0.0),
    "attention, mask": _attention(attn_mask=lambda weight: torch.ones(4, 6, device=weight.device)),
    "attention, mask of four axes": _attention(attn_mask=lambda weight: torch.ones(2, 1, 1, 6, device=weight.device)),
    "attention, mask of three axes": _attention(attn_mask=lambda weight: torch.ones(3, 4, 6, device=weight.device)),
    "attention, mask with a gradient": _attention((2, 3, 4, 5), attn_mask=lambda weight: weight[:4]),
    "attention, turned": (ATTENTION, lambda: Run(_turned, nn.Linear(4, 5)), (ROWS,)),
    "attention first": (ATTENTION, lambda: Run(lambda x: F.scaled_dot_product_attention(x, x, x)), (MAP,)),
    "attention by plain kernels": (ATTENTION, lambda: Run(_plain_kernels), (MAP,)),
    "eight bits": (
        ("flop-counter", "ptflops-aten"),
        lambda: Run(lambda x: torch._scaled_mm(
            x.to(torch.float8_e4m3fn), torch.ones(32, 16, device=x.device).to(torch.float8_e4m3fn).t(),
            torch.ones((), device=x.device), torch.ones((), device=x.device), out_dtype=torch.bfloat16)),
        ((48, 16),),
    ),
    # Tools that note something on each module, or hook it.
    "a layer that is made in the forward": (tuple(set(ALL) - {"deepspeed"}), Grows, (ROWS,)),
    "a script": (ALL, lambda: torch.jit.script(nn.Linear(4, 5)), (ROWS,)),
    "a script of two": (ALL, lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 5), nn.ReLU())), (ROWS,)),
    "a script inside": (ALL, lambda: nn.Sequential(nn.Linear(4, 4), torch.jit.script(nn.Linear(4, 5))), (ROWS,)),
    "a script further inside": (ALL, lambda: nn.Sequential(nn.Sequential(torch.jit.script(nn.Linear(4, 5)))), (ROWS,)),
    "a mean that is no whole number": (
        ("ptflops",), lambda: Run(lambda m, n, x: n(m(x[0])), nn.Linear(4, 5), nn.Linear(5, 3)), ((7, 4),),
    ),
    "another mean": (
        ("ptflops",),
        lambda: Run(lambda m, n, x: n(m(x[0])), nn.Linear(4, 5), nn.Linear(5, 3)),
        ((4, 4),),
    ),
    "no parameters": (("calflops",), nn.ReLU, (ROWS,)),
    "no axes": (("ptflops",), nn.ReLU, (torch.ones(()),)),
    "no sample": (("ptflops",), lambda: nn.Linear(4, 5), (torch.ones(0, 4),)),
    "four states": (("calflops",), lambda: Run(lambda x, states: x + 1), (ROWS, tuple(torch.ones(4, 2, 3)))),
    "three states": (("calflops",), lambda: Run(lambda x, states: x + 1), (ROWS, tuple(torch.ones(3, 2)))),
    "two states, and none": (
        ("calflops",), lambda: Run(lambda x, states: x + 1), (ROWS, (torch.ones(2), None, None, None)),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("tools", "make", "args"), [pytest.param(*case, id=name) for name, case in CASES.items()])
def test_modules(tools: tuple[str, ...], make: Callable[[], nn.Module], args: tuple[Any, ...]) -> None:
    """As parts of a network."""
    compare(tools, make, args)


def _outside(module: Any, x: Any) -> Any:
    with torch.no_grad():
        return module.weight[1:]


REASONS = {
    ("input by name", "ptflops"): "it needs the input of Linear by position",
    ("attention by name", "ptflops"): "its rule for MultiheadAttention takes three inputs by position",
    ("LSTM by name", "calflops"): "its rule for LSTM fails: it was called without a plain tensor by position",
    ("no sample", "ptflops"): "it divides by the length of the input, which has none",
    ("einsum", "deepspeed"): "it takes an equation and tensors for torch.einsum",
    ("a script", "calflops"): "the module is a program of TorchScript, which takes no hooks",
    ("a script further inside", "thop"): "0.0 is a program of TorchScript, which takes no hooks",
    ("a layer that is made in the forward", "fvcore"): "the forward makes the module layers.0",
    ("encoder, then attention", "torchprofile"): "given.1 is one kernel",
    ("view", "flop-counter"): "the gradient function of a tensor at presets.beside.Run, which",
    ("view inside", "flop-counter"): "the gradient function of a tensor at given.0, which",
}
OTHERS: dict[str, Case] = {
    "einsum": ((), lambda: Run(lambda x: torch.einsum(x, [0, 1, 2], [0, 2])), (ROWS,)),
    "view": ((), lambda: Run(_outside, nn.Linear(4, 5)), (ROWS,)),
    "view inside": ((), lambda: Run(lambda m, x: m(x).sum(), Run(_outside, nn.Linear(4, 5))), (ROWS,)),
}


@pytest.mark.parametrize(("name", "tool"), REASONS)
def test_reasons(name: str, tool: str) -> None:
    """The error names what the tool fails on."""
    _, make, args = (CASES | OTHERS)[name]
    with pytest.raises(ToolFailsError, match=re.escape(REASONS[name, tool])):
        list(RULES[tool](log_of(make(), args)))


def test_another_method() -> None:
    """No forward has run, and no batch is known: 2 x 3 rows of 4 x 5 products, and of 5 biases."""
    module = Shared(nn.Linear(4, 5))
    log = log_of(module, (ROWS,), method="forward_of_first")
    # Two modules hold the layer: both tools count it twice.
    assert {tool: sum(one.amount for one in RULES[tool](log)) for tool in ("calflops", "ptflops")} == {
        "calflops": 2 * 2 * (6 * 20),
        "ptflops": 2 * (6 * 25),
    }
