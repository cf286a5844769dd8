"""Normalization, trained scales, and dropout."""

from collections.abc import Sequence
from math import prod

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.parts import NOTHING
from flopcalc.primitives.record import Primitive, Settings, no_settings
from flopcalc.primitives.shapes import Result, Shape, ShapeError, flag, image, maps_of, one, whole


def batchnorm(shapes: Sequence[Shape], n: int, frozen: bool = False, per_map: int = 1) -> Result:
    """Batch normalization in inference."""
    shape = one(shapes)
    maps = maps_of(shape, per_map)
    part = parts.norm("batchnorm", maps, n * per_map * prod(shape[1:]))
    if flag("frozen", frozen):
        part = part._replace(params=0, reads=part.reads - 2 * maps, call="BatchNorm without affine")
    if per_map != 1:
        label = "BatchNorm subclass without affine" if frozen else "BatchNorm subclass"
        part = part._replace(call=label, extra=(n * part.params,))
    return shape, (part,)


def _of_batchnorm(shapes: Sequence[Shape], settings: Settings) -> Settings:
    (c, *sizes), per_map = shapes[0], settings["per_map"]
    return {"channels": c // per_map, "axes": len(sizes), "per_map": per_map, "affine": not settings["frozen"]}


def layernorm(shapes: Sequence[Shape], n: int) -> Result:
    """Layer normalization over the channels of each position."""
    shape = one(shapes)
    return shape, (parts.layer_norm("layernorm", shape[0], n * prod(shape[1:])),)


def groupnorm(shapes: Sequence[Shape], n: int, groups: int = 32) -> Result:
    """Group normalization: the mean and the variance of each group of channels, over all positions."""
    shape = one(shapes)
    if shape[0] % whole("groups", groups):
        raise ShapeError(f"its {shape[0]} channels do not divide by groups = {groups}")
    return shape, (parts.called("GroupNorm", parts.layer_norm("groupnorm", shape[0], n * prod(shape[1:]))),)


def instancenorm(shapes: Sequence[Shape], n: int, affine: bool = False) -> Result:
    """Instance normalization: each channel of each sample with its own mean and variance."""
    c, h, w = image(shapes)
    if h * w == 1:
        raise ShapeError("its input has one position, which has no variance")
    size = n * c * h * w
    plain = "InstanceNorm without affine"
    norm = Part("instancenorm", "norm", adds=3 * size, muls=2 * size, reads=size, writes=size, call=plain)
    if not flag("affine", affine):
        return (c, h, w), (norm,)
    # Torch runs it as the batch norm of one sample with n * c channels: scale and shift are repeated for that.
    repeat = Part("repeat", "move", params=2 * c, reads=2 * c, writes=2 * n * c, after=NOTHING, call="own module")
    return (c, h, w), (repeat, norm._replace(reads=size + 2 * n * c, after=("repeat", "input0"), call="InstanceNorm"))


def rmsnorm(shapes: Sequence[Shape], n: int) -> Result:
    """The channels of each position over the root of their mean square, times a trained scale.

    Square, mean, epsilon, inverse root and two products are kernels of their own, as in torch without a fused kernel.
    """
    shape = one(shapes)
    c, p = shape[0], n * prod(shape[1:])
    size = c * p
    part = Part(
        "rmsnorm",
        "layernorm",
        params=c,
        adds=size + p,
        muls=2 * size,
        other=size + 2 * p,
        reads=4 * size + 3 * p + c,
        writes=3 * size + 3 * p,
        steps=6,
        call="own RMSNorm",
        extra=(p,),
    )
    return shape, (part,)


def layer_scale(shapes: Sequence[Shape], n: int) -> Result:
    """Each channel times a trained number."""
    shape = one(shapes)
    return shape, (parts.layer_scale("layer_scale", shape[0], n * prod(shape[1:])),)


def dropout(shapes: Sequence[Shape], n: int) -> Result:
    """The input, unchanged in inference."""
    return one(shapes), ()


NORMALIZATION = (
    Primitive(
        "batchnorm",
        "batch normalization; `frozen: true`: scale, shift and statistics are constants, also in training; "
        "`per_map`: this number of neighbouring channels shares one scale and shift",
        batchnorm,
        "flopcalc.pytorch.layers._primitives.batch_norm",
        _of_batchnorm,
        has_tensors=True,
        counted=(
            "torch.nn.BatchNorm1d",
            "torch.nn.BatchNorm2d",
            "torch.nn.BatchNorm3d",
            "flopcalc.pytorch.layers._primitives.BatchNormOfMaps",
        ),
    ),
    Primitive(
        "layernorm",
        "layer normalization over the channels of each position",
        layernorm,
        "flopcalc.pytorch.layers._primitives.channel_norm",
        lambda shapes, settings: {"normalized_shape": shapes[0][0]},
        has_tensors=True,
        counted=("torch.nn.LayerNorm",),
    ),
    Primitive(
        "groupnorm",
        "group normalization: mean and variance of each of `groups` groups of channels, over all positions",
        groupnorm,
        "torch.nn.GroupNorm",
        lambda shapes, settings: {"num_groups": settings["groups"], "num_channels": shapes[0][0]},
        has_tensors=True,
    ),
    Primitive(
        "instancenorm",
        "instance normalization: mean and variance of each channel of each sample; `affine: true`: with a trained "
        "scale and shift for each channel",
        instancenorm,
        "torch.nn.InstanceNorm2d",
        lambda shapes, settings: {"num_features": shapes[0][0], "affine": settings["affine"]},
        has_tensors=True,
        counted_if=lambda module: not module.track_running_stats,
    ),
    Primitive(
        "rmsnorm",
        "RMS normalization over the channels of each position",
        rmsnorm,
        "flopcalc.pytorch.layers._primitives.ChannelRMSNorm",
        lambda shapes, settings: {"channels": shapes[0][0]},
        has_tensors=True,
        counted=("torch.nn.RMSNorm",),
    ),
    Primitive(
        "layer_scale",
        "each channel times a trained number",
        layer_scale,
        "flopcalc.pytorch.layers._primitives.LayerScale",
        lambda shapes, settings: {"shape": shapes[0]},
        has_tensors=True,
    ),
    Primitive("dropout", "has no cost in inference", dropout, "torch.nn.Dropout", no_settings),
)
