"""Pruned, quantised, recurrent, sparse and nested layers, experts, transforms, programs, higher-order operators."""

import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, CP, IMG, Fn, P, X, conv
from pytorch.traps.table import more as trap
from torch import nn

S = F.scaled_dot_product_attention
import torch.nn.utils.prune as prune

L = 64 * 32


@trap(L, "pruned by a mask: dense")
def pruned():
    m = nn.Sequential(nn.Linear(64, 32))
    prune.l1_unstructured(m[0], "weight", 0.5)
    return m, (X(1, 64),)


@trap(L, "weight_norm parametrization")
def wn():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(64, 32))), (X(1, 64),)


@trap(32 * 32 * 32 + 32 * 32, "orthogonal parametrization: base times Householder product, then the layer")
def orth():
    return nn.Sequential(nn.utils.parametrizations.orthogonal(nn.Linear(32, 32), orthogonal_map="householder")), (
        X(1, 32),
    )


@trap(CONV + 16 * 10, "QAT prepared: fake quantize")
def qat():
    import torch.ao.quantization as q

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.q = q.QuantStub()
            s.c = conv()
            s.r = nn.ReLU()
            s.l = nn.Linear(16, 10)
            s.d = q.DeQuantStub()

        def forward(s, x):
            return s.d(s.l(s.r(s.c(s.q(x))).mean((2, 3))))

    m = M().train()
    m.qconfig = q.get_default_qat_qconfig("x86")
    return q.prepare_qat(m), (IMG(),)


@trap(CONV + 16 * 10, "static quantised, converted", params=0)
def qstatic():
    import torch.ao.quantization as q

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.q = q.QuantStub()
            s.c = conv()
            s.r = nn.ReLU()
            s.l = nn.Linear(16, 10)
            s.d = q.DeQuantStub()

        def forward(s, x):
            return s.d(s.l(s.r(s.c(s.q(x))).mean((2, 3))))

    torch.backends.quantized.engine = "x86"
    m = M().eval()
    m.qconfig = q.get_default_qconfig("x86")
    p = q.prepare(m)
    p(IMG())
    return q.convert(p), (IMG(),)


@trap(
    2 * 10 * (3 * 32 * (16 + 32) + 3 * 32 * (64 + 32)),
    "bidirectional GRU, 2 layers: per direction 3 gates over in+hidden",
)
def gru_bi():
    return nn.GRU(16, 32, 2, bidirectional=True, batch_first=True), (X(1, 10, 16),)


@trap(10 * (4 * 32 * (16 + 8) + 32 * 8), "LSTM proj_size 8")
def lstm_proj():
    return nn.LSTM(16, 32, proj_size=8, batch_first=True), (X(1, 10, 16),)


@trap(2 * 10 * 32 * (16 + 32), "RNN relu, batch 2")
def rnn():
    return nn.RNN(16, 32, nonlinearity="relu"), (X(10, 2, 16),)


@trap(10 * 4 * 32 * 48, "LSTMCell loop with None state")
def lstmcell():
    def f(s, x):
        st = None
        for t in range(x.shape[1]):
            st = s.c(x[:, t], st)
        return st[0]

    return Fn(f, c=nn.LSTMCell(16, 32)), (X(1, 10, 16),)


@trap(5 * 3 * 32 * (16 + 32), "GRUCell loop until the sequence ends")
def grucell():
    def f(s, x):
        h = x.new_zeros(1, 32)
        for t in x.unbind(1):
            h = s.c(t, h)
        return h

    return Fn(f, c=nn.GRUCell(16, 32)), (X(1, 5, 16),)


@trap(13 * 3 * 32 * (16 + 32), "GRU packed, lengths 5 and 8 unsorted")
def gru_packed():
    from torch.nn.utils.rnn import pack_sequence

    return Fn(lambda s, x: s.r(x)[1], r=nn.GRU(16, 32)), (pack_sequence([X(5, 16), X(8, 16)], enforce_sorted=False),)


