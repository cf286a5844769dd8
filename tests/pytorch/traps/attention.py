"""Attention in all its forms: fused, written out, windowed, cached, with masks and projections of their own."""

import torch
import torch.nn.functional as F
from pytorch.traps.modules import Fn, X
from pytorch.traps.table import trap
from torch import nn


@trap(4 * 16 * 20 * (8 + 12), "scores 16x20 over d 8; times v with d 12; 4 heads; bool mask")
def sdpa_mask_dv():
    return _Mask(), (X(1, 4, 16, 8), X(1, 4, 20, 8), X(1, 4, 20, 12))


class _Mask(nn.Module):
    def __init__(s):
        super().__init__()
        s.register_buffer("m", torch.ones(16, 20).bool())

    def forward(s, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=s.m)


@trap(2 * 4 * 16 * 16 * 8, "as sdpa, under sdpa_kernel(MATH)")
def sdpa_kernel_math():
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def f(s, q, k, v):
        with sdpa_kernel(SDPBackend.MATH):
            return F.scaled_dot_product_attention(q, k, v)

    return Fn(f), tuple(X(1, 4, 16, 8) for _ in "qkv")


@trap(
    2 * 10 * 32 * 32 + 2 * 14 * 20 * 32 + 2 * 14 * 24 * 32 + 2 * 2 * 10 * 14 * 32 + 2 * 10 * 32 * 32,
    "q,k,v projections of their own widths; scores+values over 32; output projection; batch 2",
)
def mha_kdim_vdim():
    return Fn(
        lambda s, q, k, v: s.m(q, k, v, need_weights=False)[0],
        m=nn.MultiheadAttention(32, 4, kdim=20, vdim=24, batch_first=True),
    ), (X(2, 10, 32), X(2, 14, 20), X(2, 14, 24))


@trap(2 * (16 * 32 * 96 + 2 * 16 * 16 * 32 + 16 * 32 * 32), "L=16, N=2: in-proj, scores, values, out-proj")
def mha_seq_first_weights():
    return Fn(lambda s, x: s.m(x, x, x, average_attn_weights=False), m=nn.MultiheadAttention(32, 4)), (X(16, 2, 32),)


@trap(16 * 32 * 96 + 2 * 16 * 18 * 32 + 16 * 32 * 32, "keys: 16 + bias_kv + zero = 18")
def mha_bias_kv_zero_attn():
    return Fn(
        lambda s, x: s.m(x, x, x, need_weights=False)[0],
        m=nn.MultiheadAttention(32, 4, add_bias_kv=True, add_zero_attn=True, batch_first=True),
    ), (X(1, 16, 32),)


@trap(2 * (16 * 32 * 96 + 2 * 16 * 16 * 32 + 16 * 32 * 32), "key_padding_mask, batch 2")
def mha_key_padding():
    def f(s, x, m):
        return s.m(x, x, x, key_padding_mask=m, need_weights=False)[0]

    return Fn(f, m=nn.MultiheadAttention(32, 4, batch_first=True)), (X(2, 16, 32), torch.zeros(2, 16).bool())


_ENC = lambda L: L * 32 * 96 + 2 * L * L * 32 + L * 32 * 32 + 2 * L * 32 * 64

_DEC = (
    10 * 32 * 96
    + 2 * 100 * 32
    + 10 * 32 * 32
    + 10 * 32 * 32
    + 14 * 32 * 64
    + 2 * 10 * 14 * 32
    + 10 * 32 * 32
    + 2 * 10 * 32 * 64
)


@trap(2 * _ENC(14) + 2 * _DEC, "2 encoder layers on 14, 2 decoder layers on 10x14")
def nn_transformer():
    return nn.Transformer(32, 4, 2, 2, 64, batch_first=True), (X(1, 14, 32), X(1, 10, 32))


@trap(2 * 2 * _ENC(16), "2 layers, batch 2, padding mask given by keyword (nested-tensor path in eval)")
def encoder_padding_mask():
    return (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2),
        (X(2, 16, 32),),
        {"src_key_padding_mask": torch.zeros(2, 16).bool()},
    )


