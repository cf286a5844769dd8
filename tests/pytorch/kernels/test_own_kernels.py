"""Operators of users: without a rule they are unknown, with one they are counted."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from kernel_runs import run
from torch import Tensor

from flopcalc import FlopcalcError, register_kernel
from flopcalc.catalog.kernels import by_name, read_kernel_rules, unregister_kernel
from flopcalc.pytorch import count


@torch.library.custom_op("flopcalcown::scan", mutates_args=())
def scan(x: Tensor, w: Tensor, times: int = 2) -> Tensor:
    """A product that no counter can see into."""
    return times * (x @ w.T)


@scan.register_fake
def _(x: Tensor, w: Tensor, times: int = 2) -> Tensor:
    return x.new_empty(x.shape[0], w.shape[0])


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    unregister_kernel("flopcalcown::scan")


X, W = torch.rand(3, 4), torch.rand(5, 4)


def test_without_a_rule_it_is_unknown() -> None:
    """Unknown is not zero."""
    assert run(scan, X, W).unknown == {"flopcalcown::scan": 1}


def test_a_rule_in_python() -> None:
    """3 x 4 x 5 MACs; it reads 12 + 20 elements and writes 15."""
    register_kernel("flopcalcown::scan", lambda x, w, times=2: x.numel() * w.shape[0])
    found = run(scan, X, W)
    assert not found.unknown
    assert (found.work.macs, found.work.reads, found.work.writes, found.work.activations) == (60, 32, 15, 15)


def test_a_rule_for_one_count() -> None:
    """Given as a value, it is seen by this count only; an argument of the call by its name."""
    own = by_name(read_kernel_rules({"flopcalcown::scan": {"macs": "times * x_0 * x_1 * w_0", "adds": "out_numel"}}))
    found = run(lambda: scan(X, W, 7), own=own)
    assert (found.work.macs, found.work.adds) == (420, 15)
    assert run(scan, X, W).unknown


def test_a_rule_that_fails_names_the_kernel() -> None:
    """And says why, without a traceback."""
    register_kernel("flopcalcown::scan", lambda x: x.shape[9])
    with pytest.raises(FlopcalcError, match="flopcalcown::scan"):
        run(scan, X, W)


def test_a_whole_count_uses_it() -> None:
    """Through `count`, on the meta device."""

    class Scanned(torch.nn.Module):
        def forward(self, x: Tensor, w: Tensor) -> Any:
            return scan(x, w)

    assert count(Scanned(), (3, 4), (5, 4)).uncounted
    register_kernel("flopcalcown::scan", "x_numel * w_0")
    found = count(Scanned(), (3, 4), (5, 4))
    assert (found.macs, found.uncounted) == (60, {})
