"""Functions by their rules against the dispatch mode, on arguments at random: those that fit, and wrong ones.

A network of many calls is counted twice: the results and the errors of all calls are the same, and the whole count. A
call that fails is caught.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any, NamedTuple

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional

from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.functions import FACT, RULES

from . import attending
from .drawing import FORMS, Arguments, Draw, made, on_cpu, shown, with_one_spoiled
from .function_calls import called, name_of

CALLS = 5
# Of these there are more.
HEAVY = (
    *("multi_head_attention_forward", "scaled_dot_product_attention", "linear", "conv2d", "batch_norm", "layer_norm"),
    *("softmax", "getitem", "embedding", "dropout", "hardtanh", "adaptive_avg_pool2d", "max_pool2d", "reshape"),
    *("roll", "pad", "masked_fill", "flatten", "mean", "matmul"),
)
KINDS = ("plain", "formed", "free", "free, wrong", "plain, wrong", "formed, complex")
FUNCTIONS = [func for func, rule in RULES.items() if rule is not FACT]
# They write to their first argument.
IN_PLACE = ("setitem", "iadd", "isub", "imul")
Call = tuple[Any, list[Any]]


class Held(NamedTuple):
    """An argument that is a parameter of the network, by its place among them."""

    place: int


class Calls(nn.Module):
    """A network of calls. results: of each call, in words; seen: what reached the dispatch mode, and rules left out."""

    # Of the class: a count runs a copy of the network and of the tensors of its calls.
    results: list[Any]
    seen: tuple[list[Any], ...] = ()

    def __init__(self, calls: Sequence[Call], held: Sequence[Any]) -> None:
        super().__init__()
        self.calls, self.held = calls, nn.ParameterList(held)

    def forward(self, x: Any) -> Any:
        """All calls, one after the other."""
        held = list(self.held)
        for func, args in self.calls:
            before = [*map(len, Calls.seen)]
            given = [held[one.place] if isinstance(one, Held) else one for one in args]
            # A dictionary at the end holds the arguments by name.
            named = given.pop() if given and isinstance(given[-1], dict) else {}
            try:
                result = _facts(func(*given, **named), [one for one in given if isinstance(one, torch.Tensor)])
            except Exception as error:
                result = type(error).__name__, str(error)
                for seen, count in zip(Calls.seen, before, strict=True):
                    del seen[count:]
            Calls.results.append(result)
        return x


def _facts(found: Any, given: list[Any]) -> Any:
    """Shape, strides and dtype of each tensor, and which of the arguments it is, or shares its memory with."""
    if isinstance(found, torch.Tensor):
        strides = [s for s, n in zip(found.stride(), found.shape, strict=True) if n != 1] if found.numel() else None
        memory = found.untyped_storage()._cdata
        shared = [(found is one, memory == one.untyped_storage()._cdata) for one in given]
        return tuple(found.shape), strides, found.dtype, found.device.type, found.requires_grad, shared
    return [_facts(one, given) for one in found] if isinstance(found, list | tuple) else repr(found)


def _counted(calls: Sequence[Call], held: Sequence[Any], witness: Any, *seen: list[Any]) -> Any:
    Calls.results, Calls.seen = [], seen
    return asdict(count_call(Calls(calls, held), ((2,),), on="meta", witness=witness)), Calls.results


def _drawn(func: Any, kind: str) -> Iterator[Call]:
    for number in range(CALLS * (4 if name_of(func) in HEAVY else 1)):
        draw = Draw(f"{name_of(func)} {kind} {number}", plain="free" not in kind, formed="formed" in kind)
        if "complex" in kind:
            draw.dtype = torch.complex64
        args = called(draw, func)
        yield func, with_one_spoiled(draw, Arguments(args, {})).given if "wrong" in kind else args


def _with_parameters(calls: list[Call], held: list[Any]) -> list[Call]:
    """The same calls, with parameters of the network for some of the tensors."""
    draw = Draw("parameters")
    changed: list[Call] = []
    for func, args in calls:
        new: list[Any] = []
        for one in args:
            fits = isinstance(one, torch.Tensor) and one.dtype.is_floating_point and one.dim() and one.is_meta
            if fits and draw.chance(0.3) and sum(one is other for other in args) == 1 and not one.is_neg():
                held.append(nn.Parameter(one))
                new.append(Held(len(held) - 1))
            else:
                new.append(one)
        changed.append((func, new))
    return changed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", range(len(FUNCTIONS)), ids=lambda place: f"{place} {name_of(FUNCTIONS[place])}")
def test_as_the_dispatch_mode_counts(place: int, kernels: list[Any], left: list[Any]) -> None:
    """All that both give is the same; and where the arguments are usual, the rule applies, and no other is needed."""
    func = FUNCTIONS[place]
    for kind in KINDS:
        held: list[Any] = []
        calls = list(_drawn(func, kind))
        if not name_of(func).endswith("_") and name_of(func) not in IN_PLACE:
            calls = _with_parameters(calls, held)
        kernels.clear()
        left.clear()
        traced = _counted(calls, held, "trace", kernels, left)
        by_rules = not kernels and not left
        dispatched = _counted(calls, held, "dispatch")
        assert traced == dispatched, (kind, [shown(args) for _, args in calls])
        assert by_rules or kind != "plain", (kernels, left, [shown(args) for _, args in calls])


def _forms(shape: tuple[int, ...]) -> list[Any]:
    """Tensors of a shape in every form, for a call with each."""
    tensors = [made(Draw("forms"), shape, form, torch.float32) for form in ("", *FORMS)]
    return list({x.stride(): x for x in tensors}.values())


@pytest.mark.parametrize("shape", [(3,), (1,), (2, 3), (2, 1), (2, 4, 3), (1, 4, 1), (2, 2, 2, 3)], ids=str)
def test_linear_of_all_forms(shape: tuple[int, ...]) -> None:
    """Whether torch adds the bias in the product, and what it copies, depends on the strides of all three tensors."""
    for out in (1, 4):
        weights = _forms((out, shape[-1]))
        held = [nn.Parameter(one) for one in weights]
        calls: list[Call] = []
        for x, place, bias in product(_forms(shape), range(len(weights)), [None, *_forms((out,))]):
            calls += [(functional.linear, [x, one, bias]) for one in (weights[place], Held(place))]
        assert _counted(calls, held, "trace") == _counted(calls, held, "dispatch")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(((3, 4), (2, 4, 5)), ((4,), (2, 4, 5)), ((4,), (2, 3, 4, 5)), ((3, 4), (2, 2, 4, 5)), ((2, 3, 4), (4, 5))),
        *(((2, 3, 2, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 5)), ((2, 3, 4), (2, 4, 5)), ((4,), (4, 5)), ((3, 4), (4,))),
    ],
    ids=str,
)
def test_matmul_of_all_forms(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Which axes torch folds, and what it copies, depends on the strides of both, and on which has a gradient."""
    left, right = _forms(one), _forms(other)
    held = [nn.Parameter(x) for x in (*left, *right)]
    calls: list[Call] = []
    for a, b in product(range(len(left)), range(len(right))):
        second = right[b], Held(len(left) + b)
        calls += [(torch.matmul, [*factors]) for factors in product((left[a], Held(a)), second)]
    assert _counted(calls, held, "trace") == _counted(calls, held, "dispatch")


