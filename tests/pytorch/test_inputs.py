"""From what a user writes for an input to the arguments that a forward is called with."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
np: Any = pytest.importorskip("numpy")

from torch import Tensor, nn

from flopcalc import FlopcalcError
from flopcalc.networks.inputs import FORWARD, Input
from flopcalc.pytorch import counted_network
from flopcalc.pytorch.counting.inputs import (
    Values,
    arguments,
    as_shape,
    forward_arguments,
    is_list_of_images,
    read_batch,
    read_inputs,
)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ((3, 8, 9), [Input((3, 8, 9))]),
        ([3, np.int64(8)], [Input((3, 8))]),
        ("3x8x9", [Input((3, 8, 9))]),
        ("7:int64", [Input((7,), "int64")]),
        (Input((7,), "int64", "ids"), [Input((7,), "int64", "ids")]),
        (Input(()), [Input(())]),
        ([], []),
        ([(3, 8), "5", Input((4,))], [Input((3, 8)), Input((5,)), Input((4,))]),
        ({"key": (3, 8), "ids": "7:int64"}, [Input((3, 8), name="key"), Input((7,), "int64", "ids")]),
    ],
    ids=str,
)
def test_what_a_user_may_write(given: Any, read: list[Input]) -> None:
    """A shape, a text, an input, several of these, and those by keyword."""
    assert read_inputs(given) == read


@pytest.mark.parametrize("given", [3, None, (3, 0), (3, -1), (3, 1.5), (3, 10**9 + 1), [(3, 8), 5]], ids=str)
def test_what_is_no_shape(given: Any) -> None:
    """No axis, no sequence, and sizes below 1, between numbers, or beyond 10^9."""
    with pytest.raises(FlopcalcError) as caught:
        read_inputs(given)
    assert caught.value.code == "bad-dimension"


def test_the_batch() -> None:
    """From 1 to 10^9, of any type of integer."""
    assert [read_batch(one) for one in (1, np.int64(5), 10**9)] == [1, 5, 10**9]
    for given in (0, -1, 10**9 + 1, 1.5, "2", None):
        with pytest.raises(FlopcalcError, match="batch"):
            read_batch(given)


def test_shapes() -> None:
    """Not one of values that the forward gets as they are, nor one with something else in it."""
    assert [as_shape(one) for one in ((2, 3), [np.int32(2)])] == [(2, 3), (2,)]
    others: list[Any] = [(), [], Values((2, 3)), (2, None), "23", 5]
    assert [as_shape(one) for one in others] == [None] * 6


class Two(nn.Module):
    """Takes its inputs by name, the larger one behind the smaller."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, small: Tensor, large: Tensor) -> Any:
        """The linear layer on the larger one."""
        return self.linear(large) + small


def test_inputs_by_keyword_go_to_their_names() -> None:
    """2 samples of 5 rows, 4 x 4 products for each, in either order of the keywords."""
    shapes = {"large": (5, 4), "small": (1, 4)}
    for given in (shapes, dict(reversed(shapes.items()))):
        assert counted_network(Two(), given, 2).macs == 2 * 5 * 16


def _by_text(images: "list[Tensor]") -> None: ...


def _by_type(images: list[Tensor], sizes: Any = None) -> None: ...


def _by_sequence(images: Sequence[Tensor]) -> None: ...


def _one(image: Tensor) -> None: ...


def _plain(images: Any) -> None: ...


@pytest.mark.parametrize(
    ("forward", "listed"), [(_by_text, True), (_by_type, True), (_by_sequence, True), (_one, False), (_plain, False)]
)
def test_a_list_of_images(forward: Callable[..., Any], listed: bool) -> None:
    """As detectors take it: the batch is its length; every input by position is an image of its own."""
    module: Any = nn.Identity()
    module.forward = forward
    inputs = [Input((3, 8, 8)), Input((3, 4, 4))]
    given, named = arguments(inputs, 2, module)
    assert not named
    assert given == ([[(3, 8, 8), (3, 8, 8), (3, 4, 4), (3, 4, 4)]] if listed else [(2, 3, 8, 8), (2, 3, 4, 4)])
    assert is_list_of_images(inputs, module) is listed
    # By its name, and by another one.
    for name, is_list in (("images", listed), ("sizes", False)):
        given, named = arguments([Input((3, 8, 8), name=name)], 2, module)
        assert (given, named) == ([], {name: [(3, 8, 8)] * 2 if is_list else (2, 3, 8, 8)})
        assert is_list_of_images([Input((3, 8, 8), name=name)], module) is is_list
    assert arguments(inputs, 2)[0] == [(2, 3, 8, 8), (2, 3, 4, 4)]


def test_arguments_that_are_no_shapes() -> None:
    """A tensor where the dtype is given or there is no axis; keywords of the call, of which a tuple stays one."""
    (ids, number), named = arguments(
        [Input((7,), "int64"), Input((), "float32")], 2, call=FORWARD._replace(arguments={"size": (2, 3), "flag": True})
    )
    assert (ids.shape, ids.dtype, ids.device.type) == ((2, 7), torch.int64, "meta")
    assert (number.shape, number.dtype) == ((2,), torch.float32)
    assert (type(named["size"]), *named["size"], named["flag"]) == (Values, 2, 3, True)
    with pytest.raises(FlopcalcError, match="size is given"):
        arguments([Input((7,), name="size")], 2, call=FORWARD._replace(arguments={"size": 3}))


def test_arguments_with_the_batch() -> None:
    """One shape or tensor, several, and a mapping."""
    x = torch.ones(2, 3)
    assert forward_arguments((2, 3)) == (((2, 3),), {})
    assert forward_arguments(x) == ((x,), {})
    assert forward_arguments([(2, 3), x]) == (((2, 3), x), {})
    assert forward_arguments({"x": (2, 3)}) == ((), {"x": (2, 3)})
    with pytest.raises(FlopcalcError) as caught:
        forward_arguments(3)
    assert caught.value.code == "bad-inputs"
