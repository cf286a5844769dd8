"""How a module calls the kernel of a part. Other counters see some kinds of call, and not others.

A hook sees modules, a patched function sees calls by its name, a trace sees operators. `Part.call` is a label of this
table, or the name of another class, of which counters know nothing; empty means the usual label for its kind of work.
`LABEL, 2 products of sizes` says that the code around the call multiplies two sizes twice, which a trace records.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from flopcalc.cost.cost import Part
from flopcalc.cost.kinds import WorkKind


class How(NamedTuple):
    """module: the class in torch.nn, without its number of axes; function: the name that a patch replaces; operator:
    the name that torch's tracer records. Empty where there is none.

    kernel: whether the kernel is one that counters of kernels know; on_cpu: whether it is one on the CPU. products:
    products of two sizes that the code computes around it, which a trace records as operators. sizes: how many sizes
    in `Part.extra` the rules of counters need.
    """

    module: str = ""
    function: str = ""
    operator: str = ""
    kernel: bool = True
    on_cpu: bool = True
    products: int = 0
    sizes: int = 0
    is_complex: bool = False


USUAL: dict[WorkKind, str] = {
    "conv": "Conv",
    "linear": "Linear",
    "matmul": "@",
    "norm": "BatchNorm",
    "layernorm": "LayerNorm",
    "act": "ReLU",
    "softmax": "softmax",
    "add": "+",
    "mul": "*",
    "maxpool": "MaxPool",
    "avgpool": "AvgPool",
    "gap": "AdaptiveAvgPool",
}

# Modules of torch.nn, with the function that each calls by its name.
_MODULES = {
    "Conv": ("F.conv", "_convolution"),
    "ConvTranspose": ("F.conv_transpose", "_convolution"),
    "Linear": ("F.linear", "linear"),
    "BatchNorm": ("F.batch_norm", "batch_norm"),
    "BatchNorm without affine": ("F.batch_norm", "batch_norm"),
    "LayerNorm": ("F.layer_norm", "layer_norm"),
    "GroupNorm": ("F.group_norm", "group_norm"),
    "InstanceNorm": ("F.instance_norm", "instance_norm"),
    "InstanceNorm without affine": ("F.instance_norm", "instance_norm"),
    "ReLU": ("F.relu", "relu"),
    "ReLU6": ("F.hardtanh", "hardtanh"),
    "LeakyReLU": ("F.leaky_relu", "leaky_relu"),
    "PReLU": ("F.prelu", "prelu"),
    "ELU": ("F.elu", "elu"),
    "GELU": ("F.gelu", "gelu"),
    "SiLU": ("F.silu", "silu"),
    "Sigmoid": ("", "sigmoid"),
    "Tanh": ("", "tanh"),
    "Hardswish": ("F.hardswish", "hardswish"),
    "Hardsigmoid": ("F.hardsigmoid", "hardsigmoid"),
    "Softmax": ("F.softmax", "softmax"),
    "MaxPool": ("F.max_pool", "max_pool"),
    "AvgPool": ("F.avg_pool", "avg_pool"),
    "AdaptiveAvgPool": ("F.adaptive_avg_pool", "adaptive_avg_pool"),
    "AdaptiveMaxPool": ("F.adaptive_max_pool", "adaptive_max_pool"),
    "Upsample": ("F.interpolate", "upsample_nearest2d"),
}
# Products of attention in torch.nn.MultiheadAttention, which calls functions only.
_INSIDE = {
    "MultiheadAttention": ("F.linear", "linear"),
    "MultiheadAttention.products": ("F.scaled_dot_product_attention", "scaled_dot_product_attention"),
}
_OPERATORS = {
    "@": "matmul", "+": "add", "*": "mul", "/": "div", ">": "gt",
    "mean": "mean", "sum": "sum", "amax": "amax", "exp": "exp", "pow": "pow", "vector_norm": "linalg_vector_norm",
    "softmax": "softmax", "sigmoid": "sigmoid", "rfft2": "fft_rfft2", "irfft2": "fft_irfft2",
    "expand": "expand", "index": "index", "flip": "flip",
}  # fmt: skip


def _table() -> dict[str, How]:
    found = {name: How(name, *rest) for name, rest in _MODULES.items()}
    found |= {name: How(name, *rest) for name, rest in _INSIDE.items()}
    # The same functions without the module, in code of one's own.
    found |= {function: How("", function, operator) for function, operator in _MODULES.values() if function}
    found |= {sign: How(operator=operator) for sign, operator in _OPERATORS.items()}
    for name, sizes in (("ConvTranspose", 3), ("Softmax", 1)):
        found[name] = found[name]._replace(sizes=sizes)
    for name in ("matmul", "mm", "bmm", "baddbmm", "mul", "add", "einsum"):
        for prefix in ("torch", "Tensor"):
            found[f"{prefix}.{name}"] = How("", f"{prefix}.{name}", name)
    # A convolution of one's own class, named Conv, which calls the function. extra: its parameters times positions.
    found["own Conv"] = How("own Conv", "F.conv", "_convolution", sizes=1)
    # A class derived from Conv. extra: what torchinfo makes of its parameters, which depends on the name of the class.
    found["Conv subclass"] = How("Conv subclass", "F.conv", "_convolution", sizes=1)
    # The operator of another package, in a class named Conv.
    found["torchvision.ops.deform_conv2d"] = How("own Conv", kernel=False, sizes=1)
    # A class of one's own with a weight or a bias, without children. extra: parameters times the first size of its
    # output, where that is not the batch.
    found["own module"] = How("own module")
    # Kernels one by one. extra: positions.
    found["own RMSNorm"] = How("own RMSNorm", sizes=1)
    # Called as for one mean of each channel; torch then runs another kernel.
    found["AdaptiveAvgPool to cells"] = found["AdaptiveAvgPool"]
    # Sums and differences of several tensors. extra: sums and changes of sign in its gradient.
    found["+ and -"] = found["+"]._replace(sizes=2)
    # A bias from which a tensor is subtracted: its gradient has another sign.
    found["own module, -"] = How("own module", operator="sub")
    found["own module, F.conv"] = How("own module", "F.conv", "_convolution")
    found["torch.bmm, complex"] = found["torch.bmm"]._replace(is_complex=True)
    for suffix, operator in (("", "upsample_nearest2d"), (", bilinear", "upsample_bilinear2d")):
        found["F.interpolate" + suffix] = How("", "F.interpolate", operator)
        found["F.interpolate to size" + suffix] = How("", "F.interpolate to size", operator, sizes=1)
    for name in ("BatchNorm", "BatchNorm without affine", "LayerNorm", "AdaptiveAvgPool", "Linear"):
        kind, without, affine = name.partition(" without")
        derived = f"{kind} subclass{without}{affine}"
        found[derived] = found[name]._replace(module=derived)
    sdpa = "scaled_dot_product_attention"
    found[f"F.{sdpa}"] = How("", f"F.{sdpa}", sdpa)
    return {label: one._replace(on_cpu=one.on_cpu and one.operator != sdpa) for label, one in found.items()}


LABELS = _table()
_PRODUCTS = re.compile(r"(.*?)(?:, )?(\d+) products? of sizes")


def how(part: Part) -> How:
    """How the kernel of a part is called; of another class only its name is known.

    Of a label that needs more sizes than the part has nothing is known; see `lacks_sizes`.
    """
    found = _how(part.call or USUAL.get(part.work, ""), part.work)
    return found if len(part.extra) >= found.sizes else How()


def lacks_sizes(part: Part) -> bool:
    """Whether the rules for a part's label need sizes that the part does not have."""
    return bool(part.call) and len(part.extra) < _how(part.call, part.work).sizes


def is_label(text: str) -> bool:
    """Whether a text is a label of the table, or has products of sizes after one or alone."""
    products = _PRODUCTS.fullmatch(text)
    return text in LABELS if products is None else not products[1] or products[1] in LABELS


@lru_cache(maxsize=512)
def _how(label: str, work: WorkKind) -> How:
    products = _PRODUCTS.fullmatch(label)
    if products is not None:
        return _how(products[1] or USUAL.get(work, ""), work)._replace(products=int(products[2]))
    return LABELS.get(label) or How(label)
