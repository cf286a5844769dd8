"""The sizes of a layer that formulas read."""

from collections.abc import Callable
from typing import Any

import pytest

from flopcalc import FlopcalcError
from flopcalc.cost.geometry import (
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


def test_padding_that_keeps_the_size() -> None:
    """Dilation * (k - 1) / 2 along each axis, and one more zero at the end where that is not whole."""
    assert same_padding((3, 5), (2, 3)) == (2, 6)
    g = geometry(4, k=(3, 4), hw=(9, 11), dilation=(3, 1), padding=SAME)
    assert (g.padding, g.more_h, g.more_w, g.h_out, g.w_out) == ((3, 1), 0, 1, 9, 11)


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
    assert with_depth(geometry(4, k=7, stride=3), **given).depth == expected


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


@pytest.mark.parametrize("size_out", [out_size, transposed_size])
@pytest.mark.parametrize(
    "window",
    [
        {"k": (3, 5), "stride": (2, 3), "padding": (1, 0), "dilation": (1, 2)},
        {"k": (4, 2), "padding": SAME},
        {"k": (2, 4), "dilation": (3, 1), "padding": SAME},
    ],
)
def test_the_same_window_on_another_input(window: dict[str, Any], size_out: Callable[..., int]) -> None:
    """What `geometry` gives for it."""
    g = geometry(4, 6, hw=(20, 30), size_out=size_out, **window)
    expected = geometry(8, 12, hw=(15, 17), groups=4, batch=3, size_out=size_out, **window)
    assert resized(g, 8, 12, (15, 17), 4, 3, size_out) == expected
    # It does not fit, or is not a size.
    assert resized(g, 8, 12, (0, 17), 4, 3, size_out) is None
    assert resized(g, 8, 0, (15, 17), 4, 3, size_out) is None
