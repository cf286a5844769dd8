"""The sizes of a layer that formulas read."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flopcalc import FlopcalcError
from flopcalc.analysis.sweeping.node import Book
from flopcalc.cost.geometry import (
    LARGEST,
    SAME,
    Geometry,
    geometry,
    height_and_width,
    out_size,
    resized,
    same_padding,
    with_depth,
)
from flopcalc.operators.transposed import transposed_size
from flopcalc.symbolic.conditions import allows
from flopcalc.symbolic.scope import Scope


def test_sizes_that_are_not_given() -> None:
    """Padding, and what is more of it at one end, is 0 and all else 1, as of a plain convolution of one sample."""
    given = Geometry(2, 3, 5, 7, 8, 9, 10, 11)
    for name, value in given._asdict().items():
        if name not in ("c_in", "c_out", "k_h", "k_w", "h", "w", "h_out", "w_out"):
            assert value == (0 if name.startswith(("padding", "more", "own")) else 1), name
    assert (given.area, given.p_in, given.p_out) == (35, 72, 110)


@pytest.mark.parametrize(
    ("given", "grid"),
    [
        ((None, None, None), None),
        ((5, None, None), 5),
        ((None, 3, 4), (3, 4)),
        ((None, 3, None), (3, 3)),
        ((None, None, 4), (4, 4)),
    ],
)
def test_height_and_width(given: tuple[Any, Any, Any], grid: Any) -> None:
    """Of one side alone for both; one way or the other."""
    assert height_and_width(*given) == grid
    for sides in ((3, None), (None, 4), (3, 4)):
        with pytest.raises(FlopcalcError, match="hw is given together with h or w"):
            height_and_width(5, *sides)


def test_the_text_of_a_shape() -> None:
    """It names what is not as in a plain convolution."""
    plain = Geometry(2, 3, 5, 7, 8, 9, 8, 9, padding_h=2, padding_w=3)
    for change, text in (
        ({}, ""),
        ({"dilation_h": 2, "dilation_w": 2}, "dilation 2"),
        ({"stride_h": 2, "stride_w": 1}, "stride 2x1"),
        ({"groups": 4}, "groups 4"),
        ({"batch": 3}, "batch 3"),
    ):
        assert text in str(plain._replace(**change))
        assert change == {} or text not in str(plain)
    # (k - 1) / 2 is 2 and 3, and twice that where every second pixel is left out.
    assert str(plain) == "2->3 5x7 8x9"
    assert str(plain._replace(dilation_h=2, dilation_w=2, padding_h=4, padding_w=6)) == "2->3 5x7 8x9 dilation 2"
    assert str(plain._replace(padding_h=1)) == "2->3 5x7 8x9 padding 1x3"
    assert str(plain._replace(more_w=1)) == "2->3 5x7 8x9 padding same"


@pytest.mark.parametrize(("stride", "strided"), [((1, 1), False), ((2, 1), True), ((1, 2), True), ((2, 2), True)])
def test_a_stride_along_one_axis_is_one(stride: tuple[int, int], strided: bool) -> None:
    """The output grid is coarser then."""
    assert geometry(4, stride=stride).strided is strided


def test_padding_that_keeps_the_size() -> None:
    """Dilation * (k - 1) / 2 along each axis, and one more zero at the end where that is not whole."""
    assert same_padding((3, 5), (2, 3)) == (2, 6)
    g = geometry(4, k=(3, 4), hw=(9, 11), dilation=(3, 1), padding=SAME)
    assert (g.padding, g.more_h, g.more_w, g.h_out, g.w_out) == ((3, 1), 0, 1, 9, 11)
    # 2 * 3 zeros along the height, 1 * 3 along the width.
    g = geometry(4, k=4, hw=(9, 11), dilation=(2, 1), padding=SAME)
    assert (g.padding, g.more_h, g.more_w, g.h_out, g.w_out) == ((3, 1), 0, 1, 9, 11)


def test_padding_in_words() -> None:
    """Only `same`, and only at stride 1 along every axis, as in torch."""
    for window, expected in (
        ({"padding": "valid"}, "padding is 'valid'; it must be a whole number, 0 or more, or same"),
        ({"padding": SAME, "stride": (2, 1)}, "padding same keeps the size, and the stride is 2x1"),
        ({"padding": SAME, "stride": (1, 2)}, "padding same keeps the size, and the stride is 1x2"),
    ):
        with pytest.raises(FlopcalcError, match=expected):
            geometry(4, **window)
    with pytest.raises(FlopcalcError, match="padding same keeps the size, and the stride is 2\n"):
        with_depth(geometry(4), 3, stride=2, padding=SAME)


@pytest.mark.parametrize("flip", [False, True])
def test_a_kernel_larger_than_its_input(flip: bool) -> None:
    """Along one axis; the same number of pixels as taps is just enough."""

    def size(of: tuple[int, int]) -> tuple[int, int]:
        return of[::-1] if flip else of

    g = geometry(4, k=size((9, 1)), hw=size((9, 5)), padding=0)
    assert (g.h_out, g.w_out) == size((1, 5))
    assert resized(g, 4, 4, size((8, 5)), 1, 1) is None
    kernel, grid = ("x".join(map(str, size(of))) for of in ((9, 1), (8, 5)))
    with pytest.raises(FlopcalcError, match=f"a {kernel} kernel .* does not fit the {grid} input"):
        geometry(4, k=size((9, 1)), hw=size((8, 5)), padding=0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"k": 3}, (3, 1, 1, 1, 0)),
        ({"k": 5, "stride": 2, "dilation": 2}, (5, 2, 4, 2, 0)),
        ({"k": 4, "padding": SAME}, (4, 1, 1, 1, 1)),
        ({"k": 4, "dilation": 2, "padding": SAME}, (4, 1, 3, 2, 0)),
        ({"k": 3, "padding": 0}, (3, 1, 0, 1, 0)),
    ],
)
def test_a_window_along_the_depth(given: dict[str, Any], expected: tuple[int, ...]) -> None:
    """Kernel, stride, padding, dilation, and further zeros at the end, whatever the other axes have."""
    g = with_depth(geometry(4, k=7, stride=3), **given)
    assert g.depth == expected
    assert g.own_depth == 1


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"c_in": 0}, "c_in is 0; it must be a positive whole number"),
        ({"k": 0}, "k is 0; it must be a positive whole number"),
        ({"padding": -1}, "padding is -1; it must be a whole number, 0 or more"),
    ],
)
def test_a_size_out_of_range(size: dict[str, Any], expected: str) -> None:
    """The message has the smallest size that is allowed."""
    with pytest.raises(FlopcalcError, match=expected):
        geometry(**{"c_in": 4} | size)


def test_the_largest_size() -> None:
    """10^100, for each size."""
    most = 10**100
    g = geometry(most, most, hw=most, groups=most, k=most, stride=most, dilation=most)
    for name, size in g._asdict().items():
        if name in ("c_in", "c_out", "k_h", "k_w", "h", "w", "stride_h", "stride_w", "dilation_h", "dilation_w"):
            assert size == most, name
    for name in ("c_in", "c_out", "k", "hw", "stride", "padding", "dilation", "groups", "batch"):
        larger: dict[str, Any] = {"c_in": 4, name: most + 1}
        with pytest.raises(FlopcalcError, match=rf"{name} is .*\(up to 10\^100\)"):
            geometry(**larger)
    for sizes in ((5, 1, 1, 1, 1), (1, 5, 1, 1, 1), (1, 1, 5, 1, 1), (1, 1, 1, 5, 1), (1, 1, 1, 1, 5)):
        for one in (0, most + 1):
            c_in, c_out, groups, h, w = (one if size == 5 else size for size in sizes)
            assert resized(geometry(4, padding=3), c_in, c_out, (h, w), groups, 1) is None


class _Index:
    """A whole number of another type than int."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.mark.parametrize("value", [1, 10**100])
