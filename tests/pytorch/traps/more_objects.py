"""What modules hold, how it is named, containers that lead back to themselves, and graphs that a forward traces."""

import dataclasses
import sqlite3
import typing

import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, Fn, P, X, conv
from pytorch.traps.table import more as trap
from torch import nn

L = 64 * 32
lin = lambda: nn.Linear(64, 32)


class _Named(nn.Module):
    """A linear layer, and attributes with the names of torch's own methods."""

    def __init__(s, **held):
        super().__init__()
        s.l = lin()
        s.n = nn.BatchNorm1d(32)
        for name, value in held.items():
            object.__setattr__(s, name, value)

    def forward(s, x):
        return s.n(s.l(x))


@trap(2 * L, "attributes in the place of methods: a replay buffer, a dict of settings, lists", params=L + 32 + 64)
def shadowed():
    held = dict.fromkeys(("modules", "children", "named_modules", "named_parameters", "named_buffers"), 1)
    return _Named(buffers=[], parameters={"lr": 1}, train=True, eval=False, **held), (X(2, 64),)


@trap(2 * L, "methods of torch that are overridden: groups of parameters, with other arguments", params=L + 32 + 64)
def overridden():
    class M(_Named):
        def parameters(s):
            return [{"params": [s.l.weight], "lr": 1}]

        def named_parameters(s):
            return [("group", s.l.weight)]

        def modules(s):
            return [s.l]

        def named_modules(s):
            raise RuntimeError("no")

        def buffers(s):
            raise RuntimeError("no")

        def named_buffers(s, kind):
            return kind

    return M(), (X(2, 64),)


@trap(L, "a class without a file: __module__ is None")
def no_file():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()

        def forward(s, x):
            return s.l(x)

    M.__module__ = None
    return M(), (X(1, 64),)


class _Sealed:
    """It refuses to be copied in all ways, and holds a database, a tensor and a counter."""

    def __init__(s):
        s.base = sqlite3.connect(":memory:")
        s.scale = torch.ones(32)
        s.calls = 0

    def __deepcopy__(s, memo):
        raise TypeError("no")

    def __getstate__(s):
        raise TypeError("no")


@trap(L, "an object that cannot be copied, with a handle of C and a tensor")
def sealed():
    def f(s, x):
        s.held["one"].calls += 1
        return s.l(x) * s.held["one"].scale

    return Fn(f, l=lin(), held={"one": _Sealed(), "two": sqlite3.connect(":memory:")}), (X(1, 64),)


@dataclasses.dataclass(eq=False)
class _Tree:
    x: typing.Any
    below: list
    above: typing.Any = None


def _sum_of(s, tree):
    return s.l(tree.x) + sum(_sum_of(s, one) for one in tree.below)


@trap(3 * L, "a tree whose nodes know their parent: a dataclass that leads back to itself")
def tree():
    leaves = [_Tree(X(1, 64), []), _Tree(X(1, 64), [])]
    root = _Tree(X(1, 64), leaves)
    for leaf in leaves:
        leaf.above = root
    return Fn(_sum_of, l=lin()), (root,)


@trap(2 * L, "a dict and a list that hold themselves: as input, between modules, as output")
def cycles():
    class Child(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()

        def forward(s, state):
            state["y"] = s.l(state["me"]["x"]) + s.l(state["list"][0][1])
            return state

    state = {"x": X(1, 64)}
    state["me"] = state
    state["list"] = [(state, state["x"])]
    state["list"].append(state["list"])
    return Fn(lambda s, state: s.c(state), c=Child()), (state,)


@trap(3 * 64 * 64, "scripted, with a loop over a list of modules")
def scripted_list():
    return torch.jit.script(_Listed()), (X(1, 64),)


class _Listed(nn.Module):
    def __init__(s):
        super().__init__()
        s.layers = nn.ModuleList([nn.Linear(64, 64) for _ in range(3)])

    def forward(s, x: torch.Tensor) -> torch.Tensor:
        for layer in s.layers:
            x = torch.relu(layer(x))
        return x


@trap(2 * L, "make_fx runs the function while it traces it, and then the graph runs")
def make_fx_inside():
    from torch.fx.experimental.proxy_tensor import make_fx

    return Fn(lambda s, x: make_fx(lambda z: F.linear(z, s.w))(x)(x), w=P(32, 64)), (X(1, 64),)


@trap(
    7 * L,
    "linearize: the function (1); traced with tangents (3: torch multiplies by the zero tangent of the weight too); "
    "the constant part of the graph, which is the function and that product (2); the pushforward (1)",
)
def linearized():
    def f(s, x):
        _, push = torch.func.linearize(lambda z: F.linear(z, s.w), x)
        return push(x)

    return Fn(f, w=P(32, 64)), (X(1, 64),)


@trap(L, "traced on fake tensors, which computes nothing; then the graph runs")
def aot_inside():
    def f(s, x):
        from functorch.compile import aot_function, nop

        return aot_function(lambda z, w, b: F.linear(z, w, b), fw_compiler=nop)(x, s.l.weight, s.l.bias)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "the same by torch.export")
def export_inside():
    return Fn(lambda s, x: torch.export.export(s.l, (x,)).module()(x), l=lin()), (X(1, 64),)


@trap(CONV, "sizes found with a FakeTensorMode: the products there are not computed")
def fake_inside():
    def f(s, x):
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode():
            size = (torch.zeros(3, 4) @ torch.zeros(4, 32)).shape[1]
        return s.c(x)[..., :size]

    return Fn(f, c=conv()), (X(1, 3, 32, 32),)


class _Tied(nn.Module):
    def __init__(s):
        super().__init__()
        s.a, s.b = nn.Linear(8, 8), nn.Linear(8, 8)
        s.b.weight = s.a.weight
        s.c = s.a
        s.register_buffer("k", torch.ones(8))
        s.plain = torch.ones(8)

    def forward(s, x: torch.Tensor) -> torch.Tensor:
        return s.b(s.a(x)) * s.k + s.c(x) * s.plain


@trap(3 * 64, "scripted, with tied weights, one layer under two names, a buffer, a tensor", params=64 + 8 + 8)
def scripted_ties():
    return torch.jit.script(_Tied()), (X(1, 8),)


@trap(2 * 64, "one layer, as it is and inside of a scripted part", params=64 + 8)
def half_scripted():
    layer = nn.Linear(8, 8)
    return nn.Sequential(layer, torch.jit.script(nn.Sequential(layer))), (X(1, 8),)


@trap(36 * 4 * 27, "scripted and traced batch norm: its statistics are buffers", params=4 * 27 + 4 + 8)
def scripted_norm():
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval())
    return nn.Sequential(scripted, nn.ReLU()), (X(1, 3, 8, 8),)
