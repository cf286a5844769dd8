"""Functions of torch, around a product or instead of one; calls of modules in unusual ways."""

import collections

import numpy as np
import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, IMG, Fn, P, X, conv
from pytorch.traps.table import more as trap
from torch import nn

L = 64 * 32
lin = lambda: nn.Linear(64, 32)
sq = lambda: nn.Linear(64, 64)
S = F.scaled_dot_product_attention


@trap(3 * 8 * 64 * 64, "@ in a while loop over a size")
def w1():
    def f(s, x):
        n = x.shape[0]
        while n > 1:
            x = x @ s.w
            n //= 2
        return x

    return Fn(f, w=P(64, 64)), (X(8, 64)[:8],)


@trap(2 * 16 * 16 * 64, "Newton-Schulz step: A=XX^T, B=A@X")
def ns():
    return Fn(lambda s, x: (x @ x.T) @ x), (X(16, 64),)


@trap(16 * 16 * 64, "torch.cov / corrcoef: a product")
def cov():
    return Fn(lambda s, x: torch.cov(x)), (X(16, 64),)


@trap(16 * 16 * 64, "corrcoef")
def corr():
    return Fn(lambda s, x: torch.corrcoef(x)), (X(16, 64),)


@trap(16 * 32 * 64, "F.linear with a 3-D input transposed (non contiguous)")
def lin_nc():
    return Fn(lambda s, x: s.l(x.mT), l=nn.Linear(64, 32)), (X(1, 64, 16),)


@trap(2 * 16 * 32 * 64, "an expanded batch of 2")
def lin_exp():
    return Fn(lambda s, x: s.l(x.expand(2, 16, 64)), l=nn.Linear(64, 32)), (X(1, 16, 64),)


@trap(1024 * 16 * 27 * 2, "conv called with a stack over batch dims by vmap")
def conv_vmap():
    return Fn(lambda s, x: torch.vmap(s.c)(x), c=conv()), (X(2, 1, 3, 32, 32),)


@trap(2 * 1024 * 16 * 27, "vmap over weights of conv: 2 models on one image")
def conv_vmap_w():
    return Fn(lambda s, x: torch.vmap(lambda w: F.conv2d(x, w, padding=1))(s.w), w=P(2, 16, 3, 3, 3)), (IMG(),)


@trap(
    2 * 5 * 16 * 8,
    "vmap nested: batched outer of mv",
)
def vmap2():
    return Fn(lambda s, a, b: torch.vmap(torch.vmap(torch.mv, (None, 0)), (0, None))(a, b)), (X(2, 16, 8), X(5, 8))


@trap(2 * 16 * 8 * 3, "torch.func.vmap with chunk_size, out_dims")
def vchunk():
    return Fn(lambda s, a: torch.vmap(lambda t: s.w @ t, chunk_size=1, out_dims=1)(a), w=P(16, 8)), (X(2, 8, 3),)


@trap(
    8 * 4 + 8 * 4,
    "grad inside a forward decorated with torch.no_grad: enable_grad",
)
def grad_nograd():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = nn.Linear(4, 8, bias=False)

        @torch.no_grad()
        def forward(s, x):
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                e = s.l(x).pow(2).sum()
            return torch.autograd.grad(e, x)[0]

    return M(), (X(1, 4),)


@trap(2 * (8 * 4) * 3, "TTT: loss.backward() on own parameters: forward, input not needed: weight gradient; twice")
def ttt():
    def f(s, x):
        w = s.l.weight.detach().clone().requires_grad_(True)
        for _ in range(2):
            with torch.enable_grad():
                y = F.linear(x, w)
                (g,) = torch.autograd.grad(y.pow(2).mean(), w)
            w = (w - 0.1 * g).detach().requires_grad_(True)
        return F.linear(x, w), F.linear(x, w)

    return Fn(f, l=nn.Linear(4, 8, bias=False)), (X(1, 4),)


@trap(16 * 16 * 16 * 3 * 49, "stem with 7x7, stride 2, padding 3: 16x16x16 outputs")
def stem():
    return nn.Conv2d(3, 16, 7, 2, 3), (IMG(),)


@trap(CONV, "Conv2d on meta dtype bfloat16 with autocast off; in-place relu on view")
def inpl():
    def f(s, x):
        y = s.c(x)
        y[:, :8].relu_()
        y[:, 8:] += 1
        y.view(-1)[0] = 3
        return y

    return Fn(f, c=conv()), (IMG(),)


