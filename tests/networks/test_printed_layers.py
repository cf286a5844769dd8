"""Networks against printed tables: RTMDet module by module, GoogLeNet row by row, PicoDet at its sizes."""

from collections import Counter
from fractions import Fraction

import pytest

from flopcalc import network
from flopcalc.cost import convention

# MMYOLO, docs/en/recommended_topics/complexity_analysis.md, RTMDet-s: parameters, FLOPs of fvcore, activations.
RTMDET_S = """
backbone                  4.378M   5.416G   22.529M
backbone.stem             7.472K   0.765G   6.554M
backbone.stem.0           0.464K   47.514M  1.638M
backbone.stage1.0         18.56K   0.475G   1.638M
backbone.stage1.1         23.84K   0.505G   5.734M
backbone.stage2           0.21M    1.237G   4.915M
backbone.stage3.1         0.534M   0.749G   2.048M
backbone.stage4.1         0.657M   0.263G   0.307M
backbone.stage4.2         1.452M   0.476G   0.717M
neck.reduce_layers.2      0.132M   52.634M  0.102M
neck.reduce_layers.2.bn   0.512K   0.205M   0
neck.top_down_layers.0    0.398M   0.638G   1.638M
neck.downsample_layers.1  0.59M    0.236G   0.102M
neck.bottom_up_layers.0   0.3M     0.48G    1.434M
neck.out_layers.0         0.148M   0.945G   0.819M
bbox_head.head_module     0.625M   5.053G   5.006M
bbox_head.head_module.cls_convs  0.296M 2.482G 2.15M
bbox_head.head_module.rtm_cls.0  10.32K 65.536M 0.512M
bbox_head.head_module.rtm_reg    1.548K 4.301M  33.6K
"""


def _agrees(printed: str, ours: int) -> bool:
    """Rounded to the printed digits."""
    scale = {"K": 10**3, "M": 10**6, "G": 10**9}.get(printed[-1], 1)
    digits = printed.rstrip("KMG")
    step = Fraction(scale, 10 ** len(digits.partition(".")[2]))
    return abs(Fraction(digits) * scale - ours) <= step / 2


@pytest.mark.parametrize("line", RTMDET_S.strip().splitlines(), ids=lambda line: line.split()[0])
def test_rtmdet_is_printed_module_by_module(line: str) -> None:
    """Parameters, FLOPs and activations of a module, all digits."""
    module, *printed = line.split()
    inside = [
        layer.cost
        for layer in network("rtmdet", depth=0.33, width=0.5).layers
        if layer.name == module or layer.name.startswith(f"{module}.")
    ]
    fvcore = convention.get("fvcore")
    # The two upsamplings of the neck, which fvcore counts as an operation for each output, are in none of these.
    ours = [sum(one.params for one in inside), sum(fvcore.of(one) for one in inside)]
    ours.append(sum(one.total("activations") for one in inside))
    for text, figure in zip(printed, ours, strict=True):
        assert _agrees(text, figure), (text, figure)


# Table 1 of the GoogLeNet paper: multiply-adds in millions. The row of inception 5a prints 54M and 1072K parameters;
# its widths give 51.1M and 1018K (of 1024).
GOOGLENET = {
    "conv1": 34,
    "conv2": 360,
    "inception3a": 128,
    "inception3b": 304,
    "inception4a": 73,
    "inception4b": 88,
    "inception4c": 100,
    "inception4d": 119,
    "inception4e": 170,
    "inception5b": 71,
    "fc": 1,
}


def test_googlenet_is_printed_row_by_row() -> None:
    """Rounded or cut to millions; the first convolution is separable, conv2 is the 1x1 and the 3x3 after it."""
    row_of = {"conv0": "conv1", "conv3": "conv2"}
    macs: Counter[str] = Counter()
    for layer in network("googlenet", third=5, norm="local", stem="separable").layers:
        first = layer.name.partition(".")[0]
        macs[row_of.get(first, first)] += layer.cost.macs
    for row, printed in GOOGLENET.items():
        assert printed in (macs[row] // 10**6, round(macs[row] / 10**6)), row
    assert round(macs["inception5a"] / 10**6) == 51


# PaddleDetection, configs/picodet/README_en.md: width, channels and convolutions of a head; GFLOPs at each size.
PICODET = [
    ((0.35, 96, 2), {320: "0.67", 416: "1.13"}),
    ((0.75, 96, 2), {320: "0.97", 416: "1.65"}),
    ((1.5, 128, 4), {320: "2.57", 416: "4.34"}),
    ((2.0, 160, 4), {320: "4.20", 416: "7.10", 640: "16.81"}),
]


@pytest.mark.parametrize(("options", "printed"), PICODET, ids=["XS", "S", "M", "L"])
def test_picodet_at_its_sizes(options: tuple[float, int, int], printed: dict[int, str]) -> None:
    """Two operations for each multiply-accumulate and for each element of a batch norm, cut to the printed digits."""
    width, channels, convolutions = options
    for size, text in printed.items():
        net = network("picodet", input=(3, size, size), width=width, channels=channels, convolutions=convolutions)
        norms = [layer.cost for layer in net.layers if layer.kind == "batchnorm"]
        flops = 2 * net.macs + sum(one.total("adds") + one.total("muls") for one in norms)
        assert flops // 10**7 == int(text.replace(".", "")), (size, flops)
