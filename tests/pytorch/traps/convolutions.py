"""Convolutions in all their forms, norms and resampling around them, and blocks made of them."""

import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, CP, IMG, Fn, P, X, conv
from pytorch.traps.table import trap
from torch import nn


@trap(8 * 10 * 2 * 4, "input 8x10, each scatters c_out/g=2 x 4 taps")
def convT1d_groups_outpad():
    return nn.ConvTranspose1d(8, 4, 4, 2, 1, output_padding=1, groups=2), (X(1, 8, 10),)


@trap(4 * 60 * 3 * 27, "input 4x3x4x5, c_out/g=3, 27 taps")
def convT3d_groups():
    return nn.ConvTranspose3d(4, 6, 3, 2, groups=2), (X(1, 4, 3, 4, 5),)


@trap(CONV, "channels_last model and input")
def conv_channels_last():
    return nn.Sequential(conv()).to(memory_format=torch.channels_last), (IMG().to(memory_format=torch.channels_last),)


@trap(CONV, "fp16")
def conv_fp16():
    return nn.Sequential(conv()).half(), (IMG().half(),)


@trap(CONV, "bf16")
def conv_bf16():
    return nn.Sequential(conv()).bfloat16(), (IMG().bfloat16(),)


@trap(CONV + 16 * 10, "autocast in the forward; conv, mean, linear")
def autocast_inside():
    def f(s, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return s.l(s.c(x).mean((2, 3)))

    return Fn(f, c=conv(), l=nn.Linear(16, 10)), (IMG(),)


@trap(256 * 8 * 27, "circular padding")
def conv_circular():
    return nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular"), (X(1, 3, 16, 16),)


@trap(256 * 8 * 27, "train mode, BatchNorm on one value per channel (raises when training)")
def bn_batch1_train():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8)).train(), (
        X(1, 3, 16, 16),
    )


@trap(CONV, "lazy convolution, not yet run", params=CP)
def lazy_conv():
    return nn.Sequential(nn.LazyConv2d(16, 3, padding=1)), (IMG(),)


@trap(64 * 32, "lazy linear, not yet run", params=64 * 32 + 32)
def lazy_linear():
    return nn.Sequential(nn.LazyLinear(32)), (X(1, 64),)


@trap(CONV + 16 * 27 + 16, "spectral_norm parametrization in eval: sigma = u . (W v)", (CONV,))
def spectral_norm_param():
    return nn.utils.parametrizations.spectral_norm(conv()), (IMG(),)


@trap(CONV + 16 * 27 + 16, "old nn.utils.spectral_norm in eval", (CONV,))
def spectral_norm_old():
    return nn.utils.spectral_norm(conv()), (IMG(),)


@trap(CONV, "old nn.utils.weight_norm")
def weight_norm_old():
    return nn.utils.weight_norm(conv()), (IMG(),)


@trap(72 * 72 * 256, "unfold, product of 72x72 by 256, fold")
def unfold_fold():
    return Fn(lambda s, x: F.fold(s.w @ F.unfold(x, 3, padding=1), (16, 16), 3, padding=1), w=P(72, 72)), (
        X(1, 8, 16, 16),
    )


@trap(14 * 14 * 16 * 27, "Tensor.unfold twice and tensordot")
def tensor_unfold_conv():
    return Fn(
        lambda s, x: torch.tensordot(x.unfold(2, 3, 1).unfold(3, 3, 1), s.w, dims=([1, 4, 5], [1, 2, 3])),
        w=P(16, 3, 3, 3),
    ), (X(1, 3, 16, 16),)


@trap(10 * 2 * 16 * 3 * 8, "conv_tbc: 10 steps x 2 x 16 outputs x 24")
def conv_tbc():
    return Fn(lambda s, x: torch.conv_tbc(x, s.w, s.b, 1), w=P(3, 8, 16), b=P(16)), (X(10, 2, 8),)


@trap(256 * 12 * 27, "sub-pixel: conv 3->12 then PixelShuffle")
def pixel_shuffle():
    return nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)), (X(1, 3, 16, 16),)


@trap(CONV + 16 * 10, "adaptive max pooling")
def adaptive_max_pool():
    return nn.Sequential(conv(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 10)), (IMG(),)


@trap(CONV + 16 * 16 * 1024, "GroupNorm, InstanceNorm (track_running_stats), LRN, conv 1x1")
def norms():
    return nn.Sequential(
        conv(),
        nn.GroupNorm(4, 16),
        nn.InstanceNorm2d(16, affine=True, track_running_stats=True),
        nn.LocalResponseNorm(3),
        nn.Conv2d(16, 16, 1),
    ), (IMG(),)


@trap(16 * 32 * 32, "RMSNorm, Linear")
def rmsnorm():
    return nn.Sequential(nn.RMSNorm(32), nn.Linear(32, 32)), (X(1, 16, 32),)


@trap(3 * 16 * 32 * 64, "SwiGLU: three 32x64 products on 16 tokens")
def swiglu():
    return Fn(
        lambda s, x: s.d(F.silu(s.g(x)) * s.u(x)),
        g=nn.Linear(32, 64, bias=False),
        u=nn.Linear(32, 64, bias=False),
        d=nn.Linear(64, 32, bias=False),
    ), (X(1, 16, 32),)


@trap(CONV + 64 * 3 * 2, "resizes and grid_sample are no products; affine_grid is a bmm of 64x3 by 3x2", (CONV,))
def resizes():
    def f(s, x):
        y = s.c(x)
        for m in ("bilinear", "bicubic", "nearest", "area"):
            y = F.interpolate(y, size=(16, 16), mode=m)
        y = F.interpolate(y, size=(8, 8), mode="bilinear", antialias=True)
        g = F.affine_grid(torch.eye(2, 3, device=x.device)[None], (1, 16, 8, 8))
        return F.grid_sample(y, g, align_corners=False)

    return Fn(f, c=conv()), (IMG(),)


@trap(
    64 * (16 * 64 * 2) + 16 * (64 * 128 * 2),
    "mixer: token MLP 16->64->16 on 64 channels, channel MLP 64->128->64 on 16 tokens",
)
def mlp_mixer():
    return Fn(
        lambda s, x: s.c(x + s.t(x.transpose(1, 2)).transpose(1, 2)),
        t=nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16)),
        c=nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64)),
    ), (X(1, 16, 64),)


@trap(
    256 * 18 * 72 + 256 * 16 * 72,
    "offsets by a conv 8->18, deformable conv 8->16 (a torchvision kernel)",
    (256 * 18 * 72,),
)
def deform_conv():
    from torchvision.ops import DeformConv2d

    return Fn(lambda s, x: s.d(x, s.o(x)), o=nn.Conv2d(8, 18, 3, padding=1), d=DeformConv2d(8, 16, 3, padding=1)), (
        X(1, 8, 16, 16),
    )