@trap(L, "torch.where, nan_to_num, clamp, lerp, addcmul, frexp: no products")
def elt():
    def f(s, x):
        y = s.l(x)
        return (
            torch.where(y > 0, y, y.lerp(y * 2, 0.5)).addcmul(y, y).clamp(-1, 1).nan_to_num(),
            torch.frexp(y),
            torch.atan2(y, y),
            torch.special.erf(y),
            torch.polygamma(1, y),
            torch.heaviside(y, y),
        )

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "histc, bincount, searchsorted, bucketize, kthvalue, median, mode, cummax, logcumsumexp, renorm, trapz, diff")
def odd_ops():
    def f(s, x):
        y = s.l(x)
        b = torch.linspace(0, 1, 5)
        return (
            y.histc(4),
            torch.searchsorted(b, y),
            torch.bucketize(y, b),
            y.kthvalue(2),
            y.median(),
            y.mode(),
            y.cummax(1),
            torch.logcumsumexp(y, 1),
            y.renorm(2, 0, 1.0),
            torch.trapezoid(y),
            y.diff(),
            torch.quantile(y, 0.5),
            y.aminmax(),
            torch.triu(y),
            y.roll(1),
            y.flip(0),
            torch.rot90(y),
            torch.cartesian_prod(b, b),
            torch.combinations(b),
            torch.block_diag(y, y),
            torch.vander(b),
            y.unfold(1, 2, 1),
            torch.nn.functional.pdist(y),
        )

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "linalg: solve, inverse, det, svd, qr, cholesky, eigh, lstsq, pinv: not products", (L + 4 * 4 * 4,))
def linalg():
    def f(s, x):
        s.l(x)
        a = s.a @ s.a.T * 0 + torch.eye(4)
        return (
            torch.linalg.solve(a, a),
            torch.linalg.inv(a),
            torch.linalg.det(a),
            torch.linalg.svd(a),
            torch.linalg.qr(a),
            torch.linalg.cholesky(a),
            torch.linalg.eigh(a),
            torch.linalg.slogdet(a),
            torch.linalg.solve_triangular(a, a, upper=True),
            torch.matrix_exp(a),
            torch.linalg.norm(a),
            torch.linalg.cross(x[:, :3], x[:, :3]),
        )

    return Fn(f, l=lin(), a=P(4, 4)), (X(1, 64),)


@trap(L, "losses in the forward: cross entropy, CTC, NLL, KL, BCE, huber, triplet, cosine")
def losses():
    def f(s, x):
        y = s.l(x)
        t = torch.zeros(1, dtype=torch.long)
        return (
            F.cross_entropy(y, t),
            F.mse_loss(y, y),
            F.binary_cross_entropy_with_logits(y, y.sigmoid()),
            F.kl_div(y.log_softmax(1), y.softmax(1)),
            F.huber_loss(y, y),
            F.triplet_margin_loss(y, y, y),
            F.cosine_embedding_loss(y, y, t),
            F.ctc_loss(
                torch.randn(5, 1, 4).log_softmax(2),
                torch.ones(1, 2, dtype=torch.long),
                torch.tensor([5]),
                torch.tensor([2]),
            ),
            F.multi_margin_loss(y, t),
            F.soft_margin_loss(y, y),
        )

    return Fn(f, l=lin()), (X(1, 64),)


@trap(16 * 32 * 32, "stft and istft: FFT; linear on frames", (16 * 32 * 32, 0))
def stft():
    def f(s, x):
        z = torch.stft(x, 62, 4, return_complex=True, window=torch.ones(62, device=x.device))
        return s.l(z.abs().mT[:, :16])

    return Fn(f, l=nn.Linear(32, 32)), (X(1, 256),)


@trap(CONV, "max_pool with indices, unpool, fractional, lp pool, pixel ops")
def pools():
    def f(s, x):
        y = s.c(x)
        z, i = F.max_pool2d(y, 2, return_indices=True)
        return (
            F.max_unpool2d(z, i, 2),
            F.lp_pool2d(y, 2.0, 2),
            F.fractional_max_pool2d(y, 2, output_size=8),
            F.avg_pool2d(y, 3, 1, 1, count_include_pad=False),
            F.adaptive_avg_pool2d(y, (3, 5)),
            F.channel_shuffle(y, 4),
            F.pixel_unshuffle(y, 2),
        )

    return Fn(f, c=conv()), (IMG(),)


