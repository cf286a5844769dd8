"""Shape rules of kernels against torch's own meta kernels, on arguments at random: those that fit, and wrong ones."""

from collections.abc import Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch._prims_common import suggest_memory_format

from flopcalc.pytorch.tracing.elementwise import RULES as OF_ELEMENTS
from flopcalc.pytorch.tracing.net import SHAPES, shape_rule, shaped

from .calls import STRATEGIES, drawn
from .drawing import Arguments, Draw, on_cpu, shown, with_one_spoiled

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
    *("stack", "constant_pad_nd", "index", "gather", "sort", "glu", "channel_shuffle"),
    *("pixel_shuffle", "pixel_unshuffle", "grid_sampler_2d", "native_group_norm", "_safe_softmax"),
    *("_log_softmax", "max_pool3d_with_indices", "logical_and", "logical_or", "logical_xor"),
)
# Of these an axis of one element does not keep its stride, which torch may take for channels that are innermost.
ANY_FORMAT = ("flip", "index", "glu", "_prelu_kernel", "pow", "fmod", "remainder")
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


def _facts(name: str, x: Any) -> tuple[Any, ...]:
    """What a rule promises of a tensor. Of functions of each element all strides; of others not that of an axis of one.

    Of those axes it is then the memory format that they suggest; and of convolutions no strides (test_memory_formats).
    """
    strides = [s for s, n in zip(x.stride(), x.shape, strict=True) if n != 1]
    form: Any = (strides, suggest_memory_format(x)) if x.numel() else None
    if "convolution" in name or not x.numel():
        form = None
    elif name[6:] in ANY_FORMAT:
        form = strides
    elif name in OF_ELEMENTS:
        form = x.stride()
    return tuple(x.shape), form, x.dtype, x.device


def _compared(name: str, found: Any) -> list[Any]:
    return [_facts(name, x) for x in (found if isinstance(found, tuple) else (found,))]


def _agree(name: str, func: Any, call: Arguments, found: Any, right: Any) -> bool:
    """Whether each result is that of the kernel, here or on the CPU: some orders of axes differ between them."""
    ours, here = _compared(name, found), _compared(name, right)
    if ours == here:
        return True
    try:
        there = _compared(name, func(*on_cpu(call.given), **call.named))
    except RuntimeError:
        # The CPU refuses some types together. Of norms the first result is the one that a network sees.
        return "native" in name and ours[:1] == here[:1]
    return all(
        own == meta or (own[-1].type == "meta" and own[:-1] == on[:-1])
        for own, meta, on in zip(ours, here, there, strict=True)
    )


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


@pytest.mark.parametrize("name", SHAPES)
def test_tensors_with_values_are_left_to_torch(name: str) -> None:
    """No rule applies to a tensor that is not on the meta device, however usual the call is."""
    for func in _kernels(name):
        for number in range(3):
            call = drawn(Draw(f"{func} {number}", plain=True, formed=number > 0), func)
            given = on_cpu(call.given)
            if any(isinstance(one, torch.Tensor) for one in given):
                assert shaped(SHAPES[name], given, call.named) is None, (func, shown(call))


@pytest.mark.parametrize("name", [name for name in SHAPES if any(word in name for word in ("pool", "col", "upsample"))])
def test_empty_maps(name: str) -> None:
    """What the CPU refuses, which the meta device may not see, is left to torch."""
    for func in _kernels(name):
        call = drawn(Draw(f"{func}", plain=True), func)
        x = call.given[0]
        for axis in range(x.dim()):
            empty = torch.empty([0 if at == axis else n for at, n in enumerate(x.shape)], device="meta")
            given = [empty, *call.given[1:]]
            found = shaped(SHAPES[name], given, call.named)
            try:
                func(*on_cpu(given), **call.named)
            except RuntimeError:
                assert found is None, (func, shown(given))