@trap(
    4 * L,
    "EmbeddingBag mean, per_sample_weights sum",
)
def ebag():
    return Fn(
        lambda s, i: s.l(s.e(i, per_sample_weights=torch.ones(4, 4, device=i.device))),
        e=nn.EmbeddingBag(100, 64, mode="sum"),
        l=nn.Linear(64, 32),
    ), (torch.arange(16).view(4, 4),)


@trap(20 * 8, "CSR matrix with 20 entries times 16x8", (16 * 16 * 8,))
def csr():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            a = torch.zeros(16, 16)
            a.view(-1)[:20] = 1
            s.register_buffer("a", a.to_sparse_csr())

        def forward(s, x):
            return s.a @ x

    return M(), (X(16, 8),)


@trap(
    16 * 32 * 32 + 16 * 32,
    "sparse adjacency as an input, of 16 distinct entries; linear 32->32 on 16 nodes",
    (16 * 32 * 32 + 16 * 16 * 32,),
)
def gcn():
    i = torch.stack([torch.arange(24) % 16, (torch.arange(24) * 5) % 16])
    a = torch.sparse_coo_tensor(i, torch.ones(24), (16, 16)).coalesce()
    return Fn(lambda s, x, a: torch.sparse.mm(a, s.l(x)), l=nn.Linear(32, 32)), (X(16, 32), a)


@trap(16 * 32 * 32, "message passing by index_add / scatter_add")
def gnn_scatter():
    def f(s, x, e):
        h = s.l(x)
        return torch.zeros_like(h).index_add(0, e[1], h[e[0]]) + torch.zeros_like(h).scatter_add_(
            0, e[1][:, None].expand(-1, 32), h[e[0]]
        )

    return Fn(f, l=nn.Linear(32, 32)), (X(16, 32), torch.randint(0, 16, (2, 24)))


@trap(9 * L, "jagged nested tensor through a Linear: 4+5 rows")
def jagged():
    return nn.Sequential(nn.Linear(64, 32)), (torch.nested.nested_tensor([X(4, 64), X(5, 64)], layout=torch.jagged),)


@trap(9 * L, "strided nested tensor through a Linear: 4+5 rows")
def nested_strided():
    return nn.Sequential(nn.Linear(64, 32)), (torch.nested.nested_tensor([X(4, 64), X(5, 64)]),)


@trap(9 * L, "nested made in the forward")
def nested_in():
    def f(s, a, b):
        n = torch.nested.nested_tensor([a, b], layout=torch.jagged)
        return s.l(n).values()

    return Fn(f, l=nn.Linear(64, 32)), (X(4, 64), X(5, 64))


@trap(2 * 4 * 8 * (16 + 25), "jagged attention: lengths 4 and 5, 4 heads of 8")
def jagged_sdpa():
    def f(s, a, b):
        n = torch.nested.as_nested_tensor([a, b], layout=torch.jagged)
        q = n.unflatten(-1, (4, 8)).transpose(1, 2)
        return S(q, q, q).transpose(1, 2).flatten(2).values()

    return Fn(f), (X(4, 32), X(5, 32))


@trap(
    16 * 32 * 4 + 2 * 16 * 4 * 12 * 32 + 4 * 12 * 32 * 32,
    "one-hot dispatch with capacity 12: router, dispatch, experts on 4 x 12, combine",
)
def moe_gshard():
    def f(s, x):
        p = s.g(x).softmax(-1)
        v, i = p.max(-1)
        oh = F.one_hot(i, 4)
        pos = (oh.cumsum(0) - 1) * oh
        d = (F.one_hot(pos.clamp(max=11), 12) * oh[..., None]).float()
        h = torch.einsum("nec,nd->ecd", d, x)
        h = torch.bmm(h, s.w)
        return torch.einsum("nec,ecd->nd", d * v[:, None, None], h)

    return Fn(f, g=nn.Linear(32, 4, bias=False), w=P(4, 32, 32)), (X(16, 32),)


