"""What Python allows a module to be and to do, and inputs of all kinds."""

import collections
import dataclasses
import functools
import random
import tempfile
import threading
import weakref

import numpy as np
import torch
import torch.nn.functional as F
from pytorch.traps.modules import Fn, X
from pytorch.traps.table import more as trap
from torch import nn

L = 64 * 32
lin = lambda: nn.Linear(64, 32)
sq = lambda: nn.Linear(64, 64)


@trap(L, "numpy round trip in the forward")
def np_round():
    return Fn(lambda s, x: torch.from_numpy(np.asarray(s.l(x).detach().cpu().numpy()) * 2), l=lin()), (X(1, 64),)


@trap(3 * 64 * 64, "loop until convergence: three turns by a counter of values")
def until():
    def f(s, x):
        n = 0
        while True:
            x = torch.tanh(s.l(x))
            n += 1
            if n >= 3 and x.abs().max() <= 1:
                return x

    return Fn(f, l=sq()), (X(1, 64),)


@trap(64 * 64, "if x.mean() > 0: one of two branches")
def ifmean():
    return Fn(lambda s, x: s.a(x) if x.mean() > 0 else s.b(x), a=sq(), b=sq()), (torch.ones(1, 64),)


@trap(10 * 64 * 64, "masked_select and boolean assignment: 10 of 16 rows")
def masked():
    def f(s, x, m):
        y = torch.zeros_like(x)
        y[m] = s.l(x[m])
        return y

    return Fn(f, l=sq()), (X(16, 64), torch.arange(16) < 10)


@trap(4 * 64 * 64, "unique: 4 values")
def uniq():
    return Fn(lambda s, i: s.l(s.e(i.unique())), e=nn.Embedding(10, 64), l=sq()), (torch.tensor([1, 2, 2, 5, 5, 7]),)


@trap(3 * 64 * 64, "early exit: depth by the data, threshold never reached")
def early():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.ls = nn.ModuleList(sq() for _ in range(3))

        def forward(s, x):
            for l in s.ls:
                x = l(x)
                if torch.softmax(x, -1).max().item() > 0.999999:
                    break
            return x

    return M(), (X(1, 64) * 0.01,)


@trap(2 * 64 * 64, "random layer drop by Python's random, seeded in the forward")
def rnd():
    def f(s, x):
        r = random.Random(1)  # noqa: S311
        g = np.random.default_rng(0)
        g.random()
        return s.l(x) if r.random() > 2 else s.l(s.l(x))

    return Fn(f, l=sq()), (X(1, 64),)


@trap(L, "registers a forward hook on its child, removes it")
def hookin():
    def f(s, x):
        got = []
        h = s.l.register_forward_hook(lambda m, i, o: got.append(o))
        s.l(x)
        h.remove()
        return got[0]

    return Fn(f, l=lin()), (X(1, 64),)


@trap(64 * 64 + L, "a hook that was registered before multiplies")
def hookpre2():
    m = Fn(lambda s, x: s.l(x), l=sq(), o=lin())
    m.register_forward_hook(lambda mod, i, o: mod.o(o))
    return m, (X(1, 64),)


@trap(L, "pre-hook with kwargs changes the input")
def prehook():
    m = nn.Sequential(lin())
    m[0].register_forward_pre_hook(lambda mod, a, k: ((a[0][:1],), k), with_kwargs=True)
    return m, (X(3, 64),)


@trap(2 * L, "forward patched on the instance: calls the old twice")
def patched():
    m = nn.Sequential(lin())
    old = m[0].forward
    m[0].forward = lambda x: old(x) + old(x)
    return m, (X(1, 64),)


@trap(L, "__slots__ and properties and descriptors")
def slots():
    class D:
        def __get__(s, o, t=None):
            return o._modules["l"] if o is not None else s

    class M(nn.Module):
        __slots__ = ("extra",)
        d = D()

        def __init__(s):
            super().__init__()
            s.l = lin()
            object.__setattr__(s, "extra", [1])

        @property
        def layer(s):
            return s.d

        def forward(s, x):
            return s.layer(x) * len(s.extra)

    return M(), (X(1, 64),)


@trap(L, "weak reference to its child and parent, lock, file")
def weak():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()
            s.r = weakref.ref(s.l)
            s.p = weakref.proxy(s.l)
            s.lock = threading.Lock()
            s.c = threading.Condition()
            s.ev = threading.Event()
            s.f = tempfile.TemporaryFile()  # noqa: SIM115
            s.loc = threading.local()
            s.loc.x = 3

        def forward(s, x):
            with s.lock, s.c:
                return s.r()(x)

    return M(), (X(1, 64),)


