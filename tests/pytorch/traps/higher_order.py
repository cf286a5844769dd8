"""Operators that take functions, custom operators, inference mode, sizes from none to huge, random numbers."""

import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, IMG, Fn, P, X, conv
from pytorch.traps.table import trap
from torch import nn


@trap(CONV, "torch.cond on a value of the input", (2 * CONV,))
def ho_cond():
    return Fn(lambda s, x: torch.cond(x.sum() > -1e9, lambda t: s.a(t), lambda t: s.b(t), (x,)), a=conv(), b=conv()), (
        IMG(),
    )


@trap(5 * 64 * 64, "while_loop, 5 turns", (64 * 64,))
def ho_while():
    from torch._higher_order_ops.while_loop import while_loop

    def f(s, x):
        i = torch.zeros((), dtype=torch.int64, device=x.device)
        return while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, torch.tanh(x @ s.w)), (i, x))[1]

    return Fn(f, w=P(64, 64)), (X(1, 64),)


@trap(64 * 32, "torch.library custom op (with a fake) that multiplies: can only be flagged", (0,))
def custom_op():
    try:

        @torch.library.custom_op("trapns::lin", mutates_args=())
        def lin(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            return x @ w.t()

        lin.register_fake(lambda x, w: x.new_empty(x.shape[0], w.shape[0]))
    except RuntimeError:
        pass
    return Fn(lambda s, x: torch.ops.trapns.lin(x, s.w), w=P(32, 64)), (X(1, 64),)


@trap(64 * 32, "custom op without a fake (runs on CPU only)", (0,))
def custom_op_cpu_only():
    @torch.library.custom_op("trapns::lin2", mutates_args=(), device_types="cpu")
    def lin2(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return x @ w.t()

    return Fn(lambda s, x: torch.ops.trapns.lin2(x, s.w), w=P(32, 64)), (X(1, 64),)


def _inf(m):
    f = m.forward

    @torch.inference_mode()
    def g(*a, **k):
        return f(*a, **k)

    m.forward = g
    return m


@trap(64 * 32, "@torch.inference_mode() on a forward with Linear")
def inference_linear():
    return _inf(nn.Sequential(nn.Linear(64, 32))), (X(1, 64),)


@trap(8 * 16 * 8, "@torch.inference_mode(): matmul 3-D")
def inference_matmul():
    return _inf(Fn(lambda s, a, b: a @ b)), (X(1, 8, 16), X(1, 16, 8))


@trap(2 * 4 * 16 * 16 * 8, "@torch.inference_mode(): sdpa")
def inference_sdpa():
    return _inf(Fn(lambda s, q, k, v: F.scaled_dot_product_attention(q, k, v))), tuple(X(1, 4, 16, 8) for _ in "qkv")


@trap(10 * 4 * 32 * 48, "@torch.inference_mode(): LSTM")
def inference_lstm():
    return _inf(Fn(lambda s, x: s.r(x)[0], r=nn.LSTM(16, 32, batch_first=True))), (X(1, 10, 16),)


@trap(8 * 64 * 16 * 9, "@torch.inference_mode(): transposed convolution")
def inference_convT():
    return _inf(nn.Sequential(nn.ConvTranspose2d(8, 16, 3, 2, 1))), (X(1, 8, 8, 8),)


@trap(CONV, "model built on the meta device; CPU input")
def model_on_meta():
    with torch.device("meta"):
        m = nn.Sequential(conv())
    return m, (IMG(),)


@trap(100000 * 100000, "40 GB of weights, on the meta device")
def huge():
    with torch.device("meta"):
        m = nn.Sequential(nn.Linear(100000, 100000, bias=False))
    return m, (torch.empty(1, 100000, device="meta"),)


@trap(0, "batch of none")
def batch0():
    return nn.Sequential(conv()), (IMG(0),)


@trap(CONV, "a generator (random numbers) in the forward: VAE noise, rand masks")
def random_in_forward():
    def f(s, x):
        x = x + torch.randn_like(x) * 0.1 + torch.rand(1, 3, 1, 1, device=x.device)
        return F.dropout(s.c(x), 0.5, training=True)

    return Fn(f, c=conv()), (IMG(),)


@trap(CONV, "topk, sort, cumsum, scatter, index_put, argmax around a convolution: no products")
def index_ops():
    def f(s, x):
        y = s.c(x).flatten(1)
        v, i = y.topk(8)
        y = y.scatter(1, i, v).cumsum(1).sort(1)[0]
        y[:, i[0]] = 1.0
        return y.argmax(1), y.norm(), y.std(1), torch.logsumexp(y, 1), y.amax(1), y.prod(1), y.var(1)

    return Fn(f, c=conv()), (IMG(),)
