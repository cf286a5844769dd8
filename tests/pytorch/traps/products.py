"""Matrix products under all their names, of all dtypes, and inside of functional transforms."""

import torch
import torch.nn.functional as F
from pytorch.traps.modules import Fn, P, X
from pytorch.traps.table import trap
from torch import nn


@trap(4 * 5 * 6 + 4 * 6 * 7, "(ij,jk),kl: left to right is the cheaper order")
def einsum_3():
    return Fn(lambda s, a, b, c: torch.einsum("ij,jk,kl->il", a, b, c)), (X(4, 5), X(5, 6), X(6, 7))


@trap(3 * 2 * 4 * 5 * 6, "batch 3x2")
def einsum_ellipsis():
    return Fn(lambda s, a, b: torch.einsum("...ij,...jk->...ik", a, b)), (X(3, 2, 4, 5), X(3, 2, 5, 6))


@trap(0, "a trace is a sum")
def einsum_trace():
    return Fn(lambda s, a: torch.einsum("ii->", a)), (X(8, 8),)


@trap(256 * 16 * 3, "1x1 convolution by einsum")
def einsum_conv1x1():
    return Fn(lambda s, x: torch.einsum("bchw,oc->bohw", x, s.w), w=P(16, 3)), (X(1, 3, 16, 16),)


@trap(3 * 6 * 20, "contracts 4 and 5")
def tensordot():
    return Fn(lambda s, a, b: torch.tensordot(a, b, dims=([1, 2], [1, 0]))), (X(3, 4, 5), X(5, 4, 6))


@trap(5 * 3 * 4 * 6, "five 3x4x6 products, summed")
def addbmm():
    return Fn(lambda s, m, a, b: torch.addbmm(m, a, b)), (X(3, 6), X(5, 3, 4), X(5, 4, 6))


@trap(5 * 3 * 4 * 6, "five 3x4x6 products")
def baddbmm():
    return Fn(lambda s, m, a, b: torch.baddbmm(m, a, b)), (X(5, 3, 6), X(5, 3, 4), X(5, 4, 6))


@trap(12, "3x4 matrix, vector")
def addmv():
    return Fn(lambda s, m, a, b: torch.addmv(m, a, b)), (X(3), X(3, 4), X(4))


@trap(3 * 4 * 6, "in place: y.addmm_(a, b)")
def addmm_inplace():
    def f(s, y, a, b):
        y = y.clone()
        y.addmm_(a, b)
        return y

    return Fn(f), (X(3, 6), X(3, 4), X(4, 6))


@trap(3 * 4 * 6, "torch.mm(a, b, out=buffer)")
def mm_out():
    def f(s, a, b):
        y = a.new_empty(3, 6)
        torch.mm(a, b, out=y)
        return y

    return Fn(f), (X(3, 4), X(4, 6))


@trap(0, "outer product: multiplications, no accumulation", (72,))
def outer():
    return Fn(lambda s, a, b: torch.outer(a, b)), (X(8), X(9))


@trap(10 * 100 * 5 + 10 * 5 * 50, "the cheaper order of the chain")
def multi_dot():
    return Fn(lambda s, a, b, c: torch.linalg.multi_dot([a, b, c])), (X(10, 100), X(100, 5), X(5, 50))


@trap(64, "1-D @ 1-D")
def matmul_1d_1d():
    return Fn(lambda s, a, b: a @ b), (X(64), X(64))


@trap(64 * 32, "1-D @ 2-D")
def matmul_1d_2d():
    return Fn(lambda s, a, b: a @ b), (X(64), X(64, 32))


@trap(15 * 64, "3-D @ 1-D")
def matmul_3d_1d():
    return Fn(lambda s, a, b: a @ b), (X(5, 3, 64), X(64))


@trap(5 * 64 * 32, "1-D @ 3-D")
def matmul_1d_3d():
    return Fn(lambda s, a, b: a @ b), (X(64), X(5, 64, 32))


@trap(3 * 5 * 4, "inner: rows of 4")
def inner():
    return Fn(lambda s, a, b: torch.inner(a, b)), (X(3, 4), X(5, 4))


@trap(32 * 64 * 32, "int8 x int8 -> int32")
def int_mm():
    return Fn(lambda s, a, b: torch._int_mm(a, b)), (
        torch.ones(32, 64, dtype=torch.int8),
        torch.ones(64, 32, dtype=torch.int8),
    )


@trap(16 * 32 * 16, "fp8 scaled product")
def scaled_mm():
    f8 = torch.float8_e4m3fn

    def f(s, a, b):
        o = torch.ones((), device=a.device)
        return torch._scaled_mm(a, b.t(), scale_a=o, scale_b=o, out_dtype=torch.bfloat16)

    return Fn(f), (X(16, 32).to(f8), X(16, 32).to(f8))


@trap(4 * 16 * 32 * 64, "grouped product of 4 experts")
def grouped_mm():
    return Fn(lambda s, a, b: torch._grouped_mm(a, b)), (X(4, 16, 32).bfloat16(), X(4, 32, 64).bfloat16())


@trap(64 * 32, "complex weight: one complex multiply-add each", (4 * 64 * 32, 3 * 64 * 32))
def linear_complex():
    return nn.Linear(64, 32, dtype=torch.complex64), (torch.randn(1, 64, dtype=torch.complex64),)


@trap(
    36 * 4 * 27,
    "complex convolution: one complex multiply-add each; torch runs 3 real ones",
    (3 * 36 * 4 * 27, 4 * 36 * 4 * 27),
)
def conv_complex():
    return nn.Conv2d(3, 4, 3, dtype=torch.complex64), (torch.randn(1, 3, 8, 8, dtype=torch.complex64),)


@trap(30 * 40 * 16, "pairwise Euclid: 16 multiply-adds a pair; torch uses a product of 18", (30 * 40 * 18, 0))
def cdist_l2():
    return Fn(lambda s, a, b: torch.cdist(a, b)), (X(30, 16), X(40, 16))


@trap(64 * 32 * 32, "x^T x: 32x32 over 64")
def gram():
    return Fn(lambda s, x: x.T @ x), (X(64, 32),)


@trap(8 * 64, "vmap(dot) over 8")
def vmap_dot():
    return Fn(lambda s, a, b: torch.vmap(torch.dot)(a, b)), (X(8, 64), X(8, 64))


@trap(8 * 64 * 32, "vmap of a Linear over 8")
def vmap_linear():
    return Fn(lambda s, x: torch.vmap(s.l)(x), l=nn.Linear(64, 32)), (X(8, 64),)


@trap(8 * 64 + 64 + 64 + 8 * 64, "forward 8->64->1, gradient to the input back through both")
def func_grad():
    def f(s, x):
        return torch.func.grad(lambda t: s.b(F.silu(s.a(t))).sum())(x)

    return Fn(f, a=nn.Linear(8, 64), b=nn.Linear(64, 1)), (X(1, 8),)


@trap(8 * 64 + 64 + 64 + 8 * 64, "the same by x.requires_grad_() without enable_grad (caller has grad on)")
def autograd_grad_outer():
    def f(s, x):
        x.requires_grad_()
        e = s.b(F.silu(s.a(x))).sum()
        return torch.autograd.grad(e, x)[0]

    return Fn(f, a=nn.Linear(8, 64), b=nn.Linear(64, 1)), (X(1, 8),)