@trap(L, "weakref.proxy used")
def wproxy():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()
            s.p = weakref.proxy(s.l)

        def forward(s, x):
            return s.p(x)

    return M(), (X(1, 64),)


@trap(L, "parent held by an attribute outside _modules; a module holds itself")
def cyc():
    class C(nn.Module):
        def __init__(s, p):
            super().__init__()
            object.__setattr__(s, "p", p)
            s.__dict__["me"] = s

        def forward(s, x):
            return s.me.p.l(x)

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()
            s.c = C(s)

        def forward(s, x):
            return s.c(x)

    return M(), (X(1, 64),)


@trap(L + 64 * 64, "modules in a plain list and dict", params=0)
def plainlist():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.ls = [sq()]
            s.d = {"a": lin()}

        def forward(s, x):
            for l in s.ls:
                x = l(x)
            return s.d["a"](x)

    return M(), (X(1, 64),)


@trap(L + 64 * 64, "modules reached by partial, lambda, closure, generator function")
def partials():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.a = sq()
            s.b = lin()
            s.fs = [functools.partial(F.linear, weight=s.a.weight), lambda x: s.b(x)]

        def gen(s):
            yield from s.fs

        def forward(s, x):
            for f in s.gen():
                x = f(x)
            return x

    return M(), (X(1, 64),)


@trap(L, "module and parameter made in the forward", params=0)
def madein():
    def f(s, x):
        l = nn.Linear(64, 32, bias=False)
        l.weight = nn.Parameter(torch.ones(32, 64, device=x.device))
        return l(x)

    return Fn(f), (X(1, 64),)


@trap(L, "module made in the forward once and kept (hasattr)", params=0)
def madekept():
    class M(nn.Module):
        def forward(s, x):
            if not hasattr(s, "l"):
                s.l = nn.Linear(x.shape[-1], 32)
            return s.l(x)

    return M(), (X(1, 64),)


@trap(L, "register_buffer in the forward")
def regbuf():
    def f(s, x):
        s.register_buffer("pos", torch.arange(64.0))
        s.l.register_parameter("extra", nn.Parameter(torch.ones(64)))
        return s.l(x + s.pos)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "parameters set to None in the forward; del attribute")
def delattr_():
    def f(s, x):
        y = s.l(x)
        del s.l
        s.l = None
        return y

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "dataclass module")
def dcm():
    @dataclasses.dataclass(eq=False)
    class M(nn.Module):
        n: int = 64
        m: int = 32

        def __post_init__(s):
            super().__init__()
            s.l = nn.Linear(s.n, s.m)

        def forward(s, x):
            return s.l(x)

    return M(), (X(1, 64),)


@trap(L, "dataclass module with eq: unhashable")
def dcm_eq():
    @dataclasses.dataclass(eq=True, unsafe_hash=True)
    class M(nn.Module):
        n: int = 64

        def __post_init__(s):
            super().__init__()
            s.l = nn.Linear(s.n, 32)

        def forward(s, x):
            return s.l(x)

    return nn.Sequential(
        M(),
    ), (X(1, 64),)


@trap(2 * 64 * 64, "two equal dataclass modules with value equality are two modules", params=2 * 64 * 65)
def dcm_two():
    @dataclasses.dataclass(eq=True, unsafe_hash=True)
    class M(nn.Module):
        n: int = 64

        def __post_init__(s):
            super().__init__()
            s.l = nn.Linear(s.n, 64)

        def forward(s, x):
            return s.l(x)

    return nn.Sequential(M(), M()), (X(1, 64),)


@trap(L, "__deepcopy__ refuses, __reduce__ refuses")
def nocopy():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()

        def __deepcopy__(s, m):
            raise RuntimeError("no")

        def __reduce_ex__(s, p):
            raise RuntimeError("no")

        def __getstate__(s):
            raise RuntimeError("no")

        def forward(s, x):
            return s.l(x)

    return M(), (X(1, 64),)


@trap(L, "__getattr__ and __setattr__ overridden; attributes refuse")
def getattr_():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()
            s.__dict__["frozen"] = True

        def __setattr__(s, n, v):
            if s.__dict__.get("frozen"):
                raise AttributeError("frozen")
            super().__setattr__(n, v)

        def __getattr__(s, n):
            if n == "layer":
                return super().__getattr__("l")
            return super().__getattr__(n)

        def train(s, mode=True):
            raise RuntimeError("no train")

        def forward(s, x):
            return s.layer(x)

    return M(), (X(1, 64),)