@trap(16 * 32 * 4 + 16 * 2 * 32 * 32, "top-2 of stacked experts by gathering weights: 16x2 matrices of 32x32")
def moe_gather():
    def f(s, x):
        v, i = s.g(x).topk(2)
        w = s.w[i]
        return (torch.einsum("nd,nkdo->nko", x, w) * v[..., None]).sum(1)

    return Fn(f, g=nn.Linear(32, 4, bias=False), w=P(4, 32, 32)), (X(16, 32),)


@trap(16 * 32 * 4 + 16 * 32 * 32, "top-1 by sort and split with tolist")
def moe_sort():
    def f(s, x):
        i = s.g(x).argmax(-1)
        o = i.argsort()
        n = torch.bincount(i, minlength=4).tolist()
        return torch.cat([e(c) for e, c in zip(s.e, x[o].split(n)) if len(c)])

    return Fn(f, g=nn.Linear(32, 4, bias=False), e=nn.ModuleList(nn.Linear(32, 32, bias=False) for _ in range(4))), (
        X(16, 32),
    )


@trap(L, "functional_call with new weights")
def fcall():
    return Fn(
        lambda s, x: torch.func.functional_call(s.l, {k: v * 2 for k, v in s.l.named_parameters()}, (x,)),
        l=nn.Linear(64, 32),
    ), (X(1, 64),)


@trap(3 * L, "ensemble: stack_module_state and vmap over 3 models", params=3 * (L + 32))
def ensemble():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.ms = nn.ModuleList(nn.Linear(64, 32) for _ in range(3))

        def forward(s, x):
            p, b = torch.func.stack_module_state(list(s.ms))
            base = s.ms[0]
            return torch.vmap(lambda p, b, x: torch.func.functional_call(base, (p, b), (x,)), in_dims=(0, 0, None))(
                p, b, x
            )

    return M(), (X(1, 64),)


@trap(2 * L, "jvp: the function and its tangent; torch multiplies by the zero tangent of the weight too", (3 * L,))
def jvp():
    return Fn(lambda s, x: torch.func.jvp(s.l, (x,), (torch.ones_like(x),)), l=nn.Linear(64, 32)), (X(1, 64),)


@trap(8 * 16 + 16 * 8 * 16, "jacrev of a linear 8->16: forward once, 16 backward rows of 16x8")
def jacrev():
    return Fn(lambda s, x: torch.func.jacrev(s.l)(x), l=nn.Linear(8, 16)), (X(8),)


@trap(
    8 * 16 + 8 * 8 * 16,
    "jacfwd of a linear 8->16: forward, 8 tangents; and one by the zero tangent",
    (8 * 16 + 9 * 8 * 16,),
)
def jacfwd():
    return Fn(lambda s, x: torch.func.jacfwd(s.l)(x), l=nn.Linear(8, 16)), (X(8),)


@trap(
    20 * 2 * 64 * 2 + 20 * 64 * 2,
    "PINN: u(x,t) 2->64->1, gradient by create_graph: forward 20*(128+64), backward the same",
)
def pinn():
    def f(s, x):
        x = x.clone().requires_grad_(True)
        with torch.enable_grad():
            u = s.n(x)
            g = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=False)[0]
        return u + g.sum(-1, keepdim=True)

    return Fn(f, n=nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 1))), (X(20, 2),)


