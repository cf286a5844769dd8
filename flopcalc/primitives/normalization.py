"""Normalization, trained scales, and dropout."""

from collections.abc import Sequence
from math import prod

from flopcalc.cost import parts
from flopcalc.primitives.record import Primitive, Settings, no_settings
from flopcalc.primitives.shapes import Result, Shape, flag, maps_of, one


def batchnorm(shapes: Sequence[Shape], n: int, frozen: bool = False, per_map: int = 1) -> Result:
    """Batch normalization in inference."""
    shape = one(shapes)
    maps = maps_of(shape, per_map)
    part = parts.norm("batchnorm", maps, n * per_map * prod(shape[1:]))
    if flag("frozen", frozen):
        part = part._replace(params=0, reads=part.reads - 2 * maps)
    return shape, (part,)


def _of_batchnorm(shapes: Sequence[Shape], settings: Settings) -> Settings:
    (c, *sizes), per_map = shapes[0], settings["per_map"]
    return {"channels": c // per_map, "axes": len(sizes), "per_map": per_map, "affine": not settings["frozen"]}


def layernorm(shapes: Sequence[Shape], n: int) -> Result:
    """Layer normalization over the channels of each position."""
    shape = one(shapes)
    return shape, (parts.layer_norm("layernorm", shape[0], n * prod(shape[1:])),)


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
        "batch normalization; `frozen: true`: scale and shift are constants, not parameters; "
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
        "flopcalc.pytorch.layers._primitives.ChannelNorm",
        lambda shapes, settings: {"normalized_shape": shapes[0][0]},
        has_tensors=True,
        counted=("torch.nn.LayerNorm",),
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