@trap(L, "a wrapper that delegates all by __getattr__")
def deleg():
    class W(nn.Module):
        def __init__(s, m):
            super().__init__()
            s.m = m

        def __getattr__(s, n):
            try:
                return super().__getattr__(n)
            except AttributeError:
                return getattr(super().__getattr__("m"), n)

        def forward(s, x):
            return F.linear(x, s.weight, s.bias)

    return W(lin()), (X(1, 64),)


@trap(L, "tensor subclass (plain) as weight")
def subcl():
    class T(torch.Tensor):
        pass

    l = lin()
    l.weight = nn.Parameter(torch.randn(32, 64).as_subclass(T))
    return nn.Sequential(l), (X(1, 64),)


@trap(L, "wrapper subclass with __torch_dispatch__ as weight")
def wsub():
    class Q(torch.Tensor):
        @staticmethod
        def __new__(cls, t):
            return torch.Tensor._make_wrapper_subclass(cls, t.shape, dtype=t.dtype, device=t.device, strides=t.stride())

        def __init__(s, t):
            s.t = t

        def __tensor_flatten__(s):
            return ["t"], None

        @staticmethod
        def __tensor_unflatten__(i, c, sz, st):
            return Q(i["t"])

        @classmethod
        def __torch_dispatch__(cls, f, ty, a=(), k=None):
            u = lambda v: v.t if isinstance(v, Q) else v
            r = f(*torch.utils._pytree.tree_map(u, a), **torch.utils._pytree.tree_map(u, k or {}))
            return torch.utils._pytree.tree_map(
                lambda v: Q(v) if isinstance(v, torch.Tensor) and f is torch.ops.aten.detach.default else v,
                r,  # noqa: FURB171
            )

    l = nn.Linear(64, 32)
    l.weight = nn.Parameter(Q(torch.randn(32, 64)))
    return nn.Sequential(l), (X(1, 64),)


@trap(L, "threads in the forward")
def thr():
    from concurrent.futures import ThreadPoolExecutor

    def f(s, x):
        with ThreadPoolExecutor(2) as e:
            return e.submit(lambda: s.l(x)).result()

    return Fn(f, l=lin()), (X(1, 64),)


@trap(2 * L, "threads in the forward that run functions only: cannot be seen, and is listed", (0,))
def thr_fn():
    from concurrent.futures import ThreadPoolExecutor

    def f(s, x):
        with ThreadPoolExecutor(2) as e:
            return sum(e.map(lambda t: F.linear(t, s.l.weight), [x, x]))

    return Fn(f, l=lin()), (X(1, 64),)


@trap(200 * 16 * 16, "200 levels of nesting", params=200 * 272)
def deep():
    m = nn.Identity()

    class D(nn.Module):
        def __init__(s, i):
            super().__init__()
            s.i = i
            s.l = nn.Linear(16, 16)

        def forward(s, x):
            return s.i(s.l(x))

    for _ in range(200):
        m = D(m)
    return m, (X(1, 16),)


@trap(6 * 64 * 64, "recursion over one module")
def recur():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = sq()

        def forward(s, x, n=5):
            return s.forward(s.l(x), n - 1) if n > 0 else s.l(x)

    return M(), (X(1, 64),)


@trap(4 * 64 * 64, "a module calls itself by __call__")
def recur2():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = sq()

        def forward(s, x, n=3):
            x = s.l(x)
            return s(x, n=n - 1) if n > 0 else x

    return M(), (X(1, 64),)


@trap(L, "inputs: nested dict, list, None, string, set, tuple")
def nest():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()

        def forward(s, d, mode, n=None, *, o=frozenset()):
            return {"out": [s.l(d["a"][0]["b"][1])], "none": None, "s": mode}

    return M(), ({"a": [{"b": (None, X(1, 64))}]}, "x", None), {"o": {1, 2}}


@trap(2 * L, "UserDict, OrderedDict, ChainMap, SimpleNamespace, deque")
def userdict():
    import types

    class B(collections.UserDict):
        pass

    def f(s, d, n):
        return s.l(d["x"]) + s.l(n.y[0])

    return Fn(f, l=lin()), (B(x=X(1, 64)), types.SimpleNamespace(y=collections.deque([X(1, 64)])))


@trap(3 * L, "ragged list of NumPy arrays")
def nparr():
    return Fn(lambda s, xs: [s.l(torch.as_tensor(x)) for x in xs], l=lin()), (
        [np.zeros((1, 64), "float32"), np.zeros((2, 64), "float32")],
    )


