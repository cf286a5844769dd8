"""Attention in many forms, products in many forms, convolutions and low-rank layers."""

import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, IMG, Fn, P, X
from pytorch.traps.table import more as trap
from torch import nn

S = F.scaled_dot_product_attention


@trap(2 * 8 * 16 * 16 * 8, "8 query heads, 2 key heads")
def gqa():
    return Fn(lambda s, q, k, v: S(q, k, v, enable_gqa=True)), (X(1, 8, 16, 8), X(1, 2, 16, 8), X(1, 2, 16, 8))


@trap(2 * 4 * 16 * 16 * 8, "causal: dense")
def causal():
    return Fn(lambda s, q, k, v: S(q, k, v, is_causal=True, dropout_p=0.3)), tuple(X(1, 4, 16, 8) for _ in "qkv")


@trap(2 * 3 * 4 * 16 * 20 * 8, "float mask broadcast, batch 3, k/v batch 1")
def sdpa_bc():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.m = P(1, 1, 16, 20)

        def forward(s, q, k, v):
            return S(q, k, v, attn_mask=s.m)

    return M(), (X(3, 4, 16, 8), X(1, 1, 20, 8), X(1, 4, 20, 8))


@trap(2 * 4 * 16 * 20 * 8, "3-D")
def sdpa3():
    return Fn(lambda s, q, k, v: S(q, k, v)), (X(4, 16, 8), X(4, 20, 8), X(4, 20, 8))


@trap(2 * 16 * 20 * 8, "2-D")
def sdpa2():
    return Fn(lambda s, q, k, v: S(q, k, v)), (X(16, 8), X(20, 8), X(20, 8))


@trap(2 * 5 * 4 * 16 * 20 * 8, "vmap over 5")
def sdpa_vmap():
    return Fn(lambda s, q, k, v: torch.vmap(S)(q, k, v)), (X(5, 4, 16, 8), X(5, 4, 20, 8), X(5, 4, 20, 8))


@trap(2 * 5 * 4 * 16 * 20 * 8, "vmap over q only; k, v shared")
def sdpa_vmap_q():
    return Fn(lambda s, q, k, v: torch.vmap(lambda a: S(a, k, v))(q)), (X(5, 4, 16, 8), X(4, 20, 8), X(4, 20, 8))


@trap(2 * 2 * 3 * 4 * 16 * 20 * 8, "5-D")
def sdpa5():
    return Fn(lambda s, q, k, v: S(q, k, v)), (X(2, 3, 4, 16, 8), X(2, 3, 4, 20, 8), X(2, 3, 4, 20, 8))


@trap(2 * 4 * 128 * 128 * 16, "flex with score_mod (ALiBi)")
def flex_alibi():
    from torch.nn.attention.flex_attention import flex_attention as fa

    return Fn(lambda s, q, k, v: fa(q, k, v, score_mod=lambda sc, b, h, i, j: sc + (i - j) * 0.5 * (h + 1))), tuple(
        X(1, 4, 128, 16) for _ in "qkv"
    )


@trap(2 * 4 * 256 * 256 * 16, "flex with block mask causal: dense", (4 * 16 * (2 * (128 * 128 * 3)),))
def flex_block():
    from torch.nn.attention.flex_attention import create_block_mask
    from torch.nn.attention.flex_attention import flex_attention as fa

    def f(s, q, k, v):
        bm = create_block_mask(lambda b, h, i, j: i >= j, None, None, 256, 256, device=q.device)
        return fa(q, k, v, block_mask=bm)

    return Fn(f), tuple(X(1, 4, 256, 16) for _ in "qkv")


@trap(2 * 4 * 128 * 128 * 16, "flex GQA")
def flex_gqa():
    from torch.nn.attention.flex_attention import flex_attention as fa

    return Fn(lambda s, q, k, v: fa(q, k, v, enable_gqa=True)), (X(1, 4, 128, 16), X(1, 2, 128, 16), X(1, 2, 128, 16))


@trap(4 * (16 * 5 * 8 * 2), "sliding windows by unfold: 16 queries, 5 keys each, 8 wide, twice, 4 heads")
def sliding():
    def f(s, q, k, v):
        k = F.pad(k, (0, 0, 2, 2)).unfold(2, 5, 1)
        v = F.pad(v, (0, 0, 2, 2)).unfold(2, 5, 1)
        a = torch.einsum("bhnd,bhndw->bhnw", q, k).softmax(-1)
        return torch.einsum("bhnw,bhndw->bhnd", a, v)

    return Fn(f), tuple(X(1, 4, 16, 8) for _ in "qkv")


