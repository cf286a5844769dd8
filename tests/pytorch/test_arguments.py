"""What Python calls accept: shapes of several types, integers of any type, and clear errors for the rest."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
np: Any = pytest.importorskip("numpy")

from torch import Tensor, nn

from flopcalc import FlopcalcError
from flopcalc.cost.kinds import KINDS
from flopcalc.networks.inputs import ForwardCall, Input
from flopcalc.pytorch import build_layer, count, counted_network, replace

# 3 -> 4 channels, 1x1, on 8x6: 3 * 4 * 48.
MACS = 576


class Text(nn.Module):
    """Token ids and an image."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 8)

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        out: Tensor = self.embedding(ids)[:, :6] + x
        return out


@pytest.mark.parametrize(
    "inputs",
    [
        "3x8x6",
        (3, 8, 6),
        [3, 8, 6],
        (np.int64(3), np.int32(8), 6),
        ["3x8x6"],
        [(3, 8, 6)],
        ([3, 8, 6],),
        Input((3, 8, 6)),
        [Input((np.int64(3), 8, 6))],
        {"input": "3x8x6"},
    ],
)
def test_shapes_of_a_network(inputs: Any) -> None:
    """Text, tuples, lists and inputs; alone, in a sequence, or by keyword."""
    net = counted_network(nn.Conv2d(3, 4, 1), inputs, np.int64(2))
    assert (net.macs, net.batch, net.input_shape) == (2 * MACS, 2, (3, 8, 6))
    assert all(type(size) is int for size in net.input_shape)


@pytest.mark.parametrize(
    "inputs",
    [((6, 8), "7:int64"), ["6x8", Input((7,), "int64")], {"x": (6, 8), "ids": "7:int64"}],
)
def test_several_inputs(inputs: Any) -> None:
    """Each of its own type."""
    assert counted_network(Text(), inputs).total("adds") == 48


@pytest.mark.parametrize("inputs", [3, None, 1.5, (3, 0, 6), (3, -1), (3, 8.0, 6), (True, 8, 6), "x", [None], b"3"])
def test_wrong_shapes(inputs: Any) -> None:
    """One error that shows the value and an example."""
    with pytest.raises(FlopcalcError) as caught:
        counted_network(nn.Conv2d(3, 4, 1), inputs)
    assert caught.value.code == "bad-dimension"
    assert "3x224x224" in caught.value.hint


@pytest.mark.parametrize("batch", [0, -1, True, "2", 1.0, None])
def test_wrong_batches(batch: Any) -> None:
    """Named with their value."""
    with pytest.raises(FlopcalcError, match=f"batch is {batch!r}"):
        counted_network(nn.Conv2d(3, 4, 1), "3x8x6", batch)


@pytest.mark.parametrize(
    "shape", [(1, 3, 8, 6), [1, 3, 8, 6], (np.int64(1), 3, np.uint8(8), 6), torch.Size((1, 3, 8, 6))]
)
def test_shapes_of_a_count(shape: Any) -> None:
    """Integers of any type; a list where it is the only input."""
    assert count(nn.Conv2d(3, 4, 1), shape).macs == MACS
    assert replace(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)), "spconv", inputs=(1, np.int64(4), 8, 8)).replaced
    assert replace(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)), "spconv", inputs=[np.int64(1), 4, 8, 8]).replaced


def test_a_list_of_integers_next_to_a_tensor_is_a_value() -> None:
    """As before: a forward may take sizes."""

    class Resizes(nn.Module):
        def forward(self, x: Tensor, size: list[int]) -> Tensor:
            assert size == [2, 3]
            return x.reshape(size)

    assert count(Resizes(), (1, 6), [2, 3]).output == [(2, 3)]


def test_a_tuple_among_the_arguments_of_a_call_is_a_value() -> None:
    """Not the shape of a further input: the forward gets its numbers."""

    class Shifts(nn.Module):
        def forward(self, x: Tensor, by: tuple[tuple[int, ...], ...]) -> Tensor:
            return x + sum(by[0])

    # Of a tensor of 2 x 3 the sum would have additions of its own.
    assert counted_network(Shifts(), "3", call=ForwardCall(arguments={"by": ((2, 3),)})).total("adds") == 3


