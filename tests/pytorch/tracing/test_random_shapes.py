"""Shape rules of kernels against torch's own meta kernels, on arguments at random: those that fit, and wrong ones."""

from collections.abc import Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from flopcalc.pytorch.tracing.net import SHAPES, shape_rule, shaped

from .calls import STRATEGIES, drawn
from .drawing import Arguments, Draw, shown, with_one_spoiled

# For each kernel, for one whose arguments must fit each other, and for one whose meta kernel is slow.
DRAWS, MORE, FEW = 40, 100, 15
SLOW = ("upsample", "grid_sampler")
# Kernels that always run: their second operand is a tensor, or they have an argument more.
LEFT = (
    *("clamp.Tensor", "clamp_min.Tensor", "clamp_max.Tensor"),
    *("clamp_.Tensor", "clamp_min_.Tensor", "clamp_max_.Tensor"),
    *("div_.Tensor_mode", "div_.Scalar_mode", "fill_.Tensor", "bernoulli_.Tensor", "masked_fill.Tensor"),
    *("masked_fill_.Tensor", "mm.dtype", "bmm.dtype", "addmm.dtype", "baddbmm.dtype", "randperm.generator"),
    *("rand.generator", "randn.generator", "rand_like.generator", "randn_like.generator", "randint.generator"),
    "randint.low_generator",
)
# Rules for contiguous operands.
PACKED = (
    *("stack", "constant_pad_nd", "roll", "flip", "index", "gather", "cumsum", "cumprod", "sort", "tril", "triu"),
    *("glu", "channel_shuffle"),
    *("pixel_shuffle", "pixel_unshuffle", "addmm", "baddbmm", "grid_sampler_2d", "native_group_norm", "_safe_softmax"),
    *("_log_softmax", "max_pool3d_with_indices", "logical_and", "logical_or", "logical_xor"),
)
# What the schema of a kernel refuses never comes to a rule.
REFUSED = ("Declaration:", "Expected a proper Tensor", "Unexpected type")
RAISED = (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError, ZeroDivisionError)


def _kernels(name: str) -> Iterator[Any]:
    """The kernels of a rule: those that give tensors."""
    packet = getattr(torch.ops.aten, name.removeprefix("aten::"))
    for overload in packet.overloads():
        func = getattr(packet, overload)
        tensors = all(str(one.type) == "Tensor" for one in func._schema.returns)
        if tensors and "out" not in overload and shape_rule(func) is not None:
            yield func


def _facts(found: Any) -> list[Any]:
    """What is known of each tensor; an axis of one element has any stride, and so have empty tensors."""
    values = found if isinstance(found, tuple) else (found,)
    return [
        (
            tuple(x.shape),
            x.numel() and [s for s, n in zip(x.stride(), x.shape, strict=True) if n != 1],
            x.dtype,
            x.device,
        )
        for x in values
    ]


def _compared(name: str, found: Any) -> list[Any]:
    """What a rule promises: of norms only the first result, and of convolutions no strides (test_memory_formats)."""
    facts = _facts(found)
    if "convolution" in name:
        return [(shape, *rest) for shape, _, *rest in facts]
    return facts[:1] if "native" in name else facts


def _on_cpu(value: Any) -> Any:
    """The same arguments with values, which are 0."""
    if isinstance(value, torch.Tensor):
        made = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)
        return made.zero_() if 0 not in value.stride() else made
    if isinstance(value, list):
        return [_on_cpu(one) for one in value]
    return value


def _agree(name: str, func: Any, call: Arguments, found: Any, right: Any) -> bool:
    """Whether a result is that of the kernel, here or on the CPU: some orders of axes differ between them."""
    ours = _compared(name, found)
    if ours == _compared(name, right):
        return True
    on_cpu = _compared(name, func(*_on_cpu(call.given), **call.named))
    return all(one[-1].type == "meta" for one in ours) and [one[:-1] for one in ours] == [one[:-1] for one in on_cpu]


def _by_torch(func: Any, call: Arguments) -> Any:
    """What the kernel gives, or its error; None where the kernel is not reached."""
    try:
        with torch.no_grad():
            return func(*call.given, **call.named)
    except RAISED as error:
        return None if any(text in str(error) for text in REFUSED) else error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SHAPES)
def test_nothing_or_what_torch_says(name: str) -> None:
    """A rule answers the usual calls, and whatever it answers is what torch gives; it never answers a wrong one."""
    for func in _kernels(name):
        draws = FEW if any(one in name for one in SLOW) else MORE if name[6:] in STRATEGIES else DRAWS
        for number in range(draws):
            kind = ("plain", "formed", "free", "free, wrong", "plain, wrong")[number % 5]
            draw = Draw(f"{func} {number}", plain="free" not in kind, formed=kind == "formed")
            call = drawn(draw, func)
            if "wrong" in kind:
                call = with_one_spoiled(draw, call)
            found = shaped(SHAPES[name], call.given, call.named)
            usual = kind in ("plain", "formed")
            if found is None and not usual:
                continue
            right = _by_torch(func, call)
            if right is None:
                continue
            if isinstance(right, Exception):
                assert found is None, (func, shown(call), right)
                continue
            if found is not None:
                assert _agree(name, func, call, found, right), (func, shown(call))
                continue
            first = right[0] if isinstance(right, tuple) else right
            left = f"{func}".removeprefix("aten.") in LEFT or (kind == "formed" and name[6:] in PACKED)
            assert left or not first.numel(), (func, shown(call))