@trap(L, "0-d tensor, bool, complex and expanded inputs")
def odd_in():
    return Fn(lambda s, a, b, c: s.l(a * b.real.float() + c.float()), l=lin()), (
        torch.tensor(2.0),
        torch.ones(1, 64, dtype=torch.complex64),
        torch.ones(1, 1).bool().expand(1, 64),
    )


@trap(0, "empty batch, LSTM and linear")
def empty():
    return nn.Sequential(nn.Linear(64, 32)), (X(0, 64),)


@trap(L, "returns None")
def none():
    return Fn(lambda s, x: s.l(x) and None if False else (s.l(x), None)[1], l=lin()), (X(1, 64),)


@trap(2 * L, "generator output")
def genout():
    return Fn(lambda s, x: iter([s.l(x), s.l(x)]), l=lin()), (X(1, 64),)


@trap(3 * L, "a forward that yields: its work comes with the items")
def yields():
    def f(s, x):
        for _ in range(3):
            yield s.l(x)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(2 * L, "a map as output")
def mapout():
    return Fn(lambda s, x: map(s.l, (x, x)), l=lin()), (X(1, 64),)


@trap(L, "a frozen dataclass with slots in, a NamedTuple of None out")
def slotdc():
    return Fn(lambda s, d: s.l(d.x), l=lin()), (SD(X(1, 64)),)


@dataclasses.dataclass(frozen=True, slots=True)
class SD:
    x: torch.Tensor


@trap(L, "caches in a dict and list of itself; global dict")
def caches():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()
            s.c = {}
            s.q = []

        def forward(s, x):
            if 64 not in s.c:
                s.c[64] = torch.arange(64.0, device=x.device)
            s.q.append(x)
            GLOB.setdefault("k", x * 2)
            return s.l(x + s.c[64])

    return M(), (X(1, 64),)


GLOB = {}


@trap(L, "context managers: no_grad, autocast off, profiler record, device")
def ctx():
    def f(s, x):
        with (
            torch.no_grad(),
            torch.autocast("cpu", enabled=False),
            torch.profiler.record_function("a"),
            torch.autograd.profiler.record_function("b"),
            torch.random.fork_rng(),
        ):
            return s.l(x)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "x.to(device of weight), .to(dtype), .cuda() guard, .type_as, .new_tensor, torch.tensor(list)")
def devs():
    def f(s, x):
        w = s.l.weight
        x = x.to(w.device).to(w).type_as(w)
        x = (
            x
            + x.new_tensor([1.0] * 64)
            + torch.tensor([1.0] * 64, device=w.device)
            + torch.full((64,), 2.0, dtype=w.dtype, device=w.device)
        )
        if torch.cuda.is_available():
            x = x.cuda()
        return s.l(x)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "double weights and default dtype changes")
def dbl():
    return nn.Linear(64, 32).double(), (X(1, 64).double(),)


@trap(16 * 64 * 64, "padded batch: lengths by mask.sum().tolist(), split")
def lens():
    def f(s, x, m):
        n = m.sum(1).tolist()
        return [s.l(t[:k]) for t, k in zip(x, n)]

    return Fn(f, l=sq()), (X(2, 10, 64), torch.arange(10)[None] < torch.tensor([[10], [6]]))


@trap(64 * 64, "straight-through, detach, gumbel_softmax, multinomial, bernoulli, normal_")
def rand2():
    def f(s, x):
        y = s.l(x)
        p = y.softmax(-1)
        i = torch.multinomial(p, 2)
        b = torch.bernoulli(p)
        z = torch.normal(y, p)
        return (
            F.gumbel_softmax(y, hard=True)
            + b
            + z
            + i.sum()
            + torch.empty_like(y).normal_()
            + torch.randperm(64, device=x.device)
            + torch.distributions.Normal(y, p).rsample()
        )

    return Fn(f, l=sq()), (X(1, 64),)


@trap(3 * 64 * 64, "DEQ: fixed-point iteration with norm test, at most 3")
def deq():
    def f(s, x):
        z = torch.zeros_like(x)
        for _ in range(3):
            n = torch.tanh(s.l(z) + x)
            if (n - z).norm() < 1e-12:
                break
            z = n
        return z

    return Fn(f, l=sq()), (X(1, 64),)


@trap(4 * 2 * 64 * 64, "neural ODE, RK4: 4 evaluations x 2 steps")
def ode():
    def f(s, x):
        h = 0.5
        for _ in range(2):
            a = s.l(x)
            b = s.l(x + h / 2 * a)
            c = s.l(x + h / 2 * b)
            d = s.l(x + h * c)
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
        return x

    return Fn(f, l=sq()), (X(1, 64),)