def test_all_kinds_of_cost() -> None:
    """By name and as properties; 192 outputs, each with 3 MACs and the sum with the bias."""
    found = count(nn.Conv2d(3, 4, 1), (1, 3, 8, 6))
    expected = {
        "params": 16,
        "macs": MACS,
        "flops": 2 * MACS + 192,
        "activations": 192,
        "traffic": 3 * 48 + 16 + 192,
        "steps": 1,
        "adds": 192,
        "muls": 0,
        "other": 0,
    }
    assert set(expected) == set(KINDS)
    for kind, number in expected.items():
        assert found.total(kind) == getattr(found, kind) == number, kind
    with pytest.raises(FlopcalcError, match="'flop'") as caught:
        found.total("flop")
    assert (caught.value.code, "flops" in caught.value.hint) == ("unknown-kind", True)


def test_results_are_shown_on_one_line() -> None:
    """Also those of a large model."""
    model = nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1) for _ in range(50)))
    assert repr(count(model, (1, 16, 8, 8))) == "<Count: 51 modules, params 116,000, macs 7,372,800>"
    done = replace(model, "spconv", inputs=(1, 16, 8, 8))
    assert repr(done) == "<Replaced: Sequential, replaced 50, skipped 0, notes 0>"


CALLS: dict[str, Callable[[], object]] = {
    "no module": lambda: counted_network("resnet50", "3x8x8"),  # type: ignore[arg-type]
    "a class": lambda: count(nn.Conv2d, (1, 3, 8, 8)),
    "text as a shape": lambda: count(nn.Conv2d(3, 4, 1), "3x8x6"),
    "a number": lambda: replace(nn.Conv2d(3, 4, 1), 3),  # type: ignore[arg-type]
    "a number as keep": lambda: replace(nn.Conv2d(3, 4, 1), "spconv", keep=3),  # type: ignore[arg-type]
    "a name for a layer": lambda: build_layer("ghost"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", CALLS)
def test_wrong_types(what: str) -> None:
    """One line for what is wrong, one for what to do."""
    with pytest.raises(FlopcalcError) as caught:
        CALLS[what]()
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_module_that_is_given_runs_in_other_counters_itself() -> None:
    """Nothing builds it again: 3 * 8 * 9 = 216 MACs at each of 8 x 8 positions, which FlopCounterMode doubles."""
    replay = counted_network(nn.Conv2d(3, 8, 3), (3, 10, 10)).replay
    assert replay is not None
    figure = replay.figure("flop-counter")
    assert figure[0] == 2 * 216 * 64


def test_an_annotation_may_say_less_than_a_forward_takes() -> None:
    """Lengths as tuples, which the forward of CTCLoss takes for its tensors; where a shape fits, it is a shape."""
    log_probs, targets = torch.randn(50, 3, 20), torch.randint(1, 20, (3, 30))
    found = count(nn.CTCLoss(), log_probs, targets, (50, 50, 50), (30, 25, 20))
    assert [note[:26] for note in found.notes] == ["argument 3 was taken as a ", "argument 4 was taken as a "]
    assert found.output == [()]
    # 3 x 4 x 6 MACs.
    assert count(Product(), torch.ones(3, 4), (4, 6)).macs == 72


class Product(nn.Module):
    """A product of two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The product."""
        return x @ y


class _Masked(nn.Module):
    def forward(self, x: Tensor, mask: Tensor | None = None, *, scale: float = 1.0) -> Tensor:
        return x * scale


class _Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class _NoDefault:
    def __repr__(self) -> str:
        raise ValueError("not to be shown")


class _Odd(nn.Module):
    def forward(self, x: Tensor, flag: Any = _NoDefault()) -> Tensor:  # noqa: B008
        return x


def test_arguments_that_the_forward_does_not_take() -> None:
    """The hint has those that it takes, without their types, if the call of the model itself did not fit."""
    takes = "the inputs are the arguments of _Masked.forward(x, mask=None, *, scale=1.0)"
    for inputs, named in (((), {}), (((2, 3),), {"on": "cpu"}), (((2, 3), None, 2), {})):
        with pytest.raises(FlopcalcError) as caught:
            count(_Masked(), *inputs, **named)
        assert caught.value.hint == takes
    # A call inside of it, a default value that cannot be shown, and a shape that does not fit.
    for module, inputs in ((nn.Sequential(_Two()), ((2, 3),)), (_Odd(), ()), (nn.Linear(3, 4), ((2, 5),))):
        with pytest.raises(FlopcalcError) as caught:
            count(module, *inputs)
        assert caught.value.hint == "check the number, shape and dtype of the inputs"
