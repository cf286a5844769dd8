"""How a module calls the kernel of a part. Other counters see some kinds of call, and not others.

A hook sees modules, a patched function sees calls by its name, a trace sees operators. `Part.call` is a label of this
table, or the name of another class, of which counters know nothing; empty means the usual label for its kind of work.
"""

from typing import NamedTuple

from flopcalc.cost.cost import Part
from flopcalc.cost.kinds import WorkKind


class How(NamedTuple):
    """module: the class in torch.nn, without its number of axes; function: the name that a patch replaces; operator:
    the name that torch's tracer records. Empty where there is none.
    """

    module: str = ""
    function: str = ""
    operator: str = ""


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
    "Upsample": ("F.interpolate", "upsample_nearest2d"),
}
# Products of attention in torch.nn.MultiheadAttention, which calls functions only.
_INSIDE = {
    "MultiheadAttention": ("F.linear", "linear"),
    "MultiheadAttention.products": ("F.scaled_dot_product_attention", "scaled_dot_product_attention"),
}
_OPERATORS = {"@": "matmul", "+": "add", "*": "mul", "mean": "mean", "softmax": "softmax", "sigmoid": "sigmoid"}


def _table() -> dict[str, How]:
    found = {name: How(name, *rest) for name, rest in _MODULES.items()}
    found |= {name: How(name, *rest) for name, rest in _INSIDE.items()}
    # The same functions without the module, in code of one's own.
    found |= {function: How("", function, operator) for function, operator in _MODULES.values() if function}
    found |= {sign: How(operator=operator) for sign, operator in _OPERATORS.items()}
    # A convolution of one's own class, named Conv, which calls the function.
    found["own Conv"] = How("own Conv", "F.conv", "_convolution")
    for name in ("matmul", "mm", "bmm", "baddbmm", "mul", "add", "einsum"):
        for prefix in ("torch", "Tensor"):
            found[f"{prefix}.{name}"] = How("", f"{prefix}.{name}", name)
    for suffix, operator in (("", "upsample_nearest2d"), (", bilinear", "upsample_bilinear2d")):
        for name in ("F.interpolate", "F.interpolate to size"):
            found[name + suffix] = How("", name, operator)
    for name in ("BatchNorm", "LayerNorm"):
        found[f"{name} subclass"] = found[name]._replace(module=f"{name} subclass")
    sdpa = "scaled_dot_product_attention"
    found[f"F.{sdpa}"] = How("", f"F.{sdpa}", sdpa)
    return found


LABELS = _table()


def how(part: Part) -> How:
    """How the kernel of a part is called; of another class only its name is known."""
    label = part.call or USUAL.get(part.work, "")
    return LABELS.get(label) or How(label)