@trap(CONV, "batch, layer, group, instance, rms, local norms as functions; training=True")
def fnorm():
    def f(s, x):
        y = s.c(x)
        return (
            F.batch_norm(y, None, None, training=True),
            F.instance_norm(y),
            F.group_norm(y, 4),
            F.layer_norm(y, (32, 32)),
            F.rms_norm(y, (32,)),
            F.local_response_norm(y, 3),
            F.normalize(y),
        )

    return Fn(f, c=conv()), (IMG(),)


@trap(2 * L, "hooks: backward hook registered (no effect), forward_pre, always_call")
def fullhooks():
    m = nn.Sequential(lin())
    m[0].register_full_backward_hook(lambda *a: None)
    m[0].register_forward_hook(lambda m, i, o: o + F.linear(i[0], m.weight), always_call=True)
    return m, (X(1, 64),)


@trap(
    L,
    "torch.jit.script function called; torch.jit.ignore",
)
def sfun():
    return Fn(lambda s, x: act(s.l(x)), l=lin()), (X(1, 64),)


def _act(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.relu(x) * 2


act = torch.jit.script(_act)


@trap(16 * 16 * 8, "a scripted function that multiplies")
def smm():
    return Fn(lambda s, a, b: smmf(a, b)), (X(16, 8), X(8, 16))


def _smm(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.mm(a, b).relu()


smmf = torch.jit.script(_smm)


@trap(2 * 10 * 4 * 32 * 48, "LSTM seq, twice, hidden passed on, under flatten_parameters")
def lstm2():
    def f(s, x):
        s.r.flatten_parameters()
        y, h = s.r(x)
        return s.r(x, h)[0]

    return Fn(f, r=nn.LSTM(16, 32, batch_first=True)), (X(1, 10, 16),)


@trap(10 * (4 * 32 * 48) + 10 * (4 * 32 * 64), "LSTM 2 layers dropout, 1 batch, train")
def lstm_drop():
    return nn.LSTM(16, 32, 2, dropout=0.5, batch_first=True).train(), (X(1, 10, 16),)


@trap(5 * 4 * 32 * 48, "packed: lengths 2 and 3 enforce_sorted False, total_length")
def pack2():
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    return Fn(
        lambda s, x, n: pad_packed_sequence(
            s.r(pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False))[0], batch_first=True, total_length=4
        )[0],
        r=nn.LSTM(16, 32, batch_first=True),
    ), (X(2, 4, 16), torch.tensor([2, 3]))


@trap(2 * 2 * 16 * 16 * 32 + 2 * 16 * (96 + 32) * 32, "MHA with nested 3-D attn mask, bool, batch 2, 4 heads")
def mha3d():
    return Fn(lambda s, x, m: s.m(x, x, x, attn_mask=m)[0], m=nn.MultiheadAttention(32, 4, batch_first=True)), (
        X(2, 16, 32),
        torch.zeros(8, 16, 16).bool(),
    )


@trap(2 * 2 * 16 * 16 * 32 + 2 * 16 * (96 + 32) * 32, "MHA inference fast path under torch.no_grad by decorator, eval")
def mhang():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.m = nn.MultiheadAttention(32, 4, batch_first=True)

        @torch.no_grad()
        def forward(s, x):
            return s.m(x, x, x)[0]

    return M().eval(), (X(2, 16, 32),)


@trap(
    2 * 2 * 16 * 16 * 32 + 2 * 16 * (96 + 32) * 32 + 2 * 16 * 2 * 32 * 64,
    "encoder layer in inference mode: fused kernel",
)
def encinf():
    m = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).eval()

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.m = m

        @torch.inference_mode()
        def forward(s, x):
            return s.m(x)

    return M().eval(), (X(2, 16, 32),)


@trap(L, "numpy ufunc on a tensor, float(), int(), __array__, list(x), bool(x), in")
def pyops():
    def f(s, x):
        y = s.l(x)
        a = float(y.sum())
        b = int(y[0, 0])
        c = np.exp(y.detach().numpy())
        d = list(y[0])
        assert 300 not in y.long()
        return sum(d) * a * b + torch.as_tensor(c)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "format, repr, print, str of tensors; hash; id; deepcopy; pickle in the forward")