@trap(4 * 16 * 16 * 8 * 2 + 4 * 16 * 31 * 8, "Transformer-XL: content scores, position scores over 31 offsets, values")
def rel_shift():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.r = P(4, 31, 8)

        def forward(s, q, k, v):
            ac = q @ k.mT
            bd = q @ s.r.mT
            bd = F.pad(bd, (1, 0)).view(1, 4, 32, 16)[:, :, 1:].reshape(1, 4, 16, 31)[..., :16]
            return (ac + bd).softmax(-1) @ v

    return M(), tuple(X(1, 4, 16, 8) for _ in "qkv")


@trap(2 * 4 * 16 * 16 * 8, "multi-query: one key head, expanded")
def mqa():
    return Fn(
        lambda s, q, k, v: ((q @ k.expand(1, 4, 16, 8).transpose(2, 3)) * 0.3).softmax(-1) @ v.expand(1, 4, 16, 8)
    ), (X(1, 4, 16, 8), X(1, 1, 16, 8), X(1, 1, 16, 8))


@trap(2 * 4 * 16 * 16 * 8, "repeat_interleave of key heads")
def gqa_repeat():
    return Fn(lambda s, q, k, v: S(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, dim=1))), (
        X(1, 4, 16, 8),
        X(1, 2, 16, 8),
        X(1, 2, 16, 8),
    )


@trap(2 * 4 * 16 * 16 * 8, "bmm with out=")
def bmm_out():
    def f(s, q, k, v):
        a = q.new_empty(4, 16, 16)
        torch.bmm(q, k.mT, out=a)
        o = torch.empty_like(q)
        return torch.bmm(a, v, out=o)

    return Fn(f), tuple(X(4, 16, 8) for _ in "qkv")


@trap(2 * 4 * 16 * 16 * 8, "Performer-less: torch.func.vmap over heads of matmul")
def vmap_heads():
    return Fn(lambda s, q, k, v: torch.vmap(lambda a, b, c: (a @ b.T).softmax(-1) @ c)(q, k, v)), tuple(
        X(4, 16, 8) for _ in "qkv"
    )


@trap(
    2 * 2 * (16 * 32 * 96 + 2 * 16 * 16 * 32 + 16 * 32 * 32),
    "MHA fast path with need_weights, called twice, no grad, batch 2",
)
def mha_fast():
    return Fn(lambda s, x: s.m(x, s.m(x, x, x)[0], x)[0], m=nn.MultiheadAttention(32, 4, batch_first=True)), (
        X(2, 16, 32),
    )


@trap(16 * 32 * 96 + 2 * 16 * 16 * 32 + 16 * 32 * 32 + 2 * 16 * 32 * 64, "encoder layer norm_first gelu no bias")
def enc_nf():
    return nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True, activation="gelu", bias=False), (
        X(1, 16, 32),
    )


@trap(
    2 * (16 * 32 * 96 + 2 * 16 * 16 * 32 + 16 * 32 * 32 + 2 * 16 * 32 * 64),
    "encoder with causal mask, seq first, batch 2",
)
def enc_causal():
    def f(s, x):
        return s.e(x, src_mask=nn.Transformer.generate_square_subsequent_mask(16, device=x.device), is_causal=True)

    return Fn(f, e=nn.TransformerEncoderLayer(32, 4, 64)), (X(16, 2, 32),)


@trap(4 * 5 * 6 + 4 * 6 * 7 + 4 * 7 * 8, "einsum of four")
def einsum4():
    return Fn(lambda s, a, b: torch.einsum("ij,jk,kl,lm->im", a, b, s.c, s.d), c=P(6, 7), d=P(7, 8)), (X(4, 5), X(5, 6))


@trap(3 * 4 * 5, "einsum with sublist format")
def einsum_sub():
    return Fn(lambda s, a, b: torch.einsum(a, [0, 1], b, [1, 2], [0, 2])), (X(3, 4), X(4, 5))


@trap(0, "diagonal and sum: multiplications only", (8 * 5,))
def einsum_diag():
    return Fn(lambda s, a, b: torch.einsum("ii,ij->ij", a, b)), (X(8, 8), X(8, 5))