@trap(
    2 * 4 * 128 * 128 * 16,
    "flex_attention, no mask: dense",
)
def flex_attention():
    from torch.nn.attention.flex_attention import flex_attention as fa

    return Fn(lambda s, q, k, v: fa(q, k, v)), tuple(X(1, 4, 128, 16) for _ in "qkv")


class Window(nn.Module):
    def __init__(s):
        super().__init__()
        s.qkv, s.proj = nn.Linear(32, 96), nn.Linear(32, 32)
        s.table = nn.Parameter(torch.zeros(49, 4))
        c = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        r = (c[:, :, None] - c[:, None, :]).permute(1, 2, 0) + 3
        s.register_buffer("idx", (r[..., 0] * 7 + r[..., 1]))

    def forward(s, x):
        x = torch.roll(x, (-2, -2), (1, 2))
        w = x.view(1, 2, 4, 2, 4, 32).permute(0, 1, 3, 2, 4, 5).reshape(4, 16, 32)
        q, k, v = s.qkv(w).view(4, 16, 3, 4, 8).permute(2, 0, 3, 1, 4)
        a = q @ k.transpose(-2, -1) + s.table[s.idx.view(-1)].view(16, 16, 4).permute(2, 0, 1)
        o = (a.softmax(-1) @ v).transpose(1, 2).reshape(4, 16, 32)
        o = s.proj(o).view(1, 2, 2, 4, 4, 32).permute(0, 1, 3, 2, 4, 5).reshape(1, 8, 8, 32)
        return torch.roll(o, (2, 2), (1, 2))


@trap(64 * 32 * 96 + 2 * 4 * 4 * 16 * 16 * 8 + 64 * 32 * 32, "64 tokens; 4 windows x 4 heads x 16x16 x 8, twice")
def swin_window():
    return Window(), (X(1, 8, 8, 32),)


@trap(2 * 4 * 16 * 16 * 8, "rotary by complex numbers: elementwise; then attention written out")
def rotary_complex():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("f", torch.polar(torch.ones(16, 4), torch.rand(16, 4)))

        def forward(s, q, k, v):
            r = lambda x: torch.view_as_real(torch.view_as_complex(x.reshape(1, 4, 16, 4, 2)) * s.f).flatten(3)
            return (r(q) @ r(k).transpose(-1, -2)).softmax(-1) @ v

    return M(), tuple(X(1, 4, 16, 8) for _ in "qkv")


class KV(nn.Module):
    def __init__(s):
        super().__init__()
        s.q, s.k, s.v, s.o = (nn.Linear(32, 32, bias=False) for _ in range(4))

    def step(s, x, cache):
        sh = lambda t: t.view(1, -1, 4, 8).transpose(1, 2)
        q, k, v = sh(s.q(x)), sh(s.k(x)), sh(s.v(x))
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, -1, 32)
        return s.o(y), (k, v)

    def forward(s, x):
        y, c = s.step(x, None)
        for _ in range(4):
            y, c = s.step(y[:, -1:], c)
        return y


@trap(
    8 * 4 * 1024 + 2 * 8 * 8 * 32 + sum(4 * 1024 + 2 * (8 + t) * 32 for t in (1, 2, 3, 4)),
    "prefill 8 tokens, then 4 single tokens over a growing cache",
)
def kv_cache_decode():
    return KV(), (X(1, 8, 32),)


@trap(2 * 4 * 16 * 8 * 8, "k^T v: 4 heads 8x8 over 16; q(kv): 16x8 over 8")
def linear_attention_einsum():
    return Fn(
        lambda s, q, k, v: torch.einsum("bhnd,bhde->bhne", q.relu(), torch.einsum("bhnd,bhne->bhde", k.relu(), v))
    ), tuple(X(1, 4, 16, 8) for _ in "qkv")


@trap(8 * 16 * 16 * 8, "diffusers: baddbmm(empty, q, k^T, beta=0)")
def attention_baddbmm():
    return Fn(
        lambda s, q, k: torch.baddbmm(torch.empty(8, 16, 16, device=q.device), q, k.transpose(1, 2), beta=0, alpha=0.3)
    ), (X(8, 16, 8), X(8, 16, 8))
