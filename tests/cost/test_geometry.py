"""The sizes of a layer that formulas read."""

from flopcalc.cost.geometry import Geometry


def test_sizes_that_are_not_given() -> None:
    """Padding, and what is more of it at one end, is 0 and all else 1, as of a plain convolution of one sample."""
    given = Geometry(2, 3, 5, 7, 8, 9, 10, 11)
    for name, value in given._asdict().items():
        if name not in ("c_in", "c_out", "k_h", "k_w", "h", "w", "h_out", "w_out"):
            assert value == (0 if name.startswith(("padding", "more", "own")) else 1), name
    assert (given.area, given.p_in, given.p_out) == (35, 72, 110)


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
