"""What counters share that replace functions of torch by their own.

Only code that looks a function up by its name calls the replacement. An operator such as `a @ b` does not, except
that DeepSpeed replaces `Tensor.__matmul__`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from math import prod
from typing import Any

from flopcalc.presets.call import Amount, Call, CallLog, Sized, ToolFailsError, failing

OfFunction = Callable[[Call], tuple[str, int | float]]
POOLS = [f"{kind}_pool{n}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for n in (1, 2, 3)]


def names(functions: Mapping[Any, str], prefix: str) -> dict[str, Any]:
    """Rule -> names of functions, turned round: `F.relu` -> rule."""
    return {f"{prefix}.{name}": rule for rule, names in functions.items() for name in names.split()}


def elements(call: Call) -> tuple[str, int]:
    """One for each element of the input."""
    return "", call.sized(0).numel


def left_aligned(call: Call) -> tuple[str, int]:
    """One for each element of a sum or product, with shapes aligned at the first axis, as ptflops and calflops do."""
    one, other = call.argument(0, "input"), call.argument(1, "other")
    tensors = [value.shape for value in (one, other) if isinstance(value, Sized)]
    return "", prod(map(max, zip_longest(*tensors, fillvalue=1)))


WHAT = {
    **dict.fromkeys(["relu", "prelu", "elu", "relu6", "gelu", "silu", "leaky_relu"], "activations, in functions"),
    **dict.fromkeys(POOLS, "pooling, in functions"),
    **dict.fromkeys(("upsample", "interpolate"), "upsampling"),
    **dict.fromkeys(("mul", "add"), "element-wise sums and products"),
    **{f"{kind}_norm": f"{kind} norm" for kind in ("layer", "instance", "group")},
    "softmax": "softmax",
    "batch_norm": "batch norm",
}


def no_custom_operators(log: CallLog) -> None:
    """Raise ToolFailsError where a custom operator in Python ran: a replaced function that it calls counts, unseen."""
    if any(call.kwargs.get("written_in_python") for call in log.of("function")):
        raise ToolFailsError("a custom operator is written in Python, and the tool counts functions that it calls")


def replaced(log: CallLog, rules: Mapping[str, OfFunction]) -> Iterator[Amount]:
    """What the replacements of functions count."""
    no_custom_operators(log)
    for call in log.of("function"):
        rule = rules.get(call.via)
        if rule is not None:
            with failing(f"its replacement of {call.via}"):
                what, amount = rule(call)
            yield Amount(call.node, what or WHAT[call.via.partition(".")[2]], int(amount))
