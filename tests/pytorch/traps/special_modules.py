"""Modules that are not plain: recurrent, quantised, sparse, shared, compiled, scripted, exported."""

import torch
from pytorch.traps.modules import CONV, IMG, Fn, X, conv
from pytorch.traps.table import trap
from torch import nn


@trap(16 * 4 * 32 * 48, "PackedSequence of lengths 10 and 6")
def lstm_packed():
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    return Fn(
        lambda s, x: pad_packed_sequence(s.r(pack_padded_sequence(x, torch.tensor([10, 6]), batch_first=True))[0])[0],
        r=nn.LSTM(16, 32, batch_first=True),
    ), (X(2, 10, 16),)


@trap(16 * 4 * 32 * 48, "a PackedSequence is itself the input")
def lstm_packed_input():
    from torch.nn.utils.rnn import pack_padded_sequence

    return Fn(lambda s, x: s.r(x)[0].data, r=nn.LSTM(16, 32, batch_first=True)), (
        pack_padded_sequence(X(2, 10, 16), torch.tensor([10, 6]), batch_first=True),
    )


@trap(10 * 4 * 32 * 48, "unbatched")
def lstm_unbatched():
    return Fn(lambda s, x: s.r(x)[0], r=nn.LSTM(16, 32)), (X(10, 16),)


@trap(4 * 64 * 32, "4 bags, then Linear(64, 32)")
def embedding_bag():
    return Fn(lambda s, i, o: s.l(s.e(i, o)), e=nn.EmbeddingBag(100, 64), l=nn.Linear(64, 32)), (
        torch.arange(16),
        torch.arange(0, 16, 4),
    )


@trap(64 * 32, "dynamically quantized Linear", params=0)
def quantized_dynamic():
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(64, 32)), {nn.Linear}, dtype=torch.qint8), (
        X(1, 64),
    )


@trap(20 * 8, "sparse matrix with 20 entries times 16x8", (16 * 16 * 8,))
def sparse_mm():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer(
                "a",
                torch.sparse_coo_tensor(
                    torch.stack([torch.arange(20) % 16, (torch.arange(20) * 7) % 16]), torch.ones(20), (16, 16)
                ),
            )

        def forward(s, x):
            return torch.sparse.mm(s.a, x)

    return M(), (X(16, 8),)


@trap(2 * 64 * 64, "one Linear under two names", params=4160)
def same_module_two_names():
    l = nn.Linear(64, 64)
    return nn.Sequential(l, nn.ReLU(), l), (X(1, 64),)


@trap(CONV, "torch.fx GraphModule")
def fx_graph():
    return torch.fx.symbolic_trace(nn.Sequential(conv(), nn.ReLU())), (IMG(),)


@trap(CONV, "torch.export, .module()")
def exported():
    return torch.export.export(nn.Sequential(conv(), nn.ReLU()), (IMG(),)).module(), (IMG(),)


@trap(CONV, "compiled with aot_eager")
def compiled_aot_eager():
    return torch.compile(nn.Sequential(conv()), backend="aot_eager"), (IMG(),)


@trap(CONV, "a scripted child inside a Sequential")
def scripted_child():
    return nn.Sequential(torch.jit.script(conv()), nn.ReLU()), (IMG(),)


@trap(CONV, "__call__ overridden: no hooks run")
def call_overridden():
    class C(nn.Conv2d):
        def __call__(s, *a, **k):
            return s.forward(*a, **k)

    return nn.Sequential(C(3, 16, 3, padding=1), nn.ReLU()), (IMG(),)
