"""Tensors in unusual places, constants made on the way, and forwards that read values."""

import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, IMG, Fn, P, X, conv
from pytorch.traps.table import trap
from torch import nn


@trap(64 * 32, "weight as a buffer", params=0)
def weight_in_buffer():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("w", torch.randn(32, 64))

        def forward(s, x):
            return F.linear(x, s.w)

    return M(), (X(1, 64),)


@trap(64 * 64, "causal mask kept as a plain tensor attribute")
def mask_plain_attribute():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = nn.Linear(64, 64)
            s.m = torch.ones(64)

        def forward(s, x):
            return s.l(x) * s.m

    return M(), (X(1, 64),)


@trap(64 * 64, "a registered Parameter, also kept in a plain list, used from there", params=4096)
def params_plain_list():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.w = P(64, 64)
            s.ws = [s.w]

        def forward(s, x):
            return x @ s.ws[0]

    return M(), (X(1, 64),)


@trap(16 * 64 * 32, "positions by torch.arange(n) without device=")
def arange_without_device():
    return Fn(
        lambda s, i: s.l(s.t(i) + s.p(torch.arange(16))),
        t=nn.Embedding(100, 64),
        p=nn.Embedding(16, 64),
        l=nn.Linear(64, 32),
    ), (torch.arange(16).view(1, 16),)


@trap(10 * 4 * 32 * 48, "h0 = torch.zeros(...) without device=")
def zeros_without_device():
    return Fn(
        lambda s, x: s.r(x, (torch.zeros(1, 1, 32), torch.zeros(1, 1, 32)))[0], r=nn.LSTM(16, 32, batch_first=True)
    ), (X(1, 10, 16),)


@trap(CONV, "x - torch.tensor([...]).view(1,3,1,1): constants made in the forward")
def tensor_constant():
    return Fn(lambda s, x: s.c(x - torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)), c=conv()), (IMG(),)


@trap(CONV, "torch.from_numpy in the forward")
def numpy_constant():
    import numpy as np

    return Fn(lambda s, x: s.c(x * torch.from_numpy(np.ones((1, 3, 1, 1), dtype="float32"))), c=conv()), (IMG(),)


@trap(CONV, "assert x.max() <= 1: a check of values in the forward")
def value_assert():
    def f(s, x):
        assert not torch.isnan(x).any()
        return s.c(x)

    return Fn(f, c=conv()), (IMG(),)


@trap(CONV, "temperature.item() in the forward")
def item_scalar():
    return Fn(lambda s, x: s.c(x) * s.t.item(), c=conv(), t=P(1)), (IMG(),)


@trap(16 * 64 * 64, "nonzero + index_select, all rows")
def nonzero_index():
    return Fn(lambda s, x, m: s.l(x.index_select(0, m.nonzero()[:, 0])), l=nn.Linear(64, 64)), (
        X(16, 64),
        torch.ones(16).bool(),
    )


class MoE(nn.Module):
    def __init__(s, sparse):
        super().__init__()
        s.g = nn.Linear(32, 4, bias=False)
        s.e = nn.ModuleList(nn.Linear(32, 32, bias=False) for _ in range(4))
        s.sparse = sparse

    def forward(s, x):
        p, i = s.g(x).softmax(-1).topk(2, -1)
        y = torch.zeros_like(x)
        for n, e in enumerate(s.e):
            if s.sparse:
                r, c = torch.where(i == n)
                y.index_add_(0, r, e(x[r]) * p[r, c, None])
            else:
                y = y + e(x) * (p * (i == n)).sum(-1, keepdim=True)
        return y


@trap(16 * 32 * 4 + 4 * 16 * 32 * 32, "router and all 4 experts on all 16 tokens (dense MoE)")
def moe_dense():
    return MoE(False), (X(16, 32),)


@trap(16 * 32 * 4 + 2 * 16 * 32 * 32, "router and 2 of 4 experts for each of 16 tokens (where + index_add)")
def moe_sparse():
    return MoE(True), (X(16, 32),)


class Mamba(nn.Module):
    def __init__(s, d=16, n=8, r=2):
        super().__init__()
        s.n, s.r = n, r
        s.i, s.c = nn.Linear(d, 2 * d, bias=False), nn.Conv1d(d, d, 4, groups=d, padding=3)
        s.x, s.dt, s.o = nn.Linear(d, r + 2 * n, bias=False), nn.Linear(r, d), nn.Linear(d, d, bias=False)
        s.A, s.D = P(d, n), P(d)

    def forward(s, x):
        L = x.shape[1]
        u, z = s.i(x).chunk(2, -1)
        u = F.silu(s.c(u.transpose(1, 2))[..., :L]).transpose(1, 2)
        dt, B, C = s.x(u).split([s.r, s.n, s.n], -1)
        dt = F.softplus(s.dt(dt))
        h = x.new_zeros(1, u.shape[-1], s.n)
        ys = []
        for t in range(L):
            h = torch.exp(dt[:, t, :, None] * s.A) * h + dt[:, t, :, None] * B[:, t, None] * u[:, t, :, None]
            ys.append((h @ C[:, t, :, None])[..., 0])
        return s.o((torch.stack(ys, 1) + u * s.D) * F.silu(z))


@trap(
    12 * 16 * 32 + 15 * 16 * 4 + 12 * 16 * 18 + 12 * 2 * 16 + 12 * 16 * 8 + 12 * 16 * 16,
    "L=12, d=16, n=8, r=2: in, depthwise conv of 12+3 outputs x 4, x_proj, dt_proj, h@C, out",
)
def mamba_scan():
    return Mamba(), (X(1, 12, 16),)