@trap(8 * 6, "batch of dots of 6")
def einsum_dot():
    return Fn(lambda s, a, b: torch.einsum("bi,bi->b", a, b)), (X(8, 6), X(8, 6))


@trap(6 * (3 * 4 * 5) * 7, "ijk,ljm: bilinear")
def einsum_odd():
    return Fn(lambda s, a, b: torch.einsum("aijk,ajkm->aim", a, b)), (X(6, 3, 4, 5), X(6, 4, 5, 7))


@trap(3 * 4 * 5 * 6, "unsummed free indices, permuted")
def einsum_perm():
    return Fn(lambda s, a, b: torch.einsum("ijk,lk->lji", a, b)), (X(3, 4, 5), X(6, 5))


@trap(2 * 3 * 4 * 5 * 6, "matmul broadcast: 2x1 with 1x3")
def mm_bc():
    return Fn(lambda s, a, b: a @ b), (X(2, 1, 4, 5), X(3, 5, 6))


@trap(7 * 4 * 5 * 6, "expanded batch")
def mm_exp():
    return Fn(lambda s, a, b: a.expand(7, 4, 5) @ b), (X(4, 5), X(7, 5, 6))


@trap(2 * 3 * 4 * 5 * 6, "folded: 4-D by 2-D")
def mm_fold():
    return Fn(lambda s, a, b: torch.matmul(a, b)), (X(2, 3, 4, 5), X(5, 6))


@trap(3 * 4 * 4, "in place @=")
def imatmul():
    def f(s, a, b):
        a = a.clone()
        a @= b
        return a

    return Fn(f), (X(3, 4), X(4, 4))


@trap(0, "addr: outer", (8 * 9,))
def addr():
    return Fn(lambda s, a, b: torch.addr(s.m, a, b), m=P(8, 9)), (X(8), X(9))


@trap(10 * 100 * 5 + 10 * 5 * 50, "chain_matmul: the cheaper order")
def chain():
    return Fn(lambda s, a, b: torch.chain_matmul(a, b, s.c), c=P(5, 50)), (X(10, 100), X(100, 5))


@trap(0, "kron: outer", (4 * 5 * 6 * 7,))
def kron():
    return Fn(lambda s, a, b: torch.kron(a, b)), (X(4, 5), X(6, 7))


@trap(2 * 7 * 5 * 6, "bilinear: 5 x 6 pairs for each of 7 outputs, batch 2", (2 * (7 * 5 * 6 + 7 * 6),))
def bilinear():
    return nn.Bilinear(5, 6, 7), (X(2, 5), X(2, 6))


@trap(64 * 32, "linear 1-D")
def lin1d():
    return nn.Linear(64, 32), (X(64),)


@trap(64 * 32 + 64, "F.linear with a 1-D weight: a dot")
def lin_w1():
    return Fn(lambda s, x: (s.l(x), F.linear(x, s.w)), l=nn.Linear(64, 32), w=P(64)), (X(1, 64),)


@trap(3 * 16 * 32 * 32, "one parameter viewed as three weights, one transposed", params=3 * 32 * 32)
def wviews():
    def f(s, x):
        a, b, c = s.w.chunk(3)
        return F.linear(x, a) + F.linear(x, b.t()) + x @ c

    return Fn(f, w=P(96, 32)), (X(16, 32),)


@trap(16 * 100 * 32, "tied lm_head: embedding is a look-up", params=3200)
def tied():
    e = nn.Embedding(100, 32)
    l = nn.Linear(32, 100, bias=False)
    l.weight = e.weight
    return nn.Sequential(e, l), (torch.arange(16)[None],)


@trap(16 * 32 * 32 + 2 * 16 * 32 * 4, "LoRA")
def lora():
    return Fn(
        lambda s, x: s.l(x) + s.b(s.a(x)) * 2,
        l=nn.Linear(32, 32),
        a=nn.Linear(32, 4, bias=False),
        b=nn.Linear(4, 32, bias=False),
    ), (X(16, 32),)


@trap(32 * 4 * 32 + 16 * 32 * 32, "LoRA merged in the forward: B A, then one linear")
def lora_merged():
    return Fn(
        lambda s, x: F.linear(x, s.l.weight + s.b.weight @ s.a.weight, s.l.bias),
        l=nn.Linear(32, 32),
        a=nn.Linear(32, 4, bias=False),
        b=nn.Linear(4, 32, bias=False),
    ), (X(16, 32),)