def strs():
    import copy
    import pickle

    def f(s, x):
        y = s.l(x)
        f"{y.shape} {y} {y.mean():.3f}"
        repr(y)
        hash(y)
        copy.deepcopy(x)
        copy.copy(y)
        pickle.dumps(x)
        return y

    return Fn(f, l=lin()), (X(1, 64),)


@trap(2 * L, "copy.deepcopy of a child in the forward (EMA)")
def ema():
    import copy

    def f(s, x):
        t = copy.deepcopy(s.l)
        return s.l(x) + t(x)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "state_dict / load_state_dict / named_parameters / children in the forward")
def sd():
    def f(s, x):
        d = s.l.state_dict()
        s.l.load_state_dict(d)
        list(s.named_parameters())
        list(s.children())
        s.l.requires_grad_(False)
        s.zero_grad()
        s.eval()
        s.train(False)
        return s.l(x)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(L, "module replaced in the forward by another")
def repl():
    def f(s, x):
        s.l = nn.Sequential(s.l, nn.ReLU())
        return s.l(x)

    return Fn(f, l=lin()), (X(1, 64),)


@trap(
    64 * 64 * 4,
    "ModuleList grown in the forward by clones of weights (dynamic depth)",
)
def grow():
    def f(s, x):
        ms = nn.ModuleList([s.l] * 4)
        for m in ms:
            x = m(x)
        return x

    return Fn(f, l=sq()), (X(1, 64),)


@trap(L, "ParameterList, ParameterDict, BufferDict", params=L + 32)
def plist():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.p = nn.ParameterList([torch.randn(32, 64)])
            s.d = nn.ParameterDict({"b": torch.zeros(32)})

        def forward(s, x):
            return F.linear(x, s.p[0], s.d["b"])

    return M(), (X(1, 64),)


@trap(L, "nn.UninitializedParameter materialised in the forward", params=L)
def unin():
    class M(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(s):
            super().__init__()
            s.w = nn.UninitializedParameter()

        def initialize_parameters(s, x):
            if s.has_uninitialized_params():
                s.w.materialize((32, x.shape[-1]))
                nn.init.zeros_(s.w)

        def forward(s, x):
            return F.linear(x, s.w)

    return nn.Sequential(M()), (X(1, 64),)


@trap(L, "a batch of 16-bit ints and uint8 image normalised in the forward")
def u8():
    return Fn(lambda s, x: s.l(x.float() / 255), l=lin()), (torch.randint(0, 255, (1, 64), dtype=torch.uint8),)


@trap(L, "dtype promotion: float64 input cast, half matmul")
def halfmm():
    return Fn(lambda s, x: (x.half() @ s.w.half()).float(), w=P(64, 32)), (X(1, 64).double(),)


@trap(2 * 2 * 64 * 32 * 4, "complex einsum and matmul: 4 MACs each", (2 * 2 * 64 * 32,))
def cmm():
    return Fn(lambda s, a, b: (a @ b, torch.einsum("ij,jk->ik", a, b))), (
        torch.randn(2, 64, dtype=torch.complex64),
        torch.randn(64, 32, dtype=torch.complex64),
    )


@trap(2 * 64 * 32, "complex times real by view_as_real")
def cre():
    return Fn(lambda s, a: torch.view_as_complex((torch.view_as_real(a).mT @ s.w).mT.contiguous()), w=P(64, 32)), (
        torch.randn(1, 64, dtype=torch.complex64)[0][None],
    )


@trap(L, "an input that is never used, an int, a float, a slice, an Ellipsis, a dtype, a device, a type, a function")
def argsodd():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = lin()

        def forward(s, x, a, b, c, d, e, f, g, h):
            return f_(s.l(x)) if (f_ := h) else None

    return M(), (X(1, 64), 3, 2.5, slice(0, 2), ..., torch.float32, torch.device("cpu"), int, torch.relu)


@trap(L, "TypedDict, defaultdict, Counter, MappingProxyType inputs")
def maps():
    import types

    d = collections.defaultdict(list)
    d["x"].append(X(1, 64))
    return Fn(lambda s, a, b: s.l(a["x"][0]) + b["y"].sum(), l=lin()), (d, types.MappingProxyType({"y": X(3)}))


@trap(2 * L, "inputs share storage: a tensor and a view of it; the same tensor twice")
def shared_in():
    t = X(2, 64)
    return Fn(lambda s, a, b: s.l(a[:1]) + s.l(b[1:]), l=lin()), (t, t)