@trap(8 * 16, "custom autograd.Function")
def autofn():
    class G(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g @ w.t(), x.t() @ g

    return Fn(lambda s, x: G.apply(x, s.w), w=P(8, 16)), (X(1, 8),)


@trap(2 * L, "checkpoint, both kinds")
def ckpt():
    from torch.utils.checkpoint import checkpoint

    return Fn(
        lambda s, x: checkpoint(s.l, x, use_reentrant=False) + checkpoint(s.l, x, use_reentrant=True),
        l=nn.Linear(64, 32),
    ), (X(1, 64),)


@trap(CONV + 16 * 10, "traced child with functional parts")
def traced():
    m = nn.Sequential(conv(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(torch.jit.trace(m, IMG()), nn.Linear(16, 10)), (IMG(),)


from pytorch.traps.scripted import Loop


@trap(3 * 64 * 64, "scripted with a loop and an if on shapes")
def scripted_loop2():
    return torch.jit.script(Loop()), (X(1, 64),)


@trap(3 * 64 * 64, "scripted, frozen", params=0)
def scripted_frozen():
    return nn.Sequential(torch.jit.freeze(torch.jit.script(Loop()).eval())), (X(1, 64),)


@trap(CONV, "fx with functional conv and wrapped function")
def fx2():
    m = Fn(lambda s, x: F.relu(F.conv2d(x, s.c.weight, s.c.bias, padding=1)), c=conv())
    return torch.fx.symbolic_trace(m), (IMG(),)


@trap(3 * CONV, "exported with dynamic batch, run at 3")
def exported_dyn():
    d = torch.export.Dim("b", min=2, max=64)
    return torch.export.export(nn.Sequential(conv()), (IMG(2),), dynamic_shapes=({0: d},)).module(), (IMG(3),)


@trap(CONV + L, "compiled child and compiled function")
def compiled():
    g = torch.compile(lambda a: a.relu() * 2, backend="eager")
    return Fn(lambda s, x: g(s.c(x)).flatten(1)[:, :64] @ s.w, c=torch.compile(conv(), backend="eager"), w=P(64, 32)), (
        IMG(),
    )


@trap(CONV, "DataParallel inside")
def dp():
    return nn.Sequential(nn.DataParallel(nn.Sequential(conv()))), (IMG(),)


@trap(5 * 64 * 64, "scan", (64 * 64,))
def scan():
    from torch._higher_order_ops.scan import scan

    return Fn(
        lambda s, x: scan(lambda h, t: (torch.tanh(h @ s.w + t), h.clone()), x.new_zeros(1, 64), x)[0], w=P(64, 64)
    ), (X(5, 1, 64),)


@trap(5 * L, "map")
def hmap():
    from torch._higher_order_ops.map import map as hm

    return Fn(lambda s, x: hm(lambda t: t @ s.w, x), w=P(64, 32)), (X(5, 1, 64),)


@trap(0, "associative scan: sums")
def ascan():
    from torch._higher_order_ops.associative_scan import associative_scan as a

    return Fn(lambda s, x: a(lambda p, q: p + q, x, 0, combine_mode="generic")), (X(8, 4),)


@trap(CONV, "nested cond", (2 * CONV,))
def cond2():
    return Fn(
        lambda s, x: torch.cond(
            x.shape[0] > 3, lambda t: s.a(t), lambda t: torch.cond(t.sum() > -1e9, s.a, s.b, (t,)), (x,)
        ),
        a=conv(),
        b=conv(),
    ), (IMG(),)


@trap(CONV + 16 * 10, "lazy conv, lazy norm, lazy linear", params=CP + 32 + 170)
def lazy3():
    return nn.Sequential(
        nn.LazyConv2d(16, 3, padding=1), nn.LazyBatchNorm2d(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10)
    ), (IMG(),)


@trap(8 * 64 * 16 * 9, "lazy transposed", params=8 * 16 * 9 + 16)
def lazyT():
    return nn.Sequential(nn.LazyConvTranspose2d(16, 3, 2, 1)), (X(1, 8, 8, 8),)


@trap(2 * 4 * 8 * (16 + 25) + 9 * 32 * 96, "jagged input to projections and attention")
def jagged_qkv():
    def f(s, n):
        q, k, v = (t.unflatten(-1, (4, 8)).transpose(1, 2) for t in (s.a(n), s.b(n), s.c(n)))
        return S(q, k, v).transpose(1, 2).flatten(2)

    return Fn(f, a=nn.Linear(32, 32), b=nn.Linear(32, 32), c=nn.Linear(32, 32)), (
        torch.nested.nested_tensor([X(4, 32), X(5, 32)], layout=torch.jagged),
    )


@trap(9 * 32 * 8 + 9 * 32 * 8, "two jagged inputs of the same lengths are added")
def jagged_two():
    n = torch.nested.nested_tensor([X(4, 32), X(5, 32)], layout=torch.jagged)
    n2 = n * 2
    return Fn(lambda s, a, b: s.l(a) + s.l(b), l=nn.Linear(32, 8)), (n, n2)