@trap(1 * 2 * 16 * 16 * 16 * 4 * 9, "per-sample kernels by grouped conv: batch 2 folded into groups")
def dyn_conv():
    def f(s, x):
        w = s.w.repeat(2, 1, 1, 1)
        return F.conv2d(x.reshape(1, 8, 16, 16), w, padding=1, groups=2).view(2, 16, 16, 16)

    return Fn(f, w=P(16, 4, 3, 3)), (X(2, 4, 16, 16),)


@trap(CONV * 1, "padding='same' with dilation 2")
def same():
    return nn.Conv2d(3, 16, 3, padding="same", dilation=2), (IMG(),)


@trap(30 * 30 * 16 * 27, "padding valid, unbatched")
def valid3d():
    return nn.Conv2d(3, 16, 3, padding="valid"), (X(3, 32, 32),)


@trap(32 * 32 * 16 * 3 * 16, "even kernel padding same: 16 taps")
def same_even():
    return nn.Conv2d(3, 16, 4, padding="same"), (IMG(),)


@trap(8 * 8 * 8 * 16 * 9, "output_size given: input 8x8 scatters")
def convT_os():
    return Fn(lambda s, x: s.c(x, output_size=[17, 17]), c=nn.ConvTranspose2d(8, 16, 3, 2)), (X(1, 8, 8, 8),)


@trap(16 * 16 * 16 * 3 * 4, "patchify by a conv with stride = kernel")
def patch():
    return nn.Conv2d(3, 16, 2, 2), (X(1, 3, 32, 32),)


@trap(16 * 16 * 16 * 12, "patchify by reshape and linear (pixel_unshuffle)")
def patch_lin():
    return Fn(lambda s, x: s.l(F.pixel_unshuffle(x, 2).flatten(2).mT), l=nn.Linear(12, 16)), (X(1, 3, 32, 32),)


@trap(1024 * (3 * 9 + 16 * 3), "depthwise separable with padding_mode reflect")
def dsep():
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, groups=3, padding_mode="reflect"), nn.Conv2d(3, 16, 1)), (IMG(),)


@trap(1024 * 16 * 27, "F.conv2d with a weight computed (standardised)")
def wsconv():
    return Fn(
        lambda s, x: F.conv2d(
            x, (s.w - s.w.mean((1, 2, 3), keepdim=True)) / s.w.std((1, 2, 3), keepdim=True), padding=1
        ),
        w=P(16, 3, 3, 3),
    ), (IMG(),)


@trap(1024 * 16 * 27, "torch.conv2d / torch.convolution")
def convolution():
    return Fn(
        lambda s, x: torch.convolution(x, s.w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1), w=P(16, 3, 3, 3)
    ), (IMG(),)


@trap(0, "FFT convolution: no products", (9 * 32 * 17 * 3 * 4,))
def fftconv():
    return Fn(lambda s, x: torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(s.w, s=(32, 32))), w=P(3, 3, 3)), (
        IMG(),
    )


@trap(2 * 8 * 8 * 8, "matrix_power 4: two squarings")
def mpower():
    return Fn(lambda s, a: torch.linalg.matrix_power(a, 4)), (X(8, 8),)


@trap(5 * 3 * 4 * 6, "list comprehension of mm, stacked")
def stackmm():
    return Fn(lambda s, a, b: torch.stack([x @ y for x, y in zip(a, b)])), (X(5, 3, 4), X(5, 4, 6))


@trap(64 * 32, "mv")
def mv():
    return Fn(lambda s, a: s.w.mv(a), w=P(32, 64)), (X(64),)


@trap(64, "vdot; dot of views")
def vdot():
    return Fn(lambda s, a, b: torch.linalg.vecdot(a, b)), (X(64), X(64))


@trap(20 * 16 * 30, "normalised similarity: cosine")
def cosmat():
    return Fn(lambda s, a, b: F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T), (X(20, 16), X(30, 16))


@trap(16 * 32 * 16, "Tensor.__rmatmul__, torch.linalg.matmul with out")
def linmatmul():
    return Fn(lambda s, a, b: torch.linalg.matmul(a, b, out=a.new_empty(16, 16))), (X(16, 32), X(32, 16))