def test_a_whole_number_of_another_type(value: int) -> None:
    """Is the int of that value."""
    g = geometry(_Index(value))  # type: ignore[arg-type]
    assert g.c_in == value
    assert type(g.c_in) is int


def test_a_size_of_a_sweep() -> None:
    """It stays what it is, for both axes where it is one number, since its values are all large enough."""
    c, step = (Book().axis(0, 1, most) for most in (64, 2))
    g = geometry(c, stride=step, batch=c)
    assert all(one is c for one in (g.c_in, g.c_out, g.batch))
    assert all(one is step for one in g.stride)


@pytest.mark.parametrize("pair", [(3, 5), [3, 5], np.array([3, 5])], ids=repr)
def test_one_size_for_each_axis(pair: Any) -> None:
    """A tuple, a list or an array of two sizes, or one size for both."""
    assert geometry(4, k=pair).kernel == (3, 5)
    assert geometry(4, k=pair[0]).kernel == (3, 3)
    wrong: Any
    for wrong in ((3,), (3, 5, 7), "35"):
        with pytest.raises(FlopcalcError, match="k is "):
            geometry(4, k=wrong)


@pytest.mark.parametrize("size_out", [out_size, transposed_size])
@pytest.mark.parametrize(
    "window",
    [
        {"k": (3, 5), "stride": (2, 3), "padding": (1, 0), "dilation": (1, 2)},
        {"k": (4, 3), "padding": SAME},
        {"k": (3, 4), "dilation": (3, 1), "padding": SAME},
    ],
)
def test_the_same_window_on_another_input(window: dict[str, Any], size_out: Callable[..., int]) -> None:
    """What `geometry` gives for it."""
    g = geometry(4, 6, hw=(20, 30), size_out=size_out, **window)
    expected = geometry(8, 12, hw=(15, 17), groups=4, batch=3, size_out=size_out, **window)
    assert resized(g, 8, 12, (15, 17), 4, 3, size_out) == expected


def test_the_same_window_on_symbolic_sizes() -> None:
    """From the least to the largest that is allowed: nothing is asked of the sizes but what an error would say."""
    scope = Scope({"C": 8, "D": 8, "G": 2, "H": 20, "W": 30})
    c_in, c_out, groups, h, w = map(scope.symbol, scope.hints)
    sizes: Any = c_in, c_out, (h, w), groups, 1
    g = resized(geometry(8, padding=1), *sizes)
    assert g is not None
    assert (g.h_out, g.w_out) == (h, w)
    for size in (1, LARGEST):
        assert allows(scope, dict.fromkeys(scope.hints, size)), scope.conditions