@pytest.mark.parametrize("unusual", attending.UNUSUAL)
def test_attention_that_is_unusual_in_one_way(unusual: str) -> None:
    """Of heads, with all else as usual: as the dispatch mode counts it."""
    func = functional.multi_head_attention_forward
    calls: list[Call] = [
        (func, attending.of_heads(Draw(f"{unusual} {number}", plain=True), unusual)) for number in range(8)
    ]
    assert _counted(calls, [], "trace") == _counted(calls, [], "dispatch")


@pytest.mark.parametrize("place", range(len(FUNCTIONS)), ids=lambda place: f"{place} {name_of(FUNCTIONS[place])}")
def test_tensors_with_values_are_left_to_torch(place: int) -> None:
    """No rule makes a tensor from one that is not on the meta device, however usual the call is."""
    func = FUNCTIONS[place]
    rule = RULES[func]
    for number in range(6 if callable(rule) else 0):
        given = on_cpu(called(Draw(f"{name_of(func)} {number}", plain=True, formed=number > 1), func))
        named = given.pop() if isinstance(given[-1], dict) else {}
        try:
            out = rule(Recorder({}), *given, **named)
        except (RuntimeError, TypeError, ValueError, IndexError):
            continue
        assert out is None or not out.is_meta, shown(given)
