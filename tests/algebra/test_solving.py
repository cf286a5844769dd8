"""Limits solved for a size or an option, against the search and against arithmetic by hand."""

from math import isqrt, sqrt
from typing import Any

import pytest

from flopcalc import solve

pytest.importorskip("sympy")


def test_sic_stops_being_cheaper() -> None:
    """b < n k^2 / (n + k^2), for several n and k."""
    for n, k in ((64, 3), (10, 3), (256, 5), (9, 3)):
        found = solve("sic", "b", "ratio(conv) < 1", c_in=n, k=k)
        formula = found.closed_form
        assert formula is not None
        assert formula["in_letters"] == "b < k^2*n/(k^2 + n)"
        assert formula["text"] == "b < c_in*k^2/(c_in + k^2)"
        assert formula["letters"] == {"n": "c_in"}
        assert formula["bound"] == pytest.approx(n * k * k / (n + k * k))
        # The largest b with b (n k^2 + n^2) < n^2 k^2.
        assert int(found.value) == (n * n * k * k - 1) // (n * k * k + n * n)
        assert found.exact


def test_quadratic_limits() -> None:
    """The channels and the size of a convolution: roots."""
    channels = solve("conv", "cin", "macs <= 1G", hw=14)
    assert channels.closed_form is not None
    assert channels.closed_form["bound"] == pytest.approx(sqrt(10**9 / 9) / 14)
    assert int(channels.value) == isqrt(10**9 // 9 // 196)
    size = solve("conv", "hw", "macs < 1G", c_in=64)
    assert size.closed_form is not None
    assert size.closed_form["text"].startswith("hw < ")
    assert size.closed_form["bound"] == pytest.approx(sqrt(10**9 / 9) / 64)


def test_lower_limits_and_params() -> None:
    """A smallest value; a linear limit in one of two channels."""
    found = solve("conv", "cout", "params >= 10K", c_in=32)
    assert found.closed_form is not None
    assert found.closed_form["text"].startswith("c_out >= ")
    assert found.closed_form["bound"] == pytest.approx(10_000 / 9 / 32)
    assert int(found.value) == -(-10_000 // (9 * 32))


def test_no_closed_form_where_a_rounding_is_in_the_way() -> None:
    """CompConv rounds its channels; the search answers all the same."""
    found = solve("compconv", "cout", "macs <= 100M", c_in=128)
    assert found.closed_form is None
    assert found.value is not None


def test_strided_and_even_kernels() -> None:
    """Sizes of the output that the formula does not know: no formula rather than a wrong one."""
    questions: list[tuple[str, dict[str, Any]]] = [
        ("hw", {"c_in": 64, "stride": 2}),
        ("k", {"c_in": 64, "hw": 57, "padding": 0}),
    ]
    for option, shape in questions:
        found = solve("conv", option, "macs <= 300M", **shape)
        assert found.value is not None
        assert found.closed_form is None or found.closed_form["bound"] >= int(found.value)
