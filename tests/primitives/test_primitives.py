"""Every primitive, counted in the module that a description builds."""

import pytest
from helpers import WriteNetwork, for_author

from flopcalc import network

EVERY_PRIMITIVE = """
input: [5, 21, 17]
layers:
  - one: relu
  - two: relu6
  - add: {op: add, from: [one, input, two]}
  - concat: {op: concat, from: [add, two]}
  - maxpool: {op: maxpool, k: 3, stride: 2, padding: 1}
  - avgpool: {op: avgpool, k: 3, stride: 2}
  - batchnorm: batchnorm
  - leaky_relu: leaky_relu
  - elu: elu
  - silu: silu
  - gelu: gelu
  - sigmoid: sigmoid
  - tanh: tanh
  - hardswish: hardswish
  - hardsigmoid: hardsigmoid
  - dropout: dropout
  - global_avgpool: global_avgpool
  - flatten: flatten
  - flat_norm: batchnorm
  - softmax: softmax
  - prelu: prelu
  - flat_layernorm: layernorm
  - map: {op: conv, out: 6, k: 3, stride: 2, padding: 0, from: input}
  - frozen: {op: batchnorm, frozen: true}
  - norm_of_maps: {op: batchnorm, per_map: 2}
  - flat_norm_of_maps: {op: batchnorm, per_map: 5, frozen: true, from: flat_norm}
  - mean_of_maps: {op: global_avgpool, per_map: 2, from: norm_of_maps}
  - one_slope: {op: prelu, shared: true, from: frozen}
  - layernorm: layernorm
  - layer_scale: layer_scale
  - everywhere: {op: linear, out: 12}
  - second: {op: chunk, of: 3, part: 1}
  - channel_shuffle: {op: channel_shuffle, groups: 2}
  - ceiled: {op: maxpool, k: 3, stride: 2, ceil: true}
  - wide: {op: avgpool, k: [1, 3], stride: [1, 2], padding: [0, 1], ceil: true}
  - upsample: {op: upsample, from: [wide, channel_shuffle]}
  - twice: upsample
  - pad: {op: pad, multiple: 4}
  - roll: {op: roll, by: [2, -1]}
  - space_to_depth: space_to_depth
  - more: {op: pad, amount: [1, 2]}
  - more_channels: {op: pad, channels: [2, 5], amount: 1}
  - subsample: {op: subsample, stride: [3, 2]}
  - crop: {op: crop, from: [more, space_to_depth]}
  - adaptive_avgpool: {op: adaptive_avgpool, size: [3, 4]}
  - mean: {op: adaptive_avgpool, size: 1}
  - mul: {op: mul, from: [mean, crop]}
  - square: {op: mul, from: [mul, mul]}
  - few: {op: chunk, of: 4, part: 1, from: mean}
  - mixed_conv: {op: mixed_conv, from: [square, few], out: 8, stride: 2, groups: 4}
  - own_kernels: {op: mixed_conv, from: [mixed_conv, mean], out: 8, k: [1, 3], groups: 2, per_channel: true}
  - roi_align: {op: roi_align, from: [square, mul, crop], boxes: 5, size: 3}
  - one_map: {op: roi_align, from: square, sampling: 1}
  - few_keys: {op: chunk, of: 2, part: 1, from: square}
  - to_tokens: {op: to_tokens, from: square}
  - class_token: class_token
  - position_embedding: position_embedding
  - take_token: take_token
  - local_response_norm: {op: local_response_norm, size: 3, from: square}
  - channel_bias: {op: channel_bias, from: square}
  - scalenorm: scalenorm
  - products: {op: matmul, from: [square, scalenorm]}
  - scaled_products: {op: matmul, from: [square, channel_bias], scaled: true}
  - transpose: transpose
  - groupnorm: {op: groupnorm, groups: 4, from: square}
  - instancenorm: {op: instancenorm, affine: true}
  - no_affine: instancenorm
  - rmsnorm: rmsnorm
  - flat_rmsnorm: {op: rmsnorm, from: flat_norm}
  - bilinear: {op: upsample_bilinear, scale: 3, from: rmsnorm}
  - bilinear_to_size: {op: upsample_bilinear, from: [square, input]}
  - pixel_shuffle: {op: pixel_shuffle, scale: 2, from: square}
  - pixel_unshuffle: {op: pixel_unshuffle, scale: 2}
  - cross: {op: dot_product_attention, from: [square, position_embedding], heads: 4}
  - shared: {op: dot_product_attention, from: [square, few_keys, few_keys], heads: 4, kv_heads: 2}
"""


def test_every_primitive_as_a_module(write_network: WriteNetwork) -> None:
    """Activations, pooling at odd sizes, softmax, one-dimensional batch norm, a sum of three."""
    pytest.importorskip("torch")
    from flopcalc.primitives.registry import PRIMITIVES
    from flopcalc.pytorch.comparison import compare_network

    net = network(write_network(EVERY_PRIMITIVE), batch=3)
    missing = set(PRIMITIVES) - {layer.kind for layer in net.layers}
    assert not missing, for_author(
        sorted(missing),
        "no layer of EVERY_PRIMITIVE above uses it; add one, with settings other than the defaults",
        "docs/networks.md",
    )
    for row in compare_network(net):
        assert row.derived == row.counted, for_author(
            row.part,
            "the parts of this primitive and the module that is built for it differ; correct the one that does not "
            "compute what the primitive says",
            "docs/networks.md",
        )
